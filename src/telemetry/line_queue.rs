//! `LineQueue`: lines of the log on their way to standard error.
//!
//! ```text
//! any thread ── push ──> queue ── a thread of its own ──> standard error
//! ```
//! Whoever logs never waits for whoever reads. Waking a thread for each line costs more than to answer a small request, so the first
//! line after a silence wakes it, and what follows is gathered for `GATHERED_FOR` and written by one call. A queue that is full
//! drops lines, and says how many when it is read again.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines are gathered at most: nobody who reads a log sees the difference.
const GATHERED_FOR: Duration = Duration::from_millis(10);

/// Bytes held for a reader that stands still: some thousand lines.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// What an empty buffer may keep of the memory it once needed.
const KEPT_BYTES: usize = 64 * 1024;

/// How long the end waits for a reader that stands still.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// See the module. A cheap handle.
#[derive(Debug, Clone, Default)]
pub(super) struct LineQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held for a copy.
    inner: Mutex<Inner>,
    /// The writing thread waits here.
    wanted: Condvar,
    /// Whoever ends it waits here.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    /// Lines that found no room.
    dropped: u64,
    /// The writing thread sleeps until there is something.
    sleeps: bool,
    is_over: bool,
    is_done: bool,
}

impl LineQueue {
    /// Takes a line, unless there is no room for it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut inner = self.lock();
        if inner.bytes.len() + line.len() > BYTES_MAX {
            inner.dropped += 1;
            return;
        }
        inner.bytes.extend_from_slice(line);
        if std::mem::take(&mut inner.sleeps) {
            drop(inner);
            self.0.wanted.notify_one();
        }
    }

    /// Writes what comes until `end`, in a thread of its own. `lost` is called with the number of lines that were dropped since it
    /// was last called, and may push.
    pub(super) fn write_to(
        &self,
        mut sink: impl Write + Send + 'static,
        lost: impl Fn(u64) + Send + 'static,
    ) -> std::io::Result<()> {
        let this = self.clone();
        let write = move || {
            let mut bytes = Vec::new();
            while let Some(dropped) = this.next(&mut bytes) {
                // Nobody is left to be told.
                sink.write_all(&bytes).and_then(|()| sink.flush()).ok();
                bytes.clear();
                bytes.shrink_to(KEPT_BYTES);
                if dropped > 0 {
                    lost(dropped);
                }
            }
            this.lock().is_done = true;
            this.0.done.notify_all();
        };
        thread::Builder::new().name("boxd-log".to_owned()).spawn(write)?;
        Ok(())
    }

    /// Waits until all is written, for `LAST_WORDS` at most. What is pushed later is not written.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.is_over = true;
        self.0.wanted.notify_one();
        let waited = self.0.done.wait_timeout_while(inner, LAST_WORDS, |inner| !inner.is_done);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts what was gathered into an empty buffer, and gives the number of lines that were dropped meanwhile. `None`: it is over.
    fn next(&self, bytes: &mut Vec<u8>) -> Option<u64> {
        let wait = |inner, condition: fn(&mut Inner) -> bool| {
            self.0.wanted.wait_while(inner, condition).unwrap_or_else(PoisonError::into_inner)
        };
        let mut inner = self.lock();
        if !inner.bytes.is_empty() {
            // They come one after the other.
            let gathered = self.0.wanted.wait_timeout_while(inner, GATHERED_FOR, |inner| !inner.is_over);
            inner = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner = wait(inner, |inner| {
            inner.sleeps = inner.bytes.is_empty() && !inner.is_over;
            inner.sleeps
        });
        if inner.bytes.is_empty() {
            return None;
        }
        std::mem::swap(&mut inner.bytes, bytes);
        Some(std::mem::take(&mut inner.dropped))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line is one call.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    /// Tells of each call, and waits for leave before it returns.
    struct Slow(Sender<Vec<u8>>, Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            self.1.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (LineQueue, Receiver<Vec<u8>>, Sender<()>, Receiver<u64>) {
        let (queue, (calls, seen), (leave, left), (lost, lost_seen)) =
            (LineQueue::default(), mpsc::channel(), mpsc::channel(), mpsc::channel());
        queue.write_to(Slow(calls, left), move |lines| lost.send(lines).unwrap()).unwrap();
        (queue, seen, leave, lost_seen)
    }

    #[test]
    fn the_first_line_goes_at_once_and_what_follows_goes_together() {
        let (queue, seen, leave, _lost) = slow();
        queue.push(b"1\n");
        assert_eq!(seen.recv().unwrap(), b"1\n");
        (2..=100).for_each(|n| queue.push(format!("{n}\n").as_bytes()));
        leave.send(()).unwrap();
        let rest: Vec<u8> = (2..=100).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        assert_eq!(seen.recv().unwrap(), rest);
        drop(leave);
        queue.push(b"last\n");
        queue.end();
        assert_eq!(seen.recv().unwrap(), b"last\n", "the end waits for what was there");
        queue.end();
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_nobody_waits() {
        let (queue, seen, leave, lost) = slow();
        queue.push(b"first\n");
        assert_eq!(seen.recv().unwrap(), b"first\n");
        let line = [b'x'; 1000];
        (0..BYTES_MAX / 1000 + 7).for_each(|_| queue.push(&line));
        leave.send(()).unwrap();
        assert_eq!(seen.recv().unwrap().len(), BYTES_MAX / 1000 * 1000);
        drop(leave);
        assert_eq!(lost.recv().unwrap(), 7);
    }
}
