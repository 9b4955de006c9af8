//! Who listens where: the socket tables of `/proc/<pid>/net`, and the descriptors of `/proc/<pid>/fd`.
//!
//! No external program is run. The parser is pure; the two reads are next to it.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The state numbers of `include/net/tcp_states.h`: a listening TCP socket and an unconnected UDP one.
const TCP_LISTEN: &str = "0A";
const UDP_UNCONNECTED: &str = "07";

/// A socket that takes connections or datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The local address.
    pub(crate) address: IpAddr,
    /// The local port.
    pub(crate) port: u16,
    /// The number by which a descriptor names the socket.
    pub(crate) inode: u64,
}

impl Listener {
    /// Whether only this host can reach it.
    pub(crate) fn is_loopback(self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
            }
        }
    }
}

/// All listeners in the network namespace of a process. A table that cannot be read counts as empty: a host without IPv6
/// has no `tcp6`.
pub(crate) fn listeners(pid: u32) -> Vec<Listener> {
    let read = |table: &str| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    let tcp = ["tcp", "tcp6"].map(|table| parse(&read(table), TCP_LISTEN));
    let udp = ["udp", "udp6"].map(|table| parse(&read(table), UDP_UNCONNECTED));
    tcp.into_iter().chain(udp).flatten().collect()
}

/// The sockets that a process has open, by inode. Empty when it is gone or not ours to look at.
pub(crate) fn sockets(pid: u32) -> HashSet<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| inode(fs::read_link(entry.path()).ok()?.to_str()?)).collect()
}

fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Reads a table of `/proc/net`; lines of another form are passed over.
fn parse(table: &str, state: &str) -> Vec<Listener> {
    table.lines().skip(1).filter_map(|line| parse_line(line, state)).collect()
}

fn parse_line(line: &str, state: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != state {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(words::<4>(address)?)),
        32 => IpAddr::V6(Ipv6Addr::from(words::<16>(address)?)),
        _ => return None,
    };
    Some(Listener { address, port: u16::from_str_radix(port, 16).ok()?, inode: fields.nth(5)?.parse().ok()? })
}

/// The kernel prints an address as 32-bit words, each in the host's byte order.
fn words<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (i, chunk) in bytes.chunks_mut(4).enumerate() {
        let word = u32::from_str_radix(hex.get(i * 8..i * 8 + 8)?, 16).ok()?;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5151 1 0 100 0 0 10 0\n   \
        1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5152 1 0 100 0 0 10 0\n   \
        2: 0100007F:1F91 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 5153 1 0 20 4 30 10 -1\n";
    const TCP6: &str = "  sl  local_address                         remote_address st …\n   \
        0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0\n   \
        1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 78 1 0\n   \
        2: 0000000000000000FFFF00000100007F:0BBA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 79 1 0\n";

    #[test]
    fn listening_sockets_are_read_from_the_tables() {
        let found: Vec<_> =
            parse(TCP, TCP_LISTEN).iter().map(|l| (l.port, l.is_loopback(), l.inode)).collect();
        assert_eq!(found, [(8080, false, 5151), (8081, true, 5152)]);
        let found: Vec<_> =
            parse(TCP6, TCP_LISTEN).iter().map(|l| (l.port, l.is_loopback(), l.inode)).collect();
        assert_eq!(found, [(3000, false, 77), (3001, true, 78), (3002, true, 79)]);
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "",
            "0:",
            "0: 0100007F 0 0A",
            "0: 0100007F:zz 0:0 0A 0:0 0:0 0 0 0 1",
            "0: é:1F90 0:0 0A 0:0 0:0 0 0 0 1",
        ] {
            assert!(parse_line(line, TCP_LISTEN).is_none(), "{line}");
        }
    }

    #[test]
    fn a_real_listener_is_found_with_its_owner() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let me = std::process::id();
        let found = listeners(me).into_iter().find(|l| l.port == port).expect("the table shows it");
        assert!(found.is_loopback() && sockets(me).contains(&found.inode));
    }
}
