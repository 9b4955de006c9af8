//! Finding files and folders by name.

use tide::{Request, Response};

use super::search_query::{parameter, results_max, scope};
use crate::error::Result;
use crate::filesystem::{Find, FindOptions, Step, Stop, names_of};
use crate::http::context::Context;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, produced, request};
use crate::wire::search::{FindMatch, Matches};

/// Results when the client does not say how many.
const RESULTS_DEFAULT: u64 = 20;

/// Entries looked at, and bytes written, for one piece.
const PIECE_ENTRIES: usize = 4096;
const PIECE_BYTES: usize = 64 * 1024;

/// Finds files or folders by name.
///
/// In the order of a walk: depth first, each folder in the order of its names' bytes. Links count as files and are not followed. What
/// cannot be read is left out, and so are file systems of the kernel such as `/proc`, unless the search begins in one.
#[utoipa::path(get, path = "/filesystem-find/{path}", operation_id = "findFiles", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder, as for reading, but `~` is a name like any other. What is no folder is itself all that can be found, as `.`."),
        ("type" = Option<String>, Query, description = "`file`, by default, or `directory`."),
        ("patterns" = Option<String>, Query, description = "Only files whose names fit one of these globs, with commas between them. One that is malformed fits nothing."),
        ("maxResults" = Option<u64>, Query, description = "20 by default, 1000 at most; 0 is all."),
        ("excludeDirs" = Option<String>, Query, description = "Folders of these names are left out with what is in them. By default, also when it is empty: `node_modules,vendor,.git,dist,build,target,__pycache__,.venv,.next,coverage`."),
        ("excludeHidden" = Option<bool>, Query, description = "`true`, by default: nothing whose name begins with a dot."),
        ("gitignore" = Option<bool>, Query, description = "`true`: nothing that `.gitignore` files leave out, those above the folder in its repository among them."),
    ),
    responses(
        (status = 200, description = "What was found.", body = crate::wire::search::FindResponse),
        (status = 400, description = "A parameter is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The folder cannot be read.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "There is no such folder.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "The daemon has no descriptors left, or no seat for a request that takes long.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let folders = match parameter(&request, "type").as_deref() {
        None | Some("file") => false,
        Some("directory") => true,
        Some(other) => return Err(Refusal::BadRequest(format!("invalid search type: {other}"))),
    };
    let options = FindOptions {
        folders,
        patterns: names_of(&parameter(&request, "patterns").unwrap_or_default()),
        results_max: results_max(&request, RESULTS_DEFAULT)?,
        scope: scope(&request),
    };
    let files = &request.state().sandbox.files;
    let place = files.plain_place(&request::file_path(&request));
    request::may_wait(&request)?;
    let stop = Stop::new();
    let answer = produced::respond_while(files, stop.wanted(), Doing::Finding, move |files| {
        let kind = if folders { "directory" } else { "file" };
        Ok(FindBody { find: Find::open(files, &place, options, stop)?, kind, matches: Matches::default() })
    });
    request::while_wanted(&request, answer).await
}

struct FindBody {
    find: Find,
    kind: &'static str,
    matches: Matches,
}

impl Producer for FindBody {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if self.matches.is_done() {
            return Ok(None);
        }
        let mut out = Vec::new();
        self.matches.begin(&mut out, None);
        for _ in 0..PIECE_ENTRIES {
            match self.find.step()? {
                Step::Found(path) => {
                    let found = FindMatch {
                        path: file_view::text(path.as_os_str()),
                        kind: self.kind,
                        encoded_path: file_view::encoded(path),
                    };
                    self.matches.push(&mut out, &found);
                }
                Step::Other => {}
                Step::End => {
                    self.matches.end(&mut out);
                    break;
                }
            }
            if out.len() >= PIECE_BYTES {
                break;
            }
        }
        Ok(Some(out))
    }
}
