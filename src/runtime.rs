//! `Runtime`: the threads that answer requests.
//!
//! One runtime runs in boxd: smol's executor, its reactor (async-io) and its pool for blocking calls (blocking). The
//! executor is one of our own instead of `smol::spawn`'s global one, because its number of threads is a setting and
//! because the log pump lends a hand (`help`): the thread that has just stored a byte also serves the follower that waits
//! for it, which saves a switch between threads on the way of each byte.

use std::future::{Future, pending};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_executor::{Executor, Task};
use futures_lite::FutureExt;

/// Tasks that one call of `help` runs at most.
const HELP_TASKS_MAX: usize = 8;

/// A cheap handle to the executor.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    executor: Arc<Executor<'static>>,
}

impl Runtime {
    /// Starts `threads` threads that live as long as the process.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let executor = Arc::new(Executor::new());
        for n in 0..threads {
            let executor = executor.clone();
            let run = move || loop {
                // Tasks catch their own panics; this keeps the thread if anything else unwinds.
                catch_unwind(AssertUnwindSafe(|| smol::block_on(executor.run(pending::<()>())))).ok();
            };
            std::thread::Builder::new().name(format!("boxd-http-{n}")).spawn(run)?;
        }
        Ok(Self { executor })
    }

    /// Runs a future to its end. Dropping the task cancels it; detach it to let it go on.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Task<()> {
        let caught = async {
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                tracing::error!("a task panicked");
            }
        };
        self.executor.spawn(caught)
    }

    /// Runs tasks that are ready on the calling thread, a few at most.
    pub(crate) fn help(&self) {
        for _ in 0..HELP_TASKS_MAX {
            if !self.executor.try_tick() {
                return;
            }
        }
    }
}
