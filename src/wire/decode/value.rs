//! One JSON value as it stands in a body.
//!
//! Invariant: the text of a [`Value`] was checked by `scan`, so walking it can't fail.

use std::borrow::Cow;
use std::{iter, str};

use super::{SyntaxError, scan, text};

/// The text of one value, without blanks around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a [u8]);

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// The kind's name in error texts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Value<'a> {
    /// The first value of a body; what follows it does not count.
    pub(super) fn first(body: &'a [u8]) -> Result<Self, SyntaxError> {
        Self::first_within(body, scan::DEPTH_MAX)
    }

    /// The same with no more than so many arrays and objects inside each other.
    pub(super) fn first_within(body: &'a [u8], depth_max: usize) -> Result<Self, SyntaxError> {
        let start = scan::skip_blanks(body, 0);
        if start == body.len() {
            return Err(SyntaxError::Empty);
        }
        let end = scan::value_end_within(body, start, depth_max)?;
        Ok(Self(&body[start..end]))
    }

    /// What the value is.
    pub(crate) fn kind(self) -> Kind {
        match self.0[0] {
            b'n' => Kind::Null,
            b't' | b'f' => Kind::Bool,
            b'"' => Kind::String,
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// The value as it is written; all of it is ASCII unless it is a string or has one inside.
    pub(super) fn raw(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    /// The text of a string.
    pub(super) fn text(self) -> Cow<'a, str> {
        text::unescape(&self.0[1..self.0.len() - 1])
    }

    /// The elements of an array.
    pub(super) fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let mut at = 1;
        iter::from_fn(move || {
            while matches!(self.0[at], b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') {
                at += 1;
            }
            let start = at;
            // No value begins with the closing bracket.
            at = scan::value_end(self.0, start).ok()?;
            Some(Value(&self.0[start..at]))
        })
    }

    /// The keys and values of an object.
    pub(super) fn entries(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        let mut elements = self.elements();
        iter::from_fn(move || Some((elements.next()?.text(), elements.next()?)))
    }
}
