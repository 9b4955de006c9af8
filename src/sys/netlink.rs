//! `Netlink`: a conversation with the kernel (netlink(7)): a request, and its answers to the end.
//!
//! The kernel answers within the call that asks, so nothing is waited for. What the messages mean is decided above.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

/// The kernel puts no more than 32 KiB into one answer of a dump.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// `struct nlmsghdr` of linux/netlink.h: length, kind, flags, sequence, port; and the kinds that belong to all.
const HEADER_BYTES: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Flags of a request.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

/// Create what is not there, and fail if it is.
pub(crate) const CREATE: u16 = 0x400 | 0x200;
/// Create it, or replace what is there.
pub(crate) const REPLACE: u16 = 0x400 | 0x100;

/// Everything in netlink begins at a multiple of this.
const ALIGNMENT: usize = 4;

/// A socket of one netlink family.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens a conversation; `None` is the family of links, addresses and routes.
    pub(crate) fn open(family: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, family)?;
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for all of a kind; each answer's kind and body go to `on_answer`.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        body: &[u8],
        mut on_answer: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.send(kind, DUMP, body)?;
        self.receive(&mut on_answer)
    }

    /// Asks one thing.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        body: &[u8],
        mut on_answer: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.send(kind, ACK, body)?;
        self.receive(&mut on_answer)
    }

    /// Asks for a change, and gives whether it was made. `flags`: `CREATE`, `REPLACE` or none.
    pub(crate) fn change(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, ACK | flags, body)?;
        self.receive(&mut |_, _| {})
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        let length = u32::try_from(HEADER_BYTES + body.len()).map_err(|_| Errno::MSGSIZE)?;
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0_u32.to_ne_bytes());
        message.extend_from_slice(body);
        send(&self.socket, &message, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self, on_answer: &mut impl FnMut(u16, &[u8])) -> io::Result<()> {
        let mut space = vec![0; ANSWER_BYTES_MAX];
        loop {
            let (_, length) = match recv(&self.socket, &mut space[..], RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                received => received?,
            };
            for (kind, sequence, body) in messages(&space[..length.min(ANSWER_BYTES_MAX)]) {
                // An answer to an earlier request that was given up on.
                if sequence != self.sequence {
                    continue;
                }
                match kind {
                    DONE => return Ok(()),
                    ERROR => {
                        return match number(body, 0) {
                            0 => Ok(()),
                            errno => Err(io::Error::from_raw_os_error(errno.cast_signed().wrapping_neg())),
                        };
                    }
                    kind => on_answer(kind, body),
                }
            }
        }
    }
}

/// The attributes behind a message's own structure: kind and value. The two bits that say how a value is made are taken off.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends an attribute.
pub(crate) fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("attributes are short");
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(ALIGNMENT), 0);
}

/// The number at an offset, in the host's byte order; 0 where there is none.
pub(crate) fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_ne_bytes)
}

/// The messages of one answer: kind, sequence and body.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes.get(..4)?, 0)).ok()?;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let sequence = number(bytes, 8);
        let body = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some((kind, sequence, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_read_back() {
        let mut body = Vec::new();
        push_attribute(&mut body, 3, b"lo\0");
        push_attribute(&mut body, 0x8001, &[7, 0, 0, 0]);
        assert_eq!(body.len(), 16);
        let found: Vec<_> = attributes(&body).collect();
        assert_eq!(found, [(3, &b"lo\0"[..]), (1, &[7, 0, 0, 0][..])]);
    }

    #[test]
    fn what_is_cut_or_makes_no_sense_ends_the_list() {
        for bad in [&[][..], &[8, 0], &[8, 0, 1, 0, 1], &[0, 0, 0, 0], &[3, 0, 0, 0, 0]] {
            assert_eq!(attributes(bad).count(), 0, "{bad:?}");
            assert_eq!(messages(bad).count(), 0, "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut netlink = Netlink::open(None).unwrap();
        // No link has this number.
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&i32::MAX.to_ne_bytes());
        assert!(netlink.change(19, 0, &body).is_err());
        let mut links = 0;
        netlink.dump(18, &[0; 16], |_, _| links += 1).unwrap();
        assert!(links > 0);
    }
}
