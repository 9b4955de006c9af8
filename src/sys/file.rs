//! Log files: reads that never wait for a disk, and files that live in memory.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, memfd_create};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Reads at `offset` only what is in the page cache. `None` means that the bytes are not there now: read them where
/// waiting is allowed.
pub(crate) fn read_cached(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    loop {
        match preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(n) => return Ok(Some(n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            // tmpfs and old kernels do not know the flag; a file in memory does not wait anyway.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return file.read_at(buffer, offset).map(Some);
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Opens a file for reading. What else has a path (a FIFO, a device, a folder) is an error at once.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // A FIFO would be waited for; a file takes no notice of the flag.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

/// True for the error with which `splice` says that it cannot write to this file.
pub(crate) fn is_unspliceable(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::INVAL)
}

/// An anonymous file in memory, for output that no disk takes.
pub(crate) fn in_memory(name: &str) -> io::Result<File> {
    memory(name, MemfdFlags::CLOEXEC)
}

/// The kernel lets everybody open a file in memory who comes to it by its number in `/proc`, as the workload user does through the
/// file API; so it gets the permissions of a file that is the daemon's alone.
fn memory(name: &str, flags: MemfdFlags) -> io::Result<File> {
    let file = memfd_create(name, flags)?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    Ok(file.into())
}

/// An anonymous file in memory that may be forbidden to become shorter.
pub(crate) fn growing(name: &str) -> io::Result<File> {
    memory(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
}

/// All bytes of a file, wherever its offset stands.
pub(crate) fn contents(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// A file in memory with these bytes, which nobody can change.
pub(crate) fn sealed(name: &str, bytes: &[u8]) -> io::Result<File> {
    let file = memory(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    file.write_all_at(bytes, 0)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

/// Takes a shared lock of a file without waiting; the answer is an error when somebody has it exclusively. It goes when the
/// file is closed.
pub(crate) fn share_lock(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockShared)?)
}

/// Takes the exclusive lock of a file without waiting; false when another open file holds it. The lock goes when the
/// file is closed.
pub(crate) fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// The number by which a file of the kernel is told of another descriptor.
pub(crate) fn number(descriptor: impl AsFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&descriptor.as_fd())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_in_memory_are_the_daemons_alone() {
        for file in [in_memory("test"), growing("test"), sealed("test", b"x")] {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
