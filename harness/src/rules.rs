//! The rules of normalisation, read from `rules.toml`: data that is part of the crate.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::look::Look;

/// What is hidden, what is boxd's own, which headers may come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    redact: Vec<Redaction>,
    extension: Vec<Extension>,
    unordered: Vec<Shape>,
    pub(crate) headers: Headers,
    pub(crate) figures: Figures,
}

/// Of the answer of `/metrics`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Labels whose values change from build to build.
    pub(crate) hidden_labels: Vec<String>,
}

/// Values that are hidden under some keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redaction {
    #[serde(default)]
    has: Vec<String>,
    keys: Vec<String>,
    pub(crate) looks: Look,
    pub(crate) mark: String,
    #[serde(default)]
    pub(crate) numbered: bool,
    #[serde(default)]
    pub(crate) unless_written: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    has: Vec<String>,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    has: Vec<String>,
}

/// The allow-list of response headers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Headers {
    pub(crate) show: Vec<String>,
    pub(crate) allow: BTreeMap<String, Look>,
}

impl Rules {
    /// The rules of the crate.
    pub(crate) fn embedded() -> &'static Self {
        static RULES: LazyLock<Rules> = LazyLock::new(|| {
            toml::from_str(include_str!("../rules.toml")).expect("rules.toml is read by a unit test")
        });
        &RULES
    }

    /// What is hidden under this key of this object.
    pub(crate) fn redaction(&self, object: &Map<String, Value>, key: &str) -> Option<&Redaction> {
        let is_named = |redaction: &&Redaction| redaction.keys.iter().any(|known| known == key);
        self.redact.iter().filter(is_named).find(|redaction| has_all(object, &redaction.has))
    }

    /// Whether this key of this object is boxd's own.
    pub(crate) fn is_extension(&self, object: &Map<String, Value>, key: &str) -> bool {
        self.extension
            .iter()
            .any(|extension| extension.keys.iter().any(|own| own == key) && has_all(object, &extension.has))
    }

    /// Whether an array of these has no promised order.
    pub(crate) fn is_unordered(&self, items: &[Value]) -> bool {
        !items.is_empty()
            && self.unordered.iter().any(|shape| {
                items.iter().all(|item| item.as_object().is_some_and(|item| has_all(item, &shape.has)))
            })
    }
}

fn has_all(object: &Map<String, Value>, keys: &[String]) -> bool {
    keys.iter().all(|key| object.contains_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_can_be_read() {
        let rules = Rules::embedded();
        let mark =
            |object: &Map<String, Value>, key| rules.redaction(object, key).map(|found| found.mark.as_str());
        let health = Map::from_iter([("uptimeSeconds".to_owned(), Value::from(1))]);
        assert_eq!(mark(&Map::new(), "pid"), Some("pid"));
        assert_eq!(mark(&Map::new(), "command"), None);
        assert_eq!(
            (mark(&Map::new(), "startedAt"), mark(&health, "startedAt")),
            (Some("date"), Some("time"))
        );
        let with = |keys: &[&str]| -> Map<String, Value> {
            keys.iter().map(|key| ((*key).to_owned(), Value::from("x"))).collect()
        };
        let (process, file) =
            (with(&["pid", "name"]), with(&["name", "path", "permissions", "lastModified"]));
        assert_eq!((mark(&process, "name"), mark(&file, "name")), (Some("auto-name"), None));
        assert_eq!((mark(&file, "lastModified"), mark(&file, "owner")), (Some("time"), Some("account")));
        assert!(rules.is_extension(&file, "encodedPath") && !rules.is_extension(&process, "encodedPath"));
        assert!(rules.is_extension(&with(&["path", "message"]), "method"));
    }
}
