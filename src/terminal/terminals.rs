//! `Terminals`: all sessions, by the names that clients give them. Cheap to clone.
//!
//! A name has a slot while a session of it is there or begins; whoever wants the session takes the slot's turn, so two that come at once
//! share one shell.

mod life;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use futures_lite::FutureExt;
use smol::lock::{Mutex as Turns, MutexGuardArc};

use super::ending::Ending;
use super::session::{Parent, Session};
use super::shell::{self, Wanted};
use super::tape::Tape;
use super::viewer::{Place, Viewer};
use crate::custody::{Custody, Deposit, Exited, Held, Key};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::ProcessId;
use crate::process::Gate;
use crate::runtime::Runtime;
use crate::underway::Piece;
use crate::user::Identity;

/// The part of a key that says that a terminal's descriptors are kept. Runs, stagings and files of logs have smaller numbers.
const KEPT: u32 = u32::MAX;

/// What is kept of a session: the terminal's other end, and the tape.
const SLOT_TERMINAL: u32 = 0;
const SLOT_TAPE: u32 = 1;

/// How many sessions and viewers there may be, and how long a session waits for a viewer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) sessions_max: usize,
    pub(crate) viewers_max: usize,
    pub(crate) idle: Duration,
}

/// The session of one name, if there is one.
type Slot = Arc<Turns<Option<Arc<Session>>>>;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Terminals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bounds: Bounds,
    /// Whose the shells are; `None` is the daemon's own user.
    user: Option<Identity>,
    environment: Arc<Environment>,
    custody: Custody,
    runtime: Runtime,
    slots: Mutex<HashMap<String, Slot>>,
    /// Sessions that are there, by the keys of their entries.
    sessions: Mutex<BTreeMap<Key, Arc<Session>>>,
    viewers: Arc<AtomicUsize>,
    /// Closed when another worker takes over.
    gate: Gate,
    /// Fires when another worker has taken over.
    handed_over: Event,
}

impl Terminals {
    /// No sessions yet.
    pub(crate) fn new(
        bounds: Bounds,
        (user, environment): (Option<Identity>, Arc<Environment>),
        custody: Custody,
        runtime: Runtime,
    ) -> Self {
        let inner = Inner {
            bounds,
            user,
            environment,
            custody,
            runtime,
            slots: Mutex::default(),
            sessions: Mutex::default(),
            viewers: Arc::default(),
            gate: Gate::default(),
            handed_over: Event::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether there is room for a viewer of this session. It may be gone when the viewer comes.
    pub(crate) fn check_room(&self, name: &str) -> Result<()> {
        let Inner { bounds, viewers, .. } = &*self.inner;
        if viewers.load(Ordering::Relaxed) >= bounds.viewers_max {
            return Err(Error::TooManyViewers { max: bounds.viewers_max });
        }
        let slots = lock(&self.inner.slots);
        if !slots.contains_key(name) && slots.len() >= bounds.sessions_max {
            return Err(Error::TooManyTerminals { max: bounds.sessions_max });
        }
        Ok(())
    }

    /// Looks at a session, which begins now if there is none of this name. Once begun, it is there: dropping the future does not undo it.
    pub(crate) async fn view(
        &self,
        name: &str,
        wanted: Wanted,
        next_id: impl Fn() -> ProcessId,
    ) -> Result<Viewer> {
        let viewers_max = self.inner.bounds.viewers_max;
        let mut place = Place::take(&self.inner.viewers, viewers_max)
            .ok_or(Error::TooManyViewers { max: viewers_max })?;
        loop {
            let slot = self.slot(name)?;
            let (session, is_new) = {
                let turn = slot.lock_arc().await;
                if !self.is_current(name, &slot) {
                    continue;
                }
                match &*turn {
                    Some(session) => {
                        session.resize(wanted.size);
                        (session.clone(), false)
                    }
                    None => (self.begin(name, (slot.clone(), turn), wanted.clone(), next_id()).await?, true),
                }
            };
            match Viewer::of(&session, place, is_new) {
                Ok(viewer) => return Ok(viewer),
                // It has ended meanwhile.
                Err(back) => place = back,
            }
            self.forget(&session).await;
        }
    }

    /// The keeper has reaped the shell of a session; false when it is none of a session's.
    pub(crate) fn told_exit(&self, key: Key, exited: Exited) -> bool {
        let session = lock(&self.inner.sessions).get(&key).cloned();
        if let Some(session) = session {
            session.tell_exit(exited);
        }
        key.run == KEPT
    }

    /// Goes on with the sessions of an earlier worker: takes what is theirs out of what the keeper held.
    pub(crate) fn adopt(&self, held: &mut BTreeMap<Key, Held>) {
        let keys: Vec<Key> = held.keys().copied().filter(|key| key.run == KEPT).collect();
        for key in keys {
            let deposit = Deposit::resumed(&self.inner.custody, key);
            let Some(held) = held.remove(&key) else { continue };
            match resume(key, held, deposit) {
                Ok(session) => {
                    let session = Arc::new(session);
                    let slot: Slot = Arc::new(Turns::new(Some(session.clone())));
                    lock(&self.inner.slots).insert(session.name.clone(), slot);
                    self.live(session);
                }
                // Without its entry the terminal hangs up on whoever uses it.
                Err(error) => tracing::error!(%error, "a terminal of the last worker is lost"),
            }
        }
    }

    /// Stops reading, so that another worker can go on; false, and nothing changed, when something does not come to its end.
    pub(crate) async fn hold(&self, patience: Duration) -> bool {
        if !self.inner.gate.close(patience).await {
            return false;
        }
        lock(&self.inner.sessions).values().for_each(|session| session.hold());
        true
    }

    /// No other worker goes on: reads again.
    pub(crate) fn go_on(&self) {
        lock(&self.inner.sessions).values().for_each(|session| session.go_on());
        self.inner.gate.open();
    }

    /// Another worker goes on: viewers are told to come again.
    pub(crate) fn hand_over(&self) {
        self.inner.handed_over.notify(usize::MAX);
        lock(&self.inner.sessions).values().for_each(|session| session.end(Ending::Moved));
    }

    fn slot(&self, name: &str) -> Result<Slot> {
        let mut slots = lock(&self.inner.slots);
        if let Some(slot) = slots.get(name) {
            return Ok(slot.clone());
        }
        let max = self.inner.bounds.sessions_max;
        if slots.len() >= max {
            return Err(Error::TooManyTerminals { max });
        }
        Ok(slots.entry(name.to_owned()).or_default().clone())
    }

    fn is_current(&self, name: &str, slot: &Slot) -> bool {
        lock(&self.inner.slots).get(name).is_some_and(|current| Arc::ptr_eq(current, slot))
    }

    /// Starts a session and puts it into its slot, whose turn is held meanwhile.
    async fn begin(
        &self,
        name: &str,
        (slot, mut turn): (Slot, MutexGuardArc<Option<Arc<Session>>>),
        wanted: Wanted,
        id: ProcessId,
    ) -> Result<Arc<Session>> {
        let (this, name) = (self.clone(), name.to_owned());
        let pass = self.inner.gate.enter();
        let start = move || {
            let begun = pass.and_then(|_pass: Piece| {
                let session = Arc::new(this.start(&name, &wanted, id)?);
                this.live(session.clone());
                *turn = Some(session.clone());
                Ok(session)
            });
            if begun.is_err() {
                // Whoever waits for the turn sees that the slot is none any more.
                lock(&this.inner.slots).retain(|_, other| !Arc::ptr_eq(other, &slot));
            }
            begun
        };
        // Not on an executor's thread: a hung file system can hold the start for ever. Detached, so that it is done whole.
        let (say, hear) = smol::channel::bounded(1);
        let task = async move {
            // Nobody may be left to hear it.
            say.send(blocking::unblock(start).await).await.ok();
        };
        self.inner.runtime.spawn(task).detach();
        hear.recv().await.map_err(|_| Error::ShuttingDown)?
    }

    /// Blocks until the shell is executed.
    fn start(&self, name: &str, wanted: &Wanted, id: ProcessId) -> Result<Session> {
        let Inner { custody, user, environment, .. } = &*self.inner;
        let key = Key { boot: id.boot(), serial: id.serial(), run: KEPT };
        let lost = |source| Error::Shell { program: wanted.shell.clone().unwrap_or_default().into(), source };
        let tape = Tape::new(name).map_err(lost)?;
        // In the keeper's hands before there is a shell. Of one that is killed in between nobody learns: its terminal hangs up.
        let hold = |terminal: &OwnedFd| {
            let held = [(SLOT_TERMINAL, terminal.as_fd()), (SLOT_TAPE, tape.as_fd())];
            Ok(Deposit::of(custody, key, None, &held))
        };
        let variables = environment.variables();
        let (shell, terminal, deposit) = shell::start(wanted, (user.as_ref(), &variables), hold)?;
        deposit.born(&shell);
        Session::new((name.to_owned(), key), (shell, Parent::Us), terminal, (tape, deposit)).map_err(lost)
    }

    /// The session's name is free for another.
    async fn forget(&self, session: &Arc<Session>) {
        let slot = lock(&self.inner.slots).get(&session.name).cloned();
        let Some(slot) = slot else { return };
        let mut turn = slot.lock().await;
        if turn.as_ref().is_some_and(|present| Arc::ptr_eq(present, session)) {
            *turn = None;
            lock(&self.inner.slots).retain(|_, other| !Arc::ptr_eq(other, &slot));
        }
    }

    /// May something be changed here? `None`: another worker has taken over.
    async fn pass(&self) -> Option<Piece> {
        let handed_over = self.inner.handed_over.listen();
        if self.inner.custody.is_retired() {
            return None;
        }
        let passed = async { Some(self.inner.gate.pass().await) };
        let never = async {
            handed_over.await;
            None
        };
        passed.or(never).await
    }
}

/// The session of an entry.
fn resume(key: Key, mut held: Held, deposit: Deposit) -> io::Result<Session> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let terminal = held.descriptors.remove(&SLOT_TERMINAL).ok_or_else(missing)?;
    let (tape, name) = Tape::resume(held.descriptors.remove(&SLOT_TAPE).ok_or_else(missing)?)?;
    let shell = held.child.take().ok_or_else(missing)?;
    let session = Session::new((name, key), (shell, Parent::Keeper), terminal, (tape, deposit))?;
    if let Some(exited) = held.exited {
        session.tell_exit(exited);
    }
    Ok(session)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
