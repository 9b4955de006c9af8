//! A pair of packet sockets (`SOCK_SEQPACKET`): whole messages, in order, that may carry descriptors.
//!
//! What was sent is in the kernel's hands: it can be received after its sender was killed, descriptors included.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

/// The largest message. The kernel would take 208 KiB, but then a queue holds next to none.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4096;

/// The most descriptors in one message. The kernel's limit is 253 (`SCM_MAX_FD`).
pub(crate) const DESCRIPTORS_MAX: usize = 16;

/// Room for what is under way. The kernel caps it at `net.core.wmem_max`.
const QUEUE_BYTES: usize = 1024 * 1024;

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct Packets {
    socket: OwnedFd,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Packets {
    /// Two ends. The first stays here; the second is inherited by the next program that is started.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None)?;
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
        for socket in [&ours, &theirs] {
            sockopt::set_socket_send_buffer_size(socket, QUEUE_BYTES)?;
        }
        Ok((Self { socket: ours }, Self { socket: theirs }))
    }

    /// Takes over the end that this program was left by its parent. Call it once for a number.
    #[expect(unsafe_code, reason = "a number that was inherited becomes a descriptor")]
    pub(crate) fn inherited(number: RawFd) -> io::Result<Self> {
        // SAFETY: it is looked at before it is owned; nobody else in this program knows the number.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        if sockopt::socket_type(socket)? != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)?;
        // SAFETY: as above.
        Ok(Self { socket: unsafe { OwnedFd::from_raw_fd(number) } })
    }

    /// The number of the descriptor, for a program that inherits it.
    pub(crate) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Sends a message if there is room for it now; `WouldBlock` if not. It is sent whole or not at all.
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if bytes.len() > MESSAGE_BYTES_MAX
            || (!descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)))
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut ancillary, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Receives a message if one is there; `WouldBlock` if not, `None` when the other end is gone and nothing is left.
    pub(crate) fn receive(&self) -> io::Result<Option<Packet>> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    /// Waits for a message.
    pub(crate) fn wait(&self) -> io::Result<Option<Packet>> {
        self.receive_with(RecvFlags::empty())
    }

    /// Waits until there is room for a message, or until the time is up.
    pub(crate) fn wait_for_room(&self, timeout: std::time::Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn receive_with(&self, flags: RecvFlags) -> io::Result<Option<Packet>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; MESSAGE_BYTES_MAX];
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                // The other end was closed over what it had not read.
                Err(Errno::CONNRESET) => return Ok(None),
                result => break result?,
            }
        };
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            // Too long, or no descriptor was free.
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.truncate(received.bytes);
        bytes.shrink_to_fit();
        Ok(Some(Packet { bytes, descriptors }))
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_outlive_their_sender_descriptors_included() {
        let (ours, theirs) = Packets::pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        theirs.send(b"one", &[write.as_fd()]).unwrap();
        theirs.send(b"two", &[]).unwrap();
        drop((theirs, write));
        let one = ours.receive().unwrap().unwrap();
        assert_eq!(one.bytes, b"one");
        rustix::io::write(&one.descriptors[0], b"x").unwrap();
        assert_eq!(rustix::io::read(&read, &mut [0; 8]).unwrap(), 1);
        assert_eq!(ours.receive().unwrap().unwrap().bytes, b"two");
        // Waited for: what another test is just starting has a copy of the sender for as long as it is not executed.
        assert!(ours.wait().unwrap().is_none());
    }

    #[test]
    fn a_full_queue_is_said_and_not_waited_for() {
        let (ours, theirs) = Packets::pair().unwrap();
        let mut sent = 0;
        let full = loop {
            match ours.send(&[7; MESSAGE_BYTES_MAX], &[]) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(sent > 8, "{sent}");
        assert!(theirs.receive().unwrap().is_some());
        assert!(
            ours.send(&[7; MESSAGE_BYTES_MAX + 1], &[])
                .is_err_and(|e| e.kind() == io::ErrorKind::InvalidInput)
        );
    }
}
