//! The variables of one run of a case: `{{name}}` in a fixture, a value on the wire.
//!
//! Some are set before the first step (`{{name}}` is unique for each run, so that cases can share a server), others are
//! captured from answers. A fixture that names a variable which isn't set is wrong; nothing is ever sent unfilled.

use std::{
    collections::BTreeMap,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

/// Names and values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    /// Where commands run that name no folder of their own.
    pub(crate) commands_run_in: Option<String>,
}

impl Variables {
    /// Sets a variable, over an earlier value if there is one.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// Replaces each `{{name}}` by its value.
    ///
    /// # Errors
    /// A sentence that names the variable which isn't set.
    pub(crate) fn fill(&self, template: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            let Some(value) = self.values.get(name) else {
                return Err(format!("the variable {{{{{name}}}}} isn't set"));
            };
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Replaces each `{{name}}` that is set, and leaves the others: a server may have braces of its own.
    pub(crate) fn fill_known(&self, template: &str) -> String {
        let fill =
            |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{{{name}}}}}"), value);
        self.values.iter().fold(template.to_owned(), fill)
    }

    /// Replaces variables in every string of a JSON value, keys included.
    pub(crate) fn fill_json(&self, template: &Value) -> Result<Value, String> {
        Ok(match template {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| Ok((self.fill(key)?, self.fill_json(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => other.clone(),
        })
    }
}

/// A process name that no other run of a case has, on this machine or against the same server.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Mixed, so that two harnesses started at the same moment differ in more than one digit.
    let seed = (now.as_secs() << 30 | u64::from(now.subsec_nanos())) ^ (u64::from(process::id()) << 40);
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    format!("hx-{mixed:010x}{:02x}", COUNT.fetch_add(1, Ordering::Relaxed) & 0xff)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fills_what_is_set_and_refuses_what_is_not() {
        let mut variables = Variables::default();
        variables.set("name", "n1");
        assert_eq!(
            variables.fill("/process/{{name}}/logs?x={{name}}").as_deref(),
            Ok("/process/n1/logs?x=n1")
        );
        assert_eq!(variables.fill("{{"), Ok("{{".to_owned()));
        assert!(variables.fill("{{pid}}").unwrap_err().contains("{{pid}}"));
        assert_eq!(variables.fill_json(&json!({"{{name}}": ["{{name}}", 1]})), Ok(json!({"n1": ["n1", 1]})));
    }

    #[test]
    fn unique_names_differ() {
        let names: std::collections::BTreeSet<_> = (0..200).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 200);
    }
}
