//! `Produced`: an answer that is made piece by piece where waiting is allowed.
//!
//! A piece is made when the client takes it (one is made ahead), so a client that takes its time holds no thread, and one that
//! leaves ends the making with the piece that is being made. Only a few are made at one time, so that a start does not have to share
//! the processors with hundreds of listings. When none of those comes to an end for a while, the next goes anyway: they may hang in a
//! disk.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Timer;
use futures_lite::{FutureExt, Stream};
use tide::Response;

use super::refusal::Refusal;
use super::respond;
use crate::error::Result;
use crate::filesystem::Files;

/// Answers that are smaller are put together before they are sent, so that they have a length.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// What makes the pieces. Each call may wait for a disk.
pub(crate) trait Producer: Send + 'static {
    /// The next piece; `None` when there is no more. An error after the first piece cuts the answer.
    fn next(&mut self) -> Result<Option<Vec<u8>>>;
}

type Turn = (Box<dyn Producer>, Result<Option<Vec<u8>>>);

/// How long those who are making something may be without one of them coming to an end.
const WAIT: Duration = Duration::from_secs(1);

/// Does a piece of work that may take the processor for long: when it is its turn.
pub(super) async fn in_turn<T: Send + 'static>(
    files: &Files,
    deed: impl FnOnce(&Files) -> Result<T> + Send + 'static,
) -> Result<T> {
    let mut turn = pin!(files.heavy.permits.acquire());
    // Held until the work is done.
    let _turn = loop {
        let done = files.heavy.done.load(Ordering::Relaxed);
        let waited = async {
            Timer::after(WAIT).await;
            None
        };
        match async { Some(turn.as_mut().await) }.or(waited).await {
            None if files.heavy.done.load(Ordering::Relaxed) != done => {}
            // Its turn has come, or nobody before it comes to an end.
            permit => break permit,
        }
    };
    let result = files.run(deed).await;
    files.heavy.done.fetch_add(1, Ordering::Relaxed);
    result
}

/// See the module.
pub(crate) struct Produced {
    files: Files,
    /// Pieces that were made before anybody asked.
    first: Option<Vec<u8>>,
    making: Option<Pin<Box<dyn Future<Output = Turn> + Send>>>,
}

impl Produced {
    fn make(files: &Files, mut producer: Box<dyn Producer>) -> Pin<Box<dyn Future<Output = Turn> + Send>> {
        let files = files.clone();
        Box::pin(async move {
            let made = in_turn(&files, move |_| {
                let piece = producer.next();
                Ok((producer, piece))
            });
            // Only what stands around the deed fails here: nobody can act as the workload user any more.
            made.await.unwrap_or_else(|error| (Box::new(Nothing), Err(error)))
        })
    }
}

/// What is left of a producer that cannot go on.
struct Nothing;

impl Producer for Nothing {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

impl Stream for Produced {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(making) = &mut this.making else { return Poll::Ready(None) };
        let (producer, piece) = ready!(making.as_mut().poll(cx));
        this.making = None;
        Poll::Ready(match piece {
            Ok(Some(bytes)) => {
                this.making = Some(Self::make(&this.files, producer));
                Some(Ok(bytes))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

/// An answer made by `open`, whole when it is small. What fails before the first 64 KiB are there is a refusal.
pub(crate) async fn respond<P: Producer>(
    files: &Files,
    content_type: &str,
    doing: super::refusal::Doing,
    open: impl FnOnce(&Files) -> Result<P> + Send + 'static,
) -> Result<Response, Refusal> {
    let begun = in_turn(files, move |files| {
        let mut producer = open(files)?;
        let mut first = Vec::new();
        while first.len() < WHOLE_BYTES_MAX {
            match producer.next()? {
                Some(piece) if first.is_empty() => first = piece,
                Some(piece) => first.extend_from_slice(&piece),
                None => return Ok((first, None)),
            }
        }
        Ok((first, Some(producer)))
    });
    match begun.await.map_err(|error| Refusal::File(doing, error))? {
        (whole, None) => Ok(respond::whole(200, content_type, whole)),
        (first, Some(producer)) => {
            let making = Produced::make(files, Box::new(producer));
            Ok(respond::pulled(
                content_type,
                Produced { files: files.clone(), first: Some(first), making: Some(making) },
            ))
        }
    }
}
