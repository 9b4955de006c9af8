//! `ZipReader`: the entries of a zip archive, as its directory says. It is read as it is needed, whatever it says of itself.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::item::{Item, Kind, Source, bad};
use super::zip_format::{
    CENTRAL, CENTRAL_BYTES, DEFLATED, ELSEWHERE, ENCRYPTED, END, END_64, END_64_BYTES, END_BYTES, EXTRA_64,
    EXTRA_TIME, FILE, FOLDER, KIND, LINK, LOCAL, LOCAL_BYTES, LOCATOR_64, LOCATOR_64_BYTES, STORED, UNIX,
    extra, from_dos_time, u16_at, u32_at, u64_at,
};
use crate::error::Result;

/// The end of an archive may have a comment of 64 KiB behind it.
const END_SEARCH_BYTES: u64 = 65_535 + END_BYTES as u64;

/// What a link says has as many bytes as a path.
const LINK_BYTES_MAX: u64 = 4096;

/// The permissions of entries that have none.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// See the module.
pub(super) struct ZipReader {
    file: File,
    entries: u64,
    directory_at: u64,
}

/// Where the bytes of an entry are.
struct Content {
    at: u64,
    method: u16,
    compressed: u64,
    size: u64,
    crc: u32,
}

impl ZipReader {
    /// Finds the directory.
    pub(super) fn open(file: File) -> Result<Self> {
        let none = || bad("it is no zip archive");
        let len = file.metadata().map_err(|_| none())?.len();
        let tail_at = len.saturating_sub(END_SEARCH_BYTES);
        let mut tail = vec![0; usize::try_from(len - tail_at).map_err(|_| none())?];
        file.read_exact_at(&mut tail, tail_at).map_err(|_| none())?;
        let is_end = |at: &usize| {
            u32_at(&tail, *at) == END && at + END_BYTES + usize::from(u16_at(&tail, at + 20)) == tail.len()
        };
        let end = (0..(tail.len() + 1).saturating_sub(END_BYTES)).rev().find(is_end).ok_or_else(none)?;
        let (mut entries, mut directory_at) =
            (u64::from(u16_at(&tail, end + 10)), u64::from(u32_at(&tail, end + 16)));
        let end_at = tail_at + end as u64;
        if let Some(locator_at) = end_at.checked_sub(LOCATOR_64_BYTES as u64) {
            let mut locator = [0; LOCATOR_64_BYTES];
            file.read_exact_at(&mut locator, locator_at).map_err(|_| none())?;
            if u32_at(&locator, 0) == LOCATOR_64 {
                let mut end = [0; END_64_BYTES];
                file.read_exact_at(&mut end, u64_at(&locator, 8)).map_err(|_| none())?;
                if u32_at(&end, 0) != END_64 {
                    return Err(none());
                }
                (entries, directory_at) = (u64_at(&end, 32), u64_at(&end, 48));
            }
        }
        Ok(Self { file, entries, directory_at })
    }

    fn content(&self, content: &Content) -> Result<Checked<'_>> {
        let mut head = [0; LOCAL_BYTES];
        let read = self.file.read_exact_at(&mut head, content.at);
        if read.is_err() || u32_at(&head, 0) != LOCAL {
            return Err(bad("an entry is not where the directory says"));
        }
        let behind = LOCAL_BYTES as u64 + u64::from(u16_at(&head, 26)) + u64::from(u16_at(&head, 28));
        let stretch =
            Stretch { file: &self.file, at: content.at.saturating_add(behind), left: content.compressed };
        let bytes: Box<dyn Read + '_> = match content.method {
            DEFLATED => Box::new(DeflateDecoder::new(stretch)),
            _ => Box::new(stretch),
        };
        Ok(Checked { bytes, crc: Crc::new(), left: content.size, expected: content.crc })
    }
}

/// What the directory says of one entry: the item, if it is one of ours, and where its bytes are.
fn entry(head: &[u8; CENTRAL_BYTES], name: Vec<u8>, extras: &[u8]) -> Result<(Item, Content)> {
    let shown = || String::from_utf8_lossy(&name).into_owned();
    let (flags, method) = (u16_at(head, 8), u16_at(head, 10));
    if flags & ENCRYPTED != 0 {
        return Err(bad(format!("the entry '{}' is encrypted", shown())));
    }
    if !matches!(method, STORED | DEFLATED) {
        return Err(bad(format!("the entry '{}' is compressed in an unknown way", shown())));
    }
    let mut wide = extra(extras, EXTRA_64).unwrap_or_default();
    let mut number = |at| match u32_at(head, at) {
        ELSEWHERE if wide.len() >= 8 => {
            let number = u64_at(wide, 0);
            wide = &wide[8..];
            number
        }
        number => number.into(),
    };
    let (size, compressed, at) = (number(24), number(20), number(42));
    let mode = if u16_at(head, 4) >> 8 == UNIX { u32_at(head, 38) >> 16 } else { 0 };
    let is_folder = name.ends_with(b"/");
    let kind = match mode & KIND {
        _ if is_folder => Kind::Folder,
        0 | FILE => Kind::File,
        FOLDER => Kind::Folder,
        LINK => Kind::Link(Vec::new()),
        _ => return Err(bad(format!("the entry '{}' is a device or the like", shown()))),
    };
    let default = if kind == Kind::Folder { FOLDER_MODE } else { FILE_MODE };
    let modified = match extra(extras, EXTRA_TIME) {
        Some(time) if time.len() >= 5 && time[0] % 2 == 1 => i64::from(u32_at(time, 1).cast_signed()),
        _ => from_dos_time(u32_at(head, 12)),
    };
    let item = Item {
        path: name,
        kind,
        mode: if mode == 0 { default } else { mode & 0o7777 },
        modified: Some(modified),
        size,
    };
    Ok((item, Content { at, method, compressed, size, crc: u32_at(head, 16) }))
}

impl Source for ZipReader {
    fn each(&mut self, visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<()>) -> Result<()> {
        let broken = |_| bad("its directory is broken");
        let mut directory = BufReader::new(self.file.try_clone().map_err(broken)?);
        directory.seek(SeekFrom::Start(self.directory_at)).map_err(broken)?;
        for _ in 0..self.entries {
            let mut head = [0; CENTRAL_BYTES];
            directory.read_exact(&mut head).map_err(broken)?;
            if u32_at(&head, 0) != CENTRAL {
                return Err(bad("its directory is broken"));
            }
            let mut texts = vec![0; usize::from(u16_at(&head, 28)) + usize::from(u16_at(&head, 30))];
            directory.read_exact(&mut texts).map_err(broken)?;
            directory.seek_relative(u16_at(&head, 32).into()).map_err(broken)?;
            let extras = texts.split_off(u16_at(&head, 28).into());
            let (mut item, content) = entry(&head, texts, &extras)?;
            match &mut item.kind {
                Kind::File => visit(item, &mut self.content(&content)?)?,
                Kind::Link(_) if content.size > LINK_BYTES_MAX => {
                    return Err(bad("a link in it says more than a path can be"));
                }
                Kind::Link(target) => {
                    self.content(&content)?.read_to_end(target).map_err(|_| bad("a link in it is broken"))?;
                    item.size = 0;
                    visit(item, &mut std::io::empty())?;
                }
                Kind::Folder | Kind::HardLink(_) => {
                    item.size = 0;
                    visit(item, &mut std::io::empty())?;
                }
            }
        }
        Ok(())
    }
}

/// A stretch of the archive. It leaves the file's own offset alone, which the directory is read by.
struct Stretch<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if read == 0 && wanted > 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// The bytes of an entry, which have to be those that the directory means.
struct Checked<'a> {
    bytes: Box<dyn Read + 'a>,
    crc: Crc,
    left: u64,
    expected: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.crc.update(&buffer[..read]);
        let wrong = || std::io::Error::other("not the bytes that were packed");
        self.left = self.left.checked_sub(read as u64).ok_or_else(wrong)?;
        if read == 0 && !buffer.is_empty() && (self.left > 0 || self.crc.sum() != self.expected) {
            return Err(wrong());
        }
        Ok(read)
    }
}
