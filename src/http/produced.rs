//! `Produced`: an answer that is made piece by piece where waiting is allowed.
//!
//! A piece is made when the client takes it (one is made ahead), so a client that takes its time holds no thread, and one that
//! leaves ends the making with the piece that is being made.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blocking::Task;
use futures_lite::Stream;
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

/// See the module.
pub(crate) struct Produced {
    files: Files,
    /// Pieces that were made before anybody asked.
    first: Option<Vec<u8>>,
    making: Option<Task<Turn>>,
}

impl Produced {
    fn make(files: &Files, mut producer: Box<dyn Producer>) -> Task<Turn> {
        let files = files.clone();
        blocking::unblock(move || {
            let piece = files.act(|| producer.next());
            (producer, piece)
        })
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
        let (producer, piece) = ready!(Pin::new(making).poll(cx));
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
    let begun = files.run(move |files| {
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
