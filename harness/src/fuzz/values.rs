//! Values for parameters, headers and fields: sensible ones by their names, and odd ones.

use serde_json::{Map, Value, json};

use super::leash::COMMANDS;
use crate::{contract::Contract, random::Random};

/// Texts that parsers stumble over.
const ODD_TEXTS: [&str; 22] = [
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "1e9",
    "true",
    "TRUE",
    "null",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "é",
    "日本語",
    "\u{0}",
    "a\nb",
    "%",
    "*",
    "[",
    "\\",
    "\u{feff}x",
    "\u{202e}",
];

/// The ends of paths below the folder of a case.
const PATHS: [&str; 21] = [
    "/a",
    "/a",
    "/d",
    "/d/b",
    "/none",
    "/none/x",
    "/a/x",
    "//a",
    "/./a",
    "/d/../a",
    "/é",
    "/a%20b",
    "/%C3%A9",
    "/%FF",
    "/%00",
    "/a%2Fb",
    "/a/",
    "/d/%2e%2e/a",
    "/link",
    "/d/new/deep",
    "/%",
];

/// Longer than any file system takes a name.
const LONG_NAME: usize = 300;
/// Longer than a usual header or parameter.
const LONG_TEXT: usize = 6000;

const ACCEPT: [&str; 8] = [
    "*/*",
    "text/event-stream",
    "application/x-ndjson",
    "application/json",
    "application/json, text/event-stream",
    "text/event-stream;q=0",
    "text/plain",
    ";;q=,",
];
const RANGES: [&str; 9] = [
    "bytes=0-",
    "bytes=0-0",
    "bytes=-1",
    "bytes=2-1",
    "bytes=0-0,2-3",
    "bytes=99999999999999999999-",
    "bytes=-0",
    "chunks=1-2",
    "bytes=",
];
const CURSORS: [&str; 8] = ["0", "1", "0:0", "1-1", "-1", "9223372036854775808", "AAAA", "eyJ4IjoxfQ"];

/// One of some.
pub(super) fn pick<'a, T: ?Sized>(random: &mut Random, from: &[&'a T]) -> &'a T {
    from[index(random, from.len())]
}

/// A place among so many.
pub(super) fn index(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count.max(1) as u64)).expect("it is below a usize")
}

/// Whether something that happens once in so many times happens now.
pub(super) fn once_in(random: &mut Random, times: u64) -> bool {
    random.below(times) == 0
}

/// A text that fits nothing in particular.
pub(super) fn odd_text(random: &mut Random) -> String {
    if once_in(random, 12) { "a".repeat(LONG_TEXT) } else { pick(random, &ODD_TEXTS).to_owned() }
}

/// A JSON value that fits nothing in particular.
pub(super) fn odd_value(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(0),
        4 => json!(1.5),
        5 => json!(i64::MAX),
        6 => json!(u64::MAX),
        7 => json!(1e300),
        8 => json!([]),
        9 => json!({}),
        10 => nested(random.below(200)),
        _ => Value::String(odd_text(random)),
    }
}

fn nested(depth: u64) -> Value {
    (0..depth).fold(json!([]), |inner, _| json!([inner]))
}

/// The path of a file, as it stands in a target.
pub(super) fn path(random: &mut Random) -> String {
    match random.below(24) {
        0 => "{{dir}}".to_owned(),
        1 => format!("{{{{dir}}}}/{}", "n".repeat(LONG_NAME)),
        2 => format!("{{{{dir}}}}{}", "/n".repeat(LONG_NAME * 8)),
        _ => format!("{{{{dir}}}}{}", pick(random, &PATHS)),
    }
}

/// A text for a parameter or a field of a name.
pub(super) fn text(random: &mut Random, name: &str) -> String {
    if once_in(random, 16) && !is_held(name) {
        return odd_text(random);
    }
    let choice: &[&str] = match name.to_ascii_lowercase().as_str() {
        "command" => &COMMANDS,
        "name" | "identifier" => &["{{name}}", "{{name}}", "{{name}}", "{{name}}-2", "{{name}}é"],
        "uploadid" => &["{{name}}", "{{name}}x"],
        "path" | "source" | "destination" | "target" => return path(random),
        "workingdir" => &["/tmp", "/", "/tmp", "~", "{{dir}}/none"],
        "permissions" => &["0644", "600", "0755", "0999", "-1", "abc", "07777", "0o644", ""],
        "owner" | "group" => &["0", "65534", "nobody", "no-such-user", "-1", "4294967295", ""],
        "format" => &["tar", "tar.gz", "zip", "rar", ""],
        "type" => &["file", "directory", "f", ""],
        "patterns" | "filepattern" | "excludedirs" | "ignore" => {
            &["*.txt", "*", "**", "[", "{a,b}", "d", "a,b", ""]
        }
        "query" => &["needle", "n", "", "(", "é", "needle one"],
        "signal" => &["TERM", "SIGKILL", "15", "int", "0", "99", "-9", ""],
        "etag" => &["d41d8cd98f00b204e9800998ecf8427e", "\"x\"", ""],
        "accept" => &ACCEPT,
        "range" | "if-range" => &RANGES,
        "if-match" | "if-none-match" => &["*", "\"x\"", "W/\"x\"", "\"a\", \"b\"", "x", ""],
        "last-event-id" | "cursor" => &CURSORS,
        "mcp-protocol-version" => &["2025-06-18", "2025-03-26", "1", ""],
        "content" | "data" | "codeedit" | "oldstring" | "newstring" => {
            &["needle one\n", "", "é\u{0}", "two\nlines\n"]
        }
        "encoding" => &["utf8", "base64", "x"],
        _ => &["needle", "1", "{{name}}", "x"],
    };
    pick(random, choice).to_owned()
}

/// Names whose texts the leash looks at: an odd one would only be refused there.
fn is_held(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "command"
            | "name"
            | "identifier"
            | "uploadid"
            | "path"
            | "source"
            | "destination"
            | "target"
            | "workingdir"
    )
}

/// A value of a schema, for a field of a name.
pub(super) fn of_schema(random: &mut Random, name: &str, schema: &Value) -> Value {
    let schema = Contract::own().schema(schema).resolved();
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("boolean") => json!(once_in(random, 2)),
        Some("integer") => integer(random, name),
        Some("number") => json!(f64::from(u32::try_from(random.below(400)).unwrap_or_default()) / 100.0),
        Some("array") => {
            let items = schema.get("items").cloned().unwrap_or_default();
            let count = random.below(3);
            (0..count).map(|_| of_schema(random, name, &items)).collect()
        }
        Some("object") => object(random, name, schema),
        _ => Value::String(text(random, name)),
    }
}

fn integer(random: &mut Random, name: &str) -> Value {
    let few = [0_i64, 1, 1, 2, 2];
    let many = [0_i64, 1, 2, 3, 7, 100, -1, 65_536, i64::from(i32::MAX), i64::MAX];
    let from: &[i64] = if name.eq_ignore_ascii_case("maxRestarts") { &few } else { &many };
    json!(from[index(random, from.len())])
}

fn object(random: &mut Random, name: &str, schema: &Value) -> Value {
    let mut fields = Map::new();
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, property) in properties.into_iter().flatten() {
        if required.contains(&key.as_str()) || once_in(random, 3) {
            fields.insert(key.clone(), of_schema(random, key, property));
        }
    }
    if properties.is_none() && schema.get("additionalProperties").is_some() {
        let names: &[&str] = match name {
            "env" => &["FUZZ", "FUZZ_A", "FUZZÉ"],
            "files" => &["a", "d/b", "d", "a/b", "é", "d//c"],
            _ => &["x", "y"],
        };
        for _ in 0..random.below(3) {
            fields.insert(pick(random, names).to_owned(), Value::String(text(random, "content")));
        }
    }
    Value::Object(fields)
}
