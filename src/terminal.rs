//! Terminals: shells on pseudo-terminals that several viewers share, and that outlive viewers and workers.
//!
//! ```text
//! shell ─ pty ─> Session (reads) ─> Tape (a ring in memory, the keeper's too) ─ a cursor each ─> Viewers
//!   ^                                                                                             │
//!   └────────────────────────────── pty <──────── input, in turns ────────────────────────────────┘
//! ```
//! `Terminals` finds, starts and forgets sessions; a `Session` is one of them; a `Viewer` is who looks at it.
//!
//! **Invariants.** Nothing is queued for a viewer: it has a place on the tape, and who falls behind further than the tape is long begins
//! anew. A session reads in one place and under one lock, so after `hand_over` nobody reads. Nothing here knows HTTP or JSON.

mod ending;
mod session;
mod shell;
mod tape;
mod terminals;
mod text;
mod viewer;

pub(crate) use ending::Ending;
pub(crate) use session::Session;
pub(crate) use shell::Wanted;
pub(crate) use terminals::{Bounds, Terminals};
pub(crate) use viewer::{Shown, Viewer};
