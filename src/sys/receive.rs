//! Receiving into a buffer of hyper's without a copy of one's own.

use std::io;
use std::os::fd::AsFd;

use hyper::rt::ReadBufCursor;
use rustix::io::Errno;
use rustix::net::RecvFlags;

/// Takes what a socket holds, as much as the buffer has room for; 0 is the end of input, or that there was no room.
///
/// # Errors
/// The kernel's; `EAGAIN` when the socket holds nothing, if it is nonblocking.
#[expect(unsafe_code, reason = "hyper's buffer is handed out uninitialised")]
pub(crate) fn receive(socket: impl AsFd, buffer: &mut ReadBufCursor<'_>) -> io::Result<usize> {
    loop {
        // SAFETY: nothing that is initialised becomes uninitialised: `recv` only writes bytes.
        let space = unsafe { buffer.as_mut() };
        match rustix::net::recv(&socket, space, RecvFlags::empty()) {
            Ok(((received, _), _)) => {
                let len = received.len();
                // SAFETY: the kernel has initialised that many bytes at the beginning of `space`.
                unsafe { buffer.advance(len) };
                return Ok(len);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use hyper::rt::ReadBuf;

    use super::*;

    #[test]
    fn what_is_received_stands_behind_what_was_there() {
        let (mut a, b) = UnixStream::pair().unwrap();
        b.set_nonblocking(true).unwrap();
        let mut space = [0; 6];
        let mut buffer = ReadBuf::new(&mut space);
        buffer.unfilled().put_slice(b"ab");
        let nothing = receive(&b, &mut buffer.unfilled()).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        a.write_all(b"cdefg").unwrap();
        assert_eq!(receive(&b, &mut buffer.unfilled()).unwrap(), 4);
        assert_eq!(buffer.filled(), b"abcdef");
        assert_eq!(receive(&b, &mut buffer.unfilled()).unwrap(), 0, "no room");
        let mut space = [0; 2];
        let mut buffer = ReadBuf::new(&mut space);
        drop(a);
        assert_eq!(receive(&b, &mut buffer.unfilled()).unwrap(), 1);
        assert_eq!(receive(&b, &mut buffer.unfilled()).unwrap(), 0, "the end");
        assert_eq!(buffer.filled(), b"g");
    }
}
