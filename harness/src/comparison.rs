//! Two transcripts side by side: which steps differ, and whose word each difference goes against.
//!
//! A step's own lines are held against its source; lines with `+` are boxd's own additions, whatever the step is. So a server
//! that follows the published text where the known one does not differs in nothing that the text says.

use similar::TextDiff;

use crate::fixture::Source;

/// Where two runs of a case differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step, from 1.
    pub step: usize,
    /// Whose word it goes against.
    pub source: Source,
    /// The lines, `-` expected and `+` found, with some context.
    pub text: String,
    /// Nothing of what is expected is missing; there is only more.
    pub is_addition: bool,
}

/// A step as a text shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section<'a> {
    source: Source,
    lines: Vec<&'a str>,
}

/// Compares what was expected with what was found, step by step.
pub fn differences(expected: &str, found: &str) -> Vec<Difference> {
    let (expected, found) = (sections(expected), sections(found));
    let mut differences = Vec::new();
    for step in 0..expected.len().max(found.len()) {
        let source = expected.get(step).or(found.get(step)).map_or(Source::Spec, |section| section.source);
        for (own, source) in [(false, source), (true, Source::Extension)] {
            let (wanted, came) = (lines(expected.get(step), own), lines(found.get(step), own));
            if wanted != came {
                differences.push(difference(step + 1, source, &wanted, &came));
            }
        }
    }
    differences
}

/// A section's lines in one layer.
fn lines<'a>(section: Option<&Section<'a>>, own: bool) -> Vec<&'a str> {
    let lines = section.map(|section| section.lines.as_slice()).unwrap_or_default();
    lines.iter().copied().filter(|line| is_own(line) == own).collect()
}

fn difference(step: usize, source: Source, wanted: &[&str], came: &[&str]) -> Difference {
    let text = |lines: &[&str]| lines.iter().fold(String::new(), |text, line| text + line + "\n");
    let (wanted, came) = (text(wanted), text(came));
    let diff = TextDiff::from_lines(&wanted, &came);
    let is_addition = diff.iter_all_changes().all(|change| change.tag() != similar::ChangeTag::Delete);
    let text = diff.unified_diff().context_radius(3).to_string();
    Difference { step, source, text, is_addition }
}

fn is_own(line: &str) -> bool {
    line.starts_with("+ ")
}

/// Takes a transcript's text apart at the heads of its steps.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        match (head(line), sections.last_mut()) {
            (Some(source), _) => sections.push(Section { source, lines: vec![line] }),
            (None, Some(section)) => section.lines.push(line),
            (None, None) => {}
        }
    }
    for section in &mut sections {
        // The empty line before the next step is no part of this one.
        while section.lines.last().is_some_and(|line| line.is_empty()) {
            section.lines.pop();
        }
    }
    sections
}

/// The source in the head of a step: `## 1 [spec] GET /`.
fn head(line: &str) -> Option<Source> {
    let (number, rest) = line.strip_prefix("## ")?.split_once(" [")?;
    number.parse::<usize>().ok()?;
    rest.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "## 1 [spec] GET /a\n< 200\n{}\n+ {\"x\":1}\n\n## 2 [observed] GET /b\n< 404\n";

    #[track_caller]
    fn check(found: &str, expected: &[(usize, Source, bool)]) {
        let found = differences(EXPECTED, found);
        let shown: Vec<_> = found.iter().map(|d| (d.step, d.source, d.is_addition)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn each_difference_is_held_against_its_source() {
        check(EXPECTED, &[]);
        check(&(EXPECTED.to_owned() + "\n\n"), &[]);
        check(&EXPECTED.replace("< 200", "< 500"), &[(1, Source::Spec, false)]);
        check(&EXPECTED.replace("+ {\"x\":1}\n", ""), &[(1, Source::Extension, false)]);
        check(
            &EXPECTED.replace("+ {\"x\":1}\n", "+ {\"x\":1}\n+ {\"y\":1}\n"),
            &[(1, Source::Extension, true)],
        );
        check(&EXPECTED.replace("< 404", "< 400"), &[(2, Source::Observed, false)]);
        check(EXPECTED.split("\n\n").next().unwrap(), &[(2, Source::Observed, false)]);
        check("", &[(1, Source::Spec, false), (1, Source::Extension, false), (2, Source::Observed, false)]);
    }

    #[test]
    fn what_looks_like_a_head_in_a_body_is_none() {
        let text = "## 1 [spec] GET /a\n## heading\n## 2 [other] x\n< 200\n";
        assert_eq!(sections(text).len(), 1);
    }
}
