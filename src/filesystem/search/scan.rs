//! `Scan`: the lines of one file that have the text, window by window.
//!
//! A window is read at its offset and ends with a line, so a scan is nothing but an offset and a line number: it can stop after any hit
//! and go on later, and a file of any size takes one window of memory. A line that is longer than a window is gone through in windows
//! that overlap, for where it ends and where the text stands first; of it, as of every line, a bounded part is shown.

use std::io::{self, BufRead};
use std::ops::Range;

use grep_searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder, Sink, SinkMatch};

use super::context::{SHOWN_BYTES_MAX, lines_after, lines_before, shown, whole_characters};
use super::needle::Needle;
use super::read_at::ReadAt;

/// What is read at one time: most files are smaller, and five hundred searches at once on two processors hold 256 MB.
const WINDOW_BYTES: usize = 256 << 10;

/// What is read of a file of the kernel, which may have no end.
const PSEUDO_BYTES_MAX: u64 = 1 << 20;

/// Bytes of hits after which a window is left before its end: 20 lines around each of a million short lines would be 20 MB.
const HITS_BYTES_MAX: usize = 256 << 10;

/// A line with the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// From 1.
    pub(crate) line: u64,
    /// Of the first byte of the text, from 1, in bytes.
    pub(crate) column: u64,
    /// Of the first byte of the line, from 0, in bytes.
    pub(crate) offset: u64,
    /// The line without its end, or 64 KiB of it.
    pub(crate) text: Vec<u8>,
    /// Where `text` begins when it is a part only: its column.
    pub(crate) text_column: Option<u64>,
    /// The line and those around it.
    pub(crate) context: Option<Vec<u8>>,
}

impl Hit {
    /// What it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.context.as_ref().map_or(0, Vec::len)
    }
}

/// What one thread searches with.
#[derive(Debug)]
pub(super) struct Eye {
    searcher: Searcher,
    window: Vec<u8>,
}

impl Eye {
    /// With windows of the usual size.
    pub(super) fn new() -> Self {
        Self::with_windows(WINDOW_BYTES)
    }

    fn with_windows(bytes: usize) -> Self {
        let searcher = SearcherBuilder::new()
            .line_number(true)
            .binary_detection(BinaryDetection::none())
            .bom_sniffing(false)
            .memory_map(MmapChoice::never())
            .build();
        Self { searcher, window: vec![0; bytes] }
    }
}

/// A line that is longer than a window.
#[derive(Debug, Clone, Copy)]
struct Long {
    /// Where the next window begins.
    next: u64,
    /// Where the text stands first, from the beginning of the line.
    hit: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where the next line begins.
    offset: u64,
    /// Its number.
    line: u64,
    long: Option<Long>,
    /// Where the file ended when it was opened, or zero.
    size: u64,
    /// Where it ends for us, whatever is behind.
    end: u64,
}

/// What hits are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The text.
    pub(super) needle: &'a Needle,
    /// Lines around each hit.
    pub(super) context_lines: usize,
    /// How many more.
    pub(super) hits_max: usize,
}

impl Scan {
    /// From the beginning of a file of so many bytes; zero says that it is not known.
    pub(super) fn new(size: u64) -> Self {
        Self { offset: 0, line: 1, long: None, size, end: u64::MAX }
    }

    /// From the beginning of a file of the kernel; its first MiB is all.
    pub(super) fn pseudo() -> Self {
        Self { end: PSEUDO_BYTES_MAX, ..Self::new(0) }
    }

    /// How much of the file was read.
    pub(super) fn passed(&self) -> u64 {
        self.long.map_or(self.offset, |long| long.next)
    }

    /// How much of a window at an offset may be filled.
    fn room(&self, offset: u64, window: usize) -> usize {
        usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX).min(window)
    }

    /// Looks at one window, and adds what it finds to `hits`. True at the end of the file.
    pub(super) fn window(
        &mut self,
        file: &impl ReadAt,
        eye: &mut Eye,
        wish: Wish<'_>,
        hits: &mut Vec<Hit>,
    ) -> io::Result<bool> {
        if self.long.is_some() {
            return self.long_window(file, eye, wish, hits);
        }
        let Eye { searcher, window } = eye;
        let room = self.room(self.offset, window.len());
        let filled = file.fill(&mut window[..room], self.offset, self.size)?;
        let is_end = filled < window.len();
        let lines = match window[..filled].iter().rposition(|byte| *byte == b'\n') {
            _ if is_end => filled,
            Some(end) => end + 1,
            None => {
                self.long = Some(Long { next: self.offset, hit: None });
                return Ok(false);
            }
        };
        let mut lens = Lens {
            file,
            window: &window[..filled],
            offset: self.offset,
            line: self.line,
            is_end,
            wish,
            left: wish.hits_max,
            bytes: 0,
            hits,
            left_at: None,
        };
        searcher.search_slice(wish.needle.matcher(), &window[..lines], &mut lens)?;
        if let Some((at, line)) = lens.left_at {
            self.offset += at as u64;
            self.line = line;
            return Ok(false);
        }
        if !is_end {
            self.line += newlines(&window[..lines]);
        }
        self.offset += lines as u64;
        Ok(is_end)
    }

    fn long_window(
        &mut self,
        file: &impl ReadAt,
        eye: &mut Eye,
        wish: Wish<'_>,
        hits: &mut Vec<Hit>,
    ) -> io::Result<bool> {
        let mut long = self.long.unwrap_or(Long { next: self.offset, hit: None });
        let room = self.room(long.next, eye.window.len());
        let filled = file.fill(&mut eye.window[..room], long.next, self.size)?;
        let is_end = filled < eye.window.len();
        let bytes = &eye.window[..filled];
        let newline = newline_in(bytes)?;
        let bytes = &bytes[..newline.unwrap_or(filled)];
        if long.hit.is_none() {
            long.hit = wish.needle.find(bytes).map(|at| long.next - self.offset + at as u64);
        }
        if newline.is_none() && !is_end {
            // The text may begin in this window and end in the next one.
            let overlap = if long.hit.is_none() { wish.needle.len_max.min(filled / 2) } else { 0 };
            long.next += (filled - overlap) as u64;
            self.long = Some(long);
            return Ok(false);
        }
        let end = long.next + bytes.len() as u64;
        if let Some(hit) = long.hit {
            hits.push(long_hit(file, self.offset..end, (self.line, hit), wish)?);
        }
        *self = Self { offset: end + 1, line: self.line + 1, long: None, ..*self };
        Ok(newline.is_none())
    }
}

/// The hit of a line that is not in memory.
fn long_hit(
    file: &impl ReadAt,
    line: Range<u64>,
    (number, hit): (u64, u64),
    wish: Wish<'_>,
) -> io::Result<Hit> {
    let part = shown(line.end - line.start, hit);
    let mut text = vec![0; usize::try_from(part.end - part.start).unwrap_or(0)];
    let filled = file.fill(&mut text, line.start + part.start, 0)?;
    text.truncate(filled);
    let whole = part.start == 0 && part.end == line.end - line.start;
    let (text, skipped) = if whole { (text, 0) } else { cut(&text) };
    let around = |text: &[u8]| -> io::Result<Vec<u8>> {
        let before = read_before(file, line.start)?;
        let after = read_after(file, line.end)?;
        let from = lines_before(&before, wish.context_lines).0;
        let to = lines_after(&after, wish.context_lines).0;
        Ok([&before[from..], text, &after[..to]].concat())
    };
    let context = if wish.context_lines > 0 { Some(around(&text)?) } else { None };
    let text_column = (!whole).then_some(part.start + skipped as u64 + 1);
    Ok(Hit { line: number, column: hit + 1, offset: line.start, text, text_column, context })
}

/// A part of a line without the halves of characters at its ends, and how many bytes are missing at its beginning.
fn cut(part: &[u8]) -> (Vec<u8>, usize) {
    let whole = whole_characters(part);
    (part[whole.clone()].to_vec(), whole.start)
}

/// What stands before an offset, as far as it is shown.
fn read_before(file: &impl ReadAt, end: u64) -> io::Result<Vec<u8>> {
    let len = end.min(SHOWN_BYTES_MAX as u64);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let filled = file.fill(&mut bytes, end - len, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// What stands behind it.
fn read_after(file: &impl ReadAt, begin: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SHOWN_BYTES_MAX];
    let filled = file.fill(&mut bytes, begin, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}

fn newline_in(bytes: &[u8]) -> io::Result<Option<usize>> {
    // The fastest way that the standard library has.
    let passed = (&mut &*bytes).skip_until(b'\n')?;
    Ok(passed.checked_sub(1).filter(|at| bytes[*at] == b'\n'))
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Takes the hits of one window.
struct Lens<'a, F> {
    file: &'a F,
    window: &'a [u8],
    offset: u64,
    line: u64,
    /// Nothing is behind the window.
    is_end: bool,
    wish: Wish<'a>,
    left: usize,
    bytes: usize,
    hits: &'a mut Vec<Hit>,
    /// Where the window was left: the beginning of the next line in it, and that line's number.
    left_at: Option<(usize, u64)>,
}

impl<F: ReadAt> Lens<'_, F> {
    fn hit(&self, line: Range<usize>, number: u64) -> io::Result<Hit> {
        let bytes = &self.window[line.clone()];
        let at = self.wish.needle.find(bytes).unwrap_or(0);
        let part = shown(bytes.len() as u64, at as u64);
        let is_whole = part.end - part.start == bytes.len() as u64;
        let (text, skipped) = if is_whole {
            (bytes.to_vec(), 0)
        } else {
            let begin = usize::try_from(part.start).unwrap_or(0);
            let (text, skipped) = cut(&bytes[begin..begin + SHOWN_BYTES_MAX]);
            (text, begin + skipped)
        };
        let offset = self.offset + line.start as u64;
        let context = match self.wish.context_lines {
            0 => None,
            n => Some(self.context(line, &text, n)?),
        };
        let text_column = (!is_whole).then_some(skipped as u64 + 1);
        Ok(Hit { line: number, column: at as u64 + 1, offset, text, text_column, context })
    }

    /// The lines around a line: from the window, and from the file where the window ends.
    fn context(&self, line: Range<usize>, text: &[u8], n: usize) -> io::Result<Vec<u8>> {
        let near = &self.window[line.start.saturating_sub(SHOWN_BYTES_MAX)..line.start];
        let (from, is_all) = lines_before(near, n);
        let is_all = is_all || self.offset == 0 || near.len() == SHOWN_BYTES_MAX;
        let before = if is_all {
            near[from..].to_vec()
        } else {
            let bytes = read_before(self.file, self.offset + line.start as u64)?;
            bytes[lines_before(&bytes, n).0..].to_vec()
        };
        let near = &self.window[line.end..self.window.len().min(line.end + SHOWN_BYTES_MAX)];
        let (to, is_all) = lines_after(near, n);
        let is_all = is_all || self.is_end || near.len() == SHOWN_BYTES_MAX;
        let after = if is_all {
            near[..to].to_vec()
        } else {
            let bytes = read_after(self.file, self.offset + line.end as u64)?;
            bytes[..lines_after(&bytes, n).0].to_vec()
        };
        Ok([before.as_slice(), text, &after].concat())
    }
}

impl<F: ReadAt> Sink for Lens<'_, F> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let begin = usize::try_from(found.absolute_byte_offset()).unwrap_or(usize::MAX);
        let next = begin + found.bytes().len();
        let end = if found.bytes().ends_with(b"\n") { next - 1 } else { next };
        let number = self.line + found.line_number().unwrap_or(1) - 1;
        let hit = self.hit(begin..end, number)?;
        self.bytes += hit.bytes();
        self.hits.push(hit);
        self.left -= 1;
        if self.left == 0 || self.bytes >= HITS_BYTES_MAX {
            self.left_at = Some((next, number + 1));
            return Ok(false);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
