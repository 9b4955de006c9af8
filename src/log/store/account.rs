//! `Account`: what is stored of one process's output, in which order it was read, and what a reader does next. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attachment::Progress;
use crate::clock;
use crate::log::arrivals::Arrivals;
use crate::log::order::{Hint, Order};
use crate::log::segment::{Extents, Found, Segment};
use crate::log::{Offsets, OutputStream};

/// Ends of runs remembered of one process (48 KiB): a command that is restarted for ever keeps the latest.
const BOUNDARIES_MAX: usize = 1024;

/// A place in a log: the number of the run (restarts count up) and an offset in each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// 0 for the first run.
    pub(crate) run: u32,
    /// The next byte of each stream.
    pub(crate) offsets: Offsets,
}

/// The end of a run after which the command was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boundary {
    /// The run that ended here.
    pub(crate) run: u32,
    /// Where the streams stood.
    pub(crate) at: Offsets,
    /// The number of the restart that followed, from 1.
    pub(crate) attempt: u32,
    /// The exit code of the run, −1 for a signal.
    pub(crate) exit_code: i32,
    /// The pause before the restart.
    pub(crate) delay_ms: u64,
    /// When the run ended: milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// What a reader at some position should do.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Read this.
    Read(PlannedRead),
    /// The bytes up to `to` are gone.
    Gap { stream: OutputStream, to: u64 },
    /// The run ended and the command was started again.
    Restart(Boundary),
    /// Everything up to the limit was read.
    End,
    /// Nothing to read now.
    Idle,
}

/// Stored bytes of one stream.
#[derive(Debug)]
pub(crate) struct PlannedRead {
    pub(crate) stream: OutputStream,
    /// The offset of the first.
    pub(crate) from: u64,
    pub(crate) len: usize,
    /// When the first of their run was read from the pipe: milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) segment: Arc<Segment>,
}

/// What a reader asks with.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) position: Position,
    /// Where to end; `None` follows until the log is sealed.
    pub(crate) limit: Option<Offsets>,
    pub(crate) hint: &'a mut Hint,
    pub(crate) len_max: usize,
}

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) stdout: Extents,
    pub(super) stderr: Extents,
    pub(super) order: Order,
    pub(super) arrivals: Arrivals,
    pub(super) boundaries: VecDeque<Boundary>,
    pub(super) sealed: Option<Offsets>,
    pub(super) followers: BTreeMap<u64, Arc<Progress>>,
    pub(super) next_follower: u64,
}

impl Account {
    pub(super) fn stream(&self, stream: OutputStream) -> &Extents {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }

    pub(super) fn stream_mut(&mut self, stream: OutputStream) -> &mut Extents {
        match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        }
    }

    /// Bytes stored of both streams.
    pub(super) fn stored(&self) -> u64 {
        self.stdout.stored() + self.stderr.stored()
    }

    /// Whether the last byte of a stream is stored.
    pub(super) fn ends_stored(&self, stream: OutputStream) -> bool {
        let extents = self.stream(stream);
        extents.list().last().map_or(0, |extent| extent.end) == extents.end()
    }

    pub(super) fn ends(&self) -> Offsets {
        Offsets { stdout: self.stdout.end(), stderr: self.stderr.end() }
    }

    pub(super) fn starts(&self) -> Offsets {
        Offsets { stdout: self.stdout.start(), stderr: self.stderr.start() }
    }

    /// The end of the reader's run, when that run has ended and another followed.
    fn boundary(&self, run: u32) -> Option<&Boundary> {
        // Ends of very old runs are forgotten: such a reader crosses to the oldest known run.
        self.boundaries.iter().find(|b| b.run >= run)
    }

    /// Another worker says that a run ended.
    pub(super) fn follow_boundary(&mut self, boundary: Boundary) {
        if self.boundaries.back().is_none_or(|last| last.run < boundary.run) {
            self.boundaries.push_back(boundary);
            self.order.break_run();
        }
    }

    /// A run ended where the streams stand now, and another follows.
    pub(super) fn end_run(&mut self, run: u32, attempt: u32, exit_code: i32, delay_ms: u64) -> Boundary {
        let (at, at_ms) = (self.ends(), clock::now_ms());
        let boundary = Boundary { run, at, attempt, exit_code, delay_ms, at_ms };
        self.boundaries.push_back(boundary);
        if self.boundaries.len() > BOUNDARIES_MAX {
            self.boundaries.pop_front();
        }
        self.order.break_run();
        boundary
    }

    /// Whether a reader can have come to this position.
    pub(super) fn reaches(&self, position: Position) -> bool {
        // A reader crosses to the next run when its restart is announced, before the run has begun.
        let last_run = self.boundaries.back().map_or(0, |b| b.run + 1);
        position.run <= last_run && position.offsets.min(self.ends()) == position.offsets
    }

    /// The position of a reader that begins at these offsets: behind every run whose output lies wholly before them. At
    /// the very beginning it is the first run, however silent.
    pub(super) fn position_at(&self, offsets: Offsets) -> Position {
        let passed = |b: &&Boundary| offsets.total() > 0 && b.at.min(offsets) == b.at;
        let run = self.boundaries.iter().take_while(passed).last().map_or(0, |b| b.run + 1);
        Position { run, offsets }
    }

    /// What a reader does next.
    pub(super) fn plan(&self, question: Question<'_>) -> Plan {
        let Question { position: Position { run, offsets: at }, hint, len_max, .. } = question;
        let ends = self.ends();
        let limit = question.limit.or(self.sealed);
        let mut bound = limit.map_or(ends, |limit| limit.min(ends));
        let boundary = self.boundary(run).filter(|b| b.at.min(bound) == b.at);
        if let Some(boundary) = boundary {
            bound = boundary.at;
        }
        for stream in OutputStream::BOTH {
            if at[stream] < bound[stream]
                && let Found::Lost(to) = self.stream(stream).at(at[stream])
            {
                return Plan::Gap { stream, to };
            }
        }
        if let Some(run) = self.order.next(at, hint, |stream| at[stream] < bound[stream]) {
            let stream = run.stream();
            let from = at[stream];
            if let Found::Stored(extent) = self.stream(stream).at(from) {
                let to = run.end().min(bound[stream]).min(extent.end);
                let len = usize::try_from(to - from).unwrap_or(usize::MAX).min(len_max);
                return Plan::Read(PlannedRead {
                    stream,
                    from,
                    len,
                    at_ms: run.at_ms,
                    segment: extent.segment.clone(),
                });
            }
        }
        match (boundary, limit) {
            (Some(boundary), _) => Plan::Restart(*boundary),
            (None, Some(_)) => Plan::End,
            (None, None) => Plan::Idle,
        }
    }
}
