//! Watching a folder.

use tide::{Request, Response};

use crate::filesystem::{Ignore, WatchAsked, Watcher};
use crate::http::context::{Context, FollowerRoom};
use crate::http::refusal::{Doing, Refusal};
use crate::http::watch_stream::{Parts, WatchStream};
use crate::http::{request, respond};

/// Behind a path: all below it, too.
const RECURSIVE: &[u8] = b"/**";

/// Streams what happens in a folder: a line of JSON for each event, and `[keepalive]` when nothing has happened for 30 s.
///
/// The head of the answer is sent when the folder is watched. With `/**` behind the path everything below it is watched, too: a new folder
/// as soon as it is there, and what it holds by then is told as `CREATE`, each name once. A rename is `RENAME` of the old name and `CREATE`
/// of the new one. When the folder is removed or moved away, that is the last event. A client that takes its events too slowly
/// misses some, and `OVERFLOW` says so; new folders are looked for then.
#[utoipa::path(get, path = "/watch/filesystem/{path}", operation_id = "watchFiles", tag = "filesystem",
    params(
        ("path" = String, Path, description = "As for reading; with `/**` at its end all below it, too."),
        ("ignore" = Option<String>, Query, description = "Texts with commas between them: what has one anywhere in its path is neither told nor watched."),
        ("token" = Option<String>, Query, description = "The auth token, for clients that cannot set headers."),
    ),
    responses(
        (status = 200, description = "Events (`WatchEventResponse`), one a line, until the client leaves or the folder is gone.", body = crate::wire::file::WatchEventResponse, content_type = "text/plain"),
        (status = 400, description = "There is no such folder.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The folder may not be read.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "As many streams are followed, connections open, or inotify descriptors in use as may be.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "The kernel watches no more folders for this user (`fs.inotify.max_user_watches`).", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let context = request.state();
    let path = request::file_path(&request);
    let (path, is_recursive) = folder(&path);
    let ignore = request::target(&request).parameter("ignore").unwrap_or_default();
    let files = &context.sandbox.files;
    let asked = WatchAsked { place: files.place(path)?, is_recursive, ignore: Ignore::parse(&ignore) };
    request::watch_client(&request)?;
    let room = FollowerRoom::take_for_watch(context)?;
    let refused = |error| Refusal::File(Doing::Other, error);
    let runtime = context.runtime.clone();
    let opened = files.run(move |files| {
        let mut watcher = Watcher::open(files, &runtime, asked)?;
        watcher.begin().map(|is_done| (watcher, is_done))
    });
    let (mut watcher, mut has_begun) = opened.await.map_err(refused)?;
    while !has_begun {
        // A large tree takes its time, and not that of others.
        let begun = files.run_in_turn(move |_| watcher.begin().map(|is_done| (watcher, is_done)));
        (watcher, has_begun) = begun.await.map_err(refused)?;
    }
    let parts = Parts {
        files: files.clone(),
        watcher,
        heartbeat: context.streams.log_heartbeat,
        room,
        shutdown: context.shutdown.clone(),
    };
    let mut response = respond::pulled("text/plain; charset=utf-8", WatchStream::new(parts));
    response.insert_header("cache-control", "no-store, no-transform");
    // nginx and its kin would hold events back.
    response.insert_header("x-accel-buffering", "no");
    Ok(response)
}

/// The folder that a path names, and whether all below it is meant.
fn folder(path: &[u8]) -> (&[u8], bool) {
    match path.strip_suffix(RECURSIVE) {
        Some(b"") => (b"/", true),
        Some(folder) => (folder, true),
        None if path == b"**" => (b".", true),
        None => (path, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_asterisks_mean_all_below() {
        #[track_caller]
        fn check(path: &str, expect: (&str, bool)) {
            assert_eq!(folder(path.as_bytes()), (expect.0.as_bytes(), expect.1));
        }
        check("/tmp/d", ("/tmp/d", false));
        check("/tmp/d/**", ("/tmp/d", true));
        check("//tmp/d//**", ("//tmp/d/", true));
        check("d/**", ("d", true));
        check("**", (".", true));
        check("/**", ("/", true));
        check("//**", ("/", true));
        check("/tmp/d**", ("/tmp/d**", false));
        check("/tmp/d/*", ("/tmp/d/*", false));
    }
}
