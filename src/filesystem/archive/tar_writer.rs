//! `TarWriter`: entries as GNU tar writes them, perhaps compressed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::packing::Writer;
use crate::error::Result;
use crate::filesystem::Info;

/// All of an archive is a multiple of this.
pub(super) const BLOCK_BYTES: usize = 512;

/// What is made up at one time for a file that became shorter.
const ZEROS_BYTES: usize = 16 << 10;

/// A longer name stands in front of its entry.
const NAME_BYTES_MAX: usize = 100;

/// The name of an entry that is a name.
const LONG_NAME: &[u8] = b"././@LongLink";

/// See the module.
pub(super) struct TarWriter {
    out: Out,
    /// Bytes of the file that is being written.
    size: u64,
}

enum Out {
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl TarWriter {
    /// As it is.
    pub(super) fn plain() -> Self {
        Self { out: Out::Plain(Vec::new()), size: 0 }
    }

    /// Compressed.
    pub(super) fn gzip() -> Self {
        Self { out: Out::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::default()))), size: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        let put = match &mut self.out {
            Out::Plain(out) => out.write_all(bytes),
            Out::Gzip(out) => out.write_all(bytes),
        };
        put.expect("a Vec takes all");
    }

    /// Fills the last block of so many bytes.
    fn pad(&mut self, bytes: u64) {
        let over = usize::try_from(bytes % BLOCK_BYTES as u64).unwrap_or(0);
        if over > 0 {
            self.put(&[0; BLOCK_BYTES][over..]);
        }
    }

    fn header(&mut self, header: &mut Header) {
        header.set_cksum();
        self.put(header.as_bytes());
    }

    /// Writes a name that does not fit into its header.
    fn long(&mut self, kind: EntryType, name: &[u8]) {
        let mut header = Header::new_gnu();
        fill(&mut header.as_old_mut().name, LONG_NAME);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(kind);
        let size = name.len() as u64 + 1;
        header.set_size(size);
        self.header(&mut header);
        self.put(name);
        self.put(&[0]);
        self.pad(size);
    }
}

impl Writer for TarWriter {
    fn begin(&mut self, path: &[u8], info: &Info, link: Option<&[u8]>) -> Result<()> {
        let slashed;
        let path = if info.is_folder() {
            slashed = [path, b"/"].concat();
            &slashed
        } else {
            path
        };
        if let Some(target) = link.filter(|target| target.len() > NAME_BYTES_MAX) {
            self.long(EntryType::GNULongLink, target);
        }
        if path.len() > NAME_BYTES_MAX {
            self.long(EntryType::GNULongName, path);
        }
        let mut header = Header::new_gnu();
        fill(&mut header.as_old_mut().name, path);
        fill(&mut header.as_old_mut().linkname, link.unwrap_or_default());
        header.set_mode(info.mode);
        header.set_uid(info.uid.into());
        header.set_gid(info.gid.into());
        // A time before 1970 cannot be said by every tar.
        header.set_mtime(u64::try_from(info.modified.0).unwrap_or(0));
        self.size = if info.is_file() { info.size } else { 0 };
        header.set_size(self.size);
        header.set_entry_type(match link {
            Some(_) => EntryType::Symlink,
            None if info.is_folder() => EntryType::Directory,
            None => EntryType::Regular,
        });
        self.header(&mut header);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes);
        Ok(())
    }

    fn finish_file(&mut self, missing: u64) -> Result<u64> {
        // The header has said how many there are, and a file may lose gigabytes.
        let zeros = usize::try_from(missing).unwrap_or(usize::MAX).min(ZEROS_BYTES);
        self.put(&[0; ZEROS_BYTES][..zeros]);
        let missing = missing - zeros as u64;
        if missing == 0 {
            self.pad(self.size);
        }
        Ok(missing)
    }

    fn finish(&mut self) -> Result<bool> {
        self.put(&[0; 2 * BLOCK_BYTES]);
        if let Out::Gzip(out) = &mut self.out {
            out.try_finish().expect("a Vec takes all");
        }
        Ok(true)
    }

    fn ready(&self) -> usize {
        match &self.out {
            Out::Plain(out) => out.len(),
            Out::Gzip(out) => out.get_ref().len(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match &mut self.out {
            Out::Plain(out) => std::mem::take(out),
            Out::Gzip(out) => std::mem::take(out.get_mut()),
        }
    }
}

/// As much of a text as a field has room for.
fn fill(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}
