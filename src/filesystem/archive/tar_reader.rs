//! `TarReader`: the entries of a tar archive, perhaps compressed: old ones, POSIX's, and GNU's, but for sparse files.
//!
//! It reads headers by itself, because what stands in front of an entry (long names, extended headers) can be of any length, and here
//! it has a bound.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use flate2::read::MultiGzDecoder;
use tar::{EntryType, Header};

use super::item::{Item, Kind, Source, bad};
use super::tar_writer::BLOCK_BYTES;
use crate::error::{Error, Result};

/// What stands in front of one entry: names are shorter than 4 KiB each.
const AHEAD_BYTES_MAX: u64 = 64 << 10;

/// What one read takes of what is not wanted.
const SKIP_BYTES: usize = 64 << 10;

/// See the module.
pub(super) struct TarReader {
    file: File,
    is_compressed: bool,
    /// Bytes that the archive may have when it is not compressed any more.
    bytes_max: u64,
}

impl TarReader {
    /// Of a file, read from its beginning.
    pub(super) fn new(file: File, is_compressed: bool, bytes_max: u64) -> Self {
        Self { file, is_compressed, bytes_max }
    }
}

/// What was said ahead of an entry.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
}

impl Source for TarReader {
    fn each(&mut self, visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<()>) -> Result<()> {
        let broken = |_| bad("it cannot be read");
        let mut file = self.file.try_clone().map_err(broken)?;
        file.rewind().map_err(broken)?;
        let inner: Box<dyn Read> = if self.is_compressed {
            Box::new(MultiGzDecoder::new(BufReader::new(file)))
        } else {
            Box::new(BufReader::new(file))
        };
        let mut blocks = Blocks { inner, left: self.bytes_max, bytes_max: self.bytes_max };
        let mut ahead = Ahead::default();
        let mut is_empty = true;
        while let Some(header) = blocks.header()? {
            is_empty = false;
            if header.as_bytes() == &[0; BLOCK_BYTES] {
                return Ok(());
            }
            let size = header.entry_size().map_err(|_| bad("a size in it is none"))?;
            match header.entry_type() {
                EntryType::GNULongName => ahead.path = Some(blocks.text(size)?),
                EntryType::GNULongLink => ahead.link = Some(blocks.text(size)?),
                EntryType::XHeader => ahead.extended(&blocks.ahead(size)?)?,
                // What is said of all entries is times and owners.
                EntryType::XGlobalHeader => drop(blocks.ahead(size)?),
                _ => {
                    let item = item(&header, std::mem::take(&mut ahead))?;
                    let size = item.size;
                    let mut bytes = Entry { blocks: &mut blocks, left: size };
                    visit(item, &mut bytes)?;
                    let left = bytes.left;
                    blocks.skip(left + padding(size))?;
                }
            }
        }
        if is_empty { Err(bad("it is empty")) } else { Ok(()) }
    }
}

/// Bytes between the end of so many and the next header.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_BYTES as u64) - size
}

fn item(header: &Header, ahead: Ahead) -> Result<Item> {
    let path = ahead.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let link = ahead.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let link = link.unwrap_or_default();
    let kind = match header.entry_type() {
        // As it was before there were folders.
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => Kind::Folder,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link(link),
        EntryType::Link => Kind::HardLink(link),
        EntryType::GNUSparse => return Err(unknown(&path, "a sparse file")),
        EntryType::Char | EntryType::Block => return Err(unknown(&path, "a device")),
        EntryType::Fifo => return Err(unknown(&path, "a FIFO")),
        _ => return Err(unknown(&path, "of an unknown kind")),
    };
    let number = |_| bad("a number in it is none");
    let size = match kind {
        Kind::File => match ahead.size {
            Some(size) => size,
            None => header.entry_size().map_err(number)?,
        },
        _ => 0,
    };
    let modified = ahead.modified.or_else(|| header.mtime().ok().and_then(|time| i64::try_from(time).ok()));
    Ok(Item { path, kind, mode: header.mode().map_err(number)? & 0o7777, modified, size })
}

fn unknown(path: &[u8], what: &str) -> Error {
    bad(format!("the entry '{}' is {what}", String::from_utf8_lossy(path)))
}

impl Ahead {
    /// Reads an extended header: `LENGTH KEY=VALUE\n`, one after the other.
    fn extended(&mut self, mut records: &[u8]) -> Result<()> {
        let broken = || bad("an extended header in it is broken");
        while !records.is_empty() {
            let blank = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let len: usize = std::str::from_utf8(&records[..blank])
                .ok()
                .and_then(|t| t.parse().ok())
                .ok_or_else(broken)?;
            if len <= blank + 1 || len > records.len() || records[len - 1] != b'\n' {
                return Err(broken());
            }
            let record = &records[blank + 1..len - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let text = || std::str::from_utf8(value).map_err(|_| broken());
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(text()?.parse().map_err(|_| broken())?),
                b"mtime" => self.modified = text()?.split('.').next().and_then(|text| text.parse().ok()),
                key if key.starts_with(b"GNU.sparse.") => return Err(bad("it has sparse files")),
                _ => {}
            }
            records = &records[len..];
        }
        Ok(())
    }
}

/// The archive as it comes.
struct Blocks {
    inner: Box<dyn Read>,
    left: u64,
    bytes_max: u64,
}

impl Blocks {
    /// The next header; `None` at the end of the file.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.read(&mut header.as_mut_bytes()[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(cut()),
                read => filled += read,
            }
        }
        let is_end = header.as_bytes() == &[0; BLOCK_BYTES];
        let mut same = header.clone();
        same.set_cksum();
        if !is_end && header.cksum().ok() != same.cksum().ok() {
            return Err(bad("it is no tar archive, or a broken one"));
        }
        Ok(Some(header))
    }

    /// A long name: up to its NUL.
    fn text(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut text = self.ahead(size)?;
        let len = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(len);
        Ok(text)
    }

    /// What stands in front of an entry, whole.
    fn ahead(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > AHEAD_BYTES_MAX {
            return Err(bad("a name or an extended header in it is too long"));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read(&mut bytes[filled..])? {
                0 => return Err(cut()),
                read => filled += read,
            }
        }
        self.skip(padding(size))?;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(SKIP_BYTES).min(SKIP_BYTES)];
        let mut left = bytes;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(SKIP_BYTES);
            match self.read(&mut buffer[..wanted])? {
                0 => return Err(cut()),
                read => left -= read as u64,
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Ok(read) => {
                    self.left = self
                        .left
                        .checked_sub(read as u64)
                        .ok_or(Error::ArchiveTooLarge { what: "bytes", max: self.bytes_max })?;
                    return Ok(read);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(bad(format!("it is broken: {error}"))),
            }
        }
    }
}

fn cut() -> Error {
    bad("it breaks off")
}

/// The bytes of one entry.
struct Entry<'a> {
    blocks: &'a mut Blocks,
    left: u64,
}

impl Read for Entry<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.blocks.read(&mut buffer[..wanted]).map_err(std::io::Error::other)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}
