//! `Packing`: an archive that is made piece by piece.

use std::fs::File;
use std::io::Read;

use super::format::Format;
use super::tar_writer::TarWriter;
use super::walk::{Entry, Kind, Walk};
use super::zip_writer::ZipWriter;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Info, Place};

/// What a piece has at least, unless it is the last.
const PIECE_BYTES: usize = 128 << 10;

/// What one read takes of a file.
const READ_BYTES: usize = 128 << 10;

/// What turns entries into bytes.
pub(super) trait Writer: Send {
    /// An entry begins. The bytes of a file follow; a folder and a link have none.
    fn begin(&mut self, path: &[u8], info: &Info, link: Option<&[u8]>) -> Result<()>;
    /// Bytes of a file.
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    /// The file is over, but so many bytes of it are missing, of which the writer makes up for some; gives how many still are.
    fn finish_file(&mut self, missing: u64) -> Result<u64>;
    /// No entry follows. To be called until it says that all is written.
    fn finish(&mut self) -> Result<bool>;
    /// Bytes that are there.
    fn ready(&self) -> usize;
    /// Takes them.
    fn take(&mut self) -> Vec<u8>;
}

/// A file whose bytes are being put in.
struct Current {
    file: File,
    left: u64,
    path: Vec<u8>,
    /// It ended too early.
    is_short: bool,
}

/// See the module.
pub(crate) struct Packing {
    walk: Walk,
    writer: Box<dyn Writer>,
    current: Option<Current>,
    buffer: Vec<u8>,
    is_done: bool,
}

impl Packing {
    /// Of a folder, or of a file alone.
    pub(crate) fn open(files: &Files, place: &Place, format: Format) -> Result<Self> {
        let walk = Walk::open(files, place)?;
        let writer: Box<dyn Writer> = match format {
            Format::Tar => Box::new(TarWriter::plain()),
            Format::TarGz => Box::new(TarWriter::gzip()),
            Format::Zip => Box::new(ZipWriter::default()),
        };
        Ok(Self { walk, writer, current: None, buffer: vec![0; READ_BYTES], is_done: false })
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while !self.is_done && self.writer.ready() < PIECE_BYTES {
            self.step()?;
        }
        Ok(if self.writer.ready() == 0 { None } else { Some(self.writer.take()) })
    }

    fn step(&mut self) -> Result<()> {
        if self.current.is_some() {
            return self.read();
        }
        match self.walk.next()? {
            None => self.is_done = self.writer.finish()?,
            Some(Entry { path, info, kind }) => match kind {
                Kind::Folder => self.writer.begin(&path, &info, None)?,
                Kind::Link(target) => self.writer.begin(&path, &info, Some(&target))?,
                Kind::File(file) => {
                    self.writer.begin(&path, &info, None)?;
                    self.current = Some(Current { file, left: info.size, path, is_short: false });
                }
            },
        }
        Ok(())
    }

    /// Reads on in a file: never more than it had when it began.
    fn read(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let wanted = usize::try_from(current.left).unwrap_or(usize::MAX).min(self.buffer.len());
        let read = match wanted {
            0 => 0,
            _ if current.is_short => 0,
            wanted => match current.file.read(&mut self.buffer[..wanted]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
                Err(source) => {
                    let path = crate::filesystem::path(&current.path);
                    return Err(Error::File { action: "read", path, source });
                }
            },
        };
        if read > 0 {
            current.left -= read as u64;
            return self.writer.bytes(&self.buffer[..read]);
        }
        if current.left > 0 && !current.is_short {
            current.is_short = true;
            let path = String::from_utf8_lossy(&current.path);
            tracing::warn!(%path, missing = current.left, "a file became shorter while it was packed");
        }
        current.left = self.writer.finish_file(current.left)?;
        if current.left == 0 {
            self.current = None;
        }
        Ok(())
    }
}
