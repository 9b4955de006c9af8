//! The daemon's own log: one line an event on standard error, for people on a terminal and as JSON elsewhere.
//!
//! Lines are written by a thread of their own. When whoever reads standard error stands still, lines are dropped rather
//! than requests delayed.

use std::io::{BufWriter, IsTerminal};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt;

use crate::config::LogFormat;

/// Lines held for a reader that stands still; a line is some hundred bytes.
const LINES_MAX: usize = 8192;

/// Lines that are there together are written together: the writing thread flushes when it has no more.
const BATCH_BYTES: usize = 32 * 1024;

/// Keeps the writing thread alive; dropping it writes what is left.
#[derive(Debug)]
pub(crate) struct Telemetry {
    _guard: WorkerGuard,
}

impl Telemetry {
    /// Sets the log up for the whole process.
    pub(crate) fn start(format: LogFormat) -> Self {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_MAX)
            .lossy(true)
            .thread_name("boxd-log")
            .finish(BufWriter::with_capacity(BATCH_BYTES, std::io::stderr()));
        let is_terminal = std::io::stderr().is_terminal();
        let is_human = match format {
            LogFormat::Human => true,
            LogFormat::Json => false,
            LogFormat::Auto => is_terminal,
        };
        subscribe(writer, is_human, is_terminal);
        Self { _guard: guard }
    }
}

fn subscribe(writer: NonBlocking, is_human: bool, is_terminal: bool) {
    let builder = fmt::Subscriber::builder().with_writer(writer).with_max_level(tracing::Level::INFO);
    // A second subscriber in one process is a test's; the first stays.
    if is_human {
        tracing::subscriber::set_global_default(builder.with_ansi(is_terminal).compact().finish()).ok();
    } else {
        let json = builder.json().flatten_event(true).with_current_span(false).with_span_list(false);
        tracing::subscriber::set_global_default(json.finish()).ok();
    }
}
