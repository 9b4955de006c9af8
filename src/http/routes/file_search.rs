//! Finding files and folders by a few letters of their paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::vec::IntoIter;

use tide::{Request, Response};

use super::search_query::{parameter, results_max, scope};
use crate::error::{Error, Result};
use crate::filesystem::{Fuzzy, Ranked, Stop, Walk, split_query};
use crate::http::context::Context;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, produced, request};
use crate::wire::search::{FuzzyMatch, Matches};

/// Results when the client does not say how many.
const RESULTS_DEFAULT: u64 = 20;

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Finds files and folders by a few letters of their paths.
///
/// The best first, and equally good ones in the order of their paths. Upper and lower case are alike; words with blanks between them
/// may come in any order.
#[utoipa::path(get, path = "/filesystem-search/{path}", operation_id = "searchFiles", tag = "filesystem",
    params(
        ("path" = String, Path, description = "With `query`: the folder. Without it the letters, too: the longest beginning that is a folder is the folder, else the working folder, and the rest are the letters; no letters fit everything."),
        ("query" = Option<String>, Query, description = "The letters: `mngo` finds `main.go`."),
        ("maxResults" = Option<u64>, Query, description = "20 by default, 1000 at most; 0 is all, but no more than 100000."),
        ("excludeDirs" = Option<String>, Query, description = "As for finding by name."),
        ("excludeHidden" = Option<bool>, Query, description = "As for finding by name."),
        ("gitignore" = Option<bool>, Query, description = "As for finding by name."),
    ),
    responses(
        (status = 200, description = "What was found.", body = crate::wire::search::FuzzySearchResponse),
        (status = 400, description = "There are no letters, or a parameter is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The folder is none, or cannot be read.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "There is no such folder.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "As for finding by name.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let (given, query) = (request::file_path(&request), parameter(&request, "query"));
    if query.is_none() && given == b"." {
        return Err(Refusal::BadRequest("query parameter is required in path".to_owned()));
    }
    let results_max = results_max(&request, RESULTS_DEFAULT)?;
    let scope = scope(&request);
    request::may_wait(&request)?;
    let stop = Stop::new();
    let files = &request.state().sandbox.files;
    let answer = produced::respond_while(files, stop.wanted(), Doing::Finding, move |files| {
        let (folder, query) =
            query.map_or_else(|| split_query(files, &given), |query| (given.clone(), query));
        let place = files.plain_place(&folder);
        files
            .root
            .stat(&place.absolute, true)
            .map_err(|errno| Error::file("lstat", &place.absolute, errno))?;
        let walk = Walk::open(files, &place, scope, stop)?;
        Ok(FuzzyBody {
            fuzzy: Some(Fuzzy::new(walk, &query, results_max)),
            best: Vec::new().into_iter(),
            matches: Matches::default(),
        })
    });
    request::while_wanted(&request, answer).await
}

struct FuzzyBody {
    /// `None` when all were looked at.
    fuzzy: Option<Fuzzy>,
    best: IntoIter<Ranked>,
    matches: Matches,
}

impl Producer for FuzzyBody {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.matches.is_done() {
            return Ok(None);
        }
        let mut out = Vec::new();
        if let Some(fuzzy) = &mut self.fuzzy {
            if !fuzzy.turn()? {
                self.best = self.fuzzy.take().map(Fuzzy::into_best).unwrap_or_default().into_iter();
            }
            return Ok(Some(out));
        }
        self.matches.begin(&mut out, None);
        while out.len() < PIECE_BYTES {
            let Some(Ranked { score, path, is_folder }) = self.best.next() else {
                self.matches.end(&mut out);
                break;
            };
            let path = Path::new(OsStr::from_bytes(&path));
            let found = FuzzyMatch {
                path: file_view::text(path.as_os_str()),
                score,
                kind: if is_folder { "directory" } else { "file" },
                encoded_path: file_view::encoded(path),
            };
            self.matches.push(&mut out, &found);
        }
        Ok(Some(out))
    }
}
