//! Finding lines in files.

use rustix::io::Errno;
use tide::{Request, Response};

use super::search_query::{flag, parameter, results_max, scope};
use crate::error::{Error, Result};
use crate::filesystem::{
    Content, ContentOptions, FileHits, Hit, QUERY_BYTES_MAX, Scope, Stop, collapse, is_searchable,
};
use crate::http::context::Context;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, produced, request};
use crate::wire::search::{ContentMatch, Matches};

/// Results when the client does not say how many.
const RESULTS_DEFAULT: u64 = 100;

/// The most lines before a line, and behind it, that are told with it.
const CONTEXT_LINES_MAX: usize = 20;

/// Finds lines in files that have a text.
///
/// The text is taken as it is. One hit is told of each line, files in the order of a walk. All regular files are read, hidden and binary ones
/// too; of those of the kernel (`/proc`, `/sys`) the first MiB, and only when the search begins there.
#[utoipa::path(get, path = "/filesystem-content-search/{path}", operation_id = "searchContent", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder, as for reading, but `~` is a name like any other."),
        ("query" = String, Query, description = "The text, 8192 bytes at most."),
        ("caseSensitive" = Option<bool>, Query, description = "`true`: upper and lower case differ."),
        ("contextLines" = Option<u64>, Query, description = "So many lines before and behind each hit, as `context`: 0 by default, 20 at most. What is no such number is 0."),
        ("maxResults" = Option<u64>, Query, description = "100 by default, 1000 at most; 0 is all."),
        ("filePattern" = Option<String>, Query, description = "Only files whose names fit this glob."),
        ("excludeDirs" = Option<String>, Query, description = "As for finding by name."),
        ("gitignore" = Option<bool>, Query, description = "As for finding by name."),
    ),
    responses(
        (status = 200, description = "What was found.", body = crate::wire::search::ContentSearchResponse),
        (status = 400, description = "There is no text, no such folder, or a parameter is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The folder cannot be read.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "As for finding by name.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let Some(query) = parameter(&request, "query") else {
        return Err(Refusal::BadRequest("query parameter is required".to_owned()));
    };
    if !is_searchable(&query) {
        return Err(Refusal::BadRequest(format!("query is too long (the bound is {QUERY_BYTES_MAX} bytes)")));
    }
    let options = ContentOptions {
        query: query.clone(),
        case_sensitive: flag(&request, "caseSensitive"),
        file_pattern: parameter(&request, "filePattern"),
        context_lines: context_lines(parameter(&request, "contextLines")),
        hits_max: results_max(&request, RESULTS_DEFAULT)?,
        scope: Scope { exclude_hidden: false, ..scope(&request) },
        ..ContentOptions::default()
    };
    let files = &request.state().sandbox.files;
    let place = files.plain_place(&collapse(&request::file_path(&request)));
    let given = file_view::text(place.given.as_os_str());
    let absolute = place.absolute.clone();
    request::may_wait(&request)?;
    let stop = Stop::new();
    let answer = produced::respond_while(files, stop.wanted(), Doing::Finding, move |files| {
        let content = Content::open(files, &place, options, stop)?;
        Ok(ContentBody { content, query, matches: Matches::default() })
    });
    request::while_wanted(&request, answer).await.map_err(|refusal| match refusal {
        Refusal::File(_, Error::File { path, source, .. })
            if path == absolute && is_no_folder(Errno::from_io_error(&source)) =>
        {
            Refusal::BadRequest(format!("specified directory does not exist: {given}"))
        }
        refusal => refusal,
    })
}

fn is_no_folder(errno: Option<Errno>) -> bool {
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// A number of lines. What is none was not meant.
fn context_lines(parameter: Option<String>) -> usize {
    let text = parameter.unwrap_or_default();
    match text.parse::<usize>() {
        Ok(lines) => lines.min(CONTEXT_LINES_MAX),
        // A number that is too large for us is still one.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => CONTEXT_LINES_MAX,
        Err(_) => 0,
    }
}

struct ContentBody {
    content: Content,
    query: String,
    matches: Matches,
}

impl ContentBody {
    fn file(&mut self, out: &mut Vec<u8>, found: FileHits) {
        let path = file_view::text(found.path.as_os_str());
        let encoded_path = file_view::encoded(&found.path);
        for Hit { line, column, text, text_column, context, .. } in found.hits {
            let item = ContentMatch {
                path: path.clone(),
                line,
                column,
                text: lossy(text),
                context: context.map(lossy),
                text_column,
                encoded_path: encoded_path.clone(),
            };
            self.matches.push(out, &item);
        }
    }
}

impl Producer for ContentBody {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.matches.is_done() {
            return Ok(None);
        }
        let mut out = Vec::new();
        self.matches.begin(&mut out, Some(&self.query));
        match self.content.turn()? {
            Some(found) => found.into_iter().for_each(|found| self.file(&mut out, found)),
            None => self.matches.end(&mut out),
        }
        Ok(Some(out))
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_is_never_refused() {
        #[track_caller]
        fn check(text: Option<&str>, expect: usize) {
            assert_eq!(context_lines(text.map(str::to_owned)), expect);
        }
        check(None, 0);
        check(Some("3"), 3);
        check(Some("999"), 20);
        check(Some("99999999999999999999999"), 20);
        for garbage in ["", "-1", "x", "1.5"] {
            check(Some(garbage), 0);
        }
    }
}
