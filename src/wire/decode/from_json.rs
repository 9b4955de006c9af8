//! What a field may be: text, truth, integer, or a list or map of them.
//!
//! `null` is the default of every type and is handled here once, for fields and for elements alike.

use std::collections::HashSet;

use super::{Kind, Value};

/// How much of a number an error text quotes.
const QUOTED_BYTES_MAX: usize = 64;

/// A type that a field's value can become.
pub(crate) trait FromJson: Default {
    /// Reads a value that is not `null`.
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch>;
}

/// A value is not what its place needs.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// What the value is.
    pub(crate) found: String,
    /// The type it should have.
    pub(crate) wanted: &'static str,
}

impl Mismatch {
    fn new(value: Value<'_>, wanted: &'static str) -> Self {
        Self { found: value.kind().name().to_owned(), wanted }
    }
}

/// Reads any value.
pub(super) fn convert<T: FromJson>(value: Value<'_>) -> Result<T, Mismatch> {
    if value.kind() == Kind::Null { Ok(T::default()) } else { T::from_json(value) }
}

impl FromJson for String {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        match value.kind() {
            Kind::String => Ok(value.text().into_owned()),
            _ => Err(Mismatch::new(value, "string")),
        }
    }
}

impl FromJson for bool {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        match value.kind() {
            Kind::Bool => Ok(value.raw() == "true"),
            _ => Err(Mismatch::new(value, "bool")),
        }
    }
}

impl FromJson for i64 {
    /// Only integers as such: `1.0` and `1e3` are none.
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        if value.kind() != Kind::Number {
            return Err(Mismatch::new(value, "int"));
        }
        let raw = value.raw();
        raw.parse().map_err(|_| Mismatch { found: format!("number {}", quoted(&raw)), wanted: "int" })
    }
}

impl FromJson for f64 {
    /// Any number that is not too large to be one.
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        if value.kind() != Kind::Number {
            return Err(Mismatch::new(value, "float64"));
        }
        let raw = value.raw();
        match raw.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Mismatch { found: format!("number {}", quoted(&raw)), wanted: "float64" }),
        }
    }
}

/// A number for an error text: its start, when it is long.
fn quoted(raw: &str) -> String {
    raw.get(..QUOTED_BYTES_MAX).map_or_else(|| raw.to_owned(), |start| format!("{start}…"))
}

/// Tells an absent field or `null` from the zero value.
impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        T::from_json(value).map(Some)
    }
}

impl FromJson for Vec<i64> {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        list(value, "[]int")
    }
}

impl FromJson for Vec<String> {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        list(value, "[]string")
    }
}

/// A map of texts, in the order of the body. The last of equal keys counts, at its own place.
impl FromJson for Vec<(String, String)> {
    fn from_json(value: Value<'_>) -> Result<Self, Mismatch> {
        if value.kind() != Kind::Object {
            return Err(Mismatch::new(value, "map[string]string"));
        }
        let pairs = value.entries().map(|(key, value)| Ok((key.into_owned(), convert(value)?)));
        pairs.collect::<Result<_, _>>().map(last_of_each)
    }
}

fn list<T: FromJson>(value: Value<'_>, name: &'static str) -> Result<Vec<T>, Mismatch> {
    if value.kind() != Kind::Array {
        return Err(Mismatch::new(value, name));
    }
    value.elements().map(convert).collect()
}

fn last_of_each(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut seen = HashSet::with_capacity(pairs.len());
    let mut last: Vec<bool> = pairs.iter().rev().map(|(key, _)| seen.insert(key.as_str())).collect();
    drop(seen);
    pairs.retain(|_| last.pop() == Some(true));
    pairs
}
