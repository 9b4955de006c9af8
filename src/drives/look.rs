//! `Looks`: what touches a path that may lie on a drive that hangs.
//!
//! The kernel has no way to look at a path and not to wait. So another thread looks, and whoever wants to know waits for a moment only;
//! the thread comes back when the drive answers, or when its program has ended.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use smol::lock::Semaphore;

/// How long a look is waited for: a disk that works takes less.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at one time, of which all may hang: an eighth of the threads that may wait.
const LOOKS_MAX: usize = 64;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    room: Arc<Semaphore>,
}

impl Looks {
    /// Nobody looks yet.
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    /// What a look has found; `None` when that takes too long, or too many hang. Blocks.
    pub(super) fn within<T: Send + 'static>(&self, look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        // The thread's, and not of who waits for it.
        let place = self.room.try_acquire_arc()?;
        let found = async {
            let look = move || {
                let _place = place;
                look()
            };
            Some(blocking::unblock(look).await)
        };
        let time_up = async {
            Timer::after(PATIENCE).await;
            None
        };
        smol::block_on(found.or(time_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_hangs_is_given_up_and_keeps_its_place() {
        let looks = Looks { room: Arc::new(Semaphore::new(1)) };
        assert_eq!(looks.within(|| 7), Some(7));
        let (answer, silence) = std::sync::mpsc::channel::<()>();
        assert_eq!(looks.within(move || silence.recv().is_ok()), None);
        assert_eq!(looks.within(|| 7), None, "there is room for one");
        drop(answer);
        let again = std::iter::repeat_with(|| looks.within(|| 7)).find(Option::is_some);
        assert_eq!(again, Some(Some(7)));
    }
}
