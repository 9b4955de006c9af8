//! Why a body is no request, in the words that clients of this API know.
//!
//! The texts have no prefix; the HTTP layer puts one before them.

use std::fmt::Write;

use super::SyntaxError;

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It does not begin with a JSON value.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A value can't become what its field is.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    WrongType {
        /// The value's kind; where an integer should be, other numbers are quoted.
        found: String,
        /// `value` or `struct field ` and the field's path.
        place: String,
        /// The type of the field.
        wanted: String,
    },
    /// Required fields are missing or empty.
    #[error("{}", missing(record, fields))]
    Missing {
        /// The type of the request.
        record: &'static str,
        /// The names of the fields.
        fields: Vec<&'static str>,
    },
}

/// A type's name as it stands before a field's: without the package, nothing for a type without a name.
pub(super) fn short_name(record: &'static str) -> &'static str {
    if record.starts_with("struct {") { "" } else { record.rsplit('.').next().unwrap_or(record) }
}

fn missing(record: &str, fields: &[&str]) -> String {
    let mut text = String::new();
    for field in fields {
        let line = if text.is_empty() { "" } else { "\n" };
        write!(
            text,
            "{line}Key: '{record}.{field}' Error:Field validation for '{field}' failed on the 'required' tag"
        )
        .expect("a string takes all text");
    }
    text
}
