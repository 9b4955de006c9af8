//! `Port`: a local port that a process or a descendant of it has open, and how it is found.
//!
//! A port is shown once, whoever has it how often: by the socket that others can begin to talk to, if there is one, else by the first
//! in an order that is always the same. Of those that share a socket the one nearest to the root of the tree is named.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::net::SocketAddr;

use super::owners::inodes;
use super::sockets::{Protocol, Socket, SocketState, Which, namespace, visible_from};
use crate::sys::census::Census;
use crate::sys::spread::spread;

/// A local port that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// Who has it.
    pub(crate) pid: u32,
    /// By which transport.
    pub(crate) protocol: Protocol,
    /// The local address; `*` is all of IPv6 and IPv4.
    pub(crate) local_address: String,
    /// The number.
    pub(crate) number: u16,
    /// Whom it is connected to; empty and 0 when nobody.
    pub(crate) remote_address: String,
    /// See there.
    pub(crate) remote_number: u16,
    /// Where the socket stands.
    pub(crate) state: SocketState,
    /// The name of who has it.
    pub(crate) process_name: String,
}

/// The ports of a process of the host and of its descendants, by number. Nothing for what is no process. Blocks while it walks
/// through `/proc`.
///
/// # Errors
///
/// See `visible_from`.
pub(crate) fn of(pid: i64) -> io::Result<Vec<Port>> {
    let pid = u32::try_from(pid).ok().filter(|pid| *pid > 0);
    held_by(&pid.map(|pid| Census::take().family(pid)).unwrap_or_default(), Which::Owned)
}

/// The ports of these processes, by number; of those that share a socket the one that comes first has it.
pub(crate) fn held_by(pids: &[u32], which: Which) -> io::Result<Vec<Port>> {
    let sockets: HashMap<u64, Socket> =
        visible_from_any(pids, which)?.into_iter().map(|socket| (socket.inode, socket)).collect();
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let mut ports: BTreeMap<u16, (Rank, u32, Socket)> = BTreeMap::new();
    for (order, (pid, inodes)) in pids.iter().zip(spread(pids, |pid| inodes(*pid))).enumerate() {
        for socket in inodes.into_iter().filter_map(|inode| sockets.get(&inode)) {
            let found = (Rank::of(socket, order), *pid, *socket);
            let best = ports.entry(socket.local.port()).or_insert(found);
            if found.0 < best.0 {
                *best = found;
            }
        }
    }
    // A socket that is bound to nothing yet has no port.
    ports.remove(&0);
    Ok(ports.into_values().map(|(_, pid, socket)| Port::new(pid, &socket)).collect())
}

/// What is seen from all of these together.
fn visible_from_any(pids: &[u32], which: Which) -> io::Result<Vec<Socket>> {
    let (mut sockets, mut seen) = (Vec::new(), HashSet::new());
    for (pid, namespace) in pids.iter().zip(spread(pids, |pid| namespace(*pid))) {
        if seen.insert(namespace) {
            sockets.append(&mut visible_from(*pid, which)?);
        }
    }
    Ok(sockets)
}

impl Port {
    fn new(pid: u32, socket: &Socket) -> Self {
        let (local, remote) = (socket.local, socket.remote);
        let is_both = local.is_ipv6() && local.ip().is_unspecified() && !socket.is_v6_only;
        let is_connected = remote.port() != 0;
        Self {
            pid,
            protocol: socket.protocol,
            local_address: if is_both { "*".to_owned() } else { local.ip().to_string() },
            number: local.port(),
            remote_address: if is_connected { remote.ip().to_string() } else { String::new() },
            remote_number: remote.port(),
            state: socket.state,
            process_name: name(pid),
        }
    }
}

/// Which socket a port is shown by: the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_closed: bool,
    protocol: Protocol,
    order: usize,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Rank {
    fn of(socket: &Socket, order: usize) -> Self {
        let Socket { protocol, local, remote, .. } = *socket;
        Self { is_closed: !socket.is_open(), protocol, order, local, remote }
    }
}

/// The name of a process; empty when it is gone.
fn name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_number(number: u16) -> Option<Port> {
        of(std::process::id().into()).unwrap().into_iter().find(|port| port.number == number)
    }

    #[test]
    fn a_listener_is_shown_once_whoever_is_connected() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = socket.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", number)).unwrap();
        let accepted = socket.accept().unwrap();
        let port = of_number(number).unwrap();
        assert_eq!((port.protocol, port.state.name()), (Protocol::Tcp, "LISTEN"));
        assert_eq!((port.local_address.as_str(), port.remote_address.as_str()), ("127.0.0.1", ""));
        assert_eq!((port.pid, port.remote_number), (std::process::id(), 0));
        let client_number = client.local_addr().unwrap().port();
        let port = of_number(client_number).unwrap();
        assert_eq!((port.state.name(), port.remote_address.as_str()), ("ESTAB", "127.0.0.1"));
        assert_eq!(port.remote_number, number);
        drop(accepted);
    }

    #[test]
    fn addresses_are_shown_as_people_know_them() {
        let udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = of_number(udp.local_addr().unwrap().port()).unwrap();
        assert_eq!((port.local_address.as_str(), port.state.name()), ("0.0.0.0", "UNCONN"));
        // A host may be without IPv6.
        if let Ok(both) = std::net::TcpListener::bind("[::]:0") {
            assert_eq!(of_number(both.local_addr().unwrap().port()).unwrap().local_address, "*");
        }
        if let Ok(one) = std::net::TcpListener::bind("[::1]:0") {
            assert_eq!(of_number(one.local_addr().unwrap().port()).unwrap().local_address, "::1");
        }
    }

    #[test]
    fn what_is_no_process_has_no_ports() {
        for pid in [0, -1, i64::MIN, i64::MAX, i64::from(u32::MAX)] {
            assert_eq!(of(pid).unwrap(), [], "{pid}");
        }
    }
}
