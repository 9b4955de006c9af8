//! The helper program: what a fixture's command needs and a plain machine may lack.
//!
//! A shell can't open a listening socket, and `setsid` isn't in every coreutils. The harness's own binaries can; a fixture
//! calls them as `{{helper}} listen 0.0.0.0:{{free_port}}` or `{{helper}} session sleep 100`.

use std::{
    env,
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType, bind, listen as take_connections, socket};

use crate::{
    bench::{pass_through, relay},
    callbacks, drive, faults,
    restart::quoted,
    upstream,
};

/// The first argument that makes a binary of the harness the helper.
pub const WORD: &str = "boxd-harness-helper";

/// Runs the helper when the arguments ask for it.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (word, rest) = arguments.split_first()?;
    if word != WORD {
        return None;
    }
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let done = match rest[..] {
        ["listen", address] => listen(address),
        ["listen-udp", address] => listen_udp(address),
        ["deaf", address] => Deaf::listen(address).and_then(|_deaf| {
            say("full")?;
            sleep_for_ever()
        }),
        ["drive", ref arguments @ ..] => drive::run(arguments),
        ["callbacks", address, ref manner @ ..] => callbacks::serve(address, manner),
        ["upstream", address] => TcpListener::bind(address).and_then(|listener| {
            say("listening")?;
            upstream::serve(&listener)
        }),
        [relay::WORD, address, command] => relay::run(address, command),
        [pass_through::WORD, address, target] => pass_through::run(address, target),
        [faults::CHATTER, ref words @ ..] => faults::chatter(words),
        [faults::CLIENT, ref words @ ..] => faults::client(words),
        ["session", program, ref arguments @ ..] => session(program, arguments),
        _ => Err(io::Error::other(
            "usage: listen ADDR | listen-udp ADDR | deaf ADDR | drive ARGUMENTS… | callbacks ADDR take|fail N|hang|loop|garbage | upstream ADDR | session PROGRAM… | relay ADDR COMMAND | pass-through ADDR TARGET | chatter … | client …",
        )),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves only the exit code to tell of the error.
            let _written: bool = writeln!(io::stderr(), "helper: {error}").is_ok();
            ExitCode::FAILURE
        }
    })
}

/// The helper's command line, quoted for a shell.
///
/// # Errors
/// The running binary's path isn't known.
pub fn command_line() -> io::Result<String> {
    Ok(format!("{} {WORD}", quoted(&env::current_exe()?.display().to_string())))
}

/// Listens until it is killed.
fn listen(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    say("listening")?;
    for connection in listener.incoming() {
        drop(connection?);
    }
    Ok(())
}

fn listen_udp(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    say("listening")?;
    loop {
        socket.recv(&mut [0])?;
    }
}

/// A socket that listens and never takes a connection, and those that wait there already: there is room for no more.
struct Deaf {
    _socket: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// A connection that isn't there by then has found no room: on one host that takes no time otherwise.
    const FULL_AFTER: Duration = Duration::from_millis(500);

    fn listen(address: &str) -> io::Result<Self> {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &address)?;
        take_connections(&socket, 0)?;
        let mut waiting = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, Self::FULL_AFTER) {
                Ok(stream) => waiting.push(stream),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Self { _socket: socket, _waiting: waiting });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn sleep_for_ever() -> io::Result<()> {
    loop {
        rustix::event::pause();
    }
}

/// Becomes a program in a session of its own, out of reach of a signal to the process group.
fn session(program: &str, arguments: &[&str]) -> io::Result<()> {
    rustix::process::setsid()?;
    Err(Command::new(program).args(arguments).exec())
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_deaf_takes_no_connection() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let deaf = Deaf::listen(&address.to_string()).unwrap();
        let refused = TcpStream::connect_timeout(&address, Duration::from_millis(200)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        drop(deaf);
    }
}
