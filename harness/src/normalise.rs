//! The normaliser: what changes from run to run becomes a mark, and everything else stays as it is.
//!
//! One normaliser serves one run of a case, so that equal values get equal marks over all its steps. It looks before it
//! hides; what doesn't look as it should stays visible and is a complaint. Known values (the unique name, the server's
//! host, what the fixture captured) are turned back into the variables that the fixture names them by.

mod merge;

use serde_json::{Map, Value};

use crate::{rules::Rules, text};

/// Marks given so far, and what the fixture knows.
#[derive(Debug, Clone)]
pub(crate) struct Normaliser {
    rules: &'static Rules,
    /// What the fixture file says: a value written there is the fixture's own, not the server's.
    written: String,
    /// Value → variable, longest value first.
    known: Vec<(String, String)>,
    /// Mark → values in the order in which they came.
    seen: Vec<(String, Vec<String>)>,
    numbered: bool,
    /// Whether the order across stdout and stderr is shown.
    ordered: bool,
    /// Inside what is boxd's own there are no further layers.
    layered: bool,
    complaints: Vec<String>,
}

/// A JSON value, normalised: what every server answers, and what is boxd's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layers {
    pub(crate) common: Value,
    /// Place and content of each object's own keys; the place of the whole value is "".
    pub(crate) own: Vec<(String, Value)>,
}

impl Normaliser {
    pub(crate) fn new(rules: &'static Rules, fixture: &str) -> Self {
        Self {
            rules,
            written: fixture.to_owned(),
            known: Vec::new(),
            seen: Vec::new(),
            numbered: true,
            ordered: false,
            layered: true,
            complaints: Vec::new(),
        }
    }

    /// Turns this value back into the variable wherever it stands by itself in a text.
    pub(crate) fn know(&mut self, value: &str, variable: &str) {
        if value.is_empty() || self.known.iter().any(|(known, _)| known == value) {
            return;
        }
        self.known.push((value.to_owned(), format!("{{{{{variable}}}}}")));
        self.known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// Whether `logs` is shown as it is, where a command slept between its streams.
    pub(crate) fn keep_order(&mut self, ordered: bool) {
        self.ordered = ordered;
    }

    /// A copy whose marks have no numbers: for answers of which only the set is shown.
    pub(crate) fn unnumbered(&self) -> Self {
        Self { numbered: false, complaints: Vec::new(), ..self.clone() }
    }

    /// Notes what is wrong with an answer.
    pub(crate) fn complain(&mut self, sentence: String) {
        if !self.complaints.contains(&sentence) {
            self.complaints.push(sentence);
        }
    }

    /// The complaints since they were last taken.
    pub(crate) fn take_complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// A text with known values turned back.
    pub(crate) fn text(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (value, variable)| replace_word(&text, value, variable))
    }

    /// Bytes with known values turned back, quoted for the transcript or summarised.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        match (text::summary_if_long(bytes), std::str::from_utf8(bytes)) {
            (Some(summary), _) => summary,
            (None, Ok(valid)) => text::quote(self.text(valid).as_bytes()),
            (None, Err(_)) => text::quote(bytes),
        }
    }

    /// A JSON value with its changing parts hidden, in two layers.
    pub(crate) fn json(&mut self, value: &Value) -> Layers {
        let mut own = Vec::new();
        let common = self.value("", value, &mut own);
        Layers { common, own }
    }

    fn value(&mut self, place: &str, value: &Value, own: &mut Vec<(String, Value)>) -> Value {
        match value {
            Value::Object(object) => self.object(place, object, own),
            Value::Array(items) => {
                let items = self.in_order(items);
                let items = items.iter().enumerate();
                Value::Array(
                    items.map(|(index, item)| self.value(&format!("{place}/{index}"), item, own)).collect(),
                )
            }
            Value::String(string) => Value::String(match text::summary_if_long(string.as_bytes()) {
                Some(summary) => summary,
                None => self.text(string),
            }),
            other => other.clone(),
        }
    }

    fn object(&mut self, place: &str, object: &Map<String, Value>, own: &mut Vec<(String, Value)>) -> Value {
        let (mut common, mut extension) = (Map::new(), Map::new());
        let mut entries: Vec<_> = object.iter().collect();
        entries.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in entries {
            let is_own = self.layered && self.rules.is_extension(object, key);
            let was_layered = self.layered;
            self.layered &= !is_own;
            let shown = match self.hide(object, key, value) {
                Some(mark) => mark,
                None => self.value(&format!("{place}/{key}"), value, own),
            };
            self.layered = was_layered;
            if is_own { &mut extension } else { &mut common }.insert(key.clone(), shown);
        }
        if !extension.is_empty() {
            own.push((place.to_owned(), Value::Object(extension)));
        }
        Value::Object(common)
    }

    /// The mark for a value under a key that is hidden; `None` when the value is to be shown.
    fn hide(&mut self, object: &Map<String, Value>, key: &str, value: &Value) -> Option<Value> {
        if key == "logs" && !self.ordered {
            match merge::of_both_streams(object) {
                Some(true) => return Some(Value::from("[stdout and stderr]")),
                Some(false) => self.complain("`logs` isn't what stdout and stderr hold together".to_owned()),
                None => {}
            }
        }
        if key == "content"
            && let Some(structured) = object.get("structuredContent")
        {
            // A tool says the same twice: for agents, and for programs.
            if said(value).as_ref() != Some(structured) {
                self.complain("`content` isn't what `structuredContent` says".to_owned());
                return None;
            }
            return Some(Value::from("[structuredContent as text]"));
        }
        // A value that is hidden is one value. An object of that name is a schema of it, say.
        let redaction = self.rules.redaction(object, key).filter(|_| !value.is_object())?;
        if let Value::String(string) = value {
            let written = redaction.unless_written && self.is_written(string);
            if string.is_empty() && redaction.looks.fits(value) || written {
                return None;
            }
        }
        if !redaction.looks.fits(value) {
            self.complain(format!("`{key}` is {}, not {}", text::short(&value.to_string()), redaction.looks));
            return None;
        }
        let mark = redaction.mark.clone();
        let numbered = redaction.numbered && self.numbered;
        Some(Value::String(self.mark(&mark, numbered, value)))
    }

    fn mark(&mut self, mark: &str, numbered: bool, value: &Value) -> String {
        if !numbered {
            return format!("[{mark}]");
        }
        let value = value.to_string();
        let index = self.seen.iter().position(|(known, _)| known == mark).unwrap_or_else(|| {
            self.seen.push((mark.to_owned(), Vec::new()));
            self.seen.len() - 1
        });
        let values = &mut self.seen[index].1;
        let number = values.iter().position(|known| *known == value).unwrap_or_else(|| {
            values.push(value);
            values.len() - 1
        });
        format!("[{mark}:{}]", number + 1)
    }

    /// Whether the fixture spells the value out, or made it by filling in a variable.
    fn is_written(&self, value: &str) -> bool {
        self.written.contains(&format!("\"{value}\""))
            || self.known.iter().any(|(known, _)| value.contains(known.as_str()))
    }

    /// The items in the order in which they are shown: their own, or sorted where nobody promises one.
    fn in_order(&self, items: &[Value]) -> Vec<Value> {
        let mut items = items.to_vec();
        if self.rules.is_unordered(&items) {
            // By what doesn't change from run to run; only then are marks given.
            items.sort_by_cached_key(|item| text::json(&self.unnumbered().json(item).common));
        }
        items
    }
}

/// The JSON in the one text of a tool's content.
fn said(content: &Value) -> Option<Value> {
    match content.as_array()?.as_slice() {
        [one] if one["type"] == "text" => serde_json::from_str(one["text"].as_str()?).ok(),
        _ => None,
    }
}

/// Replaces a value where it isn't part of a longer word or number.
fn replace_word(text: &str, value: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, from) = rest.split_at(at);
        let after = &from[value.len()..];
        let is_word = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        replaced.push_str(before);
        replaced.push_str(if is_word { by } else { value });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests;
