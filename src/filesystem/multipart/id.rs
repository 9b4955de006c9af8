//! `UploadId`: the name of an upload in parts, a random UUID (version 4). Pure.
//!
//! It becomes the name of a folder, so nothing but its one spelling is one: 36 lower-case digits and hyphens.

use std::fmt;
use std::str::FromStr;

/// The bits that say version 4, and those that say RFC 9562.
const VERSION: (u128, u128) = (0xf << 76, 0x4 << 76);
const VARIANT: (u128, u128) = (0x3 << 62, 0x2 << 62);

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UploadId(u128);

impl UploadId {
    /// One that nobody has.
    pub(crate) fn random() -> Self {
        let bits = fastrand::u128(..);
        Self(bits & !VERSION.0 & !VARIANT.0 | VERSION.1 | VARIANT.1)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// The text is not one that `Display` writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for UploadId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        // Every UUID is taken: a session of the known server is found here, too.
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let id = Self(u128::from_str_radix(&digits, 16).map_err(|_| NotAnId)?);
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = UploadId::random();
        let text = id.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_ne!(UploadId::random(), id);
        let bare = text.replace('-', "");
        for other in
            ["", "nope", "..", "/", &text.to_uppercase(), &bare, &format!("{text}/.."), &format!("+{bare}")]
        {
            assert_eq!(other.parse::<UploadId>(), Err(NotAnId), "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_an_id_is_a_name(text in "[-0-9a-f./+]{0,40}") {
            if text.parse::<UploadId>().is_ok() {
                prop_assert!(!text.contains(['/', '.', '+']));
            }
        }
    }
}
