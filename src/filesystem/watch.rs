//! Watching a folder: what happens in it, as events.
//!
//! ```text
//! kernel ─> Hub (one inotify for all) ─> Inbox (one a watcher, bounded) ─> Translator (pure) ─> Event
//!                 ^                                                            │ watch, scan, forget
//!                 └──────────────────────────── Watcher (the effects) <────────┘
//! ```
//! A user may have 128 inotify descriptors by default, so all watchers share one. Records are handed out as they come, however slow
//! a client is; what does not fit into its inbox is one `Overflow`.
//!
//! **Invariants:** a name in a new folder is told once, whether it was found or reported; a folder is watched before it is read, so
//! nothing falls between the two; what is ignored has no watch.

mod event;
mod folders;
mod hub;
mod ignore;
mod inbox;
mod record;
mod scan;
mod translate;
mod watcher;

pub(crate) use event::{Event, Op};
pub(crate) use ignore::Ignore;
pub(crate) use watcher::{Asked, Turn, Watcher};

pub(super) use hub::Watching;
