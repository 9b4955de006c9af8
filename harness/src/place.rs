//! `Place`: where a daemon of the harness's own runs, when a plain machine is not what the case is about.
//!
//! Namespaces of its own: nobody else sees or feels what happens there, and all of it is gone with the daemon. User namespaces need no
//! rights where the machine allows them at all; a network of its own is for root alone, because the harness has to go there, too.

use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    path::Path,
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use schemars::JsonSchema;
use serde::Deserialize;

/// The namespaces in which root may do what root may on a machine with file systems.
const MOUNTS: &[&str] = &["--user", "--map-root-user", "--mount"];

/// Where a daemon runs, in namespaces of its own, when a plain machine is not what the case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// `{{dir}}/narrow` is a file system of 256 KiB, and the kernel watches one folder.
    Narrow,
    /// Whatever is mounted is mounted there alone, through FUSE, too.
    Mounts,
    /// `/proc` is empty.
    WithoutProc,
    /// A network of its own, with a loopback device and room for others; for root.
    Network,
}

impl Place {
    /// A command that runs a program there; its arguments are to be added. Its process becomes the program's. The present folder has to
    /// be the daemon's own.
    pub(crate) fn command(self, program: &Path) -> Command {
        let [first, rest @ ..] = &self.words()[..] else { unreachable!("there is a program that makes it") };
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }

    /// The words before a program and its arguments that make it run there.
    pub(crate) fn words(self) -> Vec<&'static str> {
        [&["unshare"], self.namespaces(), &["sh", "-c", self.script()]].concat()
    }

    /// What fixtures call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Mounts => "mounts",
            Self::WithoutProc => "without-proc",
            Self::Network => "network",
        }
    }

    /// Whether this machine allows it. Tried once.
    pub fn is_possible(self) -> bool {
        static POSSIBLE: [OnceLock<bool>; 4] =
            [OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new()];
        *POSSIBLE[self as usize].get_or_init(|| self.try_out())
    }

    fn namespaces(self) -> &'static [&'static str] {
        if self == Self::Network { &["--net"] } else { MOUNTS }
    }

    /// What makes the place, and becomes the program behind it.
    fn script(self) -> &'static str {
        match self {
            Self::Narrow => {
                "mkdir narrow && mount -t tmpfs -o size=256k none narrow && echo 1 >/proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\""
            }
            Self::Mounts => ": <>/dev/fuse && exec \"$0\" \"$@\"",
            Self::WithoutProc => "mount -t tmpfs none /proc && exec \"$0\" \"$@\"",
            Self::Network => ": <>/dev/net/tun && ip link set lo up && exec \"$0\" \"$@\"",
        }
    }

    fn try_out(self) -> bool {
        let folder = std::env::temp_dir().join(format!("boxd-place-{}", crate::variables::unique_name()));
        if std::fs::create_dir(&folder).is_err() {
            return false;
        }
        let tried = self.command(Path::new("true")).current_dir(&folder).output();
        let _removed: bool = std::fs::remove_dir_all(&folder).is_ok();
        tried.is_ok_and(|output| output.status.success())
    }
}

/// Connects to an address in the network of a process.
pub(crate) fn connect(pid: i32, address: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    // A thread goes to another network, and a socket stays in the one in which it was made.
    let there = thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        TcpStream::connect_timeout(&address, within)
    });
    there.join().map_err(|_| io::Error::other("connecting panicked"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_looked_for_where_a_process_is() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        match connect(own, address, Duration::from_secs(5)) {
            Ok(stream) => assert_eq!(stream.peer_addr().unwrap(), address),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
        assert!(connect(-1, address, Duration::from_secs(5)).is_err());
    }
}
