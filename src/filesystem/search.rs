//! Searches: what is below a folder, by name (`find`), by a few letters of its path (`Fuzzy`), by what is in it (`Content`).
//!
//! ```text
//! Walk (entries in order, by descriptors) ─┬─> Find    what fits is told at once
//!                                          ├─> Fuzzy   the best are kept until the end
//!                                          └─> Content batches of files ─> Scan, on all processors ─> hits in order
//! ```
//! **Invariants:** no link is followed, so nothing leads out of the folder; nothing waits for a FIFO or a device; what cannot be
//! read, or goes meanwhile, is left out and never ends a search; a search holds a bounded number of descriptors and bytes; one
//! that nobody wants any more ends (`Stop`).

mod content;
mod context;
mod folder;
mod fuzzy;
mod ignored;
mod job;
mod needle;
mod pseudo;
mod ranking;
mod read_at;
mod scan;
mod sieve;
mod stop;
mod walk;

pub(crate) use content::{Content, ContentOptions, FileHits};
pub(crate) use fuzzy::{Fuzzy, split as split_query};
pub(crate) use needle::{Needle, QUERY_BYTES_MAX, is_searchable};
pub(crate) use ranking::Ranked;
pub(crate) use scan::Hit;
pub(crate) use stop::{Stop, Wanted};
pub(crate) use walk::{EXCLUDED_FOLDERS, Scope, Walk};
