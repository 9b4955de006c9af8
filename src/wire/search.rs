//! The JSON of searches.

use serde::Serialize;
use utoipa::ToSchema;

use super::json;

/// What was found by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(not(test), expect(dead_code, reason = "the document shows it"))]
pub(crate) struct FindResponse {
    /// In the order of a walk: depth first, each folder in the order of its names' bytes.
    pub(crate) matches: Vec<FindMatch>,
    /// How many they are.
    pub(crate) total: usize,
}

/// A file or folder that was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindMatch {
    /// Below the searched folder, which itself is `.`. Bytes that are no text are U+FFFD here.
    #[schema(examples("src/app.ts"))]
    pub(crate) path: String,
    /// `file`, also for links, FIFOs and the like, or `directory`.
    #[serde(rename = "type")]
    #[schema(examples("file"))]
    pub(crate) kind: &'static str,
    /// The path with every byte that is no text percent-encoded, as it can stand in a request; only there when the path is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// What was found by a few letters.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(not(test), expect(dead_code, reason = "the document shows it"))]
pub(crate) struct FuzzySearchResponse {
    /// The best first.
    pub(crate) matches: Vec<FuzzyMatch>,
    /// How many they are.
    pub(crate) total: usize,
}

/// A file or folder whose path has the letters.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FuzzyMatch {
    /// Below the searched folder.
    #[schema(examples("src/app.ts"))]
    pub(crate) path: String,
    /// The higher the better.
    pub(crate) score: u32,
    /// `file` or `directory`.
    #[serde(rename = "type")]
    #[schema(examples("file"))]
    pub(crate) kind: &'static str,
    /// As for what is found by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// What was found in files.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(not(test), expect(dead_code, reason = "the document shows it"))]
pub(crate) struct ContentSearchResponse {
    /// As asked for.
    #[schema(examples("needle"))]
    pub(crate) query: String,
    /// Files in the order of a walk, the lines of each in their order.
    pub(crate) matches: Vec<ContentMatch>,
    /// How many they are.
    pub(crate) total: usize,
}

/// A line that has the text.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContentMatch {
    /// Below the searched folder.
    #[schema(examples("src/app.ts"))]
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: u64,
    /// Of the first byte of the first hit in the line, from 1, in bytes.
    pub(crate) column: u64,
    /// The line; what is no text is U+FFFD. Of a line of more than 65536 bytes a part of so many with the hit.
    pub(crate) text: String,
    /// With `contextLines`: the line and those around it, with `\n` between them; at most 65536 bytes before it and as many behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// The column at which `text` begins, when it is a part of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_column: Option<u64>,
    /// As for what is found by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoded_path: Option<String>,
}

/// One of these answers, written match by match.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    total: usize,
    phase: Phase,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Head,
    Matches,
    Done,
}

impl Matches {
    /// Begins, if it has not begun. `query` is what a content search repeats.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>, query: Option<&str>) {
        if self.phase != Phase::Head {
            return;
        }
        self.phase = Phase::Matches;
        out.push(b'{');
        if let Some(query) = query {
            out.extend_from_slice(b"\"query\":");
            out.extend_from_slice(&json::to_vec(query));
            out.push(b',');
        }
        out.extend_from_slice(b"\"matches\":[");
    }

    /// One more.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, item: &impl Serialize) {
        if self.total > 0 {
            out.push(b',');
        }
        self.total += 1;
        out.extend_from_slice(&json::to_vec(item));
    }

    /// There is no more.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.phase = Phase::Done;
        out.extend_from_slice(format!("],\"total\":{}}}", self.total).as_bytes());
    }

    /// Whether the end was written.
    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_by_piece_is_the_whole() {
        let found = |path: &str| FindMatch { path: path.to_owned(), kind: "file", encoded_path: None };
        for n in 0..3 {
            let all: Vec<_> = ["a", "b<"].map(found).into_iter().take(n).collect();
            let (mut out, mut matches) = (Vec::new(), Matches::default());
            matches.begin(&mut out, None);
            for item in &all {
                matches.push(&mut out, item);
            }
            matches.end(&mut out);
            assert_eq!(out, json::to_vec(&FindResponse { matches: all, total: n }));
        }
        let (mut out, mut matches) = (Vec::new(), Matches::default());
        matches.begin(&mut out, Some("a\"b"));
        matches.end(&mut out);
        let whole = ContentSearchResponse { query: "a\"b".to_owned(), matches: Vec::new(), total: 0 };
        assert_eq!(out, json::to_vec(&whole));
    }
}
