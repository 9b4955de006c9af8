//! JSON bodies to request types, by the rules that existing clients rely on.
//!
//! Only the first JSON value of a body counts, whatever follows it. Keys match field names whatever their case, the last
//! of equal keys wins, unknown keys are ignored, `null` is the zero value. Escaped halves of surrogate pairs and bytes
//! that are not UTF-8 become U+FFFD. The texts of the errors are part of the contract too.
//!
//! The body's syntax is checked once, whole (`scan`), so a syntax error wins over a wrong type. Then the checked text is
//! walked (`value`) and each field is offered to the record (`field`). No tree is built: unknown fields, however large,
//! cost no memory, and a string is copied once, into the record.

mod error;
mod field;
mod from_json;
mod scan;
mod syntax_error;
mod text;
mod value;

pub(crate) use error::DecodeError;
pub(crate) use field::Field;
pub(crate) use from_json::FromJson;
pub(crate) use syntax_error::SyntaxError;
pub(crate) use text::mend_halves;
pub(crate) use value::{Kind, Value};

/// A type that is read from a JSON object: a plain struct and the list of its fields.
///
/// ```ignore
/// impl Record for CopyRequest {
///     const TYPE: &'static str = "handler.CopyRequest";
///
///     fn read(&mut self, field: &mut Field<'_>) {
///         field.read("source", &mut self.source);
///         field.read("noOverwrite", &mut self.no_overwrite);
///     }
///
///     fn required(&self) -> Vec<(&'static str, bool)> {
///         vec![("Source", !self.source.is_empty())]
///     }
/// }
/// ```
pub(crate) trait Record: Default {
    /// The type's name in error texts, with its package: `handler.ProcessRequest`. For a type without a name, its
    /// definition: `struct { … }`.
    const TYPE: &'static str;

    /// Takes the value of one field of the body: calls [`Field::read`] or [`Field::list`] once for each field it knows.
    fn read(&mut self, field: &mut Field<'_>);

    /// The required fields, by their names in error texts (`Command`), and whether each is there.
    fn required(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

/// Reads a record from the first JSON value in `body`.
///
/// # Errors
///
/// In this order: the body has no value or a broken one; the first value of a wrong type; all required fields that are
/// missing or empty.
pub(crate) fn decode<R: Record>(body: &[u8]) -> Result<R, DecodeError> {
    let value = Value::first(body)?;
    let mut record = R::default();
    match value.kind() {
        Kind::Null => {}
        Kind::Object => {
            let mut failure = None;
            field::fill(&mut record, value, "", &mut failure);
            failure.map_or(Ok(()), Err)?;
        }
        kind => {
            return Err(DecodeError::WrongType {
                found: kind.name().to_owned(),
                place: "value".to_owned(),
                wanted: R::TYPE.to_owned(),
            });
        }
    }
    let missing = record.required().into_iter().filter(|(_, there)| !there);
    let fields: Vec<_> = missing.map(|(name, _)| name).collect();
    if fields.is_empty() {
        return Ok(record);
    }
    Err(DecodeError::Missing { record: error::short_name(R::TYPE), fields })
}

/// Whether a text begins with a JSON value.
pub(crate) fn check_syntax(text: &[u8]) -> Result<(), SyntaxError> {
    Value::first(text).map(drop)
}

/// Whether a text begins with a JSON value that has `depth_max` arrays and objects inside each other at most.
pub(crate) fn check_syntax_within(text: &[u8], depth_max: usize) -> Result<(), SyntaxError> {
    Value::first_within(text, depth_max).map(drop)
}

#[cfg(test)]
mod tests;
