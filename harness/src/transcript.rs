//! The transcript of a run: what a snapshot holds.
//!
//! Text in the shape of HTTP, one section a step. Sections say where their expectations come from, and what is boxd's own
//! stands on lines that begin with `+`, so that another server can be held to the rest.

use std::fmt;

use crate::fixture::Source;

/// All steps of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    pub(crate) sections: Vec<Section>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) source: Source,
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "## {} [{}] {}", index + 1, section.source, section.title)?;
            for line in &section.lines {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

/// A transcript's text without what is boxd's own: steps that are extensions, and `+` lines.
pub fn without_extensions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut in_extension = false;
    for line in text.lines() {
        if line.starts_with("## ") {
            in_extension = line.split(' ').nth(2) == Some("[extension]");
        }
        if !in_extension && !line.starts_with("+ ") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_can_be_taken_out_of_a_text() {
        let section = |source, title: &str, lines: &[&str]| Section {
            source,
            title: title.to_owned(),
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        };
        let transcript = Transcript {
            sections: vec![
                section(Source::Spec, "GET /a", &["< 200", "{}", "+ {\"reason\":\"exited\"}"]),
                section(Source::Extension, "GET /b", &["< 200"]),
                section(Source::Sdk, "GET /c", &["< 204"]),
            ],
        };
        assert_eq!(
            without_extensions(&transcript.to_string()),
            "## 1 [spec] GET /a\n< 200\n{}\n\n## 3 [sdk] GET /c\n< 204\n",
        );
    }
}
