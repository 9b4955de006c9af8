//! `Finding`: something wrong that a sequence of requests has brought about.

use std::path::{Path, PathBuf};

use crate::{
    book::Case,
    render, report, snapshot, text,
    transcript::{Section, Transcript},
};

/// In which way an answer is wrong. Of several that are wrong in the same way for the same operation one is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A fault of the server: 500, or a 5xx that the document does not have.
    Fault,
    /// No answer in time.
    Hang,
    /// No connection, or one that was closed without an answer.
    Gone,
    /// A status or media type that is not in the document.
    Undocumented,
    /// A body that is not what the schema says, that breaks off, or a stream that breaks the rules of streams.
    Invalid,
}

impl Kind {
    /// By the sentence with which a step fails.
    pub(super) fn of(sentence: &str) -> Self {
        let says = |part: &str| sentence.contains(part);
        if says("a fault of the server") || says("the status 5") {
            Self::Fault
        } else if says("timed out: ") || says("within") && says(" ms") {
            Self::Hang
        } else if says("no connection to ") || says("closed without an answer") {
            Self::Gone
        } else if says("is not in the document") {
            Self::Undocumented
        } else {
            Self::Invalid
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The operation whose answer is wrong, as in `GET /process/{identifier}`.
    pub operation: String,
    /// In which way.
    pub kind: Kind,
    /// In a sentence.
    pub sentence: String,
    /// The number of the sequence that found it; with the seed it is made again.
    pub number: u64,
    /// How many sequences found the same.
    pub times: usize,
    /// Whether it came again when it was tried again.
    pub comes_again: bool,
    /// The fixture that `boxd-harness run --cases` replays.
    pub fixture: String,
    /// Where the fixture was written.
    pub file: Option<PathBuf>,
}

impl Finding {
    /// The name of its case.
    pub fn case(&self) -> String {
        let words: String = self
            .operation
            .to_lowercase()
            .split(|character: char| !character.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("_");
        format!("fuzz/{words}_{:?}", self.kind).to_lowercase()
    }

    /// Writes the case below a folder: its fixture and its snapshot.
    pub(super) fn write(&mut self, folder: &Path) -> Result<(), String> {
        let name = self.case();
        let file = folder.join("fixtures").join(format!("{name}.toml"));
        report::write(&file, &self.fixture)?;
        let snapshot = folder.join("snapshots").join(format!("{name}.snap"));
        report::write(&snapshot, &snapshot::file(&name, &self.transcript()?))?;
        self.file = Some(file);
        Ok(())
    }

    /// What the transcript of the fixture is when nothing is wrong: of answers it shows nothing.
    fn transcript(&self) -> Result<String, String> {
        let fixture = Case::new(&self.case(), self.fixture.clone(), None)?.fixture;
        let sections = fixture.steps.iter().map(|step| Section {
            source: step.source.unwrap_or(fixture.source),
            title: render::title(step),
            lines: render::request_lines(step),
        });
        Ok(Transcript { sections: sections.collect() }.to_string())
    }

    /// A sentence for a fixture's `why`.
    pub(super) fn why(operation: &str, sentence: &str) -> String {
        let first = sentence.lines().next().unwrap_or_default();
        format!("Found by the fuzzer, {operation}: {}.", text::short(first).trim_end_matches('.'))
    }
}

/// A finding for people.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { operation, kind, sentence, number, times, .. } = self;
        write!(f, "{kind:?}: {operation}: {sentence}\n  sequence {number}, {times} times")?;
        if !self.comes_again {
            f.write_str(", not when tried again")?;
        }
        match &self.file {
            Some(file) => write!(f, "\n  {}", file.display()),
            None => write!(f, "\n{}", self.fixture),
        }
    }
}
