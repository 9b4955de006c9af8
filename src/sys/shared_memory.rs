//! `SharedMemory`: a file in memory that is written through a mapping, without a system call for each write.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The window is this long and moves by so much, unless one record is longer. A multiple of every page size.
const STEP: usize = 64 * 1024;

/// The file and a window of it that is mapped: what was written long ago is in nobody's memory but the kernel's. Others may read
/// the file meanwhile; one writes.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    file: File,
    /// At the beginning of a page.
    start: NonNull<u64>,
    /// Where in the file the window begins, a multiple of `STEP`, and its length.
    from: usize,
    length: usize,
}

// SAFETY: the mapping is of this value alone and is as good in another thread.
#[expect(unsafe_code, reason = "a pointer to a mapping")]
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// Maps the beginning of the file. What `file::growing` made cannot become shorter under the mapping.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        // Of no effect on a file that was made without the right to seal it.
        fcntl_add_seals(&file, SealFlags::SHRINK).ok();
        let start = map(&file, 0, STEP)?;
        Ok(Self { file, start, from: 0, length: STEP })
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The `count` bytes at `at`, to be written. An error when there is no memory for them.
    #[expect(unsafe_code, reason = "a mapping")]
    pub(crate) fn space(&mut self, at: usize, count: usize) -> io::Result<&mut [u8]> {
        let end = at.checked_add(count).ok_or(io::ErrorKind::OutOfMemory)?;
        if at < self.from || end > self.from + self.length {
            let from = at / STEP * STEP;
            let length = (end - from).max(1).next_multiple_of(STEP);
            let start = map(&self.file, from, length)?;
            self.unmap();
            (self.start, self.from, self.length) = (start, from, length);
        }
        // SAFETY: these bytes are mapped, and nobody else in this process has them.
        Ok(unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr().cast::<u8>().add(at - self.from), count)
        })
    }

    /// Writes eight bytes at once, after everything that was written before. `at` is a multiple of eight.
    #[expect(unsafe_code, reason = "a mapping")]
    pub(crate) fn publish(&mut self, at: usize, bytes: [u8; 8]) -> io::Result<()> {
        assert_eq!(at % bytes.len(), 0, "a multiple of eight");
        self.space(at, bytes.len())?;
        // SAFETY: it is mapped and aligned; the file's readers are other processes or read by system calls.
        let place = unsafe { AtomicU64::from_ptr(self.start.as_ptr().add((at - self.from) / bytes.len())) };
        place.store(u64::from_ne_bytes(bytes), Ordering::Release);
        Ok(())
    }

    #[expect(unsafe_code, reason = "a mapping")]
    fn unmap(&mut self) {
        // SAFETY: no reference into the window lives: each borrows this value, which is borrowed here.
        unsafe { munmap(self.start.as_ptr().cast(), self.length) }.ok();
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        self.unmap();
    }
}

/// Maps a window of a file, whose memory is set aside first: memory that is not there would be SIGBUS later.
#[expect(unsafe_code, reason = "a mapping")]
fn map(file: &File, from: usize, length: usize) -> io::Result<NonNull<u64>> {
    fallocate(file, FallocateFlags::empty(), from as u64, length as u64)?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at a place that the kernel chooses.
    let start =
        unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file, from as u64)? };
    Ok(NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file;

    #[test]
    fn what_is_written_is_in_the_file_wherever_it_is() {
        let mut memory = SharedMemory::new(file::growing("test").unwrap()).unwrap();
        for at in [0, STEP - 3, STEP * 5] {
            memory.space(at, 6).unwrap().copy_from_slice(b"abcdef");
        }
        memory.publish(STEP * 2, *b"12345678").unwrap();
        let bytes = file::contents(memory.file()).unwrap();
        assert!([0, STEP - 3, STEP * 5].iter().all(|at| &bytes[*at..at + 6] == b"abcdef"));
        assert_eq!(&bytes[STEP * 2..STEP * 2 + 8], b"12345678");
        assert_eq!(bytes.len(), STEP * 6);
    }

    #[test]
    fn nobody_makes_it_shorter() {
        let memory = SharedMemory::new(file::growing("test").unwrap()).unwrap();
        assert!(memory.file().set_len(0).is_err());
    }

    #[test]
    fn another_goes_on_with_the_file() {
        let mut first = SharedMemory::new(file::growing("test").unwrap()).unwrap();
        first.space(STEP, 5).unwrap().copy_from_slice(b"hello");
        let mut second = SharedMemory::new(first.file().try_clone().unwrap()).unwrap();
        drop(first);
        assert_eq!(second.space(STEP, 5).unwrap(), b"hello");
    }
}
