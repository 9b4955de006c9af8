//! Archives: a folder as one stream of bytes, and back.
//!
//! ```text
//! Walk (what is there, in order) ─> Packing ─> TarWriter | ZipWriter ─> pieces, when they are asked for
//! a file without a name ─> TarReader | ZipReader ─> check all names ─> Unpacking, below one folder
//! ```
//! **Invariants:** neither way holds more than a piece and the names of the folders on the way in memory; no entry is unpacked
//! outside its folder, whatever links lie there or come with it; nothing is written of an archive that has one bad name.

mod format;
mod item;
mod packing;
mod tar_reader;
mod tar_writer;
mod target;
mod unpacking;
mod walk;
mod zip_format;
mod zip_reader;
mod zip_writer;

pub(crate) use format::Format;
pub(crate) use packing::Packing;
pub(crate) use unpacking::{UnpackBounds, unpack};

#[cfg(test)]
mod tests;
