//! Reading a file of settings: regular, and not longer than it may be. Blocks as long as the file system does.

use std::io::Read;
use std::path::Path;

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::sys::file;

/// Bytes of a file of variables: the kernel gives a program some MiB of them at most.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All bytes of a file, `max` at most. A FIFO or a device is refused and not waited for.
pub(super) fn contents(path: &Path, max: u64) -> Result<Vec<u8>> {
    let refused = |action, source| Error::File { action, path: path.to_owned(), source };
    let file = file::open_regular(path).map_err(|source| match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => refused("read", Errno::ISDIR.into()),
        _ => refused("open", source),
    })?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(|source| refused("read", source))?;
    if bytes.len() as u64 > max {
        return Err(refused("read", Errno::FBIG.into()));
    }
    Ok(bytes)
}
