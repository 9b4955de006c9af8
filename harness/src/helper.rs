//! The helper program: what a fixture's command needs and a plain machine may lack.
//!
//! A shell can't open a listening socket, and `setsid` isn't in every coreutils. The harness's own binaries can; a fixture
//! calls them as `{{helper}} listen 0.0.0.0:{{free_port}}` or `{{helper}} session sleep 100`.

use std::{
    env,
    io::{self, Write},
    net::{TcpListener, UdpSocket},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use crate::{
    bench::{pass_through, relay},
    callbacks, faults, upstream,
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
            "usage: listen ADDR | listen-udp ADDR | callbacks ADDR take|fail N|hang|loop|garbage | upstream ADDR | session PROGRAM… | relay ADDR COMMAND | pass-through ADDR TARGET | chatter … | client …",
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
    Ok(format!("'{}' {WORD}", env::current_exe()?.display().to_string().replace('\'', r"'\''")))
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
