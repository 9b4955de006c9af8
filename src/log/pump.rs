//! `Pump`: the threads that move output from pipes into logs and see commands exit.
//!
//! They wait in an epoll set of their own, so that a byte that arrives wakes the very thread that stores it, and a disk
//! that stalls holds up no thread that answers requests. Each source is in one thread's hands at a time; a pipe that never
//! runs dry goes to the back of the line after `TURN_BYTES_MAX`.
//!
//! When a command exits, what its pipes held at that moment is drained first and only then the exit is reported:
//! descendants that keep the pipes open delay nothing, and what they write later is still stored.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Log, OutputStream};
use crate::clock;
use crate::custody::Deposit;
use crate::sys::pidfd::{ExitStatus, PidFd};
use crate::sys::pipe::{self, Taken};
use crate::sys::poller::Poller;
use crate::sys::usage::ResourceUsage;
use crate::underway::Underway;

/// The most bytes moved by one splice.
const TAKE_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes moved for one pipe before others get their turn.
const TURN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A pipe that gave as much in one turn, without running dry, is busy: four times the capacity of a new pipe.
const BUSY_BYTES: usize = 256 * 1024;

/// Tokens of one intake: its number times this, plus the source.
const SOURCES: u64 = 3;
const SOURCE_EXIT: u64 = 2;

/// Called once when the command has exited and its pipes were drained: how, when (milliseconds since 1970), and what it has
/// used, if that is known.
pub(crate) type OnExit = Box<dyn FnOnce(ExitStatus, u64, Option<ResourceUsage>) + Send>;

/// How the exit of a command is learnt.
pub(crate) enum ExitWatch {
    /// It is a child of ours.
    Child(Arc<PidFd>, OnExit),
    /// Somebody else is told, and calls `Pump::exited`.
    Told(OnExit),
    /// It has exited, and that is known. What it started may still write.
    Past,
}

/// One run of a command as the pump sees it: two pipes, a pidfd, and where everything goes.
pub(crate) struct Intake {
    log: Arc<Log>,
    /// The read ends; `None` once nobody holds the write end. Held while bytes of that pipe are moved.
    pipes: [Mutex<Option<OwnedFd>>; 2],
    /// The command, as long as its exit is to be seen here.
    pidfd: Option<Arc<PidFd>>,
    /// Taken by the thread that sees the exit.
    on_exit: Mutex<Option<OnExit>>,
    /// The exit has been dealt with.
    is_past: AtomicBool,
    /// An exit that somebody else has seen while the pump was stopped.
    told: Mutex<Option<(ExitStatus, u64, Option<ResourceUsage>)>>,
    token: AtomicU64,
    /// What the keeper has of this run, as long as there is something to read or to reap.
    _deposit: Deposit,
}

impl Intake {
    /// A run that is not yet pumped.
    pub(crate) fn new(
        log: Arc<Log>,
        pipes: [Option<OwnedFd>; 2],
        watch: ExitWatch,
        deposit: Deposit,
    ) -> Self {
        let (pidfd, on_exit) = match watch {
            ExitWatch::Child(pidfd, on_exit) => (Some(pidfd), Some(on_exit)),
            ExitWatch::Told(on_exit) => (None, Some(on_exit)),
            ExitWatch::Past => (None, None),
        };
        Self {
            log,
            pipes: pipes.map(Mutex::new),
            pidfd,
            is_past: AtomicBool::new(on_exit.is_none()),
            on_exit: Mutex::new(on_exit),
            told: Mutex::default(),
            token: AtomicU64::new(0),
            _deposit: deposit,
        }
    }

    fn is_done(&self) -> bool {
        let taken =
            |slot: &Mutex<Option<OwnedFd>>| slot.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        self.is_past.load(Ordering::SeqCst) && self.pipes.iter().all(taken)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("log", &self.log).field("pidfd", &self.pidfd).finish_non_exhaustive()
    }
}

/// Those who wait for output, as far as the pump knows them: whoever stores bytes on a thread can serve them there.
pub(crate) trait Readers: Send + Sync {
    /// From now on those who are woken on this thread are held back.
    fn hold(&self);

    /// Runs some of those held back here, gives the others to other threads, and holds back no longer.
    fn serve(&self);
}

/// The epoll set and what is in it.
pub(crate) struct Pump {
    poller: Poller,
    /// Held while an intake is added, looked up or removed.
    intakes: Mutex<HashMap<u64, Arc<Intake>>>,
    next: AtomicU64,
    readers: Box<dyn Readers>,
    /// What the threads have in hand.
    underway: Underway,
    /// No output is read and no exit is dealt with.
    is_stopped: AtomicBool,
    /// Output is read by another worker. The exits of children are seen here, by their parent.
    is_released: AtomicBool,
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("poller", &self.poller).finish_non_exhaustive()
    }
}

impl Pump {
    /// Starts `threads` threads that live as long as the process.
    pub(crate) fn start(threads: usize, readers: Box<dyn Readers>) -> io::Result<Arc<Self>> {
        let pump = Arc::new(Self {
            poller: Poller::new()?,
            intakes: Mutex::default(),
            next: AtomicU64::new(1),
            readers,
            underway: Underway::default(),
            is_stopped: AtomicBool::new(false),
            is_released: AtomicBool::new(false),
        });
        for n in 0..threads {
            let pump = pump.clone();
            std::thread::Builder::new().name(format!("boxd-pump-{n}")).spawn(move || pump.run())?;
        }
        Ok(pump)
    }

    /// Begins to pump a run. Everything that is in the pipes already is found.
    pub(crate) fn attach(&self, intake: Intake) -> io::Result<Arc<Intake>> {
        let base = self.next.fetch_add(1, Ordering::Relaxed) * SOURCES;
        intake.token.store(base, Ordering::Relaxed);
        let intake = Arc::new(intake);
        intake.log.begin_intake();
        lock(&self.intakes).insert(base, intake.clone());
        let result = self.add(&intake, base);
        if result.is_err() && lock(&self.intakes).remove(&base).is_some() {
            intake.log.end_intake();
        }
        result.map(|()| intake)
    }

    /// Deals with an exit that somebody else has seen: drains what the pipes hold at this moment, and reports. Once.
    ///
    /// Blocks as long as the disk does.
    pub(crate) fn exited(
        &self,
        intake: &Arc<Intake>,
        status: ExitStatus,
        at_ms: u64,
        usage: Option<ResourceUsage>,
    ) {
        let _underway = self.underway.begin();
        {
            let mut told = lock(&intake.told);
            if self.is_stopped.load(Ordering::SeqCst) {
                // The next worker is told as well. If there is none, it is dealt with later.
                *told = Some((status, at_ms, usage));
                return;
            }
        }
        self.report(intake, status, at_ms, usage);
        self.forget_if_done(intake);
    }

    /// Reads no output and deals with no exit any more, and waits until no thread has any in hand; false, and going on, when that
    /// takes too long.
    pub(crate) async fn stop(self: &Arc<Self>, patience: Duration) -> bool {
        self.is_stopped.store(true, Ordering::SeqCst);
        let is_settled = self.underway.settled_within(patience).await;
        if !is_settled {
            self.go_on();
        }
        is_settled
    }

    /// Goes on after a stop.
    pub(crate) fn go_on(self: &Arc<Self>) {
        self.is_stopped.store(false, Ordering::SeqCst);
        for (base, intake) in self.all() {
            for stream in OutputStream::BOTH {
                if let Some(pipe) = &*lock(&intake.pipes[stream as usize]) {
                    // What came meanwhile was passed over.
                    self.poller.rearm(pipe, base + stream as u64).ok();
                }
            }
            self.look_for_exit(base, &intake);
            let told = lock(&intake.told).take();
            if let Some((status, at_ms, usage)) = told {
                let pump = self.clone();
                blocking::unblock(move || pump.exited(&intake, status, at_ms, usage)).detach();
            }
        }
    }

    /// After a stop: the output is another worker's from now on. Exits of children are seen again, because nobody else can.
    pub(crate) fn release(&self) {
        self.is_released.store(true, Ordering::SeqCst);
        for (base, intake) in self.all() {
            self.look_for_exit(base, &intake);
        }
    }

    fn all(&self) -> Vec<(u64, Arc<Intake>)> {
        lock(&self.intakes).iter().map(|(base, intake)| (*base, intake.clone())).collect()
    }

    /// An exit that came while nobody looked was passed over.
    fn look_for_exit(&self, base: u64, intake: &Intake) {
        if let Some(pidfd) = &intake.pidfd
            && !intake.is_past.load(Ordering::SeqCst)
        {
            // One that has been seen already is no longer there.
            self.poller.rearm(&**pidfd, base + SOURCE_EXIT).ok();
        }
    }

    /// Drains what the pipes of a run hold at this moment. Blocks as long as the disk does.
    pub(crate) fn catch_up(&self, intake: &Intake) {
        for stream in OutputStream::BOTH {
            self.drain(intake, stream);
        }
    }

    /// The pipes first: an exit that is seen at once then finds them in place.
    fn add(&self, intake: &Intake, base: u64) -> io::Result<()> {
        for stream in OutputStream::BOTH {
            if let Some(pipe) = &*lock(&intake.pipes[stream as usize]) {
                self.poller.add(pipe, base + stream as u64)?;
            }
        }
        match &intake.pidfd {
            Some(pidfd) => self.poller.add(&**pidfd, base + SOURCE_EXIT),
            None => Ok(()),
        }
    }

    fn run(&self) {
        loop {
            if let Err(error) = self.poller.wait(|token| self.handle(token)) {
                tracing::error!(%error, "the log pump cannot wait for output");
                return;
            }
        }
    }

    fn handle(&self, token: u64) {
        let source = token % SOURCES;
        let base = token - source;
        let Some(intake) = lock(&self.intakes).get(&base).cloned() else { return };
        // Counted first: who stops the pump now waits.
        let _underway = self.underway.begin();
        let is_others = source != SOURCE_EXIT || !self.is_released.load(Ordering::SeqCst);
        if is_others && self.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        match source {
            SOURCE_EXIT => self.exit(&intake, token),
            0 => self.pump(&intake, OutputStream::Stdout, token),
            _ => self.pump(&intake, OutputStream::Stderr, token),
        }
        self.forget_if_done(&intake);
    }

    fn forget_if_done(&self, intake: &Intake) {
        let base = intake.token.load(Ordering::Relaxed);
        if intake.is_done() && lock(&self.intakes).remove(&base).is_some() {
            intake.log.end_intake();
        }
    }

    /// Moves what a pipe holds, a turn at most.
    fn pump(&self, intake: &Intake, stream: OutputStream, token: u64) {
        let mut slot = lock(&intake.pipes[stream as usize]);
        let mut moved = 0;
        while let Some(pipe) = &*slot {
            match self.take(intake, stream, pipe, moved < BUSY_BYTES) {
                Ok(Taken::Bytes(n)) if moved + n < TURN_BYTES_MAX => {
                    if moved < BUSY_BYTES && moved + n >= BUSY_BYTES {
                        intake.log.set_busy(stream, pipe);
                    }
                    moved += n;
                }
                Ok(Taken::Bytes(_) | Taken::Empty) => {
                    if let Err(error) = self.poller.rearm(pipe, token) {
                        tracing::error!(%error, "output of a command can no longer be read");
                        *slot = None;
                    }
                    return;
                }
                Ok(Taken::End) => *slot = None,
                Err(error) => {
                    tracing::error!(%error, "output of a command can no longer be read");
                    *slot = None;
                }
            }
        }
    }

    /// Moves some bytes, serves who waits for them, and only then does the paperwork.
    fn take(&self, intake: &Intake, stream: OutputStream, pipe: &OwnedFd, serve: bool) -> io::Result<Taken> {
        if serve {
            self.readers.hold();
        }
        let taken = intake.log.take(stream, pipe, TAKE_BYTES_MAX);
        if serve {
            self.readers.serve();
        }
        if let Ok(Taken::Bytes(_)) = taken {
            intake.log.settle(stream);
        }
        taken
    }

    /// Looks whether the command has exited, drains what its pipes hold at this moment, and reports.
    fn exit(&self, intake: &Intake, token: u64) {
        let Some(pidfd) = &intake.pidfd else { return };
        match pidfd.peek_exit() {
            Ok(Some((status, usage))) => {
                self.poller.remove(&**pidfd);
                self.report(intake, status, clock::now_ms(), Some(usage));
            }
            Ok(None) => {
                self.poller.rearm(&**pidfd, token).ok();
            }
            Err(error) => tracing::error!(%error, "the exit of a command cannot be read"),
        }
    }

    /// Drains what the pipes hold at this moment, and reports an exit.
    fn report(&self, intake: &Intake, status: ExitStatus, at_ms: u64, usage: Option<ResourceUsage>) {
        if !self.is_stopped.load(Ordering::SeqCst) {
            self.catch_up(intake);
        }
        if let Some(on_exit) = lock(&intake.on_exit).take() {
            self.readers.hold();
            on_exit(status, at_ms, usage);
            self.readers.serve();
            // Only now: the keeper must not let the run go while its exit is in nobody's books.
            intake.is_past.store(true, Ordering::SeqCst);
        }
    }

    /// Moves as many bytes as the pipe holds now: a descendant that goes on writing cannot delay the end.
    fn drain(&self, intake: &Intake, stream: OutputStream) {
        let slot = lock(&intake.pipes[stream as usize]);
        let Some(pipe) = &*slot else { return };
        let mut left = pipe::bytes_ready(pipe).unwrap_or(0);
        while left > 0 {
            match self.take(intake, stream, pipe, true) {
                Ok(Taken::Bytes(n)) => left = left.saturating_sub(n as u64),
                // The end is left to the pipe's own event.
                Ok(Taken::Empty | Taken::End) => return,
                Err(error) => {
                    tracing::error!(%error, "output of a command can no longer be read");
                    return;
                }
            }
        }
    }
}

/// A lock whose holder cannot have left it half changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
