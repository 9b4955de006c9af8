//! A fixture: one file a case, written by people, in TOML.
//!
//! A fixture says why the case exists, where its expectations come from, what daemon it needs, and which steps are
//! taken. It holds only what the file says, checked for sense: every mistake in a file is found here, with a sentence
//! that names the step, and not half-way through a run. `harness/README.md` describes the format.

mod body;
mod expect;
mod form;
mod frame;
mod schema;
mod script;
mod step;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::Place;

pub use self::{schema::schema, step::Part};

pub(crate) use self::{
    body::{Body, Filler},
    expect::Expectation,
    frame::Frame,
    script::Script,
    step::{Action, Mode, Plan, Raw, Send, Show, SocketTalk, Step},
    wait::{AnswerWait, StreamWait},
};

/// The limits of a process that a case may need.
const LIMITS: [&str; 6] = ["memoryBytes", "cpuSeconds", "pids", "wallSeconds", "outputBytes", "idleSeconds"];

/// A case: requests to a server of the sandbox API, and what is looked at in its answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// Why the case exists, in one sentence.
    pub why: String,
    /// Where the expectations of its steps come from, unless a step says otherwise.
    pub source: Source,
    /// Further flags that `boxd serve` needs for this case; `{{dir}}` in them is its directory.
    #[serde(default)]
    pub daemon: Vec<String>,
    /// Environment variables that the daemon needs for this case.
    #[serde(default)]
    pub daemon_env: BTreeMap<String, String>,
    /// Files, by their paths below the daemon's directory, written before it starts.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What a server that the daemon calls answers, a table for each request; `{{stand_in}}` is where it listens.
    #[serde(default)]
    pub(crate) stand_in: Vec<Script>,
    /// Whether the case can't share a server with others (it counts processes, or asks for the helper program).
    #[serde(default)]
    pub needs_own_daemon: bool,
    /// Where the daemon runs. Elsewhere than on a machine that allows that, the case says nothing.
    pub place: Option<Place>,
    /// Whether the server's working folder has to be the case's own directory: its paths are relative.
    #[serde(default)]
    pub needs_working_folder: bool,
    /// Whether the daemon has to be root's: elsewhere the case says nothing.
    #[serde(default)]
    pub needs_root: bool,
    /// Limits of processes without which the case would harm the machine: where one is not enforced it is skipped.
    #[serde(default)]
    #[schemars(extend("items" = { "enum": LIMITS }))]
    pub needs_limits: Vec<String>,
    /// What is done, in this order; a table for each step.
    #[serde(rename = "step")]
    #[schemars(with = "Vec<form::StepForm>", length(min = 1))]
    pub(crate) steps: Vec<Step>,
    /// What its steps and its variables show that it needs.
    #[serde(skip)]
    own_needs: BTreeSet<Need>,
}

impl Fixture {
    /// A case that asks for nothing: a daemon with its own settings.
    pub fn without_steps() -> Self {
        Self {
            why: String::new(),
            source: Source::Extension,
            daemon: Vec::new(),
            daemon_env: BTreeMap::new(),
            files: BTreeMap::new(),
            stand_in: Vec::new(),
            needs_own_daemon: false,
            place: None,
            needs_working_folder: false,
            needs_root: false,
            needs_limits: Vec::new(),
            steps: Vec::new(),
            own_needs: BTreeSet::new(),
        }
    }
}

/// Where an expectation comes from: which servers can be held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The published text of the API says so.
    Spec,
    /// The known server does so, and clients may rely on it.
    Observed,
    /// The official SDKs need it.
    Sdk,
    /// boxd's own addition.
    Extension,
}

impl Fixture {
    /// Reads a fixture file's text.
    ///
    /// # Errors
    /// A sentence for the author of the file, with the line where TOML knows it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fixture: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if fixture.steps.is_empty() {
            return Err("a fixture needs at least one [[step]]".to_owned());
        }
        if let Some(name) = fixture.needs_limits.iter().find(|name| !LIMITS.contains(&name.as_str())) {
            return Err(format!("needs_limits: `{name}` is none of {}", LIMITS.join(", ")));
        }
        let named = [
            ("{{dir}}", Need::Directory),
            ("{{helper}}", Need::Machine),
            ("{{free_port}}", Need::Machine),
            ("{{other_port}}", Need::Machine),
        ];
        let named = named.into_iter().filter(|(name, _)| text.contains(name)).map(|(_, need)| need);
        let done = fixture.steps.iter().filter_map(|step| match step.action {
            Action::Terminate { .. } => Some(Need::Terminate),
            Action::Kill(Part::Keeper) => Some(Need::KillKeeper),
            Action::Kill(Part::Worker) => Some(Need::Kill),
            _ => None,
        });
        fixture.own_needs = named.chain(done).collect();
        Ok(fixture)
    }

    /// The sources of its steps, each once.
    pub fn sources(&self) -> BTreeSet<Source> {
        self.steps.iter().map(|step| step.source.unwrap_or(self.source)).collect()
    }

    /// What the case needs besides a server of the API, in the order in which it is best told.
    pub fn needs(&self) -> BTreeSet<Need> {
        let mut needs = self.own_needs.clone();
        if !self.daemon.is_empty() || !self.daemon_env.is_empty() || !self.stand_in.is_empty() {
            needs.insert(Need::Settings);
        }
        if !self.files.is_empty() {
            needs.insert(Need::Directory);
        }
        if self.needs_working_folder {
            needs.insert(Need::WorkingFolder);
        }
        if self.place.is_some() {
            needs.insert(Need::Place);
        }
        if self.needs_own_daemon {
            needs.insert(Need::OwnDaemon);
        }
        if self.needs_root {
            needs.insert(Need::Root);
        }
        needs
    }

    /// Why the case can't be run against a server that someone else started and that offers nothing, if so.
    pub fn own_daemon_reason(&self) -> Option<&'static str> {
        self.needs().first().map(|need| need.sentence())
    }
}

/// Something that a case needs of the server's surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Flags or variables of its own.
    Settings,
    /// A place of its own.
    Place,
    /// A server that nobody else uses.
    OwnDaemon,
    /// A server that is root's.
    Root,
    /// SIGTERM.
    Terminate,
    /// SIGKILL of the keeper.
    KillKeeper,
    /// SIGKILL of the part that serves.
    Kill,
    /// The harness's helper program and free ports on the server's machine.
    Machine,
    /// A working folder of the server that is empty, and its own.
    WorkingFolder,
    /// A fresh directory that the server sees.
    Directory,
}

impl Need {
    /// What is needed, in a word or two, for a program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Place => "place",
            Self::OwnDaemon => "own-daemon",
            Self::Root => "root",
            Self::Terminate => "terminate",
            Self::KillKeeper => "kill-keeper",
            Self::Kill => "kill",
            Self::Machine => "machine",
            Self::WorkingFolder => "working-folder",
            Self::Directory => "directory",
        }
    }

    /// What is needed, for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Settings => "needs a daemon with settings of its own (--reset-as-wanted gives it them)",
            Self::Place => "needs a daemon in a place of its own (--reset-as-wanted gives it one)",
            Self::OwnDaemon => "needs a daemon of its own (--reset-cmd makes it that)",
            Self::Root => "needs a daemon that is root's",
            Self::Terminate => "ends the daemon (--reset-as-wanted makes that possible)",
            Self::KillKeeper => "kills the daemon's keeper (--reset-as-wanted makes that possible)",
            Self::Kill => "kills the server (--kill-cmd says how)",
            Self::Machine => "runs a program on the server's machine (--local says that this is it)",
            Self::WorkingFolder => {
                "needs an empty working folder of the server (--working-folder says which)"
            }
            Self::Directory => "needs a directory on the server (--workspace says where)",
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spec => "spec",
            Self::Observed => "observed",
            Self::Sdk => "sdk",
            Self::Extension => "extension",
        })
    }
}

impl std::str::FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Spec, Self::Observed, Self::Sdk, Self::Extension]
            .into_iter()
            .find(|source| source.to_string() == text)
            .ok_or_else(|| format!("`{text}` is none of spec, observed, sdk, extension"))
    }
}

#[cfg(test)]
mod tests;
