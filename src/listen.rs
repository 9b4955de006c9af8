//! The listening sockets: made once, and handed to each worker.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::config::Listen;

/// Connections that the kernel holds until they are accepted; it caps this at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Listens everywhere it was asked for. The error says where that cannot be done.
pub(crate) fn bind_all(listen: &[Listen]) -> Result<Vec<TcpListener>, String> {
    listen.iter().map(|listen| bind_one(*listen)).collect()
}

fn bind_one(listen: Listen) -> Result<TcpListener, String> {
    let result = match listen {
        Listen::Address(address) => bind(address),
        // One socket takes both; a host without IPv6 has only the other.
        Listen::AllInterfaces(port) => {
            bind(SocketAddr::from(([0u16; 8], port))).or_else(|_| bind(SocketAddr::from(([0u8; 4], port))))
        }
    };
    result.map_err(|error| match listen {
        Listen::Address(address) => format!("cannot listen on {address}: {error}"),
        Listen::AllInterfaces(port) => format!("cannot listen on port {port}: {error}"),
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted sockets inherit it: an answer is never held back for the next one.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
