//! `Baseline`: failures that are known, each with the reason why it is accepted.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    known: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    deviation: Vec<Deviation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    case: String,
    why: String,
}

impl Baseline {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence when it cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        Self::parse(&text).map_err(named)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut known = BTreeMap::new();
        for Deviation { case, why } in file.deviation {
            if known.insert(case.clone(), why).is_some() {
                return Err(format!("`{case}` is there twice"));
            }
        }
        Ok(Self { known })
    }

    /// Why a case may fail, if it may.
    pub fn why(&self, case: &str) -> Option<&str> {
        self.known.get(case).map(String::as_str)
    }

    /// Its cases, ordered.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_needs_a_reason_and_stands_there_once() {
        let one = "[[deviation]]\ncase = \"process/a\"\nwhy = \"no limits there\"\n";
        let baseline = Baseline::parse(one).unwrap();
        assert_eq!((baseline.why("process/a"), baseline.why("process/b")), (Some("no limits there"), None));
        assert!(Baseline::parse(&one.repeat(2)).unwrap_err().contains("twice"));
        assert!(Baseline::parse("[[deviation]]\ncase = \"a\"\n").unwrap_err().contains("why"));
        assert_eq!(Baseline::parse("").unwrap().cases().count(), 0);
    }
}
