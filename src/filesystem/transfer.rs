//! Bytes from one file to another without passing through the daemon's memory, where the kernel can do that.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use rustix::io::Errno;

/// What one call moves at most; a copy of a huge file is not one call that cannot be interrupted.
const STEP_BYTES: usize = 64 << 20;

/// The buffer where the kernel cannot copy by itself.
const BUFFER_BYTES: usize = 256 << 10;

/// Appends all bytes of `from`, from its beginning on, at the offset of `to`; gives how many they were. File systems that can
/// share blocks do so.
pub(crate) fn copy_all(from: &File, to: &File) -> Result<u64, Errno> {
    let mut read_at = 0_u64;
    loop {
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, None, STEP_BYTES) {
            // Some pseudo file systems say so of files that have bytes.
            Ok(0) if read_at == 0 => return through_memory(from, to, 0),
            Ok(0) => return Ok(read_at),
            Ok(_) | Err(Errno::INTR) => {}
            Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::BADF
                | Errno::PERM
                | Errno::TXTBSY,
            ) => return through_memory(from, to, read_at),
            Err(errno) => return Err(errno),
        }
    }
}

fn through_memory(mut from: &File, mut to: &File, skip: u64) -> Result<u64, Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    from.seek(SeekFrom::Start(skip)).map_err(errno)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut copied = skip;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(errno(error)),
        };
        to.write_all(&buffer[..read]).map_err(errno)?;
        copied += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_copied_by_the_kernel_and_without_it() {
        let dir = std::env::temp_dir().join(format!("boxd-copy-{}", fastrand::u64(..)));
        std::fs::create_dir(&dir).unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        std::fs::write(dir.join("from"), &bytes).unwrap();
        let from = File::open(dir.join("from")).unwrap();
        let open = |name: &str| File::options().create(true).append(true).open(dir.join(name)).unwrap();
        let plain = File::create(dir.join("plain")).unwrap();
        assert_eq!(copy_all(&from, &plain), Ok(1_000_000));
        // A file that is only appended to is nothing that the kernel copies into.
        let appended = open("appended");
        assert_eq!(copy_all(&from, &appended), Ok(1_000_000));
        assert_eq!(copy_all(&from, &appended), Ok(1_000_000));
        assert_eq!(std::fs::read(dir.join("plain")).unwrap(), bytes);
        assert_eq!(std::fs::read(dir.join("appended")).unwrap(), [&bytes[..], &bytes].concat());
        let proc = File::open("/proc/self/status").unwrap();
        assert!(copy_all(&proc, &File::create(dir.join("proc")).unwrap()).unwrap() > 100);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
