//! The JSON Schema of fixtures: it is the one beside the harness, takes every fixture, and refuses what the loader refuses.

use std::path::Path;

use boxd_harness::{book::Book, fixture::Fixture, fixture::schema};
use jsonschema::Validator;
use serde_json::Value;

/// Fixtures that are wrong, each in one thing, and what it is.
const BROKEN: [(&str, &str); 16] = [
    ("no why", "source = 'spec'\n[[step]]\nsend = 'GET /'"),
    ("no source", "why = 'w'\n[[step]]\nsend = 'GET /'"),
    ("no step", "why = 'w'\nsource = 'spec'"),
    ("an empty list of steps", "why = 'w'\nsource = 'spec'\nstep = []"),
    ("an unknown source", "why = 'w'\nsource = 'rumour'\n[[step]]\nsend = 'GET /'"),
    ("an unknown key", "why = 'w'\nsource = 'spec'\nwhen = 1\n[[step]]\nsend = 'GET /'"),
    ("an unknown limit", "why = 'w'\nsource = 'spec'\nneeds_limits = ['memory']\n[[step]]\nsend = 'GET /'"),
    ("an unknown key of a step", "why = 'w'\nsource = 'spec'\n[[step]]\nsned = 'GET /'"),
    ("a step that does nothing", "why = 'w'\nsource = 'spec'\n[[step]]\nwithin_ms = 5"),
    ("a step that does two things", "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /'\nfinish = 's1'"),
    ("a request without a target", "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET'"),
    ("a time that is a text", "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /'\nwithin_ms = '5'"),
    ("a part there is none of", "why = 'w'\nsource = 'spec'\n[[step]]\nkill = 'everything'"),
    ("a word to show that is none", "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /'\nshow = 'tail'"),
    (
        "an expectation of nothing",
        "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /'\nexpect = [{ equals = 1 }]",
    ),
    (
        "a frame of two kinds",
        "why = 'w'\nsource = 'spec'\n[[step]]\ntalk = 'a'\nframes = [{ text = 'x', ping = 'y' }]",
    ),
];

fn validator() -> Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema()).unwrap()).unwrap()
}

fn read(toml: &str) -> Value {
    toml::from_str(toml).unwrap()
}

#[test]
fn the_schema_beside_the_harness_is_the_one_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/fixture.json");
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        std::fs::write(&path, schema()).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == schema(),
        "the types have changed: INSTA_UPDATE=always cargo test -p boxd-harness the_schema_beside writes it anew"
    );
}

#[test]
fn every_fixture_is_valid() {
    let validator = validator();
    let book = Book::embedded().unwrap();
    assert!(book.cases.len() > 500, "they are found");
    for case in book.cases {
        if let Err(error) = validator.validate(&read(&case.text)) {
            panic!("{}: {error} at {}", case.name, error.instance_path());
        }
    }
}

#[test]
fn schema_and_loader_refuse_alike() {
    let validator = validator();
    let good = "why = 'w'\nsource = 'spec'\n[[step]]\nsend = 'GET /'";
    assert!(validator.is_valid(&read(good)) && Fixture::parse(good).is_ok());
    for (wrong, text) in BROKEN {
        assert!(Fixture::parse(text).is_err(), "{wrong} is taken by the loader");
        assert!(!validator.is_valid(&read(text)), "{wrong} is taken by the schema");
    }
}

/// A key without one would be a riddle to whom an editor offers it.
#[test]
fn every_key_is_described() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let definitions = schema["definitions"].as_object().unwrap();
    let mut count = 0;
    for (name, definition) in
        definitions.iter().map(|(name, value)| (name.as_str(), value)).chain([("a case", &schema)])
    {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            count += 1;
            assert!(property["description"].is_string(), "{name} has `{key}`, and nothing is said of it");
        }
    }
    assert!(count > 80, "only {count} keys are found");
}
