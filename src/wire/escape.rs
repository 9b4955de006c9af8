//! Text to the inside of a JSON string.
//!
//! Every stream frame and every log answer passes through here, so this is one of the few places of boxd that count
//! cycles. Text goes through in blocks: a block without a byte that needs an escape is copied whole, any other goes
//! through a table byte by byte, without a branch for what the byte is, so that the speed depends little on the text
//! (2.5 GB/s on log lines of 80 bytes, 1.9 GB/s on nothing but quotes, on one core of a Xeon). All loops over a block have
//! a fixed length and no early end: that is what the compiler's vectoriser asks for.
//!
//! Beyond what JSON needs, `<` `>` `&` are escaped, so that an answer can stand inside HTML, and so are U+0085, U+2028
//! and U+2029, which some clients take for the end of a line. Escaped text is therefore always a single line.
//!
//! Invariant: what is appended is valid UTF-8 and parses back to the text that was given.

mod table;

use std::str;

use table::{ENTRIES, Entry, SEPARATORS, TEXT_BYTES_MAX};

/// Bytes looked at together.
const BLOCK: usize = 32;

/// A block and the two bytes behind it, which decide about a separator that begins in its last bytes.
const WINDOW: usize = BLOCK + 2;

/// The number of bytes one step may write at most, rounded up to a power of two so that masking by it replaces a bounds
/// check, plus one entry, because an entry is always stored whole.
const ROOM: usize = 256 + size_of::<Entry>();
const _: () = assert!(WINDOW * TEXT_BYTES_MAX < 256);

/// How far the output grows ahead of what is written. Growing fills with zeros, which should happen in the cache.
const STRIDE: usize = 4096;

/// Appends `text` as the inside of a JSON string, without the quotes.
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    escape_utf8(out, text.as_bytes());
}

/// Appends `bytes` as [`escape_into`] does; each sequence that is not UTF-8 becomes one `\ufffd`, cut where
/// [`String::from_utf8_lossy`] cuts.
pub(crate) fn escape_lossy_into(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Err(error) = str::from_utf8(rest) {
        let (valid, broken) = rest.split_at(error.valid_up_to());
        escape_utf8(out, valid);
        out.extend_from_slice(br"\ufffd");
        // Without a length, the bytes end inside a character.
        rest = error.error_len().map_or(&[], |len| &broken[len..]);
    }
    escape_utf8(out, rest);
}

/// What a step took from the text and what it wrote.
struct Step {
    taken: usize,
    written: usize,
}

/// Escapes `text`, which is known to be UTF-8.
fn escape_utf8(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + text.len() / 16);
    let mut written = out.len();
    let mut rest = text;
    while !rest.is_empty() {
        if out.len() < written + ROOM {
            out.resize(written + ROOM + rest.len().min(STRIDE), 0);
        }
        let room = out[written..].first_chunk_mut().expect("the output was just grown by it");
        let step = match rest.first_chunk() {
            Some(window) => escape_block(room, window),
            None => escape_chars(room, rest, rest.len()),
        };
        rest = &rest[step.taken..];
        written += step.written;
    }
    out.truncate(written);
}

/// Escapes the characters that begin in the first [`BLOCK`] bytes.
fn escape_block(room: &mut [u8; ROOM], window: &[u8; WINDOW]) -> Step {
    let block: &[u8; BLOCK] = window.first_chunk().expect("a window is longer than a block");
    let (mut special, mut all) = (false, 0);
    for &byte in block {
        special |= byte < 0x20;
        special |= byte == b'\\';
        special |= byte & !0x04 == b'"'; // and `&`
        special |= byte & !0x02 == b'<'; // and `>`
        all |= byte;
    }
    if all >= 0x80 && has_separator(window) {
        return escape_chars(room, window, BLOCK);
    }
    if !special {
        room[..BLOCK].copy_from_slice(block);
        return Step { taken: BLOCK, written: BLOCK };
    }
    let mut written = 0;
    for &byte in block {
        written += put(room, written, ENTRIES[usize::from(byte)]);
    }
    Step { taken: BLOCK, written }
}

/// Whether a separator of more than one byte begins in the first [`BLOCK`] bytes.
fn has_separator(window: &[u8; WINDOW]) -> bool {
    let mut found = false;
    for at in 0..BLOCK {
        let (first, second, third) = (window[at], window[at + 1], window[at + 2]);
        found |= (first ^ 0xc2) | (second ^ 0x85) == 0;
        found |= (first ^ 0xe2) | (second ^ 0x80) | ((third ^ 0xa8) & !0x01) == 0;
    }
    found
}

/// Escapes the characters that begin in the first `len` bytes, at most [`BLOCK`], looking at one after the other.
fn escape_chars(room: &mut [u8; ROOM], text: &[u8], len: usize) -> Step {
    let mut step = Step { taken: 0, written: 0 };
    while step.taken < len {
        let rest = &text[step.taken..];
        let separator = SEPARATORS.iter().find(|(raw, _)| rest.starts_with(raw));
        let (taken, entry) =
            separator.map_or((1, ENTRIES[usize::from(rest[0])]), |(raw, entry)| (raw.len(), *entry));
        step.taken += taken;
        step.written += put(room, step.written, entry);
    }
    step
}

/// Stores an entry behind what is written and gives the length of its text.
fn put(room: &mut [u8; ROOM], written: usize, entry: Entry) -> usize {
    // The mask changes nothing, it shows the compiler that there is always room.
    let from = written & 0xff;
    room[from..from + size_of::<Entry>()].copy_from_slice(&entry.to_le_bytes());
    table::len(entry)
}

#[cfg(test)]
mod tests;
