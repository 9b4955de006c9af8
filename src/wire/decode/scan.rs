//! The syntax of JSON: where a value ends, or what is wrong with it.
//!
//! Works on bytes and positions, keeps the open arrays and objects on a stack of its own and copies nothing. Strings are
//! passed in blocks of 32 bytes, since nearly all of a large body is one string.

use super::SyntaxError;

/// Arrays and objects inside each other.
pub(super) const DEPTH_MAX: usize = 1_000;

/// The end of the value that begins at `at`, or after blanks behind it.
pub(super) fn value_end(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    value_end_within(text, at, DEPTH_MAX)
}

/// The same with no more than so many arrays and objects inside each other.
pub(super) fn value_end_within(text: &[u8], at: usize, depth_max: usize) -> Result<usize, SyntaxError> {
    let mut open = Vec::new();
    let mut at = at;
    loop {
        at = skip_blanks(text, at);
        match byte(text, at)? {
            start @ (b'{' | b'[') => {
                if open.len() == depth_max {
                    return Err(SyntaxError::TooDeep);
                }
                let inside = skip_blanks(text, at + 1);
                if byte(text, inside)? == closing(start) {
                    at = inside + 1;
                } else {
                    open.push(start);
                    at = if start == b'{' { key_end(text, inside)? } else { inside };
                    continue;
                }
            }
            b'"' => at = string_end(text, at)?,
            b'-' | b'0'..=b'9' => at = number_end(text, at)?,
            b't' => at = literal_end(text, at, &TRUE)?,
            b'f' => at = literal_end(text, at, &FALSE)?,
            b'n' => at = literal_end(text, at, &NULL)?,
            other => return Err(invalid(other, "looking for beginning of value")),
        }
        // A value ended: so do the arrays and objects that close here.
        loop {
            let Some(&start) = open.last() else { return Ok(at) };
            at = skip_blanks(text, at);
            match (start, byte(text, at)?) {
                (_, end) if end == closing(start) => {
                    open.pop();
                    at += 1;
                }
                (b'{', b',') => {
                    at = key_end(text, at + 1)?;
                    break;
                }
                (_, b',') => {
                    at += 1;
                    break;
                }
                (b'{', other) => return Err(invalid(other, "after object key:value pair")),
                (_, other) => return Err(invalid(other, "after array element")),
            }
        }
    }
}

/// The first position from `at` on that is not blank.
pub(super) fn skip_blanks(text: &[u8], at: usize) -> usize {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    at + text[at..].iter().take_while(blank).count()
}

fn byte(text: &[u8], at: usize) -> Result<u8, SyntaxError> {
    text.get(at).copied().ok_or(SyntaxError::Truncated)
}

fn closing(start: u8) -> u8 {
    if start == b'{' { b'}' } else { b']' }
}

/// The end of a key and the colon behind it.
fn key_end(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    let at = skip_blanks(text, at);
    match byte(text, at)? {
        b'"' => {}
        other => return Err(invalid(other, "looking for beginning of object key string")),
    }
    let at = skip_blanks(text, string_end(text, at)?);
    match byte(text, at)? {
        b':' => Ok(at + 1),
        other => Err(invalid(other, "after object key")),
    }
}

/// The end of the string whose opening quote is at `at`.
fn string_end(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    let mut at = at + 1;
    loop {
        at += plain_len(&text[at..]);
        match byte(text, at)? {
            b'"' => return Ok(at + 1),
            b'\\' => at = escape_end(text, at + 1)?,
            other => return Err(invalid(other, "in string literal")),
        }
    }
}

/// How many bytes from the start are no quote, backslash or control.
fn plain_len(text: &[u8]) -> usize {
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Looks at the whole block whatever it finds, which vectorises.
    let plain = |block: &&[u8; 32]| !block.iter().fold(false, |found, &byte| found | special(byte));
    // Escapes often stand close together: look there first, without the blocks.
    let near = &text[..text.len().min(8)];
    if let Some(at) = near.iter().position(|&byte| special(byte)) {
        return at;
    }
    let blocks = near.len() + 32 * text[near.len()..].as_chunks().0.iter().take_while(plain).count();
    blocks + text[blocks..].iter().take_while(|&&byte| !special(byte)).count()
}

/// The end of the escape whose backslash is before `at`.
fn escape_end(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    match byte(text, at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
        b'u' => {
            for at in at + 1..at + 5 {
                let digit = byte(text, at)?;
                if !digit.is_ascii_hexdigit() {
                    return Err(invalid(digit, r"in \u hexadecimal character escape"));
                }
            }
            Ok(at + 5)
        }
        other => Err(invalid(other, "in string escape code")),
    }
}

fn number_end(text: &[u8], at: usize) -> Result<usize, SyntaxError> {
    let at = if text[at] == b'-' { at + 1 } else { at };
    let mut at = match byte(text, at)? {
        b'0' => at + 1, // no digit follows a leading zero
        _ => digits_end(text, at, "in numeric literal")?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1, "after decimal point in numeric literal")?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(text, at + 1 + sign, "in exponent of numeric literal")?;
    }
    Ok(at)
}

/// The end of at least one digit.
fn digits_end(text: &[u8], at: usize, context: &'static str) -> Result<usize, SyntaxError> {
    let first = byte(text, at)?;
    if !first.is_ascii_digit() {
        return Err(invalid(first, context));
    }
    Ok(at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// The end of one of the three words, which stands here with what is said of each byte that is missing.
fn literal_end(text: &[u8], at: usize, literal: &[(u8, &'static str)]) -> Result<usize, SyntaxError> {
    for (at, &(expected, context)) in (at..).zip(literal) {
        let found = byte(text, at)?;
        if found != expected {
            return Err(invalid(found, context));
        }
    }
    Ok(at + literal.len())
}

const TRUE: [(u8, &str); 4] = [
    (b't', ""),
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];

const FALSE: [(u8, &str); 5] = [
    (b'f', ""),
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];

const NULL: [(u8, &str); 4] = [
    (b'n', ""),
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

const fn invalid(byte: u8, context: &'static str) -> SyntaxError {
    SyntaxError::InvalidCharacter { byte, context }
}
