//! `ZipWriter`: entries as zip has them, written without going back.
//!
//! A file's size and checksum follow its bytes. The directory at the end of the archive is gathered in a file without a name, so an
//! archive of a million entries needs the memory of a few.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use super::packing::Writer;
use super::zip_format::{
    CENTRAL, DEFLATED, DESCRIPTOR, ELSEWHERE, END, END_64, END_64_BYTES, EXTRA_64, EXTRA_TIME, FILE, FOLDER,
    LINK, LOCAL, LOCATOR_64, SIZES_FOLLOW, STORED, UNIX, UTF_8, VERSION_64, dos_time,
};
use crate::error::{Error, Result};
use crate::filesystem::Info;
use crate::filesystem::staging_file;

/// From this size on a file's sizes have 64 bits: what deflate can add still fits below 32 bits.
const LARGE_BYTES: u64 = 0xf000_0000;

/// The directory goes to the disk in pieces of this size.
const SPILL_BYTES: usize = 64 << 10;

/// What says that an entry is a folder to those who do not know Unix.
const DOS_FOLDER: u32 = 0x10;

/// A version that knows folders and deflate.
const VERSION: u16 = 20;

/// See the module.
#[derive(Default)]
pub(super) struct ZipWriter {
    out: Vec<u8>,
    /// Bytes that were taken already.
    taken: u64,
    /// The file that is being written.
    current: Option<Current>,
    entries: u64,
    directory: Directory,
    /// Where the directory begins, when it is being written.
    finishing: Option<u64>,
}

struct Current {
    entry: Entry,
    crc: Crc,
    encoder: DeflateEncoder<Vec<u8>>,
    compressed: u64,
}

/// What the directory says of an entry.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    modified: i64,
    crc: u32,
    compressed: u64,
    size: u64,
    mode: u32,
    at: u64,
    is_large: bool,
}

/// The directory so far.
#[derive(Default)]
struct Directory {
    end: Vec<u8>,
    spilled: Option<File>,
    len: u64,
}

impl Directory {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        self.end.extend_from_slice(bytes);
        if self.end.len() < SPILL_BYTES {
            return Ok(());
        }
        if self.spilled.is_none() {
            self.spilled = Some(staging_file()?);
        }
        if let Some(file) = &mut self.spilled {
            file.write_all(&self.end).map_err(directory_failed)?;
            self.end.clear();
        }
        Ok(())
    }
}

impl Entry {
    /// What both headers have in the same order, from the version on.
    fn common(&self, out: &mut Vec<u8>, (crc, compressed, size): (u32, u32, u32), extra_len: usize) {
        let version = if self.is_large { VERSION_64 } else { VERSION };
        for number in [version, self.flags, self.method] {
            out.extend(number.to_le_bytes());
        }
        for number in [dos_time(self.modified), crc, compressed, size] {
            out.extend(number.to_le_bytes());
        }
        for len in [self.name.len(), extra_len] {
            out.extend(u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
        }
    }

    fn time(&self) -> Vec<u8> {
        let Ok(seconds) = i32::try_from(self.modified) else { return Vec::new() };
        extra(EXTRA_TIME, &[&[1][..], &seconds.to_le_bytes()].concat())
    }

    fn local(&self) -> Vec<u8> {
        let mut extras = self.time();
        let mut sizes = (self.crc, narrow(self.compressed), narrow(self.size));
        if self.is_large {
            extras.extend(extra(EXTRA_64, &[0; 16]));
            sizes = (0, ELSEWHERE, ELSEWHERE);
        }
        let mut out = LOCAL.to_le_bytes().to_vec();
        self.common(&mut out, sizes, extras.len());
        [out, self.name.clone(), extras].concat()
    }

    fn central(&self) -> Vec<u8> {
        let mut extras = self.time();
        let mut wide = Vec::new();
        for number in [self.size, self.compressed, self.at] {
            if number >= u64::from(ELSEWHERE) {
                wide.extend(number.to_le_bytes());
            }
        }
        if !wide.is_empty() {
            extras.extend(extra(EXTRA_64, &wide));
        }
        let mut out = CENTRAL.to_le_bytes().to_vec();
        out.extend(((UNIX << 8) | VERSION_64).to_le_bytes());
        self.common(&mut out, (self.crc, narrow(self.compressed), narrow(self.size)), extras.len());
        // No comment, the first disk, no text.
        out.extend([0; 6]);
        let dos = if self.mode & 0o170_000 == FOLDER { DOS_FOLDER } else { 0 };
        out.extend(((self.mode << 16) | dos).to_le_bytes());
        out.extend(narrow(self.at).to_le_bytes());
        [out, self.name.clone(), extras].concat()
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

fn extra(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), bytes].concat()
}

impl ZipWriter {
    fn at(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    fn enter(&mut self, entry: &Entry) -> Result<()> {
        self.entries += 1;
        self.directory.push(&entry.central())
    }

    /// What stands behind the directory.
    fn end(&mut self, at: u64) {
        let (entries, len, end_at) = (self.entries, self.directory.len, self.at());
        let is_wide =
            entries >= u64::from(u16::MAX) || at >= u64::from(ELSEWHERE) || len >= u64::from(ELSEWHERE);
        if is_wide {
            self.out.extend(END_64.to_le_bytes());
            self.out.extend((END_64_BYTES as u64 - 12).to_le_bytes());
            self.out.extend(((UNIX << 8) | VERSION_64).to_le_bytes());
            self.out.extend(VERSION_64.to_le_bytes());
            self.out.extend([0; 8]);
            for number in [entries, entries, len, at] {
                self.out.extend(number.to_le_bytes());
            }
            self.out.extend(LOCATOR_64.to_le_bytes());
            self.out.extend([0; 4]);
            self.out.extend(end_at.to_le_bytes());
            self.out.extend(1_u32.to_le_bytes());
        }
        self.out.extend(END.to_le_bytes());
        self.out.extend([0; 4]);
        let entries = u16::try_from(entries).unwrap_or(u16::MAX);
        for number in [entries, entries] {
            self.out.extend(number.to_le_bytes());
        }
        for number in [narrow(len), narrow(at)] {
            self.out.extend(number.to_le_bytes());
        }
        self.out.extend([0; 2]);
    }
}

fn directory_failed(source: std::io::Error) -> Error {
    Error::File { action: "write", path: PathBuf::from("the directory of the archive"), source }
}

impl Writer for ZipWriter {
    fn begin(&mut self, path: &[u8], info: &Info, link: Option<&[u8]>) -> Result<()> {
        let mut name = path.to_vec();
        if info.is_folder() {
            name.push(b'/');
        }
        let kind = match link {
            Some(_) => LINK,
            None if info.is_folder() => FOLDER,
            None => FILE,
        };
        let content = link.unwrap_or_default();
        let mut crc = Crc::new();
        crc.update(content);
        let utf_8 = if std::str::from_utf8(&name).is_ok() { UTF_8 } else { 0 };
        let mut entry = Entry {
            name,
            flags: utf_8,
            method: STORED,
            modified: info.modified.0,
            crc: crc.sum(),
            compressed: content.len() as u64,
            size: content.len() as u64,
            mode: kind | info.mode,
            at: self.at(),
            is_large: false,
        };
        if kind != FILE {
            self.out.extend(entry.local());
            self.out.extend_from_slice(content);
            return self.enter(&entry);
        }
        entry.flags |= SIZES_FOLLOW;
        entry.method = DEFLATED;
        entry.is_large = info.size >= LARGE_BYTES;
        self.out.extend(entry.local());
        let encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        self.current = Some(Current { entry, crc, encoder, compressed: 0 });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.crc.update(bytes);
        current.entry.size += bytes.len() as u64;
        current.encoder.write_all(bytes).expect("a Vec takes all");
        current.compressed += current.encoder.get_ref().len() as u64;
        self.out.append(current.encoder.get_mut());
        Ok(())
    }

    fn finish_file(&mut self, _missing: u64) -> Result<u64> {
        let Some(Current { mut entry, crc, encoder, compressed }) = self.current.take() else { return Ok(0) };
        let rest = encoder.finish().expect("a Vec takes all");
        self.out.extend_from_slice(&rest);
        entry.crc = crc.sum();
        entry.compressed = compressed + rest.len() as u64;
        self.out.extend(DESCRIPTOR.to_le_bytes());
        self.out.extend(entry.crc.to_le_bytes());
        for size in [entry.compressed, entry.size] {
            if entry.is_large {
                self.out.extend(size.to_le_bytes());
            } else {
                self.out.extend(narrow(size).to_le_bytes());
            }
        }
        // What is missing is not there: the sizes say so.
        self.enter(&entry).map(|()| 0)
    }

    fn finish(&mut self) -> Result<bool> {
        let at = if let Some(at) = self.finishing {
            at
        } else {
            let at = self.at();
            self.finishing = Some(at);
            if let Some(file) = &mut self.directory.spilled {
                file.rewind().map_err(directory_failed)?;
            }
            at
        };
        if let Some(file) = &mut self.directory.spilled {
            let mut piece = vec![0; SPILL_BYTES];
            let read = file.read(&mut piece).map_err(directory_failed)?;
            if read > 0 {
                self.out.extend_from_slice(&piece[..read]);
                return Ok(false);
            }
        }
        let end = std::mem::take(&mut self.directory.end);
        self.out.extend(end);
        self.end(at);
        Ok(true)
    }

    fn ready(&self) -> usize {
        self.out.len()
    }

    fn take(&mut self) -> Vec<u8> {
        self.taken += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }
}
