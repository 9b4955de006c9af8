//! Uploads in parts: a file that comes in pieces, in any order, over many requests and over restarts.
//!
//! ```text
//! <temp>/multipart-uploads/            ours alone (0700)
//!   <uuid>/                            a session: there whole (made as `.new-<uuid>`), or not at all (goes as `.gone-<uuid>`)
//!     metadata.json                    what file it is to be; never changed
//!     part-N                           a part that came whole; another one of its number takes its place by rename
//!     etag-N-INODE                     the MD5 of that very file
//! ```
//! **Invariants:** the folder is the only truth, because two workers may look at it while one takes over from the other; who
//! changes a session holds the lock of its folder; who only looks needs none. These files are the daemon's own, also where file
//! operations are somebody else's: only the file that a session becomes is made as the workload user.

mod expiry;
mod folder;
mod id;
mod metadata;
mod part;
mod room;
mod session;
mod uploads;

pub(crate) use id::UploadId;
pub(crate) use part::{Part, PartUpload};
pub(crate) use session::WantedPart;
pub(crate) use uploads::{UploadBounds, Uploads};

#[cfg(test)]
mod tests;
