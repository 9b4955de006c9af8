//! The tool that reads some lines of a file.

use std::io::{BufRead, BufReader, Read};

use serde_json::json;

use super::files::{TEXT_BYTES_MAX, lossy, place};
use crate::error::{Error, Result};
use crate::filesystem::{Files, Found, Place, Stop};
use crate::mcp::call::{Call, Failure, Outcome};

/// Lines from `.0` to `.1`, both from 1 and both part of it.
type Range = (u64, u64);

pub(super) async fn read(mut call: Call) -> Outcome {
    let path = call.arguments.text("targetFile");
    let bound =
        |name: &str| call.arguments.whole(name).and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let range = (bound("startLineOneIndexed"), bound("endLineOneIndexedInclusive"));
    let invalid = || Failure("invalid line range".to_owned());
    let files = &call.mcp.sandbox.files;
    let place = place(files, &path);
    let stop = Stop::new();
    let wanted = stop.wanted();
    let read = files.run_in_turn(move |files| read_lines(files, &place, range, &stop)).await;
    drop(wanted);
    let bytes = read.map_err(|error| match error {
        Error::IsFolder => Failure("failed to read file: path points to a directory, not a file".to_owned()),
        error => Failure(format!("failed to read file: {error}")),
    })?;
    let bytes = bytes.ok_or_else(invalid)?;
    call.room.take(bytes.len() as u64)?;
    call.done(json!({ "success": true, "content": lossy(bytes), "file": path })).await
}

/// The lines of a file; `None` when it has no such lines. Behind a last newline there is one more, an empty one.
fn read_lines(files: &Files, place: &Place, (start, end): Range, stop: &Stop) -> Result<Option<Vec<u8>>> {
    let Found::File(file, _) = Found::find(files, place)? else { return Err(Error::IsFolder) };
    if start == 0 || start > end {
        return Ok(None);
    }
    let failed = |source| Error::File { action: "read", path: place.absolute.clone(), source };
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let (mut out, mut line) = (Vec::new(), 1);
    while line < start {
        if stop.is_set() || !skip_line(&mut reader, stop).map_err(failed)? {
            return Ok(None);
        }
        line += 1;
    }
    loop {
        let room = TEXT_BYTES_MAX.saturating_sub(out.len() as u64) + 1;
        (&mut reader).take(room).read_until(b'\n', &mut out).map_err(failed)?;
        if out.len() as u64 > TEXT_BYTES_MAX {
            let found = format!("these lines have more than {TEXT_BYTES_MAX} bytes");
            return Err(Error::TooMuch { what: "file size", found });
        }
        let is_whole = out.last() == Some(&b'\n') && !out.is_empty();
        if line == end {
            out.truncate(out.len() - usize::from(is_whole));
            return Ok(Some(out));
        }
        if !is_whole {
            return Ok(None);
        }
        line += 1;
        if reader.fill_buf().map_err(failed)?.is_empty() {
            // What is behind the last newline.
            if line == end {
                return Ok(Some(out));
            }
            return Ok(None);
        }
    }
}

/// Reads over a line, however long; false when the file ends without its newline.
fn skip_line(reader: &mut impl BufRead, stop: &Stop) -> std::io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() || stop.is_set() {
            return Ok(false);
        }
        let at = memchr::memchr(b'\n', bytes);
        let used = at.map_or(bytes.len(), |at| at + 1);
        reader.consume(used);
        if at.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Root;

    #[test]
    fn ranges_are_what_splitting_at_newlines_gives() {
        let dir = std::env::temp_dir().join(format!("boxd-ranges-{}", fastrand::u64(..)));
        std::fs::create_dir_all(&dir).unwrap();
        let files = Files::new(Root::whole(), &dir, None, None);
        let long = "x".repeat(200_000);
        for text in ["", "a", "a\n", "a\nb", "a\nb\n", "\n\n", &format!("{long}\nb\n{long}")] {
            std::fs::write(dir.join("f"), text).unwrap();
            let lines: Vec<_> = text.split('\n').collect();
            for start in 0..5 {
                for end in 0..5 {
                    let expect = (start >= 1 && start <= end && end <= lines.len())
                        .then(|| lines[start - 1..end].join("\n").into_bytes());
                    let found = read_lines(
                        &files,
                        &files.plain_place(b"f"),
                        (start as u64, end as u64),
                        &Stop::new(),
                    );
                    assert_eq!(found.unwrap(), expect, "{start}..{end} of {} bytes", text.len());
                }
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
