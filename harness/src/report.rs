//! Reports of runs: JSON to keep, `JUnit` for build servers, HTML for people.

mod html;
mod junit;

use std::{fs, path::Path, time::SystemTime};

use serde::{Deserialize, Serialize};

pub use self::{html::html, junit::junit};
use crate::judge::{Judgement, Verdict};

/// The version of the JSON; it changes when a reader has to.
const FORMAT: u32 = 1;

/// One run of the cases against one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of this form; a reader refuses others.
    pub format: u32,
    /// What the server is called in a report; its URL when nobody said.
    pub name: String,
    /// Its URL.
    pub target: String,
    /// What it was held to.
    pub profile: String,
    /// When the run began, as HTTP writes dates.
    pub started_at: String,
    /// How long it took.
    pub seconds: f64,
    /// Whether all that the profile requires holds.
    pub is_compliant: bool,
    /// The cases, ordered by name.
    pub cases: Vec<Judgement>,
}

impl Record {
    /// A record of a run that began then.
    pub fn new(name: &str, target: &str, profile: &str, started_at: SystemTime) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            target: target.to_owned(),
            profile: profile.to_owned(),
            started_at: httpdate::fmt_http_date(started_at),
            seconds: started_at.elapsed().unwrap_or_default().as_secs_f64(),
            is_compliant: false,
            cases: Vec::new(),
        }
    }

    /// How many cases came out in a way.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|case| case.verdict == verdict).count()
    }

    /// Reads a record that was written as JSON.
    ///
    /// # Errors
    /// A sentence when it cannot be read, or is of a version that is not known.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", path.display());
        let bytes = fs::read(path).map_err(|error| named(error.to_string()))?;
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| named(error.to_string()))?;
        if record.format == FORMAT {
            Ok(record)
        } else {
            Err(named(format!("it is of format {}, this harness reads {FORMAT}", record.format)))
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// A sentence when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        write(path, &text)
    }
}

/// Writes a report, and the folders above it.
///
/// # Errors
/// A sentence when it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Text that may stand in XML or HTML. Characters that XML cannot have are shown as U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            hidden if hidden.is_control() || matches!(hidden, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        fixture::Source,
        judge::Finding,
        wire_log::{Piece, Way},
    };

    /// A record with a case of each verdict.
    pub(crate) fn record(name: &str) -> Record {
        let case = |case: &str, verdict, findings: Vec<Finding>| Judgement {
            case: case.to_owned(),
            why: "Nobody is to be <surprised> & \"hurt\".".to_owned(),
            sources: vec![Source::Spec],
            verdict,
            reason: (verdict == Verdict::Skipped).then(|| "needs a daemon of its own".to_owned()),
            stopped_at: None,
            is_known: false,
            seconds: 0.25,
            findings,
            expected: "## 1 [spec] GET /a\n< 200\n".to_owned(),
            found: "## 1 [spec] GET /a\n< 500\n".to_owned(),
            wire: vec![Piece {
                ms: 1,
                connection: 1,
                way: Way::Sent,
                bytes: 9,
                text: "GET <a>\r\n".to_owned(),
            }],
        };
        let finding = |is_required| Finding {
            step: 1,
            source: Source::Spec,
            is_required,
            text: "-< 200\n+< 500 \u{0}]]>\n".to_owned(),
        };
        let mut record = Record::new(name, "http://127.0.0.1:1", "blaxel", SystemTime::UNIX_EPOCH);
        // A number that is read as it was written.
        record.seconds = 1.5;
        record.cases = vec![
            case("process/a", Verdict::Holds, Vec::new()),
            case("process/b", Verdict::Deviates, vec![finding(false)]),
            case("process/c", Verdict::Fails, vec![finding(true)]),
            case("process/d", Verdict::Skipped, Vec::new()),
        ];
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("boxd-harness-record-{}.json", std::process::id()));
        let written = record("one");
        written.write(&path).unwrap();
        let read = Record::read(&path).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&written).unwrap());
        fs::write(&path, serde_json::to_string(&Record { format: 9, ..written }).unwrap()).unwrap();
        assert!(Record::read(&path).unwrap_err().contains("format 9"));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn nothing_escapes_from_a_text() {
        assert_eq!(escaped("<a b=\"&\">\u{0}\u{1b}é\n"), "&lt;a b=&quot;&amp;&quot;&gt;\u{fffd}\u{fffd}é\n");
    }
}
