//! The lines around a line, and the part of a line that is shown. Pure.

use std::ops::Range;

/// Bytes of a line that are shown, and of the lines before it, and of those behind it. A minified program is one line.
pub(super) const SHOWN_BYTES_MAX: usize = 64 << 10;

/// What is shown of the line before its first hit when all cannot be.
const LEAD_BYTES: usize = SHOWN_BYTES_MAX / 4;

/// Where the last `n` lines of `bytes` begin, which end where a line begins; and whether they are all in `bytes`.
pub(super) fn lines_before(bytes: &[u8], n: usize) -> (usize, bool) {
    let mut ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    // The first one ends the last line, the one after `n` more is before the first line wanted.
    match ends.nth(n) {
        Some(end) => (end + 1, true),
        None => (0, false),
    }
}

/// Where the `n` lines end that follow a line of which `bytes` begin with the end: at a newline, or where nothing follows. The last
/// newline of a file has an empty line behind it.
pub(super) fn lines_after(bytes: &[u8], n: usize) -> (usize, bool) {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    match ends.nth(n) {
        Some(end) => (end, true),
        None => (bytes.len(), false),
    }
}

/// The part of a line of `len` bytes that is shown, with the beginning of what is at `hit` in it.
pub(super) fn shown(len: u64, hit: u64) -> Range<u64> {
    let max = SHOWN_BYTES_MAX as u64;
    if len <= max {
        return 0..len;
    }
    let begin = hit.saturating_sub(LEAD_BYTES as u64).min(len - max);
    begin..begin + max
}

/// How many bytes at the beginning are the rest of a character, and where a character begins that the end cuts.
pub(super) fn whole_characters(bytes: &[u8]) -> Range<usize> {
    let is_inner = |byte: u8| byte & 0xc0 == 0x80;
    let begin = bytes.iter().take(3).take_while(|byte| is_inner(**byte)).count();
    for back in 1..=3.min(bytes.len() - begin) {
        let at = bytes.len() - back;
        let len = match bytes[at] {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            byte if is_inner(byte) => continue,
            _ => 1,
        };
        return begin..if len > back { at } else { bytes.len() };
    }
    begin..bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_of_lines() {
        #[track_caller]
        fn check(text: &str, line: usize, n: usize, expect: &str) {
            let begin: usize = text.split('\n').take(line).map(|l| l.len() + 1).sum();
            let end = begin + text[begin..].split('\n').next().unwrap().len();
            let (from, _) = lines_before(&text.as_bytes()[..begin], n);
            let (to, _) = lines_after(&text.as_bytes()[end..], n);
            assert_eq!(&text[from..end + to], expect);
        }
        let text = "one\ntwo\nthree needle\nfour\nfive\n";
        check(text, 2, 1, "two\nthree needle\nfour");
        check(text, 2, 5, text);
        check(text, 0, 1, "one\ntwo");
        check(text, 4, 1, "four\nfive\n");
        check(text, 4, 0, "five");
        check("a", 0, 20, "a");
        check("\n\nx\n\n", 2, 1, "\nx\n");
    }

    #[test]
    fn characters_are_not_cut() {
        let text = "aé€😀".as_bytes();
        for (from, to, expect) in [
            (0, 10, 0..10),
            (2, 10, 1..8),
            (0, 2, 0..1),
            (0, 5, 0..3),
            (0, 9, 0..6),
            (7, 10, 3..3),
            (0, 6, 0..6),
        ] {
            assert_eq!(whole_characters(&text[from..to]), expect, "{from}..{to}");
        }
        assert_eq!(whole_characters(b""), 0..0);
        assert_eq!(whole_characters(b"\xff"), 0..1);
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_line_has_the_hit(len in 0u64..400_000, hit in 0u64..400_000) {
            let hit = hit.min(len);
            let shown = shown(len, hit);
            prop_assert!(shown.end <= len && shown.start <= hit && (hit < shown.end || hit == len));
            prop_assert_eq!(shown.end - shown.start, len.min(SHOWN_BYTES_MAX as u64));
        }

        #[test]
        fn windows_are_those_of_a_split(text in "[a\n]{0,30}", line in 0usize..30, n in 0usize..5) {
            let lines: Vec<&str> = text.split('\n').collect();
            let line = line.min(lines.len() - 1);
            let expect = lines[line.saturating_sub(n)..lines.len().min(line + n + 1)].join("\n");
            let begin: usize = lines[..line].iter().map(|l| l.len() + 1).sum();
            let end = begin + lines[line].len();
            let from = lines_before(&text.as_bytes()[..begin], n).0;
            let to = end + lines_after(&text.as_bytes()[end..], n).0;
            prop_assert_eq!(&text[from..to], expect);
        }
    }
}
