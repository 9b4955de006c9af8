//! The life of a session that is there: it reads, waits for viewers, and ends with its shell.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use super::{Terminals, lock};
use crate::clock;
use crate::custody::Exited;
use crate::process::children;
use crate::sys::pidfd::{self, PidFd};
use crate::terminal::ending::Ending;
use crate::terminal::session::{Parent, Session};
use crate::terminal::shell;

/// How long the keeper's word is waited for, when the end of a shell has been seen that is the keeper's. It comes with the end.
const WORD_PATIENCE: Duration = Duration::from_secs(1);

/// How long what is killed is waited for. It is dead at once, unless a file system or a device holds it.
const DYING_PATIENCE: Duration = Duration::from_millis(500);

/// How often it is looked whether a dead one is reaped.
const UNREAPED_PAUSE: Duration = Duration::from_millis(1);

impl Terminals {
    /// Enters a session and begins its life.
    pub(super) fn live(&self, session: Arc<Session>) {
        lock(&self.inner.sessions).insert(session.key, session.clone());
        let (this, idle) = (self.clone(), self.inner.bounds.idle);
        let life = async move {
            let read = async {
                session.read_on().await;
                // It ends with the shell and not with its terminal.
                pending::<()>().await;
            };
            let expire = async {
                session.unwatched(idle).await;
                if this.pass().await.is_some() {
                    tracing::info!(session = session.name, "a terminal that nobody looked at is ended");
                    session.kill();
                }
                pending::<()>().await;
            };
            this.end_with_shell(&session).or(read).or(expire).await;
        };
        // Detached: it ends with the shell.
        self.inner.runtime.spawn(life).detach();
    }

    async fn end_with_shell(&self, session: &Arc<Session>) {
        if let Err(error) = session.shell.exit_seen().await {
            tracing::error!(session = session.name, %error, "the end of a shell cannot be seen");
            pending::<()>().await;
        }
        let pass = self.pass().await;
        let exited = match session.parent {
            Parent::Us => session.shell.peek_exit().ok().flatten().map(|(status, usage)| Exited {
                pid: session.shell.pid(),
                status,
                at_ms: clock::now_ms(),
                usage: Some(usage),
            }),
            Parent::Keeper if pass.is_some() => session.told_exit(WORD_PATIENCE).await,
            Parent::Keeper => return,
        };
        if pass.is_some() {
            let leader = session.shell.pid();
            let dying = blocking::unblock(move || shell::kill_session(leader)).await;
            all_gone(leader, &dying).await;
            session.read_rest().await;
            // Before anybody learns of the end: who has seen a session end finds its place free.
            self.forget(session).await;
            session.end(exited.map_or(Ending::Unseen, |exited| Ending::Shell(exited.status)));
            lock(&self.inner.sessions).remove(&session.key);
        } else if let Some(exited) = exited {
            // Only its parent sees how it ended; the next worker is told by the keeper.
            self.inner.custody.tell_exit(session.key, exited);
        }
        if matches!(session.parent, Parent::Us) {
            let pid = session.shell.pid();
            children::reap(pid, || pidfd::reap_child(pid));
        }
        if pass.is_none() {
            self.forget(session).await;
        }
    }
}

/// Waits until all of them have ended and are reaped, for a while: who is told that a session is over finds nothing of it.
async fn all_gone(leader: u32, dying: &[PidFd]) {
    let gone = async {
        for process in dying {
            process.exit_seen().await.ok();
            // The keeper, or whoever is above, reaps it at once. Of that nobody is told.
            while pidfd::session_of(process.pid()) == Some(leader) {
                Timer::after(UNREAPED_PAUSE).await;
            }
        }
    };
    let time_up = async {
        Timer::after(DYING_PATIENCE).await;
    };
    gone.or(time_up).await;
}
