//! Work that may take the processor for a while: only a few pieces of it are done at one time.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use super::Files;
use crate::error::Result;

/// How long those whose turn it is may be without one of them coming to an end.
const WAIT: Duration = Duration::from_secs(1);

/// How long one turn goes on at most, when there is more to do: others wait.
pub(crate) const TURN_TIME: Duration = Duration::from_millis(10);

impl Files {
    /// Goes on with something, a turn at a time, until it says that it is done.
    pub(crate) async fn run_in_turns<S: Send + 'static>(
        &self,
        mut state: S,
        turn: fn(&mut S) -> Result<bool>,
    ) -> Result<S> {
        loop {
            let (later, is_more) = self
                .run_in_turn(move |_| {
                    let is_more = turn(&mut state)?;
                    Ok((state, is_more))
                })
                .await?;
            if !is_more {
                return Ok(later);
            }
            state = later;
        }
    }

    /// Does a piece of work that may take the processor for a while: when it is its turn.
    pub(crate) async fn run_in_turn<T: Send + 'static>(
        &self,
        deed: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let waiting = self.heavy.waiting.enter();
        let mut turn = pin!(self.heavy.permits.acquire_arc());
        let turn = loop {
            let done = self.heavy.done.load(Ordering::Relaxed);
            let waited = async {
                Timer::after(WAIT).await;
                None
            };
            match async { Some(turn.as_mut().await) }.or(waited).await {
                None if self.heavy.done.load(Ordering::Relaxed) != done => {}
                // Its turn has come, or nobody before it comes to an end.
                permit => break permit,
            }
        };
        drop(waiting);
        self.run(move |files| {
            let working = files.heavy.working.enter();
            let result = deed(files);
            // Here and not with the one who waits: who leaves does not end what is being made.
            drop((working, turn));
            files.heavy.done.fetch_add(1, Ordering::Relaxed);
            result
        })
        .await
    }
}
