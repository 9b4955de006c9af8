//! `Ceiling`: what the client can take: an answer recorded before, sent from memory by plain threads.
//!
//! A figure near its ceiling says something about the client, not about the server.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use crate::target::Target;

/// A server that answers every request with the same bytes. Its threads end with the connections.
#[derive(Debug)]
pub(crate) struct Ceiling {
    target: Target,
}

impl Ceiling {
    /// Listens and accepts so many connections.
    pub(crate) fn start(answer: &[u8], connections: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let answer: Arc<[u8]> = answer.into();
        thread::spawn(move || {
            for socket in listener.incoming().take(connections).flatten() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(socket, &answer));
            }
        });
        Ok(Self { target: Target::parse(&url).map_err(io::Error::other)? })
    }

    /// Where it listens.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

/// Requests are small enough to come in one piece.
fn serve(mut socket: TcpStream, answer: &[u8]) {
    let mut request = [0; 4096];
    while socket.read(&mut request).is_ok_and(|read| read > 0) && socket.write_all(answer).is_ok() {}
}
