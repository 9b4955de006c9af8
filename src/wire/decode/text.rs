//! The inside of a JSON string to text.
//!
//! The string's syntax was checked by `scan`, its bytes were not: they may be anything but controls. What can't be text,
//! half a surrogate pair or a byte that is not UTF-8, becomes U+FFFD, one for each byte.

use std::borrow::Cow;
use std::ops::Range;
use std::str;

/// The first and the second half of a pair that stands for one character.
const HIGH: Range<u32> = 0xd800..0xdc00;
const LOW: Range<u32> = 0xdc00..0xe000;

/// The text of a string, borrowed where it stands in the body as it is.
pub(super) fn unescape(raw: &[u8]) -> Cow<'_, str> {
    let next_escape = |rest: &[u8]| rest.iter().position(|&byte| byte == b'\\');
    let Some(mut at) = next_escape(raw) else {
        return str::from_utf8(raw).map_or_else(|_| Cow::Owned(lossy(raw)), Cow::Borrowed);
    };
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        text.extend_from_slice(&rest[..at]);
        let (character, len) = character(&rest[at..]);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + len..];
        match next_escape(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    text.extend_from_slice(rest);
    // No character of an escape completes broken bytes before it, so checking the whole finds what is broken in `raw`.
    Cow::Owned(String::from_utf8(text).unwrap_or_else(|error| lossy(error.as_bytes())))
}

/// The character of the escape at the start of `text`, and its length.
fn character(text: &[u8]) -> (char, usize) {
    match text[1] {
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => {
            let first = code(text);
            let second = if text[6..].starts_with(br"\u") { code(&text[6..]) } else { 0 };
            if HIGH.contains(&first) && LOW.contains(&second) {
                let pair = 0x1_0000 + ((first - HIGH.start) << 10) + (second - LOW.start);
                (char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            } else {
                (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
            }
        }
        itself => (char::from(itself), 2),
    }
}

/// The number of a `\u` escape.
fn code(text: &[u8]) -> u32 {
    text[2..6].iter().fold(0, |code, &digit| code << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}

/// JSON whose strings a stricter parser takes: each escape that is half a surrogate pair becomes that of U+FFFD, which is as long.
/// `text` need not be JSON.
pub(crate) fn mend_halves(text: &str) -> Cow<'_, str> {
    let mut mended = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(next) = text.as_bytes()[at..].iter().position(|&byte| byte == b'\\') {
        at += next;
        let escape = &text.as_bytes()[at..];
        let digits = escape.get(2..6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if escape.get(1) != Some(&b'u') || digits.is_none() {
            // What it escapes may be a backslash.
            at += escape.len().min(2);
            continue;
        }
        let (found, len) = character(escape);
        if found == char::REPLACEMENT_CHARACTER {
            mended.to_mut().replace_range(at..at + len, r"\ufffd");
        }
        at += len;
    }
    mended
}

fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
