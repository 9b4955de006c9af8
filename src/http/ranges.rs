//! The `Range` header of a download (RFC 9110 §14). Pure.

use std::ops::Range;

/// What a request asks for of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    All,
    /// These stretches, none of them empty.
    Ranges(Vec<Range<u64>>),
    /// Nothing that it has, or nothing that makes sense: the words for the client.
    Unsatisfiable(&'static str),
}

/// Ranges of one request; more of them cost more than the file.
const RANGES_MAX: usize = 64;

/// Reads a header's value for a file of `size` bytes.
pub(crate) fn parse(header: Option<&str>, size: u64) -> Wanted {
    let Some(header) = header.map(str::trim).filter(|text| !text.is_empty()) else { return Wanted::All };
    let Some(list) = header.strip_prefix("bytes=") else { return Wanted::Unsatisfiable("invalid range") };
    let mut ranges = Vec::new();
    let mut is_any = false;
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some(range) = one(part, size) else { return Wanted::Unsatisfiable("invalid range") };
        is_any = true;
        if !range.is_empty() {
            ranges.push(range);
        }
    }
    if !is_any {
        return Wanted::All;
    }
    if ranges.is_empty() {
        // Of an empty file everything was asked for, and it gets everything.
        return if size == 0 {
            Wanted::All
        } else {
            Wanted::Unsatisfiable("invalid range: failed to overlap")
        };
    }
    // More than a number holds is more than any file has.
    let total = ranges.iter().try_fold(0u64, |total, range| total.checked_add(range.end - range.start));
    if ranges.len() > RANGES_MAX || total.is_none_or(|total| total > size) {
        // Overlapping ranges are somebody's attack, or a mistake; the whole file answers them.
        return Wanted::All;
    }
    Wanted::Ranges(ranges)
}

/// `2-5`, `2-`, `-5`; what lies behind the end is cut off. `None`: malformed.
fn one(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // More digits than a number has are far behind the end.
        Some(text.parse().unwrap_or(u64::MAX))
    };
    if first.trim().is_empty() {
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let first = number(first)?;
    let end = if last.trim().is_empty() { size } else { number(last)?.saturating_add(1).min(size) };
    if !last.trim().is_empty() && number(last)? < first {
        return None;
    }
    Some(first.min(end)..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges() {
        #[track_caller]
        fn check(header: &str, size: u64, expect: &Wanted) {
            assert_eq!(&parse(Some(header), size), expect, "{header}");
        }
        let some =
            |ranges: &[(u64, u64)]| Wanted::Ranges(ranges.iter().map(|(from, to)| *from..*to).collect());
        assert_eq!(parse(None, 10), Wanted::All);
        check("bytes=0-3", 10, &some(&[(0, 4)]));
        check("bytes=8-", 10, &some(&[(8, 10)]));
        check("bytes=-3", 10, &some(&[(7, 10)]));
        check("bytes=-30", 10, &some(&[(0, 10)]));
        check("bytes=5-50", 10, &some(&[(5, 10)]));
        check("bytes=0-1, 4-5", 10, &some(&[(0, 2), (4, 6)]));
        check("bytes=0-1,20-", 10, &some(&[(0, 2)]));
        check("bytes=10-", 10, &Wanted::Unsatisfiable("invalid range: failed to overlap"));
        check("bytes=99999999999999999999-", 10, &Wanted::Unsatisfiable("invalid range: failed to overlap"));
        check("bytes=5-2", 10, &Wanted::Unsatisfiable("invalid range"));
        check("bytes=a-b", 10, &Wanted::Unsatisfiable("invalid range"));
        check("bytes=+1-2", 10, &Wanted::Unsatisfiable("invalid range"));
        check("items=0-1", 10, &Wanted::Unsatisfiable("invalid range"));
        check("bytes=0-9,0-9", 10, &Wanted::All);
        check("bytes=0-,0-,0-", u64::MAX, &Wanted::All);
        check("bytes=-5", 0, &Wanted::All);
        check("bytes=", 10, &Wanted::All);
    }

    proptest! {
        #[test]
        fn nothing_is_given_that_the_file_has_not(
            header in prop_oneof!["bytes=[0-9,\\- ]{0,20}", "(bytes|=|[-+0-9, ]|\\PC){0,30}", "bytes=[0-9]{15,25}-[0-9]{15,25}"],
            size in prop_oneof![0u64..50, any::<u64>()],
        ) {
            if let Wanted::Ranges(ranges) = parse(Some(&header), size) {
                prop_assert!(!ranges.is_empty());
                for range in ranges {
                    prop_assert!(range.start < range.end && range.end <= size);
                }
            }
        }
    }
}
