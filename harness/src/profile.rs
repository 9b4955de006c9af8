//! `Profile`: what a server is held to, as data (`profiles.toml`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{fixture::Source, glob::fits};

/// See the module.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who is meant by it, in one sentence.
    pub why: String,
    /// Whose word is required; the rest is reported and not held against the server.
    pub require: BTreeSet<Source>,
    /// The cases, by globs; all when there are none.
    #[serde(default)]
    pub cases: Vec<String>,
}

impl Profile {
    /// The profile of a name.
    ///
    /// # Errors
    /// A sentence with the names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let mut all = Self::all()?;
        let names: Vec<_> = all.keys().cloned().collect();
        all.remove(name)
            .ok_or_else(|| format!("there is no profile `{name}`; there are {}", names.join(", ")))
    }

    /// All profiles, by their names.
    ///
    /// # Errors
    /// A sentence when the file that the harness was built with is wrong; a test looks at that.
    pub fn all() -> Result<BTreeMap<String, Self>, String> {
        toml::from_str(include_str!("../profiles.toml")).map_err(|error| format!("profiles.toml: {error}"))
    }

    /// Whether a case is among those of the profile.
    pub fn has(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|glob| fits(glob, case))
    }

    /// Whether an expectation from this source is required.
    pub fn requires(&self, source: Source) -> bool {
        self.require.contains(&source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_layers() {
        let all = Profile::all().unwrap();
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["baseten", "blaxel", "boxd", "seed"]);
        assert!(all["boxd"].require.len() == 4 && all["boxd"].has("file/x"));
        assert!(!all["blaxel"].requires(Source::Extension) && all["blaxel"].requires(Source::Observed));
        assert!(!all["baseten"].requires(Source::Observed));
        assert!(all["seed"].has("process/exec_true") && !all["seed"].has("file/x"));
        assert!(Profile::named("nobody").unwrap_err().contains("baseten, blaxel"));
    }
}
