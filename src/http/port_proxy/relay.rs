//! Bytes both ways between two connections that are HTTP no more.
//!
//! ```text
//! a reads its end ──> b's sending half is closed; b may go on sending
//! both have ended, one is broken, or the half that is left is silent for `HALF_CLOSED_MAX` ──> both are closed
//! ```
//! Nothing is read that the other side has not room for, and a relay without traffic holds no buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use futures_lite::{AsyncRead, AsyncWrite, FutureExt};

use crate::http::upgraded::Upgraded;

/// Bytes taken by one call: on the stack while they move.
const STEP_BYTES: usize = 16 * 1024;

/// Steps of one direction in a row: then others have their turn.
const STEPS_MAX: usize = 16;

/// How long a side whose other has ended may be silent. One that has left without a word is not told from one that still thinks.
const HALF_CLOSED_MAX: Duration = Duration::from_mins(1);

/// See the module.
pub(in crate::http) async fn relay(mut a: Upgraded, mut b: Upgraded) {
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut clock: Option<(Timer, u64)> = None;
    poll_fn(|cx| {
        let ways = [up.poll(&mut a, &mut b, cx), down.poll(&mut b, &mut a, cx)];
        if ways.iter().any(|way| matches!(way, Poll::Ready(Err(_)))) || up.has_ended && down.has_ended {
            return Poll::Ready(());
        }
        if up.has_ended || down.has_ended {
            let moved = up.moved + down.moved;
            let (timer, seen) = clock.get_or_insert_with(|| (Timer::after(HALF_CLOSED_MAX), moved));
            while timer.poll(cx).is_ready() {
                if *seen == moved {
                    return Poll::Ready(());
                }
                *seen = moved;
                timer.set_after(HALF_CLOSED_MAX);
            }
        }
        Poll::Pending
    })
    .await;
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// What was read and not taken, from `sent` on.
    waiting: Vec<u8>,
    sent: usize,
    moved: u64,
    has_ended: bool,
}

impl Way {
    fn poll(&mut self, from: &mut Upgraded, to: &mut Upgraded, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..STEPS_MAX {
            if self.has_ended {
                return Poll::Pending;
            }
            while self.sent < self.waiting.len() {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting[self.sent..]))?;
                self.sent += n;
                self.moved += n as u64;
            }
            (self.waiting, self.sent) = (Vec::new(), 0);
            let mut space = [0; STEP_BYTES];
            let read = ready!(Pin::new(&mut *from).poll_read(cx, &mut space))?;
            if read == 0 {
                self.has_ended = true;
                return Pin::new(&mut *to).poll_close(cx);
            }
            let written = match Pin::new(&mut *to).poll_write(cx, &space[..read]) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            self.moved += written as u64;
            self.waiting.extend_from_slice(&space[written..read]);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
