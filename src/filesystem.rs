//! Files: reading, writing, finding and watching them.
//!
//! Nothing here knows HTTP, and nothing but the kernel's reports of changes (`watch/hub.rs`) is async: each call is made where waiting for a disk is allowed (`Files::run`), as the
//! workload user when there is one. What is long (a listing, a search, a download) is a source that gives piece after piece when
//! asked, so a client that takes its time holds no thread.
//!
//! ```text
//! Place (what a client means) ─> Root (what may be seen) ─> the kernel
//! Upload: begin ─ write … ─ commit     Listing, Tree: open ─ entry …
//! ```
//! **Invariants:** no path is opened but through `Root`; a reader sees the old file or the new one; nothing waits for a FIFO or a
//! device.

mod archive;
mod change;
mod condition;
mod copy;
mod edit;
mod files;
mod find;
mod folder;
mod found;
mod in_turn;
mod info;
mod listing;
mod multipart;
mod path;
mod pending;
mod root;
mod search;
mod staging;
mod transfer;
mod tree;
mod upload;
mod watch;

pub(crate) use archive::{Format, Packing, UnpackBounds, unpack};
pub(crate) use change::{Change, change, parse_mode};
pub(crate) use condition::{Condition, Tags};
pub(crate) use copy::copy;
pub(crate) use edit::{Edit, Edited, edit as edit_file, read_whole};
pub(crate) use files::{Files, NamesRoom};
pub(crate) use find::{Find, FindOptions, Step};
pub(crate) use folder::{FOLDER_MODE, Removal, Removed, link, make_folders, move_to};
pub(crate) use found::Found;
pub(crate) use in_turn::TURN_TIME;
pub(crate) use info::Info;
pub(crate) use listing::Listing;
pub(crate) use multipart::{Part, PartUpload, UploadBounds, UploadId, Uploads, WantedPart};
pub(crate) use path::{Place, collapse, path};
pub(crate) use pending::{Pending, sweep};
pub(crate) use root::{Root, open_file};
pub(crate) use search::{
    Content, ContentOptions, EXCLUDED_FOLDERS, FileHits, Fuzzy, Hit, Needle, QUERY_BYTES_MAX, Ranked, Scope,
    Stop, Walk, Wanted, is_searchable, split_query,
};
pub(crate) use staging::{Staging, staging_file};
pub(crate) use tree::{Tree, TreeFile, TreeLimits, TreeOptions, names as names_of};
pub(crate) use upload::{FILE_MODE, Method, Upload, WriteOptions, Written};
pub(crate) use watch::{
    Asked as WatchAsked, Event as WatchEvent, Ignore, Op as WatchOp, Turn as WatchTurn, Watcher,
};

#[cfg(test)]
mod tests;
