//! The sockets of any network namespace, from the tables in `/proc/<pid>/net` of a process in it. The parser is pure.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::sockets::{Protocol, Socket, SocketState, Which, is_out_of_descriptors};

/// Reads the tables. One that cannot be read counts as empty: a host without IPv6 has no `tcp6`, and a process may be gone.
pub(super) fn sockets(pid: u32, which: Which) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (table, protocol) in
        [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)]
    {
        match fs::read_to_string(format!("/proc/{pid}/net/{table}")) {
            Ok(text) => sockets.extend(parse(&text, protocol, which)),
            Err(error) if is_out_of_descriptors(&error) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(sockets)
}

/// Reads a table; lines of another form are passed over.
fn parse(table: &str, protocol: Protocol, which: Which) -> impl Iterator<Item = Socket> {
    let is_wanted = move |socket: &Socket| which.states(protocol) & (1 << socket.state.0) != 0;
    table.lines().skip(1).filter_map(move |line| parse_line(line, protocol)).filter(is_wanted)
}

fn parse_line(line: &str, protocol: Protocol) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    let state = u8::from_str_radix(fields.next()?, 16).ok().filter(|state| *state < 32)?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { protocol, state: SocketState(state), local, remote, is_v6_only: false, inode })
}

fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(words::<4>(address)?)),
        32 => IpAddr::V6(Ipv6Addr::from(words::<16>(address)?)),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
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
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5151 1 0 100 0 0 10 0\n   \
        1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5152 1 0 100 0 0 10 0\n   \
        2: 0100007F:1F91 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 5153 1 0 20 4 30 10 -1\n   \
        3: 0100007F:1F92 0100007F:D431 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\n";
    const TCP6: &str = "  sl  local_address                         remote_address st …\n   \
        0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0\n   \
        1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 78 1 0\n   \
        2: 0000000000000000FFFF00000100007F:0BBA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 79 1 0\n";

    #[test]
    fn sockets_are_read_from_the_tables() {
        #[track_caller]
        fn check(table: &str, which: Which, expect: &[(u16, bool, u64)]) {
            let found = parse(table, Protocol::Tcp, which);
            let found: Vec<_> = found.map(|s| (s.local.port(), s.is_loopback(), s.inode)).collect();
            assert_eq!(found, expect);
        }
        check(TCP, Which::Open, &[(8080, false, 5151), (8081, true, 5152)]);
        check(TCP, Which::Owned, &[(8080, false, 5151), (8081, true, 5152), (8081, true, 5153)]);
        check(TCP6, Which::Open, &[(3000, false, 77), (3001, true, 78), (3002, true, 79)]);
        let connected = parse(TCP, Protocol::Tcp, Which::Owned).last().unwrap();
        assert_eq!(connected.remote, "127.0.0.1:54321".parse().unwrap());
        assert_eq!(connected.state.name(), "ESTAB");
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "",
            "0:",
            "0: 0100007F 0 0A",
            "0: 0100007F:zz 0:0 0A 0:0 0:0 0 0 0 1",
            "0: 0100007F:1F91 00000000:0000 FF 0:0 0:0 0 0 0 1",
            "0: é:1F90 0:0 0A 0:0 0:0 0 0 0 1",
        ] {
            assert!(parse_line(line, Protocol::Tcp).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_socket_or_none(line in "( *[0-9]+: )?([0-9A-F]{8}|[0-9A-F]{32}|[0-9A-Fé:+-]{0,9})(:[0-9A-F]{0,5})?( [0-9A-Fé:]{0,12}){0,10}") {
            let _socket: Option<Socket> = parse_line(&line, Protocol::Tcp);
        }
    }
}
