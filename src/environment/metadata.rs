//! The document that a reload reads (`BL_METADATA_PATH`): `{"generation": 3, "environment": {"NAME": "value"}}`. Pure.
//!
//! Keys match whatever their case, the last of equal ones wins, unknown ones are ignored and `null` is nothing, as for the known
//! server. Names that no variable can have are left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The kernel refuses to start anything with one variable, its name, `=` and a NUL included, beyond this (`MAX_ARG_STRLEN`).
const VARIABLE_BYTES_MAX: usize = 128 * 1024 - 1;

/// What a document says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Which state of the variables it is.
    pub(super) generation: u64,
    /// Those that can be set.
    pub(super) environment: BTreeMap<String, String>,
}

impl Metadata {
    /// Reads a document.
    ///
    /// # Errors
    /// A sentence: what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut metadata = Self::default();
        for (key, value) in object("metadata", value)? {
            if key.eq_ignore_ascii_case("generation") {
                metadata.generation = match value {
                    Value::Null => 0,
                    value => value
                        .as_u64()
                        .ok_or(format!("generation is {value}, which is no whole number from 0 on"))?,
                };
            } else if key.eq_ignore_ascii_case("environment") {
                metadata.environment = variables(value)?;
            }
        }
        Ok(metadata)
    }
}

fn object(name: &str, value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        _ => Err(format!("{name} is no object")),
    }
}

fn variables(value: Value) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in object("environment", value)? {
        let value = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            _ => return Err(format!("environment.{name} is no text")),
        };
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            continue;
        }
        if name.len() + 1 + value.len() > VARIABLE_BYTES_MAX {
            return Err(format!("environment.{name} is longer than a variable can be"));
        }
        variables.insert(name, value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_are_read_with_the_known_leniency() {
        #[track_caller]
        fn check(text: &str, generation: u64, expect: &[(&str, &str)]) {
            let environment = expect.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(Metadata::parse(text.as_bytes()), Ok(Metadata { generation, environment }), "{text}");
        }
        check(r#"{"generation":3,"environment":{"A":"1","B":"two"}}"#, 3, &[("A", "1"), ("B", "two")]);
        check("null", 0, &[]);
        check(r#" {"GENERATION":1,"Environment":null,"more":[1]} "#, 1, &[]);
        check(
            r#"{"environment":{"":"x","A=B":"x","C\u0000":"x","D":"a\u0000b","E":null,"F":"1","F":"2"}}"#,
            0,
            &[("E", ""), ("F", "2")],
        );
        check(r#"{"generation":null}"#, 0, &[]);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        #[track_caller]
        fn check(text: &str, part: &str) {
            let error = Metadata::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        check("", "EOF");
        check("{bad", "key must be a string");
        check("[]", "no object");
        check(r#"{"generation":"x"}"#, "generation");
        check(r#"{"generation":-1}"#, "generation");
        check(r#"{"generation":1.5}"#, "generation");
        check(r#"{"environment":{"A":1}}"#, "environment.A");
        check(&format!(r#"{{"environment":{{"A":"{}"}}}}"#, "x".repeat(200_000)), "longer than a variable");
        check("{} {}", "trailing");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            drop(Metadata::parse(&bytes));
        }

        #[test]
        fn what_is_written_is_read(generation: u64, environment in prop::collection::btree_map("[^=\0]{1,8}", "[^\0]{0,12}", 0..6)) {
            let text = serde_json::json!({"generation": generation, "environment": environment}).to_string();
            prop_assert_eq!(Metadata::parse(text.as_bytes()), Ok(Metadata { generation, environment }));
        }
    }
}
