//! Variables as a machine writes them: `KEY\0VALUE\0KEY\0VALUE\0` (`BL_ENV_VAR_PATH`). Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Reads pairs; how many of them have no name that a variable can have, or no value.
pub(super) fn parse(bytes: &[u8]) -> (Vec<(OsString, OsString)>, usize) {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return (Vec::new(), 0);
    }
    let mut texts = bytes.split(|byte| *byte == 0);
    let (mut pairs, mut bad) = (Vec::new(), 0);
    while let Some(name) = texts.next() {
        match texts.next() {
            Some(value) if !name.is_empty() && !name.contains(&b'=') => {
                pairs.push((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())));
            }
            // The last value may be empty, and then nothing of it is left.
            None if !name.is_empty() && !name.contains(&b'=') => {
                pairs.push((OsString::from_vec(name.to_vec()), OsString::new()));
            }
            _ => bad += 1,
        }
    }
    (pairs, bad)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_read_and_garbage_is_counted() {
        #[track_caller]
        fn check(bytes: &[u8], expect: &[(&str, &str)], bad: usize) {
            let expect = expect.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect();
            assert_eq!(parse(bytes), (expect, bad), "{bytes:?}");
        }
        check(b"", &[], 0);
        check(b"A\x001\0B\0two = 2\n\0", &[("A", "1"), ("B", "two = 2\n")], 0);
        check(b"A\x001\0B\x002", &[("A", "1"), ("B", "2")], 0);
        check(b"A\0\0B\0\0", &[("A", ""), ("B", "")], 0);
        check(b"\0x\0A=B\0y\0C\x001\0", &[("C", "1")], 2);
        check(b"just text\n", &[("just text\n", "")], 0);
        assert_eq!(parse(b"A\0\xff\xfe\0").0[0].1, OsString::from_vec(vec![0xff, 0xfe]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pairs in prop::collection::vec(("[^=\0]{1,8}", "[^\0]{0,8}"), 0..6)) {
            let bytes: String = pairs.iter().flat_map(|(name, value)| [name, "\0", value, "\0"]).collect();
            let expect: Vec<_> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
            prop_assert_eq!(parse(bytes.as_bytes()), (expect, 0));
        }

        #[test]
        fn any_bytes_are_pairs_or_counted(bytes in prop::collection::vec(prop_oneof![Just(0), Just(b'='), any::<u8>()], 0..60)) {
            let (pairs, bad) = parse(&bytes);
            prop_assert!(2 * (pairs.len() + bad) <= bytes.len() + 2);
            for (name, _) in pairs {
                prop_assert!(!name.is_empty() && !name.as_encoded_bytes().contains(&b'='));
            }
        }
    }
}
