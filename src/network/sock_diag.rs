//! The sockets of the daemon's own network namespace, asked of the kernel by netlink (`sock_diag(7)`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink;

use super::sockets::{Protocol, Socket, SocketState, Which};
use crate::sys::netlink::{Netlink, attributes, number};

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;

/// Families and protocols by their numbers in the kernel's headers.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Bytes of `struct inet_diag_msg` of `linux/inet_diag.h`, and of the request, `struct inet_diag_req_v2`.
const ANSWER_BYTES: usize = 72;
const REQUEST_BYTES: usize = 56;

/// `INET_DIAG_SKV6ONLY`.
const V6_ONLY: u16 = 11;

/// All sockets of the namespace that this thread is in.
pub(super) fn sockets(which: Which) -> io::Result<Vec<Socket>> {
    let mut netlink = Netlink::open(Some(netlink::SOCK_DIAG))?;
    let mut sockets = Vec::new();
    for (protocol, number) in [(Protocol::Tcp, TCP), (Protocol::Udp, UDP)] {
        for family in [INET, INET6] {
            let mut request = vec![family, number, 0, 0];
            request.extend_from_slice(&which.states(protocol).to_ne_bytes());
            request.resize(REQUEST_BYTES, 0);
            let dumped =
                netlink.dump(BY_FAMILY, &request, |_, answer| sockets.extend(parse(protocol, answer)));
            match dumped {
                // A host without IPv6.
                Err(error) if family == INET6 && error.kind() == io::ErrorKind::NotFound => {}
                dumped => dumped?,
            }
        }
    }
    Ok(sockets)
}

fn parse(protocol: Protocol, answer: &[u8]) -> Option<Socket> {
    let (head, rest) = answer.split_at_checked(ANSWER_BYTES)?;
    let address = |at: usize| -> Option<IpAddr> {
        match head[0] {
            INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&head[at..at + 4]).ok()?).into()),
            INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&head[at..at + 16]).ok()?).into()),
            _ => None,
        }
    };
    let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    Some(Socket {
        protocol,
        state: SocketState(head[1]),
        local: SocketAddr::new(address(8)?, port(4)),
        remote: SocketAddr::new(address(24)?, port(6)),
        is_v6_only: attributes(rest).any(|(kind, value)| kind == V6_ONLY && value == [1]),
        inode: u64::from(number(head, 68)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read_by_its_offsets() {
        let mut answer = vec![0; ANSWER_BYTES];
        answer[0] = INET6;
        answer[1] = 10;
        answer[4..6].copy_from_slice(&7004_u16.to_be_bytes());
        answer[68..72].copy_from_slice(&77_u32.to_ne_bytes());
        answer.extend_from_slice(&[5, 0, 11, 0, 1, 0, 0, 0]);
        let socket = parse(Protocol::Tcp, &answer).unwrap();
        assert_eq!((socket.local, socket.inode), ("[::]:7004".parse().unwrap(), 77));
        assert!(socket.is_v6_only && socket.is_open());
        assert_eq!(parse(Protocol::Tcp, &answer[..70]), None);
        answer[0] = 1;
        assert_eq!(parse(Protocol::Tcp, &answer), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_a_socket_or_none(
            family in prop_oneof![Just(INET), Just(INET6), any::<u8>()], bytes in prop::collection::vec(any::<u8>(), 0..ANSWER_BYTES + 40),
        ) {
            let answer: Vec<u8> = std::iter::once(family).chain(bytes).collect();
            let is_long_enough = answer.len() >= ANSWER_BYTES && matches!(family, INET | INET6);
            prop_assert_eq!(parse(Protocol::Udp, &answer).is_some(), is_long_enough);
        }
    }
}
