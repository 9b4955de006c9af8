//! `Stdin`: the pipe into a command that was started with one.
//!
//! One body is written at a time and whole bodies never interleave. A command that does not read holds a writer for
//! `STALL` at most.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use smol::lock::Mutex;

use crate::custody::{Custody, Key, SLOT_STDIN};
use crate::error::{Error, Result};

/// How long a full pipe is waited for, counted anew with each byte that goes in.
const STALL: Duration = Duration::from_secs(10);

/// The write end of a command's standard input, until it is closed.
#[derive(Debug)]
pub(crate) struct Stdin {
    /// Held while a body is written, over awaits: that is what keeps bodies whole.
    pipe: Mutex<Option<Async<OwnedFd>>>,
    /// The keeper has another end of the same pipe, and the command reads no end of file before that one is closed too.
    custody: Custody,
    key: Key,
}

impl Stdin {
    /// Takes over a non-blocking write end.
    pub(crate) fn new(pipe: OwnedFd, custody: &Custody, key: Key) -> io::Result<Self> {
        let pipe = Mutex::new(Some(Async::new_nonblocking(pipe)?));
        Ok(Self { pipe, custody: custody.clone(), key })
    }

    /// Writes all bytes into the pipe. They need not be read by then. A dropped call may have written a part.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> Result<()> {
        let guard = self.pipe.lock().await;
        let Some(pipe) = &*guard else { return Err(Error::StdinClosed) };
        while !bytes.is_empty() {
            let write = pipe.write_with(|fd| rustix::io::write(fd, bytes).map_err(io::Error::from));
            let stalled = async {
                Timer::after(STALL).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            match write.or(stalled).await {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(Error::StdinStalled),
                Err(source) => return Err(Error::StdinFailed { source }),
            }
        }
        Ok(())
    }

    /// Closes the pipe: the command reads an end of file once it has read the rest.
    pub(crate) async fn close(&self) {
        if self.pipe.lock().await.take().is_some() {
            self.custody.release(self.key, SLOT_STDIN);
        }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        if self.pipe.get_mut().is_some() {
            self.custody.release(self.key, SLOT_STDIN);
        }
    }
}
