//! `Never`: answers that documents of this API promise and boxd does not give, each with its reason.

use std::collections::BTreeMap;

use serde::Deserialize;

/// See the module: operation → answer, as `404` or `404(text/plain)` → why.
#[derive(Debug, Default)]
pub(super) struct Never(BTreeMap<(String, String), String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    never: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    operations: Vec<String>,
    answers: Vec<String>,
    why: String,
}

impl Never {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form: Form = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut answers = BTreeMap::new();
        for Entry { operations, answers: given, why } in form.never {
            for operation in &operations {
                for answer in &given {
                    if answers.insert((operation.clone(), answer.clone()), why.clone()).is_some() {
                        return Err(format!("{operation} {answer} stands there twice"));
                    }
                }
            }
        }
        Ok(Self(answers))
    }

    /// Why an answer is never given, if it is one of these.
    pub(super) fn why(&self, operation: &str, answer: &str) -> Option<&str> {
        self.0.get(&(operation.to_owned(), answer.to_owned())).map(String::as_str)
    }

    /// All of them: operation and answer.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.keys().map(|(operation, answer)| (operation.as_str(), answer.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_each_operation_has_its_reason() {
        let entry = "[[never]]\noperations = [\"GET /a\", \"GET /b\"]\nanswers = [\"500\", \"404(text/plain)\"]\nwhy = \"x\"\n";
        let never = Never::parse(entry).unwrap();
        assert_eq!(never.answers().count(), 4);
        assert_eq!(never.why("GET /b", "404(text/plain)"), Some("x"));
        assert_eq!(never.why("GET /b", "404"), None);
        assert!(Never::parse(&entry.repeat(2)).unwrap_err().contains("twice"));
    }
}
