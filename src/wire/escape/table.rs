//! What each byte becomes inside a JSON string, computed at compile time.
//!
//! An entry is a number: its low seven bytes, little end first, are the text, its top byte is the text's length. So one
//! load fetches both, one store writes the text, and the next store overwrites what stood behind it.

/// Up to [`TEXT_BYTES_MAX`] bytes of text and their number.
pub(super) type Entry = u64;

/// The length of the longest text, `\u0000`.
pub(super) const TEXT_BYTES_MAX: usize = 6;

/// The entry of every byte by itself. Bytes of longer characters stay as they are.
pub(super) static ENTRIES: [Entry; 256] = entries();

/// The characters of more than one byte that are escaped: U+0085, U+2028 and U+2029.
pub(super) const SEPARATORS: [(&[u8], Entry); 3] = [
    ("\u{85}".as_bytes(), entry(br"\u0085")),
    ("\u{2028}".as_bytes(), entry(br"\u2028")),
    ("\u{2029}".as_bytes(), entry(br"\u2029")),
];

/// The length of an entry's text.
pub(super) const fn len(entry: Entry) -> usize {
    entry.to_le_bytes()[7] as usize
}

const fn entries() -> [Entry; 256] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut entries = [0; 256];
    let mut byte = 0_u8;
    loop {
        entries[byte as usize] = match byte {
            b'"' => entry(br#"\""#),
            b'\\' => entry(br"\\"),
            b'\n' => entry(br"\n"),
            b'\r' => entry(br"\r"),
            b'\t' => entry(br"\t"),
            0x08 => entry(br"\b"),
            0x0c => entry(br"\f"),
            0..0x20 | b'<' | b'>' | b'&' => {
                entry(&[b'\\', b'u', b'0', b'0', HEX[(byte >> 4) as usize], HEX[(byte & 0xf) as usize]])
            }
            _ => entry(&[byte]),
        };
        if byte == u8::MAX {
            return entries;
        }
        byte += 1;
    }
}

const fn entry(text: &[u8]) -> Entry {
    assert!(text.len() <= TEXT_BYTES_MAX);
    let mut entry = (text.len() as Entry) << 56;
    let mut at = 0;
    while at < text.len() {
        entry |= (text[at] as Entry) << (8 * at);
        at += 1;
    }
    entry
}
