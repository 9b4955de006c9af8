//! `Condition`: what must be so for a file to be written (`If-Match`, `If-None-Match`). Pure.

/// What a writer expects to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The file must be one of these.
    pub(crate) is: Option<Tags>,
    /// It must be none of these.
    pub(crate) is_not: Option<Tags>,
}

/// Versions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// Whatever is there.
    Any,
    /// These.
    These(Vec<String>),
}

impl Tags {
    /// Reads a header's value: `*`, or tags with commas between them.
    pub(crate) fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        Self::These(text.split(',').map(|tag| tag.trim().to_owned()).collect())
    }

    /// Whether a file with this tag is one of them; `None` is no file. A weak tag is none of ours (RFC 9110 §8.8.3.2).
    pub(crate) fn has(&self, tag: Option<&str>) -> bool {
        match (self, tag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(tag)) => tags.iter().any(|t| t == tag),
        }
    }

    /// The same with weak tags counted as what they are weak forms of, as a read compares (§13.1.2).
    pub(crate) fn has_weakly(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|t| t.strip_prefix("W/").unwrap_or(t) == tag),
        }
    }
}

impl Condition {
    /// Whether a file with this tag, or no file, is what the writer expects.
    pub(crate) fn holds(&self, tag: Option<&str>) -> bool {
        self.is.as_ref().is_none_or(|tags| tags.has(tag))
            && self.is_not.as_ref().is_none_or(|tags| !tags.has(tag))
    }

    /// Whether anything is asked for.
    pub(crate) fn is_any(&self) -> bool {
        self.is.is_some() || self.is_not.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        #[track_caller]
        fn check(is: Option<&str>, is_not: Option<&str>, tag: Option<&str>, expect: bool) {
            let condition = Condition { is: is.map(Tags::parse), is_not: is_not.map(Tags::parse) };
            assert_eq!(condition.holds(tag), expect);
        }
        check(None, None, None, true);
        check(None, None, Some("\"a\""), true);
        check(Some("*"), None, Some("\"a\""), true);
        check(Some("*"), None, None, false);
        check(None, Some("*"), None, true);
        check(None, Some("*"), Some("\"a\""), false);
        check(Some("\"b\", \"a\""), None, Some("\"a\""), true);
        check(Some("\"b\""), None, Some("\"a\""), false);
        check(Some("W/\"a\""), None, Some("\"a\""), false);
        check(None, Some("\"a\""), Some("\"a\""), false);
        check(None, Some("\"b\""), Some("\"a\""), true);
        assert!(Tags::parse("W/\"a\"").has_weakly("\"a\""));
    }
}
