//! `Follower`: a stream over one reader's cursor in a log.
//!
//! It holds no queue and no buffer while there is nothing to send: it asks the log what comes next, reads that from the
//! file, and sleeps until the log changes. Any number of followers cost the writer nothing, and dropping one frees its
//! place. Reads come from the page cache; what is not there is read on the blocking pool.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use event_listener::EventListener;
use futures_lite::Stream;

use super::order::Hint;
use super::segment::Segment;
use super::store::{Attachment, Boundary, Log, Plan, PlannedRead, Position, Question};
use super::{Offsets, OutputStream};
use crate::sys::file;

/// The most bytes one item carries.
pub(crate) const ITEM_BYTES_MAX: usize = 32 * 1024;

/// What a follower meets on its way.
#[derive(Debug)]
pub(crate) enum Item {
    /// Bytes.
    Output(Output),
    /// So many bytes were dropped before this follower read them.
    Gap { stream: OutputStream, bytes: u64 },
    /// The command failed and was started again.
    Restart(Boundary),
}

/// Bytes of one stream: `ITEM_BYTES_MAX` at most, and what was held back before.
#[derive(Debug)]
pub(crate) struct Output {
    /// Whose.
    pub(crate) stream: OutputStream,
    /// When they were read from the pipe, within the coarseness of the order: milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// The stream has no further bytes now.
    pub(crate) is_end: bool,
}

/// A reader of a log. As a stream it ends when the process is over and everything was read.
#[derive(Debug)]
pub(crate) struct Follower {
    log: Arc<Log>,
    /// Everything before this was read, what is held back included.
    position: Position,
    /// The last bytes of each stream that the user of this follower gave back: at most a character's beginning.
    held: [Vec<u8>; 2],
    limit: Option<Offsets>,
    hint: Hint,
    attached: Attachment,
    /// The segment read last and its open file, for each stream.
    open: [Option<(Arc<Segment>, Arc<File>)>; 2],
    listener: Option<EventListener>,
    cold_read: Option<ColdRead>,
    spare: Vec<u8>,
}

/// Where bytes that are read stand.
#[derive(Debug, Clone, Copy)]
struct Place {
    stream: OutputStream,
    from: u64,
    at_ms: u64,
}

/// A read that the page cache could not serve.
#[derive(Debug)]
struct ColdRead {
    place: Place,
    task: blocking::Task<io::Result<Vec<u8>>>,
}

impl Follower {
    /// Follows a log from a position until the process is over. Retention spares what it has yet to read. Of a process
    /// that is over already it gives everything that is there, what its descendants wrote later included.
    pub(crate) fn attach(log: Arc<Log>, from: Position) -> Self {
        let attached = Attachment::new(log.clone(), from.offsets, true);
        let limit = log.sealed().map(|_| log.ends());
        Self::new(log, from, limit, attached)
    }

    /// Reads what stands between a position and `until`; retention does not wait for it, but that the process is forgotten
    /// takes nothing away from it.
    pub(crate) fn read(log: Arc<Log>, from: Position, until: Offsets) -> Self {
        let attached = Attachment::new(log.clone(), from.offsets, false);
        Self::new(log, from, Some(until), attached)
    }

    fn new(log: Arc<Log>, position: Position, limit: Option<Offsets>, attached: Attachment) -> Self {
        Self {
            log,
            position,
            held: [Vec::new(), Vec::new()],
            limit,
            hint: Hint::default(),
            attached,
            open: [None, None],
            listener: None,
            cold_read: None,
            spare: Vec::new(),
        }
    }

    /// The place of the next byte that was not handed on for good: what is held back counts as unread.
    pub(crate) fn position(&self) -> Position {
        let mut position = self.position;
        for stream in OutputStream::BOTH {
            position.offsets[stream] -= self.held[stream as usize].len() as u64;
        }
        position
    }

    /// Gives back the last `tail` bytes of an item: they come again, in front of the next bytes of their stream.
    pub(crate) fn hold(&mut self, stream: OutputStream, tail: &[u8]) {
        self.held[stream as usize] = tail.to_vec();
        self.report();
    }

    /// Takes the bytes that are held back.
    pub(crate) fn release(&mut self, stream: OutputStream) -> Vec<u8> {
        let held = std::mem::take(&mut self.held[stream as usize]);
        self.report();
        held
    }

    /// Takes an item's buffer back for the next item.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Whether everything that is there now was read.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.log.ends() == self.position.offsets
    }

    fn report(&self) {
        self.attached.moved(self.position().offsets);
    }

    /// A buffer with what is held back of the stream.
    fn buffer(&mut self, stream: OutputStream) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.append(&mut self.held[stream as usize]);
        buffer
    }

    /// The item of bytes that were read behind what was held back; `fresh` of them are new. `None`: the file is shorter
    /// than it was, and the next plan tells of a gap.
    fn output(&mut self, place: Place, bytes: Vec<u8>, fresh: usize) -> Option<Item> {
        let Place { stream, from, at_ms } = place;
        if fresh == 0 {
            self.held[stream as usize] = bytes;
            if let Some((segment, _)) = self.open[stream as usize].take() {
                self.log.disown(stream, &segment);
            }
            return None;
        }
        self.position.offsets[stream] = from + fresh as u64;
        self.report();
        if self.attached.is_follower() {
            self.log.counters().followed.add(fresh as u64);
        }
        let is_end = self.log.is_end(stream, self.position.offsets[stream]);
        Some(Item::Output(Output { stream, at_ms, bytes, is_end }))
    }

    /// The open file of a segment.
    fn file(&mut self, stream: OutputStream, segment: &Arc<Segment>) -> io::Result<Arc<File>> {
        match &self.open[stream as usize] {
            Some((open, file)) if Arc::ptr_eq(open, segment) => Ok(file.clone()),
            _ => {
                let file = segment.file()?;
                self.open[stream as usize] = Some((segment.clone(), file.clone()));
                Ok(file)
            }
        }
    }

    /// Reads what a plan names. `None`: nothing came of it this time, ask again.
    fn read_planned(&mut self, read: PlannedRead) -> io::Result<Option<Item>> {
        let PlannedRead { stream, from, len, at_ms, segment } = read;
        let place = Place { stream, from, at_ms };
        let file = match self.file(stream, &segment) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.log.disown(stream, &segment);
                return Ok(None);
            }
            file => file?,
        };
        let offset = from - segment.base();
        let mut buffer = self.buffer(stream);
        let held = buffer.len();
        buffer.resize(held + len, 0);
        if let Some(fresh) = file::read_cached(&file, &mut buffer[held..], offset)? {
            buffer.truncate(held + fresh);
            return Ok(self.output(place, buffer, fresh));
        }
        buffer.truncate(held);
        self.held[stream as usize] = buffer;
        let task = blocking::unblock(move || {
            let mut bytes = vec![0; len];
            let fresh = file.read_at(&mut bytes, offset)?;
            bytes.truncate(fresh);
            Ok(bytes)
        });
        self.cold_read = Some(ColdRead { place, task });
        Ok(None)
    }

    /// Takes over what a cold read gave.
    fn finish_cold_read(&mut self, place: Place, fresh: &[u8]) -> Option<Item> {
        let mut buffer = self.buffer(place.stream);
        buffer.extend_from_slice(fresh);
        self.output(place, buffer, fresh.len())
    }
}

impl Stream for Follower {
    type Item = io::Result<Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Item>>> {
        let this = self.get_mut();
        loop {
            if let Some(ColdRead { place, task }) = &mut this.cold_read {
                let place = *place;
                let result = ready!(pin!(task).poll(cx));
                this.cold_read = None;
                if let Some(item) = result.map(|bytes| this.finish_cold_read(place, &bytes)).transpose() {
                    return Poll::Ready(Some(item));
                }
            }
            let question = Question {
                position: this.position,
                limit: this.limit,
                hint: &mut this.hint,
                len_max: ITEM_BYTES_MAX,
            };
            match this.log.plan(question) {
                Plan::Read(read) => {
                    if let Some(item) = this.read_planned(read).transpose() {
                        return Poll::Ready(Some(item));
                    }
                }
                Plan::Gap { stream, to } => {
                    let bytes = to - this.position.offsets[stream];
                    this.position.offsets[stream] = to;
                    this.report();
                    if this.attached.is_follower() {
                        this.log.counters().gaps.count();
                        this.log.counters().gap_bytes.add(bytes);
                    }
                    return Poll::Ready(Some(Ok(Item::Gap { stream, bytes })));
                }
                Plan::Restart(boundary) => {
                    this.position.run = boundary.run + 1;
                    return Poll::Ready(Some(Ok(Item::Restart(boundary))));
                }
                Plan::End => return Poll::Ready(None),
                // Listen first, then look again: a change between the two is not missed.
                Plan::Idle => match &mut this.listener {
                    None => {
                        this.listener = Some(this.log.changed());
                        this.spare = Vec::new();
                    }
                    Some(listener) => {
                        ready!(Pin::new(listener).poll(cx));
                        this.listener = None;
                    }
                },
            }
        }
    }
}
