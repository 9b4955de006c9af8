//! One key and its value, offered to the fields of a record.
//!
//! Keeps the first failure in the body's order; later fields are still read, their failures forgotten.

use std::borrow::Cow;
use std::fmt;

use super::from_json::{Mismatch, convert};
use super::{DecodeError, FromJson, Kind, Record, Value, error};

/// A field as it stands in the body.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    key: Cow<'a, str>,
    value: Value<'a>,
    /// The short name of the record's type.
    record: &'static str,
    /// The fields that lead to the record, each with a dot behind it.
    path: &'a str,
    failure: &'a mut Option<DecodeError>,
}

/// Reads all fields of an object.
pub(super) fn fill<R: Record>(
    record: &mut R,
    object: Value<'_>,
    path: &str,
    failure: &mut Option<DecodeError>,
) {
    for (key, value) in object.entries() {
        record.read(&mut Field {
            key,
            value,
            record: error::short_name(R::TYPE),
            path,
            failure: &mut *failure,
        });
    }
}

impl Field<'_> {
    /// Reads the value into `slot` when this is the field `name`, and says whether it is.
    pub(crate) fn read<T: FromJson>(&mut self, name: &str, slot: &mut T) -> bool {
        if !self.is(name) {
            return false;
        }
        match convert(self.value) {
            Ok(value) => *slot = value,
            Err(Mismatch { found, wanted }) => self.fail(name, found, wanted),
        }
        true
    }

    /// Reads an object into `slot` when this is the field `name`; `null` is none. Required fields of it are for the outer
    /// record to check.
    pub(crate) fn record<R: Record>(&mut self, name: &str, slot: &mut Option<R>) {
        if !self.is(name) {
            return;
        }
        *slot = None;
        match self.value.kind() {
            Kind::Null => {}
            Kind::Object => {
                let mut record = R::default();
                let path = format!("{}{name}.", self.path);
                fill(&mut record, self.value, &path, self.failure);
                *slot = Some(record);
            }
            kind => self.fail(name, kind.name().to_owned(), R::TYPE),
        }
    }

    /// The field's name as it stands in the body.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Reads an array of objects into `slot` when this is the field `name`. Required fields of the elements are for the
    /// outer record to check.
    pub(crate) fn list<R: Record>(&mut self, name: &str, slot: &mut Vec<R>) {
        if !self.is(name) {
            return;
        }
        slot.clear();
        match self.value.kind() {
            Kind::Null => return,
            Kind::Array => {}
            kind => return self.fail(name, kind.name().to_owned(), format_args!("[]{}", R::TYPE)),
        }
        let path = format!("{}{name}.", self.path);
        for element in self.value.elements() {
            let mut record = R::default();
            match element.kind() {
                Kind::Null => {}
                Kind::Object => fill(&mut record, element, &path, self.failure),
                kind => self.fail(name, kind.name().to_owned(), R::TYPE),
            }
            slot.push(record);
        }
    }

    fn is(&self, name: &str) -> bool {
        self.key.eq_ignore_ascii_case(name)
    }

    fn fail(&mut self, name: &str, found: String, wanted: impl fmt::Display) {
        let place = format!("struct field {}.{}{name}", self.record, self.path);
        self.failure.get_or_insert(DecodeError::WrongType { found, place, wanted: wanted.to_string() });
    }
}
