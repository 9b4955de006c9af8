//! Output cut into the pieces that one stream event carries. Pure.
//!
//! A piece of text ends at the border of a character. Bytes that are not text make a piece of their own kind. What may be
//! the beginning of a character at the end of the bytes is left over: the caller knows whether more comes.

/// The most bytes of output in one event: line readers of stream clients have limits (64 KiB in some), and base64 and
/// escapes make a line longer than its output.
pub(crate) const PIECE_BYTES_MAX: usize = 16 * 1024;

/// The content of one event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Whole characters.
    Text(&'a str),
    /// At least one byte that is no part of a character.
    Binary(&'a [u8]),
}

impl Piece<'_> {
    /// How many bytes of output it stands for.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// The first piece of `bytes`, or `None` when they are empty or only the beginning of one character.
pub(crate) fn first_piece(bytes: &[u8]) -> Option<Piece<'_>> {
    let window = &bytes[..bytes.len().min(PIECE_BYTES_MAX)];
    match std::str::from_utf8(window) {
        Ok("") => None,
        Ok(text) => Some(Piece::Text(text)),
        Err(error) => match (error.valid_up_to(), error.error_len()) {
            (0, None) => None,
            // Only the last character is not whole.
            (valid, None) => std::str::from_utf8(&window[..valid]).ok().map(Piece::Text),
            (_, Some(_)) => Some(Piece::Binary(&window[..window.len() - beginning_len(window)])),
        },
    }
}

/// How many bytes at the end may be the beginning of a character: 0 to 3.
fn beginning_len(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let is_beginning = |from: &usize| {
        std::str::from_utf8(&tail[*from..]).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
    };
    // A beginning of the whole is no piece, so it is not cut off.
    let from = (0..tail.len()).find(is_beginning).filter(|from| bytes.len() > tail.len() || *from > 0);
    from.map_or(0, |from| tail.len() - from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_end_at_characters() {
        #[track_caller]
        fn check(bytes: &[u8], expect: impl Into<Option<Piece<'static>>>) {
            assert_eq!(first_piece(bytes), expect.into());
        }
        check(b"", None);
        check(b"abc", Some(Piece::Text("abc")));
        check("é".as_bytes(), Some(Piece::Text("é")));
        check(b"a\xe2\x82", Some(Piece::Text("a")));
        check(b"\xe2\x82", None);
        check(b"\xff\x00\xe2", Some(Piece::Binary(b"\xff\x00")));
        check(b"\xff", Some(Piece::Binary(b"\xff")));
        check(b"ok\x80ok", Some(Piece::Binary(b"ok\x80ok")));
        let long = "é".repeat(PIECE_BYTES_MAX);
        let odd = format!("a{long}");
        assert_eq!(first_piece(odd.as_bytes()).unwrap().len(), PIECE_BYTES_MAX - 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_pieces(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(0xe2), Just(0x82)], 0..200)) {
            let mut rest = &bytes[..];
            while let Some(piece) = first_piece(rest) {
                prop_assert!(piece.len() > 0);
                rest = &rest[piece.len()..];
            }
            prop_assert!(rest.len() <= 3);
            let beginning = std::str::from_utf8(rest).map_or_else(|e| e.error_len().is_none(), str::is_empty);
            prop_assert!(beginning);
        }
    }
}
