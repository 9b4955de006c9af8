//! The least that a process between a command and its follower costs: it copies the pipe to a connection, no more.
//!
//! It is this program once more, as its own helper (`helper.rs`), because a thread would not be a process.

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use super::shell;
use crate::helper;

/// The helper's name for it.
pub(crate) const WORD: &str = "relay";

/// The relay itself: runs a command and sends what it prints.
pub(crate) fn run(address: &str, command: &str) -> io::Result<()> {
    let mut follower = TcpStream::connect(address)?;
    follower.set_nodelay(true)?;
    let mut child = shell::start(command)?;
    let mut pipe = child.stdout.take().expect("stdout is piped");
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer)? {
            0 => break,
            read => follower.write_all(&buffer[..read])?,
        }
    }
    child.wait().map(drop)
}

/// Starts a relay of a command; what it prints comes over the connection.
#[expect(clippy::disallowed_methods, reason = "the bench starts a process to compare with")]
pub(super) fn start(command: &str) -> io::Result<(Child, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let child = Command::new(env::current_exe()?)
        .args([helper::WORD, WORD, &listener.local_addr()?.to_string(), command])
        .stdin(Stdio::null())
        .spawn()?;
    Ok((child, listener.accept()?.0))
}
