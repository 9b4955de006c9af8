//! `Cursor`: a place in a process's log as clients carry it (`id:` of an SSE event, `Last-Event-ID`, `?cursor=`).
//!
//! To clients it is opaque. It names the process by boxd's own id, so that a cursor of an earlier process of the same
//! name, or of another daemon, is never taken for a place in this one.

use std::fmt;
use std::str::FromStr;

use super::{Offsets, Position};
use crate::id::ProcessId;

/// The text after the offsets of a cursor that stands behind the terminal event.
const END: &str = "end";

/// A process, a position in its log, and whether the stream had ended there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Whose log.
    pub(crate) process: ProcessId,
    /// Where.
    pub(crate) position: Position,
    /// The terminal event was delivered: nothing follows.
    pub(crate) ended: bool,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { run, offsets } = self.position;
        write!(f, "{}.{run}.{}.{}", self.process, offsets.stdout, offsets.stderr)?;
        if self.ended { write!(f, ".{END}") } else { Ok(()) }
    }
}

/// The text is no cursor of boxd's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let mut fields = text.split('.');
        let mut next = || fields.next().ok_or(NotACursor);
        let process = next()?.parse().map_err(|_| NotACursor)?;
        let run = number(next()?)?;
        let offsets = Offsets { stdout: number(next()?)?, stderr: number(next()?)? };
        let ended = match fields.next() {
            None => false,
            Some(END) => true,
            Some(_) => return Err(NotACursor),
        };
        if fields.next().is_some() {
            return Err(NotACursor);
        }
        let run = u32::try_from(run).map_err(|_| NotACursor)?;
        Ok(Self { process, position: Position { run, offsets }, ended })
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Result<u64, NotACursor> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| NotACursor)
    } else {
        Err(NotACursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::IdSource;

    #[test]
    fn what_is_not_a_cursor_is_refused() {
        for text in [
            "",
            ".",
            "x",
            "9f2c",
            "00000001-1.1.14",
            "00000001-1.1.14.0.",
            "00000001-1.1.14.0.END",
            "00000001-1.1.14.0.end.",
            "00000001-1.1.+4.0",
            "00000001-1.1.-4.0",
            "00000001-1.1.14.0 ",
            "00000001-1.4294967296.0.0",
            "00000001-1.1.18446744073709551616.0",
            "0000001-1.1.0.0",
            "00000001-1..0.0",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(run: u32, stdout: u64, stderr: u64, ended: bool) {
            let position = Position { run, offsets: Offsets { stdout, stderr } };
            let cursor = Cursor { process: IdSource::new().next(), position, ended };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn no_text_panics(text in "[0-9a-f.\\-end+]{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                // Leading zeros of a number are the only second spelling.
                prop_assert!(text.len() >= cursor.to_string().len());
            }
        }
    }
}
