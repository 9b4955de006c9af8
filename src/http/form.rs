//! `multipart/form-data` as it comes: the file of a form goes where it belongs while it is read, whatever the order of the fields.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use async_io::Timer;
use bytes::Bytes;
use event_listener::EventListener;
use futures_lite::{AsyncRead, Stream};
use multer::{Constraints, Field, Multipart, SizeLimit};
use tide::Request;

use super::context::Context;
use super::refusal::Refusal;
use super::request;

/// Bytes read at one time.
const READ_BYTES: usize = 64 * 1024;

/// The largest value of a field that is no file.
const TEXT_BYTES_MAX: usize = 4096;

/// What comes beside a file: boundaries, heads of fields and fields that nobody wants.
pub(crate) const OVERHEAD_BYTES_MAX: u64 = 1 << 20;

/// A form whose fields come one after the other.
pub(crate) struct Form {
    fields: Multipart<'static>,
    max: u64,
}

impl Form {
    /// The body of a request, `max` bytes of it at most.
    pub(crate) fn new(request: &mut Request<Context>, max: u64) -> Result<Self, Refusal> {
        let content_type = request::header(request, "content-type").unwrap_or_default().to_owned();
        let boundary = multer::parse_boundary(&content_type).map_err(|_| {
            let why = if content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
                "no multipart boundary param in Content-Type"
            } else {
                "request Content-Type isn't multipart/form-data"
            };
            Refusal::BadRequest(format!("error reading multipart data: {why}"))
        })?;
        Ok(Self::over(BodyStream::new(request, max)?, boundary, max))
    }

    fn over(body: impl Stream<Item = Item> + Send + 'static, boundary: String, max: u64) -> Self {
        let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(max));
        Self { fields: Multipart::with_constraints(body, boundary, constraints), max }
    }

    /// The next field; `None` at the end of the form.
    pub(crate) async fn next(&mut self) -> Result<Option<Field<'static>>, Refusal> {
        self.fields.next_field().await.map_err(|error| refused(error, self.max))
    }

    /// More bytes of a field; `None` at its end.
    pub(crate) async fn chunk(&self, field: &mut Field<'static>) -> Result<Option<Bytes>, Refusal> {
        field.chunk().await.map_err(|error| refused(error, self.max))
    }

    /// The whole value of a field that is no file.
    pub(crate) async fn text(&self, mut field: Field<'static>) -> Result<String, Refusal> {
        let mut text = Vec::new();
        while let Some(chunk) = self.chunk(&mut field).await? {
            text.extend_from_slice(&chunk);
            if text.len() > TEXT_BYTES_MAX {
                return Err(Refusal::BadRequest(format!(
                    "a form field is longer than {TEXT_BYTES_MAX} bytes"
                )));
            }
        }
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

/// Why a form could not be read, in the words that clients know.
fn refused(error: multer::Error, max: u64) -> Refusal {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            Refusal::BodyTooLarge(max)
        }
        multer::Error::StreamReadFailed(source) => match source.downcast::<Stopped>() {
            Ok(stopped) => stopped.0,
            Err(source) => Refusal::BodyCut(std::io::Error::other(source)),
        },
        multer::Error::IncompleteStream => {
            Refusal::BadRequest("error reading multipart part: multipart: NextPart: EOF".to_owned())
        }
        multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteHeaders => Refusal::FormCut,
        error => Refusal::BadRequest(format!("error reading multipart part: {error}")),
    }
}

/// A refusal on its way through the form's reader.
#[derive(Debug, thiserror::Error)]
#[error("the body stopped")]
struct Stopped(Refusal);

type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The body of a request as it comes, for as long as somebody who sends may take.
pub(crate) struct BodyStream {
    reader: Pin<Box<dyn AsyncRead + Send + Sync>>,
    timer: Timer,
    timeout: std::time::Duration,
    shutdown: Pin<Box<EventListener>>,
    /// What is read goes here.
    space: Vec<u8>,
    left: u64,
    max: u64,
}

impl BodyStream {
    /// The body of a request, `max` bytes at most; one that says that it is larger is not read.
    pub(crate) fn new(request: &mut Request<Context>, max: u64) -> Result<Self, Refusal> {
        let announced =
            request::header(request, "content-length").and_then(|value| value.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > max) {
            return Err(Refusal::BodyTooLarge(max));
        }
        let context = request.state().clone();
        let timeout = context.limits.body_timeout;
        Ok(Self {
            reader: Box::pin(request.take_body().into_reader()),
            timer: Timer::after(timeout),
            timeout,
            shutdown: Box::pin(context.shutdown.listen()),
            space: Vec::new(),
            left: max,
            max,
        })
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        std::future::poll_fn(|cx| self.poll(cx)).await.transpose()
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        self.space.resize(READ_BYTES, 0);
        match self.reader.as_mut().poll_read(cx, &mut self.space) {
            Poll::Ready(Ok(0)) => Poll::Ready(None),
            Poll::Ready(Ok(read)) => {
                self.timer.set_after(self.timeout);
                match self.left.checked_sub(read as u64) {
                    Some(left) => self.left = left,
                    None => return Poll::Ready(Some(Err(Refusal::BodyTooLarge(self.max)))),
                }
                Poll::Ready(Some(Ok(piece(&mut self.space, read))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(Refusal::BodyCut(error)))),
            Poll::Pending => {
                if self.shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(Refusal::BodyAtShutdown)));
                }
                if Pin::new(&mut self.timer).poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(Refusal::BodySlow)));
                }
                Poll::Pending
            }
        }
    }
}

/// The first bytes of `space`: as they are when they are most of it, else a copy. A body may come a byte at a time, and bytes that wait
/// are not to hold more memory than there are of them.
fn piece(space: &mut Vec<u8>, read: usize) -> Bytes {
    if read < space.len() / 2 {
        return Bytes::copy_from_slice(&space[..read]);
    }
    let mut whole = std::mem::take(space);
    whole.truncate(read);
    whole.into()
}

impl Stream for BodyStream {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        this.poll(cx).map(|item| item.map(|bytes| bytes.map_err(|refusal| Stopped(refusal).into())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_piece_holds_no_more_than_twice_its_bytes() {
        for read in [1, 100, READ_BYTES / 2 - 1, READ_BYTES / 2, READ_BYTES] {
            let mut space = vec![7; READ_BYTES];
            let piece = piece(&mut space, read).try_into_mut().unwrap();
            assert_eq!(piece.len(), read);
            assert!(piece.capacity() <= 2 * read, "{read} bytes hold {}", piece.capacity());
        }
    }

    /// The fields of a form that comes in pieces of so many bytes: their names and contents.
    fn fields(body: &[u8], cut: usize) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let pieces: Vec<Item> = body.chunks(cut).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut form = Form::over(futures_lite::stream::iter(pieces), "b".to_owned(), 1 << 20);
        futures_lite::future::block_on(async {
            let mut fields = Vec::new();
            while let Some(mut field) = form.next().await? {
                let (name, mut content) = (field.name().unwrap_or_default().to_owned(), Vec::new());
                while let Some(chunk) = form.chunk(&mut field).await? {
                    content.extend_from_slice(&chunk);
                }
                fields.push((name, content));
            }
            Ok(fields)
        })
    }

    /// Bytes among which there is much of what ends a field, and never all of it.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"--".to_vec()),
            Just(b"\r\n--".to_vec()),
            Just(b"-b".to_vec()),
            any::<u8>().prop_map(|byte| vec![byte])
        ];
        prop::collection::vec(piece, 0..30)
            .prop_map(|pieces| pieces.concat())
            .prop_filter("it ends the field", |bytes| {
                !bytes.windows(5).any(|five| five == b"\r\n--b") && !bytes.starts_with(b"--b")
            })
    }

    proptest! {
        #[test]
        fn any_cutting_of_a_form_gives_the_same_fields(contents in prop::collection::vec(content(), 1..4), cut in 1_usize..30) {
            let mut body = Vec::new();
            for (number, content) in contents.iter().enumerate() {
                body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"f{number}\"\r\n\r\n").into_bytes());
                body.extend(content);
                body.extend(b"\r\n");
            }
            let open = body.len();
            body.extend(b"--b--\r\n");
            let expect: Vec<_> = contents.into_iter().enumerate().map(|(number, content)| (format!("f{number}"), content)).collect();
            prop_assert_eq!(fields(&body, cut).unwrap(), expect);
            prop_assert!(fields(&body[..open], cut).is_err(), "a form without an end");
        }

        #[test]
        fn any_bytes_are_a_form_or_refused(body in "(--b|--|\r\n|content-disposition: form-data; name=\"x\"|[a-z:;\"= é\0]){0,20}", cut in 1_usize..30) {
            drop(fields(body.as_bytes(), cut));
        }
    }
}
