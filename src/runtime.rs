//! `Runtime`: the threads that answer requests.
//!
//! One runtime runs in boxd: smol's executor, its reactor (async-io) and its pool for blocking calls (blocking). The
//! executor is one of our own instead of `smol::spawn`'s global one, because its number of threads is a setting and
//! because the log pump lends a hand: the thread that has just stored a byte also serves the follower that waits for it.
//! For that a task that becomes ready on a thread which holds back is kept there instead of waking another thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_executor::{Executor, Task};
use async_task::Runnable;
use futures_lite::FutureExt;

use crate::log::Readers;

/// Tasks that are run at most before the thread goes on with its own work.
const SERVED_TASKS_MAX: usize = 8;

thread_local! {
    /// Tasks that became ready while this thread holds back; `None` while it does not.
    static HELD: RefCell<Option<VecDeque<Runnable>>> = const { RefCell::new(None) };
}

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
        let this = self.clone();
        let schedule = move |runnable| {
            let free = HELD.with_borrow_mut(|held| match held {
                Some(held) => {
                    held.push_back(runnable);
                    None
                }
                None => Some(runnable),
            });
            if let Some(runnable) = free {
                this.hand_over(runnable);
            }
        };
        let (runnable, task) = async_task::spawn(caught, schedule);
        runnable.schedule();
        task
    }

    /// Gives a task to the threads of the executor.
    fn hand_over(&self, runnable: Runnable) {
        let run = async {
            runnable.run();
        };
        self.executor.spawn(run).detach();
    }
}

impl Readers for Runtime {
    fn hold(&self) {
        HELD.with_borrow_mut(|held| {
            held.get_or_insert_default();
        });
    }

    fn serve(&self) {
        for _ in 0..SERVED_TASKS_MAX {
            // Not borrowed while the task runs: it may wake others.
            let Some(runnable) = HELD.with_borrow_mut(|held| held.as_mut()?.pop_front()) else { break };
            runnable.run();
        }
        for runnable in HELD.take().into_iter().flatten() {
            self.hand_over(runnable);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use event_listener::Event;

    use super::*;

    #[test]
    fn tasks_woken_while_held_back_run_here_a_few_at_most() {
        const TASKS: usize = SERVED_TASKS_MAX + 3;
        let runtime = Runtime::start(1).unwrap();
        let (waiting, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Event::new()));
        let here = std::thread::current().id();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (waiting, go, ran_here) = (waiting.clone(), go.clone(), Arc::new(AtomicUsize::new(0)));
                let seen = ran_here.clone();
                let task = runtime.spawn(async move {
                    let mut signal = Box::pin(go.listen());
                    // Registered, and then counted: whoever sees the count can wake it.
                    assert!(futures_lite::future::poll_once(&mut signal).await.is_none());
                    waiting.fetch_add(1, Ordering::SeqCst);
                    signal.await;
                    seen.store(usize::from(std::thread::current().id() == here), Ordering::SeqCst);
                });
                (task, ran_here)
            })
            .collect();
        while waiting.load(Ordering::SeqCst) < TASKS {
            std::thread::yield_now();
        }
        // A task that has counted itself may still be on its way to sleep: one more that runs behind it says that it is there.
        smol::block_on(runtime.spawn(async {}));
        runtime.hold();
        go.notify(usize::MAX);
        runtime.serve();
        let ran_here: usize = tasks
            .into_iter()
            .map(|(task, ran_here)| {
                smol::block_on(task);
                ran_here.load(Ordering::SeqCst)
            })
            .sum();
        assert_eq!(ran_here, SERVED_TASKS_MAX);
    }

    /// Set for the process that has the pool for itself.
    const ALONE: &str = "BOXD_TEST_POOL_ALONE";

    #[test]
    fn threads_of_the_pool_end_when_nothing_is_left_to_do() {
        const THREADS: usize = 60;
        if std::env::var_os(ALONE).is_none() {
            let name = "runtime::tests::threads_of_the_pool_end_when_nothing_is_left_to_do";
            let test = std::env::current_exe().unwrap();
            let run = std::process::Command::new(test).args(["--exact", name]).env(ALONE, "1").output();
            let run = run.unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
            return;
        }
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let all_here = Arc::new(std::sync::Barrier::new(THREADS));
        let work = || {
            let all_here = all_here.clone();
            blocking::unblock(move || all_here.wait().is_leader())
        };
        let work: Vec<_> = std::iter::repeat_with(work).take(THREADS).collect();
        let leaders = work.into_iter().map(smol::block_on).filter(|is_leader| *is_leader);
        assert_eq!(leaders.count(), 1);
        let began = std::time::Instant::now();
        // Each that stays would wake twice a second, and keep its part of the heap.
        while threads() > THREADS / 2 {
            assert!(began.elapsed() < std::time::Duration::from_secs(10), "{} are there", threads());
            std::thread::yield_now();
        }
    }
}
