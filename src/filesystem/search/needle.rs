//! `Needle`: the text that is searched for.

use std::ops::Range;

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};

/// The longest text that can be searched for.
pub(crate) const QUERY_BYTES_MAX: usize = 8 << 10;

/// Bytes that a pattern made of such a text may take: a letter without case is a choice of several.
const PATTERN_BYTES_MAX: usize = 256 << 20;

/// Whether a text can be searched for.
pub(crate) fn is_searchable(query: &str) -> bool {
    !query.is_empty() && query.len() <= QUERY_BYTES_MAX
}

/// Bytes that a regular expression may take: `(a{1000}){1000}` would take a second to make.
const EXPRESSION_BYTES_MAX: usize = 2 << 20;

/// The longest match of a pattern that is found across the windows of a line longer than one.
const MATCH_BYTES_MAX: usize = 4 << 10;

/// Matches in one line that are told.
const MATCHES_MAX: usize = 1000;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    matcher: RegexMatcher,
    /// The most bytes that it can have in a file.
    pub(super) len_max: usize,
}

impl Needle {
    /// A text as it is, or without regard to case. None when no line can have it.
    pub(super) fn new(query: &str, case_sensitive: bool) -> Option<Self> {
        // A line has no newline, and the searcher refuses one.
        if query.contains('\n') {
            return None;
        }
        let matcher = RegexMatcherBuilder::new()
            .fixed_strings(true)
            .case_insensitive(!case_sensitive)
            .line_terminator(Some(b'\n'))
            .size_limit(PATTERN_BYTES_MAX)
            .build(query)
            .ok()?;
        // Another case of a letter may have more bytes, but no character has more than four.
        let len_max = if case_sensitive { query.len() } else { query.chars().count() * 4 };
        Some(Self { matcher, len_max })
    }

    /// A regular expression.
    ///
    /// # Errors
    /// It is none, or one that takes too much; in one line.
    pub(crate) fn pattern(pattern: &str, case_sensitive: bool) -> Result<Self, String> {
        let built = RegexMatcherBuilder::new()
            .case_insensitive(!case_sensitive)
            .line_terminator(Some(b'\n'))
            .size_limit(EXPRESSION_BYTES_MAX)
            .build(pattern);
        let matcher = built.map_err(|error| {
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            lines.join(" ")
        })?;
        Ok(Self { matcher, len_max: MATCH_BYTES_MAX })
    }

    /// Whether it stands anywhere.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.find(bytes).is_some()
    }

    /// Where it stands in a line, a thousand places at most.
    pub(crate) fn all(&self, line: &[u8]) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        let found = self.matcher.find_iter(line, |found| {
            places.push(found.start()..found.end());
            places.len() < MATCHES_MAX
        });
        // The error type has no values.
        found.ok();
        places
    }

    /// For the searcher.
    pub(super) fn matcher(&self) -> &RegexMatcher {
        &self.matcher
    }

    /// Where it stands first.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        // The error type has no values.
        self.matcher.find(bytes).ok().flatten().map(|found| found.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_text_and_no_pattern() {
        #[track_caller]
        fn check(query: &str, case_sensitive: bool, line: &str, expect: Option<usize>) {
            assert_eq!(Needle::new(query, case_sensitive).unwrap().find(line.as_bytes()), expect);
        }
        check("f.o", false, "foo", None);
        check("f.o", false, "xF.O", Some(1));
        check("f.o", true, "xF.O", None);
        check("É", false, "é foo", Some(0));
        check("k", false, "\u{212a}", Some(0));
        check("(", true, "a(", Some(1));
        assert!(Needle::new("a\nb", false).is_none());
        let longest = "é".repeat(QUERY_BYTES_MAX / 2);
        assert!(Needle::new(&longest, false).unwrap().find(longest.to_uppercase().as_bytes()).is_some());
    }
}
