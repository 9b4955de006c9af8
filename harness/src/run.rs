//! Runs one case against one server: takes the steps, writes the transcript, notes what failed.
//!
//! A broken rule or expectation is a failure and the run goes on; a request that gets no answer, or a wait that isn't
//! fulfilled, ends it, because later steps stand on it. Whatever happens, the processes that the case saw running are
//! killed at the end, and every stream is closed.

mod check;
mod cleanup;
mod perform;
mod sockets;
mod steps;

use std::{collections::BTreeMap, thread::JoinHandle};

use self::cleanup::Cleanup;
use crate::{
    book::Case,
    client::{ClientError, Connection},
    conversation::{Answer, Conversation},
    fixture::Source,
    ground::Ground,
    normalise::Normaliser,
    process::Process,
    rules::Rules,
    stream::Event,
    target::Target,
    transcript::{Section, Transcript},
    variables::{Variables, unique_name},
};

/// The size of `{{big}}`: more than any server takes as a header.
const BIG_BYTES: usize = 2 * 1024 * 1024;

/// What a run of a case gave.
#[derive(Debug, Default)]
pub struct Report {
    /// What was said, normalised.
    pub transcript: Transcript,
    /// What was wrong, whatever the snapshot says.
    pub failures: Vec<Failure>,
    /// The step behind which the case could not go on, when it was not taken to its end.
    pub stopped_at: Option<usize>,
}

/// A broken rule, an unfulfilled expectation or wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The number of the step, from 1.
    pub step: usize,
    /// Where that step's expectations come from.
    pub source: Source,
    /// What is wrong, in a sentence.
    pub sentence: String,
}

/// What a case finds around the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Home<'a> {
    /// What was made for the server, when it was started for this case, in the ground's directory.
    pub(crate) ground: Option<&'a Ground>,
    /// Its process, when that is on this machine and known.
    pub(crate) process: Option<&'a Process>,
    /// A fresh directory that the server sees.
    pub(crate) directory: Option<&'a str>,
    /// The command line of the helper program on the server's machine, quoted for a shell.
    pub(crate) helper: Option<&'a str>,
    /// A command for a shell that kills the server.
    pub(crate) kill_command: Option<&'a str>,
}

impl<'a> Home<'a> {
    /// Around a server that was started for the case.
    pub(crate) fn on(ground: &'a Ground, process: Option<&'a Process>, helper: Option<&'a str>) -> Self {
        let directory = Some(ground.directory());
        Self { ground: Some(ground), process, directory, helper, kill_command: None }
    }
}

/// Runs a case.
pub fn run(case: &Case, target: &Target, home: Home<'_>) -> Report {
    let mut run = Run::new(case, target, home);
    let mut report = Report::default();
    for (index, step) in case.fixture.steps.iter().enumerate() {
        let source = step.source.unwrap_or(case.fixture.source);
        let mut outcome = run.step(step);
        let is_over = outcome.stop.is_some();
        outcome.sentences.extend(run.normaliser.take_complaints());
        outcome.sentences.extend(outcome.stop.take());
        let failures = outcome.sentences.into_iter();
        report.failures.extend(failures.map(|sentence| Failure { step: index + 1, source, sentence }));
        report.transcript.sections.push(Section { source, title: outcome.title, lines: outcome.lines });
        if is_over {
            report.stopped_at = Some(index + 1);
            break;
        }
    }
    run.close();
    report
}

/// The state of a run.
struct Run<'a> {
    target: &'a Target,
    variables: Variables,
    normaliser: Normaliser,
    /// Which variables the fixture uses: only their values are turned back in the transcript.
    fixture: &'a str,
    streams: BTreeMap<String, OpenStream>,
    sockets: BTreeMap<String, sockets::OpenSocket>,
    backgrounds: BTreeMap<String, JoinHandle<Result<Answer, ClientError>>>,
    /// The events of streams that were closed, for those that go on with them.
    closed: BTreeMap<String, Vec<Event>>,
    kept: Option<Connection>,
    cleanup: Cleanup,
    home: Home<'a>,
}

/// A stream between the steps that use it.
struct OpenStream {
    conversation: Conversation,
    ordered: bool,
    resumes: Option<String>,
}

/// What one step gave.
#[derive(Debug, Default)]
struct Outcome {
    title: String,
    lines: Vec<String>,
    sentences: Vec<String>,
    /// Why the case can't go on.
    stop: Option<String>,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case, target: &'a Target, home: Home<'a>) -> Self {
        let mut run = Self {
            target,
            variables: Variables::default(),
            normaliser: Normaliser::new(Rules::embedded(), &case.text),
            fixture: &case.text,
            streams: BTreeMap::new(),
            sockets: BTreeMap::new(),
            backgrounds: BTreeMap::new(),
            closed: BTreeMap::new(),
            kept: None,
            cleanup: Cleanup::default(),
            home,
        };
        run.set("name", unique_name());
        run.set("host", target.authority().to_owned());
        run.set("port", target.port().to_owned());
        if case.text.contains("{{big}}") {
            run.variables.set("big", "a".repeat(BIG_BYTES));
        }
        if let Some(directory) = home.directory {
            run.set("dir", directory.to_owned());
            // A server that was started for the case runs there.
            run.variables.commands_run_in = home.ground.is_none().then(|| directory.to_owned());
        }
        if let Some(stand_in) = home.ground.and_then(Ground::stand_in) {
            run.set("stand_in", stand_in.url());
        }
        if let Some(helper) = home.helper {
            run.set("helper", helper.to_owned());
            for name in ["free_port", "other_port"] {
                if case.text.contains(&format!("{{{{{name}}}}}")) {
                    run.set(name, perform::free_port().to_string());
                }
            }
        }
        run
    }

    /// Sets a variable, and turns its value back in the transcript when the fixture uses it.
    fn set(&mut self, name: &str, value: String) {
        if self.fixture.contains(&format!("{{{{{name}}}}}")) {
            self.normaliser.know(&value, name);
        }
        self.variables.set(name, value);
    }

    fn close(self) {
        for (_, stream) in self.streams {
            stream.conversation.into_answer().1.close(false);
        }
        for (_, socket) in self.sockets {
            socket.close(false);
        }
        self.cleanup.run(self.target);
    }
}
