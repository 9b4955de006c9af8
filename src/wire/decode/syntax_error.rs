//! What is wrong with text that should be JSON.

/// Why the text is no JSON value. Small and `Copy`, because the scanner returns one or a position at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    /// There is no value, only blanks.
    #[error("EOF")]
    Empty,
    /// The text ends inside its value.
    #[error("unexpected EOF")]
    Truncated,
    /// A byte can't stand where it stands.
    #[error("invalid character {} {context}", quoted(*byte))]
    InvalidCharacter {
        /// The byte.
        byte: u8,
        /// Where it stands or what should stand there.
        context: &'static str,
    },
    /// Arrays and objects are nested deeper than 1,000 levels.
    #[error("exceeded max depth")]
    TooDeep,
}

/// A byte in quotes; those above ASCII count as Latin-1, even when they are a part of a longer character.
fn quoted(byte: u8) -> String {
    let inside = match byte {
        b'\'' => r"\'".to_owned(),
        b'\\' => r"\\".to_owned(),
        0x07 => r"\a".to_owned(),
        0x08 => r"\b".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\n' => r"\n".to_owned(),
        0x0b => r"\v".to_owned(),
        0x0c => r"\f".to_owned(),
        b'\r' => r"\r".to_owned(),
        0..0x20 | 0x7f => format!(r"\x{byte:02x}"),
        // Controls, the no-break space and the soft hyphen.
        0x80..0xa1 | 0xad => format!(r"\u{byte:04x}"),
        _ => char::from(byte).to_string(),
    };
    format!("'{inside}'")
}
