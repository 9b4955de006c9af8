//! `SharedMemory`: a file in memory that is written through a mapping, without a system call for each write.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals};
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap, mremap, munmap};

/// It grows by this many bytes at a time.
const STEP: usize = 64 * 1024;

/// The file and its mapping. Others may read the file meanwhile; one writes.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    file: File,
    /// At the beginning of a page.
    start: NonNull<u64>,
    /// Bytes that are mapped, and that the kernel has set aside.
    length: usize,
}

// SAFETY: the mapping is of this value alone and is as good in another thread.
#[expect(unsafe_code, reason = "a pointer to a mapping")]
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// Maps the file. What `file::growing` made cannot become shorter under the mapping.
    #[expect(unsafe_code, reason = "a mapping")]
    pub(crate) fn new(file: File) -> io::Result<Self> {
        // Of no effect on a file that was made without the right to seal it.
        fcntl_add_seals(&file, SealFlags::SHRINK).ok();
        let length =
            usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?.max(1).next_multiple_of(STEP);
        set_aside(&file, length)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place that the kernel chooses.
        let start = unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, &file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { file, start, length })
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The `count` bytes at `at`, to be written. An error when there is no memory for them.
    #[expect(unsafe_code, reason = "a mapping")]
    pub(crate) fn space(&mut self, at: usize, count: usize) -> io::Result<&mut [u8]> {
        let end = at.checked_add(count).ok_or(io::ErrorKind::OutOfMemory)?;
        if end > self.length {
            self.grow(end.next_multiple_of(STEP))?;
        }
        // SAFETY: these bytes are mapped, and nobody else in this process has them.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast::<u8>().add(at), count) })
    }

    /// Writes eight bytes at once, after everything that was written before. `at` is a multiple of eight.
    #[expect(unsafe_code, reason = "a mapping")]
    pub(crate) fn publish(&mut self, at: usize, bytes: [u8; 8]) -> io::Result<()> {
        assert_eq!(at % bytes.len(), 0, "a multiple of eight");
        self.space(at, bytes.len())?;
        // SAFETY: it is mapped and aligned; the file's readers are other processes or read by system calls.
        let place = unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(at / bytes.len())) };
        place.store(u64::from_ne_bytes(bytes), Ordering::Release);
        Ok(())
    }

    #[expect(unsafe_code, reason = "a mapping")]
    fn grow(&mut self, length: usize) -> io::Result<()> {
        set_aside(&self.file, length)?;
        // SAFETY: no reference into the mapping lives: each borrows this value, which is borrowed here.
        let start = unsafe { mremap(self.start.as_ptr().cast(), self.length, length, MremapFlags::MAYMOVE)? };
        self.start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        self.length = length;
        Ok(())
    }
}

impl Drop for SharedMemory {
    #[expect(unsafe_code, reason = "a mapping")]
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more.
        unsafe { munmap(self.start.as_ptr().cast(), self.length) }.ok();
    }
}

/// Memory that is not there would be SIGBUS later.
fn set_aside(file: &File, length: usize) -> io::Result<()> {
    Ok(fallocate(file, FallocateFlags::empty(), 0, length as u64)?)
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
