//! `Writer`: where the bytes of one stream go, as long as anything takes them.
//!
//! ```text
//! nothing yet ──first byte──> disk ──error──> memory ──error──> nowhere (a gap)
//!                              ^                 │  after RETRY_AFTER
//!                              └─────────────────┘
//! ```
//! It never blocks the command and never gives up on the disk for good. A segment that is full is followed by the next.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use super::OutputStream;
use super::dir::{LogDir, RETRY_AFTER};
use super::keeping::Kept;
use super::segment::Segment;
use crate::custody::Deposit;
use crate::id::ProcessId;
use crate::sys::file;
use crate::sys::pipe::{self, Staging, Taken};

/// The size of a segment in memory.
const MEMORY_SEGMENT_BYTES: u64 = 128 * 1024;

/// A busy stream whose pipe ran dry so often in a row, with little moved in between, is busy no more.
const CALM_TURNS: u32 = 16;

/// What counts as little: a new pipe's capacity.
const CALM_BYTES: usize = 64 * 1024;

/// The buffer of the way without splice.
const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes of the stream that were taken out of the pipe.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The stream goes on to `end`, and these bytes are in the segment.
    Stored { segment: Arc<Segment>, end: u64 },
    /// The stream goes on to `end`, and these bytes are nowhere.
    Lost { end: u64 },
}

/// The writing side of one stream of one process.
#[derive(Debug)]
pub(crate) struct Writer {
    id: ProcessId,
    stream: OutputStream,
    end: u64,
    /// The size at which a file is full.
    segment_bytes: u64,
    target: Target,
    /// Files made so far.
    parts: u32,
    /// The file system cannot splice; found out once.
    by_hand: bool,
    /// Files in memory made so far.
    memories: u32,
    /// A busy stream has one. It is empty but while bytes are moved, and goes when the stream is calm or at its end.
    staging: Option<(Staging, Deposit)>,
    /// Bytes moved through the staging since the pipe ran dry.
    turn_bytes: usize,
    /// How often in a row the pipe ran dry after little.
    calm_turns: u32,
    /// The disk has refused, and taken nothing since.
    is_refused: bool,
}

#[derive(Debug)]
enum Target {
    /// No byte came yet.
    None,
    Disk(Arc<Segment>),
    Memory(Arc<Segment>, Instant),
    Nowhere(Instant),
}

impl Writer {
    /// A writer that has made no file.
    pub(crate) fn new(id: ProcessId, stream: OutputStream, segment_bytes: u64) -> Self {
        Self {
            id,
            stream,
            end: 0,
            segment_bytes,
            target: Target::None,
            parts: 0,
            by_hand: false,
            memories: 0,
            staging: None,
            turn_bytes: 0,
            calm_turns: 0,
            is_refused: false,
        }
    }

    /// The command writes more than its pipe holds: from now on its bytes are moved in larger lots.
    pub(crate) fn set_busy(&mut self, dir: &LogDir, pipe: &OwnedFd) {
        pipe::grow(pipe);
        if self.staging.is_none() && !self.by_hand {
            // Without one the bytes go the direct way.
            self.staging = Staging::new().ok().map(|staging| {
                // Held before it is used: it may be full when we are killed.
                let kept = Kept::Staging(self.stream);
                let deposit = kept.deposit(&dir.custody, self.id, staging.out().as_fd());
                (staging, deposit)
            });
            self.calm_turns = 0;
        }
    }

    /// Goes on behind what an earlier worker stored: `parts` files and `memories` files in memory, and in the last file if
    /// there is one.
    pub(crate) fn resume(&mut self, end: u64, parts: u32, memories: u32, last: Option<Arc<Segment>>) {
        (self.end, self.parts, self.memories) = (end, parts, memories);
        if let Some(segment) = last {
            self.target = Target::Disk(segment);
        }
    }

    /// Nobody holds the pipe any more.
    pub(crate) fn close(&mut self) {
        self.staging = None;
    }

    /// Whether its bytes are moved in larger lots.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.staging.is_some()
    }

    /// From now on nothing can be moved into its staging.
    #[cfg(test)]
    pub(crate) fn break_staging(&mut self) {
        if let Some((staging, _)) = &mut self.staging {
            *staging = Staging::broken().expect("a pipe");
        }
    }

    /// How many files were made so far. The newest has the number before it.
    pub(crate) fn parts(&self) -> u32 {
        self.parts
    }

    /// Moves up to `max` bytes out of the pipe and says where they went. Errors of the store are dealt with here; an
    /// error that is returned is the pipe's.
    pub(crate) fn take(
        &mut self,
        dir: &LogDir,
        from: &OwnedFd,
        max: usize,
        put: &mut dyn FnMut(Piece),
    ) -> io::Result<Taken> {
        match self.staging.take() {
            Some((staging, deposit)) if !self.by_hand => {
                let taken = staging.fill(from, max);
                if taken.is_err() {
                    // Nothing has left the command's pipe, and the staging is not needed to read it.
                    return self.take_some(dir, from, max, put);
                }
                if let Ok(Taken::Bytes(n)) = taken {
                    self.empty(dir, &staging, n, put);
                }
                self.staging = self.is_still_busy(&taken).then_some((staging, deposit));
                taken
            }
            _ => self.take_some(dir, from, max, put),
        }
    }

    /// Whether the staging is worth its two descriptors after this.
    fn is_still_busy(&mut self, taken: &io::Result<Taken>) -> bool {
        match taken {
            Ok(Taken::Bytes(n)) => self.turn_bytes += n,
            Ok(Taken::Empty) => {
                let is_calm = std::mem::take(&mut self.turn_bytes) < CALM_BYTES;
                self.calm_turns = if is_calm { self.calm_turns + 1 } else { 0 };
            }
            Ok(Taken::End) | Err(_) => return false,
        }
        self.calm_turns < CALM_TURNS
    }

    /// Takes up to `max` bytes out of the pipe that nobody will ever read, so that the command can go on.
    pub(crate) fn discard(
        &mut self,
        from: &OwnedFd,
        max: usize,
        put: &mut dyn FnMut(Piece),
    ) -> io::Result<Taken> {
        self.staging = None;
        self.target = Target::None;
        let taken = pipe::read(from, &mut vec![0; max.min(BUFFER_BYTES)])?;
        if let Taken::Bytes(n) = taken {
            self.end += n as u64;
            put(Piece::Lost { end: self.end });
        }
        Ok(taken)
    }

    /// Stores everything that a staging holds.
    fn empty(&mut self, dir: &LogDir, staging: &Staging, mut left: usize, put: &mut dyn FnMut(Piece)) {
        while left > 0 {
            match self.take_some(dir, staging.out(), left, put) {
                Ok(Taken::Bytes(n)) => left -= n,
                // It holds `left` bytes and nobody else reads it.
                other => {
                    tracing::error!(process = %self.id, ?other, left, "output is lost between two pipes");
                    self.end += left as u64;
                    put(Piece::Lost { end: self.end });
                    return;
                }
            }
        }
    }

    /// Moves some bytes by the best way that is open.
    fn take_some(
        &mut self,
        dir: &LogDir,
        from: &OwnedFd,
        max: usize,
        put: &mut dyn FnMut(Piece),
    ) -> io::Result<Taken> {
        loop {
            let now = Instant::now();
            if self.needs_place(now) {
                // A file is made for a byte, not for an end of file: `true` leaves none. And the byte stays in the pipe until it
                // is in the file: what is only in our memory is lost when we are killed.
                match pipe::look(from)? {
                    Taken::Bytes(_) => self.target = self.next_place(dir, now),
                    other => return Ok(other),
                }
            }
            match &self.target {
                Target::Disk(segment) | Target::Memory(segment, _) if !self.by_hand => {
                    let room = usize::try_from(self.room(segment)).unwrap_or(usize::MAX).min(max);
                    let segment = segment.clone();
                    match Self::splice(&segment, from, self.end, room) {
                        Ok(Taken::Bytes(n)) => {
                            self.stored(dir, segment, n, put);
                            return Ok(Taken::Bytes(n));
                        }
                        Ok(taken) => return Ok(taken),
                        Err(error) if file::is_unspliceable(&error) => self.by_hand = true,
                        Err(_) if segment.is_given_up() => {}
                        Err(error) => self.step_down(dir, &error),
                    }
                }
                _ => return self.take_by_hand(dir, from, max, put),
            }
        }
    }

    /// Whether the next byte cannot go where the last one went.
    fn needs_place(&self, now: Instant) -> bool {
        match &self.target {
            Target::None => true,
            Target::Disk(segment) => self.room(segment) == 0,
            Target::Memory(segment, retry) => *retry <= now || self.room(segment) == 0,
            Target::Nowhere(retry) => *retry <= now,
        }
    }

    /// The best place for the next byte.
    fn next_place(&mut self, dir: &LogDir, now: Instant) -> Target {
        match &self.target {
            // The disk is asked again at its time, however much is written until then.
            Target::Memory(_, retry) if *retry > now => self.open_memory(dir, *retry),
            _ => self.open(dir, now),
        }
    }

    /// How many bytes still go into a segment: none when it was given up.
    fn room(&self, segment: &Segment) -> u64 {
        if segment.is_given_up() {
            return 0;
        }
        let size = if segment.is_memory() { MEMORY_SEGMENT_BYTES } else { self.segment_bytes };
        size.saturating_sub(self.end - segment.base())
    }

    fn splice(segment: &Segment, from: &OwnedFd, end: u64, max: usize) -> io::Result<Taken> {
        pipe::splice_to_file(from, &*segment.file()?, end - segment.base(), max)
    }

    /// The way through user space: for file systems without splice, and for bytes that nothing takes.
    fn take_by_hand(
        &mut self,
        dir: &LogDir,
        from: &OwnedFd,
        max: usize,
        put: &mut dyn FnMut(Piece),
    ) -> io::Result<Taken> {
        let mut buffer = vec![0; max.min(BUFFER_BYTES)];
        let taken = pipe::read(from, &mut buffer)?;
        if let Taken::Bytes(n) = taken {
            self.store(dir, &buffer[..n], put);
        }
        Ok(taken)
    }

    /// Stores bytes that have left the pipe: all of them somewhere, or lost with a word.
    fn store(&mut self, dir: &LogDir, mut bytes: &[u8], put: &mut dyn FnMut(Piece)) {
        let now = Instant::now();
        while !bytes.is_empty() {
            if self.needs_place(now) {
                self.target = self.next_place(dir, now);
            }
            match &self.target {
                Target::Disk(segment) | Target::Memory(segment, _) => {
                    let segment = segment.clone();
                    let file = segment.file();
                    let fitting = bytes.len().min(usize::try_from(self.room(&segment)).unwrap_or(usize::MAX));
                    match file.and_then(|f| write_some(&f, &bytes[..fitting], self.end - segment.base())) {
                        Ok(n) => {
                            bytes = &bytes[n..];
                            self.stored(dir, segment, n, put);
                        }
                        Err(_) if segment.is_given_up() => {}
                        Err(error) => self.step_down(dir, &error),
                    }
                }
                Target::None | Target::Nowhere(_) => {
                    self.end += bytes.len() as u64;
                    put(Piece::Lost { end: self.end });
                    return;
                }
            }
        }
    }

    /// The best place that can be had now.
    fn open(&mut self, dir: &LogDir, now: Instant) -> Target {
        match dir.create(self.id, self.stream, self.parts, self.end) {
            Ok(segment) => {
                if let Target::Disk(full) = &self.target {
                    full.close();
                }
                self.parts += 1;
                Target::Disk(segment)
            }
            Err(error) => {
                // A disk that still refuses leaves the memory in use as it is.
                if let Target::Memory(segment, _) = &self.target {
                    dir.refused(&error);
                    return Target::Memory(segment.clone(), now + RETRY_AFTER);
                }
                self.refuse(dir, &error);
                self.open_memory(dir, now + RETRY_AFTER)
            }
        }
    }

    /// A place in memory until the disk is asked again at `retry`.
    fn open_memory(&mut self, dir: &LogDir, retry: Instant) -> Target {
        // The numbers of the two streams are told apart.
        let number = self.memories * 2 + self.stream as u32;
        match dir.create_in_memory(self.id, self.stream, number, self.end) {
            Ok(segment) => {
                self.memories += 1;
                Target::Memory(segment, retry)
            }
            Err(error) => {
                self.report(&error);
                Target::Nowhere(retry)
            }
        }
    }

    /// What to do when the present target refuses bytes.
    fn step_down(&mut self, dir: &LogDir, error: &io::Error) {
        self.refuse(dir, error);
        let now = Instant::now();
        self.target = match &self.target {
            Target::Disk(segment) => {
                // In no account, so nobody else deletes it.
                if segment.base() == self.end {
                    segment.remove();
                }
                self.open_memory(dir, now + RETRY_AFTER)
            }
            _ => Target::Nowhere(now + RETRY_AFTER),
        };
    }

    /// The next `n` bytes stand in a segment.
    fn stored(&mut self, dir: &LogDir, segment: Arc<Segment>, n: usize, put: &mut dyn FnMut(Piece)) {
        if self.is_refused && !segment.is_memory() {
            self.is_refused = false;
            dir.took();
        }
        self.end += n as u64;
        put(Piece::Stored { segment, end: self.end });
    }

    fn refuse(&mut self, dir: &LogDir, error: &io::Error) {
        self.is_refused = true;
        dir.refused(error);
        self.report(error);
    }

    fn report(&self, error: &io::Error) {
        tracing::warn!(process = %self.id, stream = self.stream.name(), %error, "output cannot be stored where it should");
    }
}

/// One write that counts as failed when it takes nothing.
fn write_some(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    match file.write_at(bytes, at) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => write_some(file, bytes, at),
        result => result,
    }
}
