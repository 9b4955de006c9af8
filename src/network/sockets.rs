//! `Socket`: a row of the kernel's socket tables, and the tables of the network namespace that a process sees.
//!
//! The daemon's own namespace is asked through netlink (`sock_diag`): `/proc/net/tcp` walks a hash table of up to half a million
//! places for each read, tens of milliseconds on a large host. Other namespaces cannot be asked without entering them, and have
//! `/proc/<pid>/net` (`proc_net`).

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::{proc_net, sock_diag};

/// A transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Where a socket stands: the number of `include/net/tcp_states.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketState(pub(crate) u8);

impl SocketState {
    /// Nobody owns it any more.
    pub(crate) const TIME_WAIT: Self = Self(6);
    /// A UDP socket that takes datagrams from anybody.
    pub(crate) const UNCONNECTED: Self = Self(7);
    /// A TCP socket that takes connections.
    pub(crate) const LISTEN: Self = Self(10);

    /// The name that people know from `ss`.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            1 => "ESTAB",
            2 => "SYN-SENT",
            3 | 12 => "SYN-RECV",
            4 => "FIN-WAIT-1",
            5 => "FIN-WAIT-2",
            6 => "TIME-WAIT",
            7 => "UNCONN",
            8 => "CLOSE-WAIT",
            9 => "LAST-ACK",
            10 => "LISTEN",
            11 => "CLOSING",
            _ => "UNKNOWN",
        }
    }
}

/// A socket with a local port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) protocol: Protocol,
    pub(crate) state: SocketState,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// It is of IPv6 and takes no IPv4; not known of a socket in another namespace.
    pub(crate) is_v6_only: bool,
    /// The number by which a descriptor names the socket.
    pub(crate) inode: u64,
}

impl Socket {
    /// Whether others can begin to talk to it: it takes connections, or datagrams from anybody.
    pub(crate) fn is_open(&self) -> bool {
        self.state == open_state(self.protocol)
    }

    /// Whether only this host can reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.local.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            }
        }
    }
}

/// Which sockets are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All that somebody can own.
    Owned,
    /// Those that others can begin to talk to.
    Open,
}

impl Which {
    /// A set of states, as the kernel takes it.
    pub(super) fn states(self, protocol: Protocol) -> u32 {
        match self {
            // Bit 0 is no state, and there are none beyond 12.
            Self::Owned => 0x1ffe & !(1 << SocketState::TIME_WAIT.0),
            Self::Open => 1 << open_state(protocol).0,
        }
    }
}

/// The state in which others can begin to talk.
fn open_state(protocol: Protocol) -> SocketState {
    match protocol {
        Protocol::Tcp => SocketState::LISTEN,
        Protocol::Udp => SocketState::UNCONNECTED,
    }
}

/// The sockets in the network namespace of a process, in no order. Empty when the process is gone.
///
/// # Errors
///
/// The daemon has no descriptor left to look with. Where the kernel lets nobody look there are none.
pub(crate) fn visible_from(pid: u32, which: Which) -> io::Result<Vec<Socket>> {
    if is_own_namespace(pid) {
        match sock_diag::sockets(which) {
            // A kernel without it, or a jail around it: the other way remains.
            Err(error) if !is_out_of_descriptors(&error) => {}
            sockets => return sockets,
        }
    }
    proc_net::sockets(pid, which)
}

/// What names the network namespace of a process; `None` when it is gone or not ours to look at.
pub(super) fn namespace(pid: u32) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Somebody else's whom we may not look at is taken to be where we are, as almost all are.
fn is_own_namespace(pid: u32) -> bool {
    namespace(pid).is_none_or(|theirs| fs::read_link("/proc/self/ns/net").is_ok_and(|own| own == theirs))
}

pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port_of(socket: &Socket) -> u16 {
        socket.local.port()
    }

    #[test]
    fn both_ways_show_the_same_of_real_sockets() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let both = std::net::TcpListener::bind("[::]:0");
        let udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let client = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let mut ports = vec![
            tcp.local_addr().unwrap().port(),
            udp.local_addr().unwrap().port(),
            client.local_addr().unwrap().port(),
        ];
        ports.extend(both.iter().map(|both| both.local_addr().unwrap().port()));
        let pick = |sockets: io::Result<Vec<Socket>>| {
            let mut picked = sockets.unwrap();
            picked.retain(|socket| ports.contains(&port_of(socket)));
            picked.sort_by_key(|socket| (socket.local, socket.remote));
            picked
        };
        for which in [Which::Owned, Which::Open] {
            let of_proc = pick(proc_net::sockets(std::process::id(), which));
            // With the accepted end, which nobody has accepted yet.
            assert!(of_proc.len() >= 2);
            match sock_diag::sockets(which) {
                Ok(sockets) => assert_eq!(pick(Ok(sockets)), of_proc),
                Err(error) => assert!(!is_out_of_descriptors(&error), "{error}"),
            }
        }
        let open = pick(visible_from(std::process::id(), Which::Open));
        assert!(open.iter().all(Socket::is_open));
        assert!(open.iter().any(|socket| socket.is_loopback() && socket.protocol == Protocol::Tcp));
        assert!(!open.iter().any(|socket| port_of(socket) == client.local_addr().unwrap().port()));
    }
}
