//! `Arguments`: what a tool was called with. They were checked against its schema, so a type is never wrong here.

use serde_json::{Map, Value};

/// See the module. What is absent or `null` is nothing.
#[derive(Debug, Default)]
pub(super) struct Arguments(pub(super) Map<String, Value>);

impl Arguments {
    /// A text that the tool needs.
    pub(super) fn text(&self, name: &str) -> String {
        self.text_if_any(name).unwrap_or_default()
    }

    /// Takes a text that may be large.
    pub(super) fn take_text(&mut self, name: &str) -> String {
        match self.0.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    /// A text.
    pub(super) fn text_if_any(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    /// Whether it is there and true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A whole number; one that is too large is the largest.
    pub(super) fn whole(&self, name: &str) -> Option<i64> {
        whole(self.0.get(name)?)
    }

    /// Any number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    /// Whole numbers.
    pub(super) fn wholes(&self, name: &str) -> Vec<i64> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(whole).collect()
    }

    /// Texts by their names.
    pub(super) fn texts(&self, name: &str) -> Vec<(String, String)> {
        let entries = self.0.get(name).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }
}

fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of what is too large is the largest")]
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
}
