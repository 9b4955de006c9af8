//! A fixture: one file a case, written by people, in TOML.
//!
//! A fixture says why the case exists, where its expectations come from, what daemon it needs, and which steps are
//! taken. It holds only what the file says, checked for sense: every mistake in a file is found here, with a sentence
//! that names the step, and not half-way through a run. `harness/README.md` describes the format.

mod body;
mod expect;
mod form;
mod frame;
mod script;
mod step;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

pub use self::step::Part;

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

/// What a fixture file says.
#[derive(Debug, Clone, Deserialize)]
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
    /// What a server that the daemon calls answers; `{{stand_in}}` is where it is.
    #[serde(default)]
    pub(crate) stand_in: Vec<Script>,
    /// Whether the case can't share a server with others (it counts processes, or asks for the helper program).
    #[serde(default)]
    pub needs_own_daemon: bool,
    /// Whether the daemon runs where there is little: see `narrow.rs`. Elsewhere than on a machine that allows that, the case says nothing.
    #[serde(default)]
    pub narrow: bool,
    /// Whether the daemon has to be root's: elsewhere the case says nothing.
    #[serde(default)]
    pub needs_root: bool,
    /// Limits of processes without which the case would harm the machine: where one is not enforced it is skipped.
    #[serde(default)]
    pub needs_limits: Vec<String>,
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
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
            narrow: false,
            needs_root: false,
            needs_limits: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// Where an expectation comes from: which servers can be held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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
        // These variables name things on the machine of the daemon that the harness itself starts.
        fixture.needs_own_daemon |=
            ["{{dir}}", "{{helper}}", "{{free_port}}", "{{other_port}}"].iter().any(|own| text.contains(own))
                || fixture
                    .steps
                    .iter()
                    .any(|step| matches!(step.action, Action::Terminate { .. } | Action::Kill(_)));
        Ok(fixture)
    }

    /// The sources of its steps, each once.
    pub fn sources(&self) -> BTreeSet<Source> {
        self.steps.iter().map(|step| step.source.unwrap_or(self.source)).collect()
    }

    /// Why the case can't be run against a server that someone else started, if so.
    pub fn own_daemon_reason(&self) -> Option<&'static str> {
        if !self.daemon.is_empty() || !self.daemon_env.is_empty() || !self.files.is_empty() {
            Some("needs a daemon with settings of its own")
        } else if self.needs_own_daemon || self.needs_root || self.narrow {
            Some("needs a daemon of its own")
        } else {
            None
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

#[cfg(test)]
mod tests;
