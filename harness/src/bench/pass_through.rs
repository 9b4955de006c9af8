//! The least that a proxy costs: it passes bytes between two connections, and knows no HTTP.
//!
//! It is this program once more, as its own helper (`helper.rs`): one thread that waits for whichever connection can be read. Both ends
//! of the bench read all that comes, so it may block while it writes.

use std::{
    env,
    io::{self, Read, Write},
    mem::MaybeUninit,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::helper;

/// The helper's name for it.
pub(crate) const WORD: &str = "pass-through";

const EVENTS: usize = 64;
const STEP_BYTES: usize = 64 * 1024;
/// What stands for the listener among the places of connections.
const LISTENER: u64 = u64::MAX;

/// The relay itself: each connection to `address` becomes one to `target`, until the process is killed.
pub(crate) fn run(address: &str, target: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    // Neighbours belong together: 0 and 1, 2 and 3.
    let mut ends: Vec<TcpStream> = Vec::new();
    let mut space = vec![0; STEP_BYTES];
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let mut events = [MaybeUninit::uninit(); EVENTS];
        let (events, _) = epoll::wait(&epoll, &mut events, None)?;
        for event in events {
            let place = { event.data }.u64();
            if place == LISTENER {
                for end in [listener.accept()?.0, TcpStream::connect(target)?] {
                    end.set_nodelay(true)?;
                    epoll::add(&epoll, &end, EventData::new_u64(ends.len() as u64), EventFlags::IN)?;
                    ends.push(end);
                }
                continue;
            }
            let from = usize::try_from(place).map_err(io::Error::other)?;
            let (mut source, mut sink) = (&ends[from], &ends[from ^ 1]);
            let read = source.read(&mut space).unwrap_or(0);
            if read == 0 || sink.write_all(&space[..read]).is_err() {
                epoll::delete(&epoll, source)?;
                // The other side may be gone already.
                let _told: bool = sink.shutdown(Shutdown::Write).is_ok();
            }
        }
    }
}

/// One that runs; it is killed with this.
#[derive(Debug)]
pub(super) struct PassThrough(Child, SocketAddr);

impl PassThrough {
    /// Starts one in front of a server.
    #[expect(clippy::disallowed_methods, reason = "the bench starts a process to compare with")]
    pub(super) fn start(target: SocketAddr) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([helper::WORD, WORD, "127.0.0.1:0", &target.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self(child, address))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.1
    }
}

impl Drop for PassThrough {
    fn drop(&mut self) {
        // It may have failed and be gone.
        let _ended: bool = self.0.kill().and_then(|()| self.0.wait()).is_ok();
    }
}
