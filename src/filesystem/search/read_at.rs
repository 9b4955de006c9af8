//! Reading at a place of a file, so that a search can stop anywhere and go on later.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Something with bytes at offsets.
pub(super) trait ReadAt {
    /// Reads some bytes; none is the end.
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer as far as there are bytes. `size` is where the file ended when it was opened, zero when that is not known:
    /// who reads as far has not to ask for more.
    fn fill(&self, buffer: &mut [u8], offset: u64, size: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What was read is true; the rest cannot be had.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
            if size > 0 && offset + filled as u64 == size {
                break;
            }
        }
        Ok(filled)
    }
}

impl ReadAt for File {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }
}

#[cfg(test)]
impl ReadAt for &[u8] {
    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = &self[usize::try_from(offset).unwrap().min(self.len())..];
        // Files give less than is asked for, too.
        let read = rest.len().min(buffer.len()).min(7);
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}
