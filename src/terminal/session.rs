//! `Session`: one shell on a terminal, what it has shown, and who looks at it.
//!
//! ```text
//! Running ── the shell's exit is seen ──> Ending: the rest of its session is killed, what is left is read ──> Over
//!    └── another worker takes over ──> HandedOver: nobody reads here, viewers are told to come again
//! ```
//! One task reads. When somebody looks on, it does not run ahead of the viewer that is furthest by more than half of the tape; but that
//! one is not waited for longer than `PATIENCE`, and not again before it has caught up.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use event_listener::{Event, EventListener};
use futures_lite::FutureExt;
use rustix::io::Errno;
use rustix::process::Signal;

use super::ending::Ending;
use super::tape::{RING_BYTES, Tape};
use crate::custody::{Deposit, Exited, Key};
use crate::sys::pidfd::PidFd;
use crate::sys::pty::{self, Size};

/// Reads in one turn, so that one loud terminal leaves the thread to others.
const READS_PER_TURN: usize = 16;

/// How far reading may be ahead of the viewer that is furthest.
const AHEAD_MAX: u64 = RING_BYTES / 2;

/// How long that viewer is waited for.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long what a dead session has left in the terminal is waited for. The kernel passes it on at once; only who went to a session of
/// its own holds the terminal open for longer.
const REST_MAX: Duration = Duration::from_millis(500);

/// Who reaps the shell.
#[derive(Debug)]
pub(super) enum Parent {
    /// This worker, which has started it.
    Us,
    /// The keeper, which tells how it ended.
    Keeper,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Session {
    /// What clients call it.
    pub(super) name: String,
    /// Of its entry with the keeper.
    pub(super) key: Key,
    pub(super) parent: Parent,
    pub(super) shell: PidFd,
    terminal: Async<OwnedFd>,
    /// Held while one viewer's input is written.
    typing: smol::lock::Mutex<()>,
    state: Mutex<State>,
    /// There is more to show, or there will be no more; or it is to be read again.
    changed: Event,
    /// A viewer has got on, or has gone.
    progress: Event,
    /// A viewer has come or gone.
    audience: Event,
    /// The keeper has told how the shell ended.
    told: Event,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) tape: Tape,
    /// The place of each viewer on the tape.
    pub(super) places: BTreeMap<u64, u64>,
    next_viewer: u64,
    /// Another worker is about to take over: nobody reads here.
    is_held: bool,
    /// The viewer that is furthest was waited for in vain.
    is_unheeded: bool,
    /// Nothing more will be shown.
    pub(super) ending: Option<Ending>,
    exited: Option<Exited>,
    /// The keeper's copies; given back when the session is over.
    deposit: Option<Deposit>,
}

/// What a turn of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more, perhaps.
    Read,
    /// Nothing is there now.
    Empty,
    /// It is another's to read.
    Held,
    /// Nobody has the terminal open any more, or it is over.
    Over,
}

impl Session {
    /// A session whose shell runs.
    pub(super) fn new(
        (name, key): (String, Key),
        (shell, parent): (PidFd, Parent),
        terminal: OwnedFd,
        (tape, deposit): (Tape, Deposit),
    ) -> io::Result<Self> {
        let state = State {
            tape,
            places: BTreeMap::new(),
            next_viewer: 0,
            is_held: false,
            is_unheeded: false,
            ending: None,
            exited: None,
            deposit: Some(deposit),
        };
        Ok(Self {
            name,
            key,
            parent,
            shell,
            terminal: Async::new_nonblocking(terminal)?,
            typing: smol::lock::Mutex::new(()),
            state: Mutex::new(state),
            changed: Event::new(),
            progress: Event::new(),
            audience: Event::new(),
            told: Event::new(),
        })
    }

    /// Reads what the terminal shows, for as long as somebody has it open.
    pub(super) async fn read_on(&self) {
        loop {
            self.wait_for_viewers().await;
            let changed = self.changed.listen();
            match self.read_turn() {
                Turn::Read => futures_lite::future::yield_now().await,
                Turn::Empty => {
                    if self.terminal.readable().await.is_err() {
                        return;
                    }
                }
                Turn::Held => changed.await,
                Turn::Over => return,
            }
        }
    }

    fn read_turn(&self) -> Turn {
        let mut state = self.state();
        if state.is_held {
            return Turn::Held;
        }
        let before = state.tape.end();
        let mut turn = Turn::Read;
        for _ in 0..READS_PER_TURN {
            match state.tape.read_on(&self.terminal) {
                // No terminal says so, but nothing is no output.
                Ok(0) => turn = Turn::Over,
                Ok(_) | Err(Errno::INTR) => continue,
                Err(Errno::NOMEM) => {
                    tracing::error!(
                        session = self.name,
                        "output of a terminal could not be kept: memory is short"
                    );
                    continue;
                }
                Err(Errno::AGAIN) => turn = Turn::Empty,
                // EIO: the last of its programs has closed it.
                Err(_) => turn = Turn::Over,
            }
            break;
        }
        let has_grown = state.tape.end() > before;
        drop(state);
        if has_grown {
            self.changed.notify(usize::MAX);
        }
        turn
    }

    /// Waits for the viewer that is furthest, if it keeps up as a rule.
    async fn wait_for_viewers(&self) {
        let mut waiting_since: Option<Instant> = None;
        loop {
            let progress = self.progress.listen();
            {
                let mut state = self.state();
                let furthest = state.places.values().max().copied();
                let ahead = furthest.map_or(0, |at| state.tape.end().saturating_sub(at));
                if ahead < AHEAD_MAX / 2 {
                    state.is_unheeded = false;
                }
                if ahead <= AHEAD_MAX || state.is_unheeded {
                    return;
                }
                if waiting_since.is_some_and(|since| since.elapsed() >= PATIENCE) {
                    state.is_unheeded = true;
                    return;
                }
            }
            let since = *waiting_since.get_or_insert_with(Instant::now);
            let time_up = async {
                Timer::at(since + PATIENCE).await;
            };
            progress.or(time_up).await;
        }
    }

    /// Reads what a session has left that is dead.
    pub(super) async fn read_rest(&self) {
        let until = Instant::now() + REST_MAX;
        loop {
            match self.read_turn() {
                Turn::Read => {}
                Turn::Empty if Instant::now() < until => {
                    let time_up = async {
                        Timer::at(until).await;
                        Ok(())
                    };
                    if self.terminal.readable().or(time_up).await.is_err() {
                        return;
                    }
                }
                Turn::Empty | Turn::Held | Turn::Over => return,
            }
        }
    }

    /// Types. What one viewer types is not mixed with what another does; a program that does not read its input is waited for.
    pub(crate) async fn type_in(&self, mut input: &[u8]) {
        let _turn = self.typing.lock().await;
        while !input.is_empty() {
            match rustix::io::write(&self.terminal, input) {
                Ok(written) => input = &input[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.terminal.writable().await.is_err() {
                        return;
                    }
                }
                // Nobody is there to read it.
                Err(_) => return,
            }
        }
    }

    /// Whether the shell itself reads what is typed now, as far as the terminal knows, and it is shown.
    pub(crate) fn reads_commands(&self) -> bool {
        pty::is_read_openly_by(self.terminal.as_fd(), self.shell.pid())
    }

    /// Gives the terminal another size. One without columns or rows is none.
    pub(crate) fn resize(&self, size: Size) {
        if size.cols > 0
            && size.rows > 0
            && let Err(error) = pty::set_size(self.terminal.as_fd(), size)
        {
            tracing::debug!(session = self.name, %error, "a terminal keeps its size");
        }
    }

    /// Enters a viewer, and gives its number; `None` when the session is over.
    pub(super) fn enter(&self) -> Option<u64> {
        let mut state = self.state();
        if state.ending.is_some() {
            return None;
        }
        let number = state.next_viewer;
        state.next_viewer += 1;
        let end = state.tape.end();
        state.places.insert(number, end);
        drop(state);
        self.audience.notify(usize::MAX);
        Some(number)
    }

    /// A viewer has gone.
    pub(super) fn leave(&self, number: u64) {
        self.state().places.remove(&number);
        self.audience.notify(usize::MAX);
        self.progress.notify(usize::MAX);
    }

    /// Completes when nobody has looked at it for this long.
    pub(super) async fn unwatched(&self, for_long: Duration) {
        loop {
            let audience = self.audience.listen();
            let comings = {
                let state = self.state();
                state.places.is_empty().then_some(state.next_viewer)
            };
            let Some(before) = comings else {
                audience.await;
                continue;
            };
            let is_over = async {
                Timer::after(for_long).await;
                true
            };
            let somebody_came = async {
                audience.await;
                false
            };
            if is_over.or(somebody_came).await {
                let state = self.state();
                if state.places.is_empty() && state.next_viewer == before {
                    return;
                }
            }
        }
    }

    /// Ends the shell, and with it the session.
    pub(super) fn kill(&self) {
        // It may have ended by itself.
        self.shell.signal(Signal::KILL).ok();
    }

    /// The keeper has reaped the shell.
    pub(super) fn tell_exit(&self, exited: Exited) {
        self.state().exited = Some(exited);
        self.told.notify(usize::MAX);
    }

    /// How the shell ended, as the keeper tells it; waits for its word for a moment.
    pub(super) async fn told_exit(&self, patience: Duration) -> Option<Exited> {
        let told = async {
            loop {
                let told = self.told.listen();
                if let Some(exited) = self.state().exited {
                    return Some(exited);
                }
                told.await;
            }
        };
        let time_up = async {
            Timer::after(patience).await;
            None
        };
        told.or(time_up).await
    }

    /// Nothing more will be shown. The keeper lets the terminal go, unless another worker has it.
    pub(super) fn end(&self, ending: Ending) {
        let deposit = {
            let mut state = self.state();
            state.ending = Some(ending);
            state.deposit.take()
        };
        drop(deposit);
        self.changed.notify(usize::MAX);
    }

    /// Nobody reads from now on, until `go_on`.
    pub(super) fn hold(&self) {
        self.state().is_held = true;
    }

    /// Reads again.
    pub(super) fn go_on(&self) {
        self.state().is_held = false;
        self.changed.notify(usize::MAX);
    }

    /// A viewer has got on: the reader may wait for that.
    pub(super) fn got_on(&self) {
        self.progress.notify(usize::MAX);
    }

    /// For what comes next.
    pub(super) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests;
