//! Tools for files and folders. Paths are text; a relative one begins in the working folder, and `~` is a name like any other.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::filesystem::{
    Edit, Edited, FOLDER_MODE, Files, Listing, Place, Removal, Removed, Upload, WriteOptions, edit_file,
    make_folders, parse_mode, read_whole,
};
use crate::mcp::call::{Call, Failure, Outcome};
use crate::view::file as file_view;
use crate::wire::rfc3339;

/// Bytes of a text that is given to an agent, or changed by one: it cannot read more.
pub(super) const TEXT_BYTES_MAX: u64 = 8 << 20;

/// Entries of a folder that are listed.
const ENTRIES_MAX: usize = 10_000;

/// What one entry takes at most, about: two paths and the rest.
const ENTRY_BYTES: u64 = 1024;

pub(super) async fn working_directory(call: Call) -> Outcome {
    let path = file_view::text(call.mcp.sandbox.files.working_dir.as_os_str());
    call.done(json!({ "path": path })).await
}

pub(super) async fn list(mut call: Call) -> Outcome {
    let path = call.arguments.text("path");
    let directory = directory(&mut call, path).await?;
    call.done(json!({ "directory": directory })).await
}

pub(super) async fn list_workspace(mut call: Call) -> Outcome {
    let path = call.arguments.text("relativeWorkspacePath");
    let directory = directory(&mut call, path).await?;
    call.done(json!({ "success": true, "directory": directory })).await
}

async fn directory(call: &mut Call, path: String) -> std::result::Result<Value, Failure> {
    let files = &call.mcp.sandbox.files;
    let place = file_view::shown(place(files, &path));
    let listed = files.run_in_turn(move |files| list_folder(files, &place)).await;
    let (directory, count) = listed.map_err(Failure::of("failed to list directory"))?;
    call.room.take(count * ENTRY_BYTES)?;
    Ok(directory)
}

fn list_folder(files: &Files, place: &Place) -> Result<(Value, u64)> {
    let listing = Listing::open(files, place)?;
    if listing.entry(ENTRIES_MAX).is_some() {
        let found = format!("{} has more than {ENTRIES_MAX} entries", place.absolute.display());
        return Err(Error::TooMuch { what: "directory listing", found });
    }
    let names = files.accounts.now();
    let (mut shown, mut folders, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some((name, is_folder)) = listing.entry(at) {
        at += 1;
        let path = place.given.join(name);
        if is_folder {
            let folder = file_view::folder(&path, name);
            folders.push(json!({ "path": folder.path, "name": folder.name }));
            continue;
        }
        // What has gone meanwhile is not listed.
        let Some(info) = listing.info(name)? else { continue };
        let file = file_view::file(&path, name, &info, &names);
        shown.push(json!({
            "path": file.path, "name": file.name, "permissions": file.permissions, "size": file.size,
            "lastModified": file.last_modified, "owner": file.owner, "group": file.group,
        }));
    }
    let folder = file_view::folder(&place.given, place.name());
    let directory =
        json!({ "path": folder.path, "name": folder.name, "files": shown, "subdirectories": folders });
    Ok((directory, at as u64))
}

pub(super) async fn read(mut call: Call) -> Outcome {
    let path = call.arguments.text("path");
    let files = &call.mcp.sandbox.files;
    let place = place(files, &path);
    let size = size(files, &place).await;
    call.room.take(size.unwrap_or_default().min(TEXT_BYTES_MAX))?;
    let read = files.run(move |files| {
        let (bytes, info) = read_whole(files, &place, TEXT_BYTES_MAX)?;
        Ok((lossy(bytes), info))
    });
    let (content, info) = read.await.map_err(|error| match error {
        Error::IsFolder => Failure("failed to read file: path points to a directory, not a file".to_owned()),
        error => Failure(format!("failed to read file: {error}")),
    })?;
    let names = files.accounts.now();
    let shown = json!({
        "path": path,
        "name": path,
        "permissions": info.permissions(),
        "size": info.size,
        "lastModified": rfc3339::from_parts(info.modified.0, 0),
        "owner": names.user(info.uid),
        "group": names.group(info.gid),
        "content": content,
    });
    call.done(shown).await
}

/// Bytes that a file says it has.
async fn size(files: &Files, place: &Place) -> Option<u64> {
    let place = place.clone();
    let stat = files.run(move |files| {
        let stat = files.root.stat(&place.absolute, true);
        stat.map_err(|errno| Error::file("stat", place.absolute, errno))
    });
    stat.await.ok().and_then(|stat| u64::try_from(stat.st_size).ok())
}

pub(super) async fn write(mut call: Call) -> Outcome {
    let path = call.arguments.text("path");
    let files = &call.mcp.sandbox.files;
    let place = place(files, &path);
    // The known server takes what is malformed for none.
    let mode = call.arguments.text_if_any("permissions").and_then(|text| parse_mode(&text).ok());
    let message = if call.arguments.flag("isDirectory") {
        let making =
            files.run(move |files| make_folders(files, &place.absolute, mode.unwrap_or(FOLDER_MODE)));
        making.await.map_err(Failure::of("failed to create directory"))?;
        "Directory created successfully"
    } else {
        let content = call.arguments.take_text("content");
        let options = WriteOptions { mode, ..WriteOptions::default() };
        let done = files.run(move |files| Upload::whole(files, &place, options, content.as_bytes())).await;
        done.map_err(Failure::of("failed to write file"))?;
        "File created/updated successfully"
    };
    call.done(json!({ "path": path, "message": message })).await
}

pub(super) async fn edit(mut call: Call) -> Outcome {
    let arguments = &call.arguments;
    let path = arguments.text("path");
    let wanted = Edit {
        old: arguments.text("oldString"),
        new: arguments.text("newString"),
        all: arguments.flag("replaceAll"),
    };
    if wanted.old.is_empty() {
        return Err(Failure("oldString must be non-empty".to_owned()));
    }
    if wanted.old == wanted.new {
        return Err(Failure("oldString and newString are identical".to_owned()));
    }
    let files = &call.mcp.sandbox.files;
    let place = place(files, &path);
    let size = size(files, &place).await;
    call.room.take(size.unwrap_or_default().min(TEXT_BYTES_MAX))?;
    let edited = files.run(move |files| edit_file(files, &place, &wanted, TEXT_BYTES_MAX)).await;
    match edited.map_err(|error| edit_failed(&path, &error))? {
        Edited::Done(places) => call.done(json!({ "path": path, "occurrencesReplaced": places })).await,
        Edited::Found(0) => Err(Failure(format!(
            "oldString not found in {path}. Re-read the file and retry — its contents may have changed since you last read it"
        ))),
        Edited::Found(places) => Err(Failure(format!(
            "oldString matches {places} locations in {path}; add more surrounding context to make the match unique, or set replaceAll=true"
        ))),
    }
}

fn edit_failed(path: &str, error: &Error) -> Failure {
    match error {
        Error::IsFolder => Failure(format!("failed to read {path}: path points to a directory, not a file")),
        Error::File { action: "stat" | "read", .. } | Error::TooMuch { .. } | Error::NotRegular { .. } => {
            Failure(format!("failed to read {path}: {error}"))
        }
        error => Failure(format!("failed to write {path}: {error}")),
    }
}

pub(super) async fn delete(call: Call) -> Outcome {
    let arguments = &call.arguments;
    let path = arguments.text("path");
    let (wants_folder, recursive) = (arguments.flag("isDirectory"), arguments.flag("recursive"));
    let files = &call.mcp.sandbox.files;
    let place = place(files, &path);
    let removed = files.run(move |files| {
        let removal = Removal::find(files, &place)?;
        if wants_folder && removal.what != Removed::Folder {
            return Ok(None);
        }
        Ok(Some((removal.leads_to_folder, removal.run(recursive))))
    });
    let failed = if wants_folder { "failed to delete directory" } else { "failed to delete file" };
    let Some((is_folder, result)) = removed.await.map_err(Failure::of(failed))? else {
        return Err(Failure(format!("{failed}: path points to a file, not a directory")));
    };
    let (message, failed) = if is_folder {
        ("Directory deleted successfully", "failed to delete directory")
    } else {
        ("File deleted successfully", "failed to delete file")
    };
    result.map_err(Failure::of(failed))?;
    call.done(json!({ "path": path, "message": message })).await
}

/// What a path means.
pub(super) fn place(files: &Files, path: &str) -> Place {
    files.plain_place(if path.is_empty() { b"." } else { path.as_bytes() })
}

/// Bytes as text; what is none is U+FFFD.
pub(super) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
