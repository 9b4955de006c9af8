//! `Intake`: bytes of a request on their way to whoever takes them where waiting is allowed.
//!
//! Like `Sink`, for what is no file of a client: one batch is taken while the next is received, so a body of any size needs two
//! batches of memory, and a disk that is slower than the client slows the client down.

use blocking::Task;
use bytes::Bytes;

use crate::error::Result;

/// What one hop to the disk takes.
const BATCH_BYTES: usize = 512 * 1024;

/// What a piece takes besides its bytes: a body may come a byte at a time.
const PIECE_BYTES: usize = 64;

/// Who takes bytes. Each call may wait for a disk.
pub(crate) trait Taker: Send + 'static {
    /// Takes more bytes.
    fn take(&mut self, bytes: &[u8]) -> Result<()>;
}

/// See the module. Dropped before it is finished, so is the taker.
pub(crate) struct Intake<T> {
    batch: Vec<Bytes>,
    batch_bytes: usize,
    state: State<T>,
}

enum State<T> {
    /// No byte has left for the disk.
    Fresh(Box<dyn FnOnce() -> Result<T> + Send>),
    /// A batch is being taken.
    Busy(Task<Result<T>>),
    /// It failed, and the error was told.
    Failed,
}

impl<T: Taker> Intake<T> {
    /// For a taker that is made, where waiting is allowed, when it is needed.
    pub(crate) fn new(open: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        Self { batch: Vec::new(), batch_bytes: 0, state: State::Fresh(Box::new(open)) }
    }

    /// Takes bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.batch_bytes += bytes.len() + PIECE_BYTES;
        self.batch.push(bytes);
        if self.batch_bytes < BATCH_BYTES {
            return Ok(());
        }
        let task = self.send().await?;
        self.state = State::Busy(task);
        Ok(())
    }

    /// The taker, when it has all bytes.
    pub(crate) async fn finish(mut self) -> Result<T> {
        self.send().await?.await
    }

    async fn send(&mut self) -> Result<Task<Result<T>>> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let open = match std::mem::replace(&mut self.state, State::Failed) {
            State::Fresh(open) => open,
            State::Busy(task) => {
                let taker = task.await?;
                Box::new(move || Ok(taker)) as Box<dyn FnOnce() -> Result<T> + Send>
            }
            State::Failed => unreachable!("an intake is not used after an error"),
        };
        Ok(blocking::unblock(move || {
            let mut taker = open()?;
            batch.iter().try_for_each(|bytes| taker.take(bytes))?;
            Ok(taker)
        }))
    }
}
