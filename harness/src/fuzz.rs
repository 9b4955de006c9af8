//! The fuzzer: requests from the OpenAPI document and from mutated fixtures, sent to a server whose every answer is held to
//! the document.
//!
//! ```text
//! seed ─> generate, mutate ─> leash ─> fixture ─> run ─> contract: is the answer one that the document has?
//!                                        ↑ shrink ───────┘ a failure, as small as it gets, in a file
//! ```
//! A sequence of requests is a fixture like any other and is run by the same engine. What may be sent is decided by the
//! `leash` alone. Afterwards the server has to answer, and to have no more memory than when it was warm.

mod call;
mod finding;
mod generate;
mod leash;
mod leftovers;
mod memory;
mod mutate;
mod shrink;
mod values;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use self::{call::Sequence, generate::Generator, leash::Leash};
pub use self::{
    finding::{Finding, Kind},
    memory::Memory,
};
use crate::{
    book::Case,
    run::run,
    site::{Site, await_server},
    target::Target,
    wire_log::{Way, WireLog},
};

/// When so many different findings are there, more would not be read.
const FINDINGS_MAX: usize = 20;
/// A server that hangs or does not answer so often is not asked on.
const SILENCES_MAX: usize = 12;
/// One failure is made smaller for this long at most.
const SHRINK_WITHIN: Duration = Duration::from_mins(1);

/// How long a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many sequences.
    Sequences(u64),
    /// So long.
    Time(Duration),
}

/// A run of the fuzzer.
#[derive(Debug, Clone)]
pub struct Fuzz {
    /// The server.
    pub target: Target,
    /// The server is the harness's own and has a root of its own for files: it may be asked more.
    pub own: bool,
    /// Whose memory is looked at: a process of the server.
    pub pid: Option<i32>,
    /// The choices.
    pub seed: u64,
    /// How long it goes on.
    pub length: Length,
    /// Only operations whose names fit.
    pub only: String,
    /// Sequences at one time.
    pub jobs: usize,
    /// A folder that the server sees and that is made through its API; all files are below it.
    pub workspace: String,
    /// An answer that takes longer is a hang.
    pub patience: Duration,
    /// Where findings are written.
    pub out: Option<PathBuf>,
}

/// What a run has shown.
#[derive(Debug, Default)]
pub struct Report {
    /// Sequences sent.
    pub sequences: u64,
    /// Answers by their status.
    pub statuses: BTreeMap<u16, u64>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Of the process that was to be looked at.
    pub memory: Option<Memory>,
    /// What was wrong afterwards: the server does not answer any more, or it is gone.
    pub afterwards: Vec<String>,
}

/// What the threads of a run share.
#[derive(Debug)]
struct Progress {
    next: AtomicU64,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sequences: u64,
    statuses: BTreeMap<u16, u64>,
    /// By what is the same in them: the first sequence that found it, and how many did.
    found: BTreeMap<(String, Kind), Found>,
    warm: Option<u64>,
}

#[derive(Debug, Clone)]
struct Found {
    number: u64,
    sentence: String,
    times: usize,
}

/// How a sequence failed.
#[derive(Debug, Clone)]
struct Failed {
    operation: String,
    kind: Kind,
    sentence: String,
}

impl Fuzz {
    /// Sends it all.
    ///
    /// # Errors
    /// A sentence when the server doesn't answer in the beginning, takes no folder, or nothing fits.
    pub fn run(&self, progress: &dyn Fn(&str)) -> Result<Report, String> {
        let generator = Generator::new(self.seed, Leash { own: self.own }, &self.only)?;
        let site = Site { workspace: Some(self.workspace.clone()), ..Site::default() };
        let workspace = site.make_workspace(&self.target)?;
        let shared =
            Progress { next: AtomicU64::new(0), began: Instant::now(), state: Mutex::new(State::default()) };
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&generator, &site, &shared));
            }
        });
        let end = self.pid.and_then(memory::resident);
        let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut report = Report { sequences: state.sequences, statuses: state.statuses, ..Report::default() };
        if let Err(error) = await_server(&self.target, self.patience) {
            report.afterwards.push(format!("the server does not answer any more: {error}"));
        }
        match (self.pid, state.warm, end) {
            (None, ..) => {}
            // Without a warm value the run was cut short, and the findings say why.
            (Some(_), warm, Some(end)) => report.memory = Some(Memory { warm: warm.unwrap_or(end), end }),
            (Some(pid), ..) => report.afterwards.push(format!("the process {pid} is gone")),
        }
        for ((operation, kind), found) in state.found {
            progress(&format!("making it smaller: {kind:?}, {operation}"));
            report.findings.push(self.smallest(&generator, &site, (operation, kind), &found)?);
        }
        leftovers::abort_uploads(&self.target, &format!("{}/", self.workspace), self.patience);
        drop(workspace);
        Ok(report)
    }

    /// Takes sequences until there are enough.
    fn work(&self, generator: &Generator, site: &Site, shared: &Progress) {
        loop {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            let (is_over, is_warm) = match self.length {
                Length::Sequences(count) => (number >= count, number >= count / 4),
                Length::Time(time) => (shared.began.elapsed() >= time, shared.began.elapsed() >= time / 4),
            };
            {
                let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                if is_warm && state.warm.is_none() {
                    state.warm = self.pid.and_then(memory::resident);
                }
                if is_over || state.found.len() >= FINDINGS_MAX || state.silences() >= SILENCES_MAX {
                    return;
                }
            }
            let log = WireLog::default();
            let failed = self.send(&generator.sequence(number), site, &self.target.logged(&log));
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.sequences += 1;
            for status in statuses(&log) {
                *state.statuses.entry(status).or_default() += 1;
            }
            if let Some(Failed { operation, kind, sentence }) = failed {
                let new = Found { number, sentence: sentence.clone(), times: 0 };
                let found = state.found.entry((operation, kind)).or_insert(new);
                found.times += 1;
                // Threads overtake each other; the least is what a run of one thread finds.
                if number < found.number {
                    (found.number, found.sentence) = (number, sentence);
                }
            }
        }
    }

    /// Sends a sequence, and gives the first thing that is wrong.
    fn send(&self, sequence: &Sequence, site: &Site, target: &Target) -> Option<Failed> {
        let last = sequence.0.last().map_or_else(String::new, |call| call.operation().to_owned());
        let failed = |operation: String, sentence: String| {
            Some(Failed { operation, kind: Kind::of(&sentence), sentence })
        };
        let case = match Case::new("fuzz/case", self.fixture(sequence, "It is being tried."), None) {
            Ok(case) => case,
            Err(error) => return failed(last, format!("a bug of the fuzzer: {error}")),
        };
        let directory = match site.directory(&case.fixture, target) {
            Ok(directory) => directory,
            Err(error) => return failed("PUT /filesystem/{path}".to_owned(), error),
        };
        let report = run(&case, target, site.home(directory.as_ref()));
        let failure = report.failures.into_iter().next()?;
        let operation = sequence.0.get(failure.step - 1).map_or(last, |call| call.operation().to_owned());
        failed(operation, failure.sentence)
    }

    fn fixture(&self, sequence: &Sequence, why: &str) -> String {
        sequence.fixture(why, u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX))
    }

    /// Makes the sequence of a finding small, and writes it down.
    fn smallest(
        &self,
        generator: &Generator,
        site: &Site,
        (operation, kind): (String, Kind),
        found: &Found,
    ) -> Result<Finding, String> {
        let began = Instant::now();
        let mut sentence = found.sentence.clone();
        let mut fails = |sequence: &Sequence| {
            let failed = self.send(sequence, site, &self.target);
            let same = failed.filter(|failed| failed.operation == operation && failed.kind == kind);
            same.map(|failed| sentence = failed.sentence).is_some()
        };
        let sequence = generator.sequence(found.number);
        let comes_again = fails(&sequence);
        let sequence = if comes_again {
            let leash = Leash { own: self.own };
            shrink::shrink(sequence, |smaller| {
                began.elapsed() < SHRINK_WITHIN
                    && smaller.0.iter().all(|call| leash.allows(call))
                    && fails(smaller)
            })
        } else {
            sequence
        };
        let why = Finding::why(&operation, &sentence);
        let mut finding = Finding {
            fixture: self.fixture(&sequence, &why),
            operation,
            kind,
            sentence,
            number: found.number,
            times: found.times,
            comes_again,
            file: None,
        };
        if let Some(folder) = &self.out {
            finding.write(folder)?;
        }
        Ok(finding)
    }
}

impl State {
    fn silences(&self) -> usize {
        let is_silent = |kind: Kind| matches!(kind, Kind::Hang | Kind::Gone);
        self.found.iter().filter(|((_, kind), _)| is_silent(*kind)).map(|(_, found)| found.times).sum()
    }
}

impl Report {
    /// Whether anything is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
            && self.afterwards.is_empty()
            && self.memory.as_ref().is_none_or(Memory::is_flat)
    }
}

/// The statuses that came over a wire.
fn statuses(log: &WireLog) -> Vec<u16> {
    let pieces = log.pieces();
    let received = pieces.iter().filter(|piece| piece.way == Way::Received);
    received
        .filter_map(|piece| {
            piece.text.trim_start_matches('"').strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
        })
        .collect()
}

/// What was sent, what came back, and all that is wrong.
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}\n")?;
        }
        for sentence in &self.afterwards {
            writeln!(f, "afterwards: {sentence}\n")?;
        }
        let answers: u64 = self.statuses.values().sum();
        let kinds: Vec<_> =
            self.statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        writeln!(f, "{} sequences, {answers} answers: {}", self.sequences, kinds.join(", "))?;
        if let Some(memory) = &self.memory {
            let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024);
            let is = if memory.is_flat() { "at most" } else { "TOO MUCH, at most" };
            writeln!(
                f,
                "memory: {} warm, {} at the end ({is} {})",
                mib(memory.warm),
                mib(memory.end),
                mib(memory.most())
            )?;
        }
        write!(f, "{} findings", self.findings.len() + self.afterwards.len())
    }
}
