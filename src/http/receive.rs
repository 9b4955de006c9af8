//! Receiving into a buffer of hyper's.
//!
//! hyper hands out memory that is not initialised, so bytes go through a piece of the thread's own. It is large: a call of the
//! kernel's costs more than a copy within the processor's cache.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;

use hyper::rt::ReadBufCursor;
use rustix::io::Errno;
use rustix::net::RecvFlags;

/// Bytes taken by one call: as much as hyper ever has room for.
const STEP_BYTES: usize = 64 * 1024;

thread_local! {
    static SPACE: RefCell<Vec<u8>> = RefCell::new(vec![0; STEP_BYTES]);
}

/// Takes what a socket holds, as much as the buffer has room for; 0 is the end of input, or that there was no room.
///
/// # Errors
/// The kernel's; `WouldBlock` when the socket holds nothing, if it is nonblocking.
pub(super) fn receive(socket: impl AsFd, buffer: &mut ReadBufCursor<'_>) -> io::Result<usize> {
    let len = buffer.remaining().min(STEP_BYTES);
    SPACE.with_borrow_mut(|space| {
        loop {
            match rustix::net::recv(&socket, &mut space[..len], RecvFlags::empty()) {
                Ok((received, _)) => {
                    buffer.put_slice(&space[..received]);
                    return Ok(received);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    })
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
