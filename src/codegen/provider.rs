//! `Provider`: whose model is asked, and the HTTP calls that ask it. Blocks.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::time::Duration;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::rerank::Candidate;
use crate::config::{CodegenSettings, Secret};
use crate::error::{Error, Result};
use crate::own_calls;

/// Time to connect, and for a whole call: a model needs some 10 s for a large file.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const CALL_MAX: Duration = Duration::from_mins(2);

/// Bytes of an answer. A merged file is no larger than a file that may be sent, and JSON makes it longer.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// Bytes of the text of an error that the client sees.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// Ranks that are read of an answer: ten for each file that may be sent.
const RANKS_MAX: usize = 10_000;

/// Relace's model for changes, when the client names none.
const RELACE_MODEL: &str = "relace-apply-3";

/// Morph's models.
const MORPH_MODEL: &str = "auto";
const MORPH_RANK_MODEL: &str = "morph-rerank-v3";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Relace,
    Morph,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Provider {
    kind: Kind,
    key: Secret,
    base_url: String,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct Merged {
    #[serde(rename = "mergedCode", default)]
    merged_code: String,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
struct Ranking {
    #[serde(default, deserialize_with = "first_ranks")]
    results: Vec<Rank>,
}

#[derive(Deserialize)]
struct Rank {
    /// Relace's way to name a file.
    #[serde(default)]
    filename: String,
    /// Morph's.
    #[serde(default)]
    index: usize,
    #[serde(default, alias = "relevance_score")]
    score: f64,
}

#[derive(Serialize)]
struct RelaceApply<'a> {
    initial_code: &'a str,
    edit_snippet: &'a str,
    model: &'a str,
    stream: bool,
}

#[derive(Serialize)]
struct RelaceFile<'a> {
    filename: &'a str,
    content: &'a str,
}

#[derive(Serialize)]
struct RelaceRank<'a> {
    query: &'a str,
    codebase: Vec<RelaceFile<'a>>,
    token_limit: i64,
}

impl Provider {
    /// The first that has a key.
    pub(super) fn choose(settings: &CodegenSettings) -> Option<Self> {
        let (kind, key, base_url) = match (&settings.relace_key, &settings.morph_key) {
            (Some(key), _) => (Kind::Relace, key, &settings.relace_base_url),
            (None, Some(key)) => (Kind::Morph, key, &settings.morph_base_url),
            (None, None) => return None,
        };
        // Nobody is followed elsewhere with a key and somebody's code.
        let agent = own_calls::settings(base_url)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(CALL_MAX))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("boxd/", env!("CARGO_PKG_VERSION")))
            .build();
        let base_url = base_url.trim_end_matches('/').to_owned();
        Some(Self { kind, key: key.clone(), base_url, agent: agent.into() })
    }

    /// Its name in answers.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Relace => "relace",
            Kind::Morph => "morphllm",
        }
    }

    /// Merges a change into a text.
    pub(super) fn merge(&self, original: &str, edit: &str, model: &str) -> Result<String> {
        let model = Some(model).filter(|model| !matches!(*model, "" | "auto"));
        let merged = match self.kind {
            Kind::Relace => {
                let model = model.unwrap_or(RELACE_MODEL);
                let body = RelaceApply { initial_code: original, edit_snippet: edit, model, stream: false };
                self.post::<Merged>("/v1/code/apply", &body)?.merged_code
            }
            Kind::Morph => {
                let content = format!("<code>{original}</code>\n<update>{edit}</update>");
                let body = json!({
                    "model": model.unwrap_or(MORPH_MODEL),
                    "messages": [{ "role": "user", "content": content }],
                    "stream": false,
                });
                let answer = self.post::<Completion>("/v1/chat/completions", &body)?;
                answer.choices.into_iter().next().map(|choice| choice.message.content).unwrap_or_default()
            }
        };
        if merged.is_empty() {
            return Err(failed(format!("empty merged code returned from {} API", self.title())));
        }
        Ok(merged)
    }

    /// Ranks files: which, and the score, in the provider's order. What it names that was not sent is left out.
    pub(super) fn rank(
        &self,
        query: &str,
        files: &[Candidate],
        token_limit: i64,
    ) -> Result<Vec<(usize, f64)>> {
        let ranking: Ranking = match self.kind {
            Kind::Relace => {
                let codebase = files
                    .iter()
                    .map(|file| RelaceFile { filename: &file.path, content: &file.content })
                    .collect();
                self.post("/v2/code/rank", &RelaceRank { query, codebase, token_limit })?
            }
            Kind::Morph => {
                let documents: Vec<&str> = files.iter().map(|file| file.content.as_str()).collect();
                let body = json!({ "model": MORPH_RANK_MODEL, "query": query, "documents": documents });
                self.post("/v1/rerank", &body)?
            }
        };
        let places: HashMap<&str, usize> =
            files.iter().enumerate().map(|(place, file)| (file.path.as_str(), place)).collect();
        let place = |rank: &Rank| match self.kind {
            Kind::Relace => places.get(rank.filename.as_str()).copied(),
            Kind::Morph => Some(rank.index).filter(|index| *index < files.len()),
        };
        let ranked = ranking.results.iter().filter_map(|rank| Some((place(rank)?, rank.score)));
        Ok(ranked.take(files.len()).collect())
    }

    fn title(&self) -> &'static str {
        match self.kind {
            Kind::Relace => "Relace",
            Kind::Morph => "Morph",
        }
    }

    /// What the provider says of its failure, up to a bound. Some quote what they were sent, and the key is nobody's to read.
    fn words(&self, from: impl Read) -> String {
        let key = self.key.expose();
        let mut text = Vec::new();
        // A key that begins within the bound is read whole.
        from.take((ERROR_BYTES_MAX + key.len()) as u64).read_to_end(&mut text).ok();
        let mut text = String::from_utf8_lossy(&text).replace(key, "[REDACTED]");
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
        text
    }

    fn post<T: for<'de> Deserialize<'de>>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let title = self.title();
        let body = serde_json::to_vec(body).map_err(|error| failed(error.to_string()))?;
        let answer = self
            .agent
            .post(format!("{}{path}", self.base_url))
            .header("authorization", format!("Bearer {}", self.key.expose()))
            .header("content-type", "application/json")
            .send(&body[..]);
        let mut answer =
            answer.map_err(|error| failed(format!("failed to make request to {title} API: {error}")))?;
        let status = answer.status();
        if !status.is_success() {
            let text = self.words(answer.body_mut().as_reader());
            let name = title.to_lowercase();
            return Err(failed(format!(
                "{name} API request failed with status {}: {}",
                status.as_u16(),
                text.trim_end()
            )));
        }
        let mut bytes = Vec::new();
        let read = answer.body_mut().as_reader().take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed(format!("failed to read response from {title} API: {error}")))?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(failed(format!("response from {title} API has more than {ANSWER_BYTES_MAX} bytes")));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| failed(format!("failed to parse response from {title} API: {error}")))
    }
}

/// The first of a list, as many as can be meant; a list of nothing is a hundred times as long in memory.
fn first_ranks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rank>, D::Error> {
    struct First;

    impl<'de> Visitor<'de> for First {
        type Value = Vec<Rank>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of ranks")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Rank>, A::Error> {
            let mut ranks = Vec::new();
            while ranks.len() < RANKS_MAX {
                match list.next_element()? {
                    Some(rank) => ranks.push(rank),
                    None => return Ok(ranks),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(ranks)
        }
    }

    deserializer.deserialize_seq(First)
}

fn failed(why: String) -> Error {
    Error::Provider { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_without_end_is_read_to_its_bound() {
        let text = |count: usize| format!(r#"{{"results":[{}{{"index":7}}],"more":1}}"#, "{},".repeat(count));
        let ranks = |count| serde_json::from_str::<Ranking>(&text(count)).unwrap().results;
        assert_eq!((ranks(2).len(), ranks(2)[2].index), (3, 7));
        assert_eq!((ranks(50_000).len(), ranks(50_000).capacity() < 50_000), (RANKS_MAX, true));
        assert!(serde_json::from_str::<Ranking>(r#"{"results":[{},"#).is_err());
        assert!(serde_json::from_str::<Ranking>("{}").unwrap().results.is_empty());
    }
}
