//! `Produced`: an answer that is made piece by piece where waiting is allowed.
//!
//! A piece is made when the client takes it (one is made ahead), so a client that takes its time holds no thread, and one that
//! leaves ends the making with the piece that is being made. Only a few are made at one time, so that a start does not have to share
//! the processors with hundreds of listings. When none of those comes to an end for a while, the next goes anyway: they may hang in a
//! disk.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_lite::Stream;
use tide::Response;

use super::refusal::{Doing, Refusal};
use super::respond;
use crate::error::Result;
use crate::filesystem::{Files, TURN_TIME, Wanted};

/// Answers that are smaller are put together before they are sent, so that they have a length.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// How long the pieces of a whole answer are waited for: then the client sees at least that the answer has begun.
const WHOLE_TIME_MAX: Duration = Duration::from_secs(5);

/// What one turn makes at least, unless its time is up or there is no more.
const TURN_BYTES: usize = 64 * 1024;

/// What makes the pieces. Each call may wait for a disk, and is short but for that.
pub(crate) trait Producer: Send + 'static {
    /// The next piece, which may be empty; `None` when there is no more. An error after the first piece cuts the answer.
    fn next(&mut self) -> Result<Option<Vec<u8>>>;
}

/// What a turn has made, and by whom; `None` when there is no more behind it.
type Made = (Vec<u8>, Option<Box<dyn Producer>>);

/// Makes pieces for one turn.
fn make_some(mut producer: Box<dyn Producer>) -> Result<Made> {
    let began = Instant::now();
    let mut made = Vec::new();
    while made.len() < TURN_BYTES {
        match producer.next()? {
            Some(piece) if made.is_empty() => made = piece,
            Some(piece) => made.extend_from_slice(&piece),
            None => return Ok((made, None)),
        }
        if began.elapsed() >= TURN_TIME {
            break;
        }
    }
    Ok((made, Some(producer)))
}

type Making = Pin<Box<dyn Future<Output = Result<Made>> + Send>>;

/// See the module.
pub(crate) struct Produced {
    files: Files,
    /// Pieces that were made before anybody asked.
    first: Option<Vec<u8>>,
    making: Option<Making>,
    /// Ends the making of a piece, too, when the client has left.
    _wanted: Option<Wanted>,
}

fn make(files: &Files, producer: Box<dyn Producer>) -> Making {
    let files = files.clone();
    Box::pin(async move { files.run_in_turn(move |_| make_some(producer)).await })
}

impl Stream for Produced {
    type Item = Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        while let Some(making) = &mut this.making {
            let made = ready!(making.as_mut().poll(cx));
            this.making = None;
            match made {
                Ok((bytes, producer)) => {
                    this.making = producer.map(|producer| make(&this.files, producer));
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(None)
    }
}

/// An answer made by `open`, whole when it is small and soon there. What fails before that is a refusal.
pub(crate) async fn respond<P: Producer>(
    files: &Files,
    content_type: &str,
    doing: Doing,
    open: impl FnOnce(&Files) -> Result<P> + Send + 'static,
) -> Result<Response, Refusal> {
    begin(files, content_type, None, open).await.map_err(|error| Refusal::File(doing, error))
}

/// The same as JSON for what may take long: `wanted` is dropped when nobody waits for the answer any more.
pub(crate) async fn respond_while<P: Producer>(
    files: &Files,
    wanted: Wanted,
    doing: Doing,
    open: impl FnOnce(&Files) -> Result<P> + Send + 'static,
) -> Result<Response, Refusal> {
    begin(files, respond::JSON, Some(wanted), open).await.map_err(|error| Refusal::File(doing, error))
}

async fn begin<P: Producer>(
    files: &Files,
    content_type: &str,
    wanted: Option<Wanted>,
    open: impl FnOnce(&Files) -> Result<P> + Send + 'static,
) -> Result<Response> {
    let began = Instant::now();
    let (mut first, mut producer) = files.run_in_turn(move |files| make_some(Box::new(open(files)?))).await?;
    while first.len() < WHOLE_BYTES_MAX && began.elapsed() < WHOLE_TIME_MAX {
        let Some(more) = producer.take() else { break };
        let (piece, rest) = make(files, more).await?;
        first.extend_from_slice(&piece);
        producer = rest;
    }
    Ok(match producer {
        None => respond::whole(200, content_type, first),
        Some(producer) => {
            let first = Some(first).filter(|first| !first.is_empty());
            let making = Some(make(files, producer));
            respond::pulled(content_type, Produced { files: files.clone(), first, making, _wanted: wanted })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_lite::StreamExt;

    use super::*;
    use crate::filesystem::{Root, Stop};

    struct Pieces(Vec<Option<&'static str>>);

    impl Producer for Pieces {
        fn next(&mut self) -> Result<Option<Vec<u8>>> {
            Ok(self.0.remove(0).map(|piece| piece.as_bytes().to_vec()))
        }
    }

    #[test]
    fn an_empty_piece_is_not_sent_and_no_end() {
        let files = Files::new(Root::whole(), Path::new("/"), None, None);
        let stop = Stop::new();
        let pieces = Pieces(vec![Some(""), Some("b"), Some(""), Some(""), Some("c"), None]);
        let making = Some(make(&files, Box::new(pieces)));
        let mut produced =
            Produced { files, first: Some(b"a".to_vec()), making, _wanted: Some(stop.wanted()) };
        let got: Vec<_> = smol::block_on((&mut produced).map(Result::unwrap).collect());
        assert_eq!(got.concat(), b"abc");
        assert!(!stop.is_set());
        drop(produced);
        assert!(stop.is_set());
    }
}
