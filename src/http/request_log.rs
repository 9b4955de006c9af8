//! `RequestLine`: the one line that is logged for each request, when its answer is over.

use std::time::Instant;

/// A request that is being answered. Dropping it writes the line.
#[derive(Debug)]
pub(crate) struct RequestLine {
    method: String,
    /// Without secrets.
    target: String,
    status: u16,
    began: Instant,
    bytes: u64,
    /// A streamed answer that was not sent to its end: the client left.
    is_cut: bool,
    /// Why, if it was not the client.
    why: Option<String>,
}

impl RequestLine {
    /// A request that came in at `began` and is answered now.
    pub(crate) fn new(method: &str, target: String, status: u16, began: Instant, is_streamed: bool) -> Self {
        Self { method: method.to_owned(), target, status, began, bytes: 0, is_cut: is_streamed, why: None }
    }

    /// So many bytes of the answer's body were handed to the connection.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The streamed answer could not go on.
    pub(crate) fn broke_off(&mut self, why: String) {
        self.why = Some(why);
    }

    /// The streamed answer came to its end.
    pub(crate) fn complete(&mut self) {
        self.is_cut = false;
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let Self { method, target, status, bytes, is_cut, why, .. } = self;
        #[expect(clippy::cast_precision_loss, reason = "a duration in a log line")]
        let ms = self.began.elapsed().as_micros() as f64 / 1000.0;
        let cut = match why {
            Some(why) => format!(" ({why})"),
            None if *is_cut => " (client left)".to_owned(),
            None => String::new(),
        };
        tracing::info!(target: "access", status, bytes, duration_ms = ms, "{method} {target} {status} {bytes} {ms:.1}ms{cut}");
    }
}
