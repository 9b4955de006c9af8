//! A file as the body of an answer, byte for byte.
//!
//! What is in the page cache is read at once; what is not is read where waiting is allowed. Nothing is read ahead of the client,
//! so a file of any size needs one piece of memory.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use blocking::Task;
use futures_lite::Stream;

use crate::error::{Error, Result};
use crate::sys::file::read_cached;

/// What one piece holds: larger ones do not pay (measured by `just bench --only download`).
const PIECE_BYTES: usize = 256 * 1024;

/// Pieces in a row before others get the thread.
const TURN_PIECES: u32 = 4;

/// Stretches of a file, each with what stands in front of it.
#[derive(Debug)]
pub(crate) struct Download {
    file: Arc<File>,
    path: PathBuf,
    parts: VecDeque<Part>,
    cold: Option<Task<std::io::Result<Vec<u8>>>>,
    turn: u32,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Part {
    /// Bytes that are no part of the file.
    Text(Vec<u8>),
    /// Bytes of the file; a file that has fewer by now cuts the answer.
    Stretch(Range<u64>),
    /// All bytes from there on, however many there are: files of the kernel do not know their size.
    Rest(u64),
}

impl Download {
    /// A body of these parts.
    pub(crate) fn new(file: File, path: PathBuf, parts: impl IntoIterator<Item = Part>) -> Self {
        Self { file: Arc::new(file), path, parts: parts.into_iter().collect(), cold: None, turn: 0 }
    }

    /// Takes note of what was read. `None`: it was the end.
    fn took(&mut self, bytes: Vec<u8>) -> Option<Result<Vec<u8>>> {
        let read = bytes.len() as u64;
        let is_over = match self.parts.front_mut() {
            Some(Part::Stretch(range)) if read == 0 => {
                let source = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                tracing::warn!(path = %self.path.display(), missing = range.end - range.start, "a file became shorter while it was sent");
                return Some(Err(Error::File { action: "read", path: self.path.clone(), source }));
            }
            Some(Part::Stretch(range)) => {
                range.start += read;
                range.is_empty()
            }
            Some(Part::Rest(from)) => {
                *from += read;
                read == 0
            }
            _ => true,
        };
        if is_over {
            self.parts.pop_front();
        }
        (read > 0).then_some(Ok(bytes))
    }
}

impl Stream for Download {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let failed = |path: &PathBuf, source| Error::File { action: "read", path: path.clone(), source };
        if this.turn >= TURN_PIECES {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(task) = &mut this.cold {
                let read = ready!(Pin::new(task).poll(cx));
                this.cold = None;
                match read {
                    Ok(bytes) => {
                        if let Some(item) = this.took(bytes) {
                            return Poll::Ready(Some(item));
                        }
                    }
                    Err(source) => return Poll::Ready(Some(Err(failed(&this.path, source)))),
                }
            }
            let (offset, len) = match this.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Text(text)) => {
                    let text = std::mem::take(text);
                    this.parts.pop_front();
                    return Poll::Ready(Some(Ok(text)));
                }
                Some(Part::Stretch(range)) => {
                    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                    (range.start, len.min(PIECE_BYTES))
                }
                Some(Part::Rest(from)) => (*from, PIECE_BYTES),
            };
            let mut bytes = vec![0; len];
            match read_cached(&this.file, &mut bytes, offset) {
                Ok(Some(read)) => {
                    bytes.truncate(read);
                    if let Some(item) = this.took(bytes) {
                        this.turn += 1;
                        return Poll::Ready(Some(item));
                    }
                }
                Ok(None) => {
                    let file = this.file.clone();
                    this.turn = 0;
                    this.cold = Some(blocking::unblock(move || {
                        let read = file.read_at(&mut bytes, offset)?;
                        bytes.truncate(read);
                        Ok(bytes)
                    }));
                }
                Err(source) => return Poll::Ready(Some(Err(failed(&this.path, source)))),
            }
        }
    }
}
