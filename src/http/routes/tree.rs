//! Trees: a folder with all that is below it, written, read or removed by one request.

use std::collections::VecDeque;
use std::path::PathBuf;

use tide::{Request, Response};

use crate::error::{Error, Result};
use crate::filesystem::{
    FOLDER_MODE, Files, NamesRoom, Place, Removal, Removed, Tree, TreeFile, TreeLimits, TreeOptions, Upload,
    WriteOptions, make_folders, names_of, open_file,
};
use crate::http::context::Context;
use crate::http::file_text::Text;
use crate::http::json_body::JsonBody;
use crate::http::produced::Producer;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, produced, request, respond};
use crate::user::Names;
use crate::wire::file::FileMessageResponse;
use crate::wire::file_request::TreeRequest;
use crate::wire::{decode, json};

use super::file_listing::ListingBody;

/// Files of one tree that is read with what is below, unless another bound is asked for, and the highest that may be.
const FILES_DEFAULT: u64 = 10_000;
const FILES_MAX: u64 = 100_000;

/// Bytes of the files of one tree, unless another bound is asked for, and the highest that may be.
const BYTES_DEFAULT: u64 = 32 << 20;
const BYTES_MAX: u64 = 256 << 20;

/// Reads a tree.
#[utoipa::path(get, path = "/filesystem/tree/{path}", operation_id = "readTree", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder; always absolute."),
        ("recursive" = Option<bool>, Query, description = "`true`: all that is below, in flat lists; else one level."),
        ("content" = Option<bool>, Query, description = "`true`: each file, or link to one, has its `content`."),
        ("patterns" = Option<String>, Query, description = "Only files whose names fit one of these globs, with commas between them."),
        ("excludeDirs" = Option<String>, Query, description = "Folders of these names are left out with what is in them."),
        ("excludeHidden" = Option<bool>, Query, description = "`true`: nothing whose name begins with a dot."),
        ("maxFiles" = Option<u64>, Query, description = "1 to 100000; 10000 by default with `recursive` or `content`. More is 422."),
        ("maxBytes" = Option<u64>, Query, description = "Of all content, 1 to 268435456; 33554432 by default. More is 422."),
    ),
    responses(
        (status = 200, description = "Files and folders, parents first, in the order of their names.", body = crate::wire::file::DirectoryResponse),
        (status = 400, description = "It is no folder, or a parameter is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It is more than the bounds allow, or something in it cannot be read.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn get(request: Request<Context>) -> Result<Response, Refusal> {
    let place = place(&request);
    let files = &request.state().sandbox.files;
    let Some(options) = options(&request)? else {
        let answer = produced::respond(files, respond::JSON, Doing::Other, move |files| {
            ListingBody::open(files, place).map_err(as_no_folder)
        });
        return request::while_wanted(&request, answer).await;
    };
    let answer = produced::respond(files, respond::JSON, Doing::Other, move |files| {
        let tree = Tree::open(files, &place, &options).map_err(|error| as_no_folder_of(&place, error))?;
        Ok(TreeBody::new(files, tree, options.recursive))
    });
    request::while_wanted(&request, answer).await
}

/// Writes the files of a tree, each as `PUT /filesystem` does; other files of the folder stay.
#[utoipa::path(put, path = "/filesystem/tree/{path}", operation_id = "writeTree", tag = "filesystem",
    params(("path" = String, Path, description = "A folder; made when it is not there.")),
    request_body(content = TreeRequest),
    responses(
        (status = 200, description = "All are written; this is what is in the folder now.", body = crate::wire::file::DirectoryResponse),
        (status = 400, description = "The body is malformed.", body = crate::wire::system::ErrorResponse),
        (status = 408, description = "The body did not go on.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is too large.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "One cannot be written; those before it are.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "Too many request bodies at once, or the daemon is going away.", body = crate::wire::system::ErrorResponse),
        (status = 507, description = "There is no space for one; those before it are written.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn put(mut request: Request<Context>) -> Result<Response, Refusal> {
    let place = place(&request);
    let max = request.state().limits.json_file_body_bytes_max;
    let body = request::body(&mut request, max).await?;
    let files = request.state().sandbox.files.clone();
    let TreeRequest { files: tree } = blocking::unblock(move || decode::decode(&body.bytes)).await?;
    let folder = place.absolute.clone();
    files
        .run(move |files| make_folders(files, &folder, FOLDER_MODE))
        .await
        .map_err(|error| Refusal::File(Doing::MakingRoot, error))?;
    let root = place.clone();
    files
        .run(move |files| write_all(files, &root, tree))
        .await
        .map_err(|error| Refusal::File(Doing::WritingTree, error))?;
    request::change_made(&mut request);
    produced::respond(&files, respond::JSON, Doing::Listing, move |files| ListingBody::open(files, place))
        .await
}

/// Removes a folder.
#[utoipa::path(delete, path = "/filesystem/tree/{path}", operation_id = "removeTree", tag = "filesystem",
    params(
        ("path" = String, Path, description = "A folder; always absolute."),
        ("recursive" = Option<bool>, Query, description = "`true`: with all that is in it."),
    ),
    responses(
        (status = 200, description = "It is removed.", body = FileMessageResponse),
        (status = 422, description = "It is none, or not empty.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn delete(request: Request<Context>) -> Result<Response, Refusal> {
    let place = place(&request);
    let recursive = request::target(&request).parameter("recursive").as_deref() == Some("true");
    let removed = {
        let place = place.clone();
        request.state().sandbox.files.run(move |files| {
            let removal = Removal::find(files, &place)?;
            if removal.what == Removed::File {
                return Ok(false);
            }
            removal.run(recursive).map(|()| true)
        })
    };
    if !removed.await.map_err(|error| Refusal::File(Doing::DeletingFolder, error))? {
        return Err(Refusal::NotATree);
    }
    let path = file_view::text(place.given.as_os_str());
    let answer = FileMessageResponse { path, message: "Directory deleted successfully", method: None };
    respond::json(200, JsonBody::value(&answer)).await
}

/// The folder of a tree: always absolute, and `~` is a name like any other.
fn place(request: &Request<Context>) -> Place {
    let path = crate::filesystem::collapse(&request::file_path(request));
    request.state().sandbox.files.plain_place(&path)
}

/// What the query asks for; `None` when it asks for nothing that a listing is not.
fn options(request: &Request<Context>) -> Result<Option<TreeOptions>, Refusal> {
    let target = request::target(request);
    let flag = |name: &'static str| match target.parameter(name).as_deref() {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Refusal::InvalidParameter(name, other.to_owned())),
    };
    let number = |name: &'static str, max: u64| match target.parameter(name) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(number) if (1..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::InvalidParameter(name, text)),
        },
    };
    let list = |name| names_of(&target.parameter(name).unwrap_or_default());
    let (recursive, content) = (flag("recursive")?, flag("content")?);
    let files_max = number("maxFiles", FILES_MAX)?;
    let bytes_max = number("maxBytes", BYTES_MAX)?;
    let options = TreeOptions {
        recursive,
        content,
        patterns: list("patterns"),
        exclude_folders: list("excludeDirs"),
        exclude_hidden: flag("excludeHidden")?,
        limits: TreeLimits {
            files_max: files_max.or((recursive || content).then_some(FILES_DEFAULT)),
            bytes_max: bytes_max.unwrap_or(BYTES_DEFAULT),
        },
    };
    let is_plain = !(recursive || content || options.exclude_hidden)
        && options.patterns.is_empty()
        && options.exclude_folders.is_empty()
        && files_max.is_none();
    Ok((!is_plain).then_some(options))
}

fn write_all(files: &Files, root: &Place, tree: Vec<(String, String)>) -> Result<()> {
    for (path, content) in tree {
        let place = files
            .plain_place(&[root.absolute.as_os_str().as_encoded_bytes(), b"/", path.as_bytes()].concat());
        let mut upload = Upload::begin(files, &place, WriteOptions::default())?;
        upload.write(content.as_bytes())?;
        upload.commit()?;
    }
    Ok(())
}

/// A tree of something that is no folder, or is not there.
fn as_no_folder(error: Error) -> Error {
    match error.file_errno() {
        Some(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Error::NotFolder,
        _ => error,
    }
}

/// The same, when it is the folder itself that is meant and not one below it.
fn as_no_folder_of(place: &Place, error: Error) -> Error {
    match &error {
        Error::File { path, .. } if *path == place.absolute => as_no_folder(error),
        _ => error,
    }
}

/// A tree as JSON, piece by piece.
struct TreeBody {
    files: Files,
    place: Place,
    names: Names,
    entries: VecDeque<TreeFile>,
    folders: VecDeque<PathBuf>,
    /// Given back with the last piece.
    _room: NamesRoom,
    is_recursive: bool,
    phase: Phase,
    is_first: bool,
}

enum Phase {
    Head,
    Files,
    /// Inside the content of a file.
    Content(Text),
    Folders,
    Done,
}

/// What one piece is at least, while there is more.
const PIECE_BYTES: usize = 64 * 1024;

impl TreeBody {
    fn new(files: &Files, tree: Tree, is_recursive: bool) -> Self {
        Self {
            files: files.clone(),
            place: tree.place,
            names: files.accounts.now(),
            entries: tree.files.into(),
            folders: tree.folders.into(),
            _room: tree.room,
            is_recursive,
            phase: Phase::Head,
            is_first: true,
        }
    }

    fn comma(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
    }

    /// Writes the next file, up to its content.
    fn file(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(TreeFile { path, info, content_bytes }) = self.entries.pop_front() else {
            out.extend_from_slice(b"],\"subdirectories\":[");
            self.phase = Phase::Folders;
            self.is_first = true;
            return Ok(());
        };
        let (shown, absolute) = (self.place.given.join(&path), self.place.absolute.join(&path));
        let object = file_view::file(&shown, path.file_name().unwrap_or_default(), &info, &self.names);
        let opened = match content_bytes {
            None => None,
            Some(bytes) => match open_file(&self.files.root, &absolute) {
                Ok((file, _)) => Some((file, bytes)),
                Err(errno) => return Err(Error::file("open", absolute, errno)),
            },
        };
        self.comma(out);
        out.extend_from_slice(&json::to_vec(&object));
        if let Some((file, bytes)) = opened {
            out.pop();
            out.extend_from_slice(b",\"content\":\"");
            // No more than was counted: files of the kernel say 0, and some never end.
            self.phase = Phase::Content(Text::at_most(file, absolute, bytes));
        }
        Ok(())
    }

    fn folder(&mut self, out: &mut Vec<u8>) {
        let Some(path) = self.folders.pop_front() else {
            out.extend_from_slice(if self.is_recursive { b"],\"recursive\":true}" } else { b"]}" });
            self.phase = Phase::Done;
            return;
        };
        self.comma(out);
        let object = file_view::folder(&self.place.given.join(&path), path.file_name().unwrap_or_default());
        out.extend_from_slice(&json::to_vec(&object));
    }
}

impl Producer for TreeBody {
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        while out.len() < PIECE_BYTES {
            match &mut self.phase {
                Phase::Head => {
                    out = json::to_vec(&file_view::folder(&self.place.given, self.place.name()));
                    out.pop();
                    out.extend_from_slice(b",\"files\":[");
                    self.phase = Phase::Files;
                }
                Phase::Files => self.file(&mut out)?,
                Phase::Content(text) => {
                    if !text.read_into(&mut out)? {
                        out.extend_from_slice(b"\"}");
                        self.phase = Phase::Files;
                    }
                }
                Phase::Folders => self.folder(&mut out),
                Phase::Done => break,
            }
        }
        Ok((!out.is_empty()).then_some(out))
    }
}
