//! Where output may be cut. Pure.

/// The longest character of UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;

/// How many of these bytes can be shown: all but the beginning of a character at their end.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(CHARACTER_BYTES_MAX - 1);
    let Some(at) = bytes[tail..].iter().rposition(|byte| !is_continuation(*byte)) else { return bytes.len() };
    let begun = &bytes[tail + at..];
    match std::str::from_utf8(begun) {
        // Broken for good is shown as such; only what may still become a character is kept back.
        Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => tail + at,
        _ => bytes.len(),
    }
}

/// Where the last lines of an older text begin: behind its first line end, or with a whole character when there is no line end.
pub(super) fn beginning(bytes: &[u8]) -> usize {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => at + 1,
        None => bytes.iter().take(CHARACTER_BYTES_MAX - 1).take_while(|byte| is_continuation(**byte)).count(),
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_beginning_of_a_character_is_kept_back() {
        #[track_caller]
        fn check(bytes: &[u8], shown: usize) {
            assert_eq!(whole_characters(bytes), shown, "{bytes:x?}");
        }
        check(b"", 0);
        check(b"abc", 3);
        check("é".as_bytes(), 2);
        check(b"a\xc3", 1);
        check(b"\xf0\x9f\x98", 0);
        check("😀".as_bytes(), 4);
        check(b"a\xe4\xbd", 1);
        // No character begins like that.
        check(b"\xff", 1);
        check(b"\xc3(", 2);
        check(b"\xe4(\xbd", 3);
        check(b"\x80\x80\x80\x80", 4);
        check(b"\xed\xa0", 2);
    }

    #[test]
    fn older_text_begins_with_a_line_or_a_character() {
        assert_eq!(beginning(b"cut\nwhole\n"), 4);
        assert_eq!(beginning(b"\x98\x80abc"), 2);
        assert_eq!(beginning(b"abc"), 0);
        assert_eq!(beginning(b""), 0);
    }

    proptest! {
        #[test]
        fn pieces_of_any_text_are_the_text(text in ".{0,40}", cuts in proptest::collection::vec(1usize..9, 1..20)) {
            let (bytes, mut shown, mut end) = (text.as_bytes(), 0, 0);
            let mut pieces = String::new();
            for cut in cuts.into_iter().chain([bytes.len()]) {
                end = bytes.len().min(end + cut);
                let piece = &bytes[shown..end];
                let whole = whole_characters(piece);
                pieces.push_str(std::str::from_utf8(&piece[..whole]).unwrap());
                shown += whole;
            }
            prop_assert_eq!(pieces, text);
        }

        #[test]
        fn at_most_three_bytes_are_kept_back(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let whole = whole_characters(&bytes);
            prop_assert!(whole <= bytes.len() && bytes.len() - whole < CHARACTER_BYTES_MAX);
            prop_assert!(beginning(&bytes) <= bytes.len());
        }
    }
}
