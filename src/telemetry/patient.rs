//! `Patient`: a sink that waits where it would refuse.
//!
//! Standard error may be nonblocking without anybody here having made it so: the flag belongs to the open file, which other processes
//! have too.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

/// See the module.
#[derive(Debug)]
pub(super) struct Patient<W>(pub(super) W);

impl<W: Write + AsFd> Patient<W> {
    /// Does `what` as often as there was no room, and waits for room in between.
    fn persist<T>(&mut self, what: impl Fn(&mut W) -> io::Result<T>) -> io::Result<T> {
        loop {
            match what(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // A reader that is gone is found by the next attempt, as a signal is no room.
                    match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                done => return done,
            }
        }
    }
}

impl<W: Write + AsFd> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.persist(|sink| sink.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.persist(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::os::fd::{BorrowedFd, OwnedFd};

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::super::line_queue::LineQueue;
    use super::*;

    #[test]
    fn a_pipe_that_does_not_block_gets_every_line_whole() {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let queue = LineQueue::default();
        queue.write_to(Patient(File::from(write)), |_| {}).unwrap();
        let line = |n| format!("{n} {}", "x".repeat(300));
        // More than the pipe holds, less than the queue.
        (0..5000).for_each(|n| queue.push(format!("{}\n", line(n)).as_bytes()));
        rustix::io::ioctl_fionbio(&read, false).unwrap();
        let mut lines = BufReader::new(File::from(read)).lines();
        for n in 0..5000 {
            assert_eq!(lines.next().unwrap().unwrap(), line(n));
        }
        queue.end();
        assert!(lines.next().is_none(), "it was ended");
    }

    /// A full pipe whose reader leaves as soon as there is no room.
    struct Left {
        write: File,
        read: Option<OwnedFd>,
    }

    impl AsFd for Left {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.write.as_fd()
        }
    }

    impl Write for Left {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write.write(bytes).inspect_err(|_| self.read = None)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_not_waited_for() {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let mut sink = Patient(Left { write: File::from(write), read: Some(read) });
        let error = sink.write_all(&vec![b'x'; 1024 * 1024]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(sink.0.read.is_none(), "there was no room once");
    }
}
