//! The daemon's own log: one line an event on standard error, for people on a terminal and as JSON elsewhere.
//!
//! Lines are written by a thread of their own. When whoever reads standard error stands still, lines are dropped rather
//! than requests delayed.

mod line_queue;
mod patient;

use std::io::IsTerminal;

use tracing_subscriber::fmt;

use crate::config::LogFormat;
use line_queue::LineQueue;
use patient::Patient;

/// Dropping it writes what is left.
#[derive(Debug)]
pub(crate) struct Telemetry(LineQueue);

impl Telemetry {
    /// Sets the log up for the whole process.
    pub(crate) fn start(format: LogFormat) -> Self {
        let queue = LineQueue::default();
        let lost = |lines| tracing::warn!(lines, "lines of the log were dropped: nobody read it");
        // Without a thread there is no log, and nothing else is different.
        queue.write_to(Patient(std::io::stderr()), lost).ok();
        let is_terminal = std::io::stderr().is_terminal();
        let is_human = match format {
            LogFormat::Human => true,
            LogFormat::Json => false,
            LogFormat::Auto => is_terminal,
        };
        subscribe(queue.clone(), is_human, is_terminal);
        Self(queue)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn subscribe(queue: LineQueue, is_human: bool, is_terminal: bool) {
    let writer = move || queue.clone();
    let builder = fmt::Subscriber::builder().with_writer(writer).with_max_level(tracing::Level::INFO);
    // A second subscriber in one process is a test's; the first stays.
    if is_human {
        tracing::subscriber::set_global_default(builder.with_ansi(is_terminal).compact().finish()).ok();
    } else {
        let json = builder.json().flatten_event(true).with_current_span(false).with_span_list(false);
        tracing::subscriber::set_global_default(json.finish()).ok();
    }
}
