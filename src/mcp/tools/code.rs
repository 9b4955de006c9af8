//! Tools that look for code, and those that the known server has not made either.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::files::place;
use crate::error::Result;
use crate::filesystem::{
    Content, ContentOptions, EXCLUDED_FOLDERS, FileHits, Info, Needle, Scope, Stop, TURN_TIME, Walk,
    is_searchable,
};
use crate::mcp::call::{Call, Failure, Outcome};
use crate::view::file as file_view;

/// Names that are found at most: the known server's.
const NAMES_MAX: usize = 10;

/// Lines that are found at most.
const LINES_MAX: usize = 1000;

/// Bytes of the answer of a search after which it has enough.
const RESULT_BYTES_MAX: usize = 2 << 20;

pub(super) async fn search_codebase(call: Call) -> Outcome {
    let query = call.arguments.text("query");
    call.done(json!({ "success": true, "results": [], "query": query })).await
}

pub(super) async fn reapply(call: Call) -> Outcome {
    call.done(json!({ "success": false, "message": "Reapply functionality not yet implemented" })).await
}

pub(super) async fn apply_in_parallel(call: Call) -> Outcome {
    call.done(json!({ "success": false, "message": "Parallel apply functionality not yet implemented" }))
        .await
}

/// A search for names.
struct Names {
    walk: Walk,
    query: Vec<char>,
    root: PathBuf,
    found: Vec<String>,
}

pub(super) async fn search_files(call: Call) -> Outcome {
    let query = call.arguments.text("query");
    let directory = call.arguments.text_if_any("directory").unwrap_or_default();
    let files = call.mcp.sandbox.files.clone();
    let place = place(&files, &directory);
    if !place.absolute.starts_with(&files.working_dir) {
        return Err(Failure("directory must be within workspace".to_owned()));
    }
    let not_found = Failure(format!("directory not found: {directory}"));
    let stop = Stop::new();
    let _wanted = stop.wanted();
    let letters = query.to_lowercase().chars().collect();
    let open = files.run_in_turn(move |files| {
        let stat = files.root.stat(&place.absolute, true);
        if !stat.is_ok_and(|stat| Info::new(&stat).is_folder()) {
            return Ok(None);
        }
        let walk = Walk::open(files, &place, scope(false), stop)?;
        Ok(Some(Names { walk, query: letters, root: place.absolute, found: Vec::new() }))
    });
    let Some(names) = open.await? else { return Err(not_found) };
    let found = files.run_in_turns(names, |names: &mut Names| names.turn()).await?.found;
    let matches = if found.is_empty() { Value::Null } else { json!(found) };
    call.done(json!({ "success": true, "matches": matches, "query": query })).await
}

/// Folders that nobody means are left out; with `as_ripgrep` what ripgrep leaves out.
fn scope(as_ripgrep: bool) -> Scope {
    let folders: HashSet<OsString> =
        if as_ripgrep { HashSet::new() } else { EXCLUDED_FOLDERS.into_iter().map(OsString::from).collect() };
    Scope { exclude_folders: folders, exclude_hidden: as_ripgrep, gitignore: as_ripgrep }
}

impl Names {
    /// Looks at some more; false when it is enough.
    fn turn(&mut self) -> Result<bool> {
        let began = Instant::now();
        while began.elapsed() < TURN_TIME {
            if self.found.len() >= NAMES_MAX || !self.walk.advance()? {
                return Ok(false);
            }
            let name = self.walk.name().to_string_lossy().to_lowercase();
            if !self.walk.is_folder() && has_letters(&name, &self.query) {
                self.found.push(file_view::text(self.root.join(self.walk.path()).as_os_str()));
            }
        }
        Ok(true)
    }
}

/// Whether a name has all letters in their order.
fn has_letters(name: &str, letters: &[char]) -> bool {
    let mut left = letters.iter().peekable();
    for letter in name.chars() {
        if left.peek() == Some(&&letter) {
            left.next();
        }
    }
    left.peek().is_none()
}

/// A search for lines.
struct Lines {
    content: Content,
    needle: Needle,
    results: String,
    count: usize,
    files: usize,
    /// The file whose hits are being told.
    path: Option<PathBuf>,
    of_file: usize,
}

pub(super) async fn grep(mut call: Call) -> Outcome {
    let failed = |why: &str| Failure(format!("grep search failed: {why}"));
    let arguments = &call.arguments;
    let query = arguments.text("query");
    if !is_searchable(&query) {
        return Err(failed("the query is empty or longer than 8192 bytes"));
    }
    let case_sensitive = arguments.flag("caseSensitive");
    let files = call.mcp.sandbox.files.clone();
    // A few letters can mean an expression that takes a while to make.
    let made = files.run_in_turn(move |_| Ok(Needle::pattern(&query, case_sensitive))).await?;
    let needle = made.map_err(|why| failed(&why))?;
    let pattern = |name: &str| arguments.text_if_any(name).filter(|text| !text.is_empty());
    let options = ContentOptions {
        needle: Some(needle.clone()),
        file_pattern: pattern("includePattern"),
        exclude_pattern: pattern("excludePattern"),
        hits_max: Some(LINES_MAX),
        scope: scope(true),
        ..ContentOptions::default()
    };
    let here = place(&files, "");
    let stop = Stop::new();
    let _wanted = stop.wanted();
    let open = files.run_in_turn(move |files| Content::open(files, &here, options, stop)).await;
    let content = open.map_err(|error| failed(&error.to_string()))?;
    let lines = Lines { content, needle, results: String::new(), count: 0, files: 0, path: None, of_file: 0 };
    let lines = files.run_in_turns(lines, |lines: &mut Lines| lines.turn()).await?;
    if lines.count == 0 {
        // What clients of the known server take for "nothing".
        return Err(Failure("grep search failed: exit status 1".to_owned()));
    }
    call.room.take(lines.results.len() as u64)?;
    call.done(json!({ "success": true, "results": lines.results })).await
}

impl Lines {
    /// Searches some more; false at the end.
    fn turn(&mut self) -> Result<bool> {
        let found = self.content.turn()?;
        let is_end = found.is_none();
        for hits in found.unwrap_or_default() {
            self.tell(hits);
        }
        if is_end || self.results.len() >= RESULT_BYTES_MAX {
            self.end_file();
            self.tell_summary();
            return Ok(false);
        }
        Ok(true)
    }

    fn tell(&mut self, found: FileHits) {
        if self.results.len() >= RESULT_BYTES_MAX {
            return;
        }
        let path = json!({ "text": file_view::text(found.path.as_os_str()) });
        for hit in found.hits {
            // ripgrep shows no lines of files that are no text.
            if hit.text.contains(&0) {
                continue;
            }
            if self.path.as_ref() != Some(&found.path) {
                self.end_file();
                self.path = Some(found.path.clone());
                self.files += 1;
                self.line(&json!({ "type": "begin", "data": { "path": path } }));
            }
            let places = self.needle.all(&hit.text).into_iter().map(|place| {
                let text = String::from_utf8_lossy(&hit.text[place.clone()]).into_owned();
                json!({ "match": { "text": text }, "start": place.start, "end": place.end })
            });
            let data = json!({
                "path": path,
                "lines": { "text": String::from_utf8_lossy(&hit.text) },
                "line_number": hit.line,
                "absolute_offset": hit.offset,
                "submatches": places.collect::<Vec<_>>(),
            });
            self.count += 1;
            self.of_file += 1;
            self.line(&json!({ "type": "match", "data": data }));
        }
    }

    fn end_file(&mut self) {
        let Some(path) = self.path.take() else { return };
        let matched = std::mem::take(&mut self.of_file);
        let path = file_view::text(path.as_os_str());
        let data = json!({
            "path": { "text": path }, "binary_offset": null,
            "stats": { "searches": 1, "searches_with_match": 1, "matched_lines": matched },
        });
        self.line(&json!({ "type": "end", "data": data }));
    }

    fn tell_summary(&mut self) {
        let stats = json!({ "searches_with_match": self.files, "matched_lines": self.count });
        self.line(&json!({ "type": "summary", "data": { "stats": stats } }));
    }

    fn line(&mut self, value: &Value) {
        self.results.push_str(&value.to_string());
        self.results.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_in_their_order() {
        #[track_caller]
        fn check(name: &str, query: &str, expect: bool) {
            assert_eq!(has_letters(name, &query.chars().collect::<Vec<_>>()), expect);
        }
        check("main.rs", "mrs", true);
        check("main.rs", "rm", false);
        check("main.rs", "", true);
        check("", "a", false);
    }
}
