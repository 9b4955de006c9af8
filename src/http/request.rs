//! What endpoints read from a request: its target, its body within limits, and who sent it.

use std::time::Duration;

use async_io::Timer;
use event_listener::EventListener;
use futures_lite::{AsyncReadExt, FutureExt};
use tide::Request;
use tide::http::headers::HeaderName;

use super::context::{BodyRoom, Change, Client, Context};
use super::file_target::FileTarget;
use super::negotiate;
use super::refusal::Refusal;
use super::target::{Target, decode};
use crate::filesystem::Place;

/// Bytes read by one call.
const READ_BYTES: usize = 64 * 1024;

/// The target as the client sent it.
pub(crate) fn target(request: &Request<Context>) -> &Target {
    request.ext().expect("the adapter puts it beside every request")
}

/// The process that the path means: segment 1, decoded, and whether it is a name even if it is a number. A number that was
/// written with an escape was meant as a name, because nobody has to escape a pid.
pub(crate) fn identifier(request: &Request<Context>) -> (String, bool) {
    let raw = target(request).segment(1);
    (decode(raw), raw.contains('%'))
}

/// The file that the path means, by the rules for paths.
pub(crate) fn place(request: &Request<Context>) -> Result<Place, Refusal> {
    Ok(request.state().sandbox.files.place(&file_path(request))?)
}

/// The bytes of the path.
pub(crate) fn file_path(request: &Request<Context>) -> Vec<u8> {
    FileTarget::parse(target(request).path()).map(|target| target.path).unwrap_or_default()
}

/// A header's value; the last one if it was given several times.
pub(crate) fn header<'a>(request: &'a Request<Context>, name: &'static str) -> Option<&'a str> {
    request.header(HeaderName::from(name)).map(|values| values.last().as_str())
}

/// All values of a header as one list.
pub(crate) fn header_list(request: &Request<Context>, name: &'static str) -> String {
    let Some(values) = request.header(HeaderName::from(name)) else { return String::new() };
    values.iter().map(tide::http::headers::HeaderValue::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether the request carries a mark of an official SDK.
pub(crate) fn is_sdk(request: &Request<Context>) -> bool {
    let names = request.header_names().map(HeaderName::as_str);
    negotiate::is_sdk(header(request, "user-agent").unwrap_or_default(), names)
}

/// Takes what is held while a request may still change something: a hand-over to another worker waits until it is dropped.
pub(crate) fn take_change(request: &mut Request<Context>) -> Option<Change> {
    let ext: &mut tide::http::Extensions = AsMut::<tide::http::Request>::as_mut(request).ext_mut();
    ext.remove::<Change>()
}

/// What the request was to change is changed: a hand-over to another worker need not wait for the rest of it.
pub(crate) fn change_made(request: &mut Request<Context>) {
    drop(take_change(request));
}

/// Refuses a request that would wait, or stream, on a connection that is to be over soon.
pub(crate) fn may_wait(request: &Request<Context>) -> Result<(), Refusal> {
    match request.ext::<Client>() {
        Some(client) if client.is_standing => Err(Refusal::Standing),
        _ => Ok(()),
    }
}

/// The request waits from now on, if it may: a client that leaves is noticed, and the request dropped.
pub(crate) fn watch_client(request: &Request<Context>) -> Result<(), Refusal> {
    may_wait(request)?;
    if let Some(client) = request.ext::<Client>() {
        client.presence.watch();
    }
    Ok(())
}

/// How long an answer may take before somebody looks whether it is still wanted. Up to then a client may have closed its sending half.
const LATE: Duration = Duration::from_secs(1);

/// Waits for an answer that is soon there, as a rule; one that takes long is given up when the client leaves.
pub(crate) async fn while_wanted<T>(
    request: &Request<Context>,
    answer: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let late = async {
        Timer::after(LATE).await;
        if let Some(client) = request.ext::<Client>() {
            client.presence.watch();
        }
        std::future::pending().await
    };
    answer.or(late).await
}

/// A whole request body and the room it takes.
#[derive(Debug)]
pub(crate) struct Received {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    _room: BodyRoom,
}

/// Reads the whole body, `max` bytes at most.
pub(crate) async fn body(request: &mut Request<Context>, max: u64) -> Result<Received, Refusal> {
    let context = request.state().clone();
    let announced = header(request, "content-length").and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > max) {
        return Err(Refusal::BodyTooLarge(max));
    }
    let mut reader = request.take_body().into_reader();
    let mut patience = BodyPatience::new(&context);
    let mut room = BodyRoom::new(context.clone());
    let mut bytes = Vec::new();
    loop {
        let filled = bytes.len();
        // What is read is counted as it comes: an announcement alone takes no room from others.
        let step =
            READ_BYTES.min(usize::try_from(announced.unwrap_or(u64::MAX)).unwrap_or(READ_BYTES).max(1));
        bytes.resize(filled + step, 0);
        let read = patience.read(reader.read(&mut bytes[filled..])).await?;
        bytes.truncate(filled + read);
        if read == 0 {
            return Ok(Received { bytes, _room: room });
        }
        if bytes.len() as u64 > max {
            return Err(Refusal::BodyTooLarge(max));
        }
        if !room.grow(read as u64) {
            return Err(Refusal::Busy);
        }
    }
}

/// How long the next bytes of a body are waited for: until the time is up, or the daemon goes away.
#[derive(Debug)]
pub(crate) struct BodyPatience {
    timeout: Duration,
    shutdown: EventListener,
}

impl BodyPatience {
    /// For one body.
    pub(crate) fn new(context: &Context) -> Self {
        Self { timeout: context.limits.body_timeout, shutdown: context.shutdown.listen() }
    }

    /// Waits for one read. What has come is read in any case.
    pub(crate) async fn read(
        &mut self,
        read: impl Future<Output = std::io::Result<usize>>,
    ) -> Result<usize, Refusal> {
        let read = async { read.await.map_err(Refusal::BodyCut) };
        let slow = async {
            Timer::after(self.timeout).await;
            Err(Refusal::BodySlow)
        };
        let going_away = async {
            (&mut self.shutdown).await;
            Err(Refusal::BodyAtShutdown)
        };
        read.or(slow).or(going_away).await
    }
}
