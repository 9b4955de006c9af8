//! Endpoints, one file a resource: read the request, call the core, shape the answer.

pub(crate) mod archive;
pub(crate) mod content_search;
pub(crate) mod docs;
pub(crate) mod file_deeds;
mod file_download;
pub(crate) mod file_find;
mod file_listing;
pub(crate) mod file_read;
pub(crate) mod file_remove;
pub(crate) mod file_search;
pub(crate) mod file_write;
pub(crate) mod multipart;
pub(crate) mod network;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod process_end;
pub(crate) mod process_logs;
pub(crate) mod process_start;
pub(crate) mod process_stats;
pub(crate) mod process_stdin;
mod search_query;
pub(crate) mod system;
pub(crate) mod terminal;
pub(crate) mod terminal_page;
pub(crate) mod tree;
pub(crate) mod upgrade;
pub(crate) mod watch;
