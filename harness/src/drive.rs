//! Stands for the program that mounts drives: an empty folder through FUSE, with the type and the source of a real one.
//!
//! `{{helper}} drive mount -filer=… -filer.path=… -dir=…` gets a drive's arguments as they are. It ends when the folder is unmounted.
//! Whoever asks for a name in it that begins with `silent` gets no answer, as from a drive whose server has gone.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::AsRawFd,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    mount::{MountFlags, mount},
};

/// No case looks into a drive later than this; one that nobody unmounts does not stay for ever.
const UNUSED_MAX: Duration = Duration::from_mins(1);

/// The kernel writes no longer request than this; a shorter buffer it refuses.
const REQUEST_BYTES_MAX: usize = 128 * 1024;

/// Bytes in front of what is asked for (`struct fuse_in_header`).
const HEAD_BYTES: usize = 40;

/// Numbers of `linux/fuse.h`.
mod opcode {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const STATFS: u32 = 17;
    pub(super) const INIT: u32 = 26;
    pub(super) const OPENDIR: u32 = 27;
    pub(super) const READDIR: u32 = 28;
    pub(super) const RELEASEDIR: u32 = 29;
    pub(super) const ACCESS: u32 = 34;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const BATCH_FORGET: u32 = 42;
}

/// Mounts the folder and answers for it until it is unmounted.
pub(crate) fn run(arguments: &[&str]) -> io::Result<()> {
    let value = |name: &str| {
        let mut values =
            arguments.iter().filter_map(|argument| argument.trim_start_matches('-').split_once('='));
        let found = values.find_map(|(known, value)| (known == name).then_some(value));
        found.ok_or_else(|| io::Error::other(format!("-{name}= is missing")))
    };
    let mut device = File::options().read(true).write(true).open("/dev/fuse")?;
    let source = CString::new(format!("{}:{}", value("filer")?, value("filer.path")?))?;
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
    flags.set(MountFlags::RDONLY, value("readOnly").is_ok_and(|value| value == "true"));
    mount(source.as_c_str(), value("dir")?, c"fuse.blfs", flags, CString::new(options)?.as_c_str())?;
    let mut request = vec![0; REQUEST_BYTES_MAX];
    let patience = Timespec::try_from(UNUSED_MAX).map_err(io::Error::other)?;
    loop {
        if poll(&mut [PollFd::new(&device, PollFlags::IN)], Some(&patience))? == 0 {
            return Ok(());
        }
        match device.read(&mut request) {
            Ok(read) => {
                if let Some(answer) = answer(&request[..read]) {
                    device.write_all(&answer)?;
                }
            }
            Err(error) => match Errno::from_io_error(&error) {
                // It was interrupted, or whoever asked has gone.
                Some(Errno::INTR | Errno::NOENT) => {}
                // It was unmounted.
                Some(Errno::NODEV) => return Ok(()),
                _ => return Err(error),
            },
        }
    }
}

/// The answer to a request; `None` where none is wanted.
fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| request.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (opcode, unique) = (word(4)?, request.get(8..16)?);
    if [opcode::FORGET, opcode::BATCH_FORGET, opcode::INTERRUPT].contains(&opcode) {
        return None;
    }
    if opcode == opcode::LOOKUP && request.get(HEAD_BYTES..)?.starts_with(b"silent") {
        return None;
    }
    let (errno, body) = match body(opcode) {
        Ok(body) => (0, body),
        Err(errno) => (-errno.raw_os_error(), Vec::new()),
    };
    let length = u32::try_from(16 + body.len()).ok()?;
    Some([&length.to_ne_bytes()[..], &errno.to_ne_bytes(), unique, &body].concat())
}

fn body(opcode: u32) -> Result<Vec<u8>, Errno> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
    match opcode {
        // Version 7.31, writes of a page, times in nanoseconds.
        opcode::INIT => Ok(words(&[7, 31, 0, 0, 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        opcode::GETATTR => {
            // Valid for no time; the folder is inode 1, `drwxr-xr-x`, root's, with two links.
            let mut attributes = words(&[0, 0, 0, 0]);
            attributes.extend([1_u64, 0, 0, 0, 0, 0].iter().flat_map(|long| long.to_ne_bytes()));
            attributes.extend(words(&[0, 0, 0, 0o040_755, 2, 0, 0, 0, 4096, 0]));
            Ok(attributes)
        }
        opcode::OPENDIR => Ok(words(&[1, 0, 0, 0])),
        opcode::READDIR | opcode::RELEASEDIR | opcode::ACCESS | opcode::DESTROY => Ok(Vec::new()),
        opcode::STATFS => Ok(vec![0; 80]),
        opcode::LOOKUP => Err(Errno::NOENT),
        _ => Err(Errno::NOSYS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_in_the_kernels_form() {
        let request = |opcode: u32| {
            [&40_u32.to_ne_bytes()[..], &opcode.to_ne_bytes(), &77_u64.to_ne_bytes(), &[0; HEAD_BYTES - 16]]
                .concat()
        };
        // `sizeof` of the structures of `linux/fuse.h`, behind a head of 16 bytes.
        for (opcode, bytes) in
            [(opcode::INIT, 64), (opcode::GETATTR, 104), (opcode::OPENDIR, 16), (opcode::STATFS, 80)]
        {
            let answer = answer(&request(opcode)).unwrap();
            assert_eq!(answer.len(), 16 + bytes, "{opcode}");
            assert_eq!(answer[..4], u32::try_from(answer.len()).unwrap().to_ne_bytes());
            assert_eq!(answer[4..16], [&[0; 4][..], &77_u64.to_ne_bytes()].concat());
        }
        assert_eq!(answer(&request(opcode::LOOKUP)).unwrap()[4..8], (-2_i32).to_ne_bytes());
        assert_eq!(answer(&request(opcode::FORGET)), None);
        let silent = [&request(opcode::LOOKUP)[..], b"silent\0"].concat();
        assert_eq!(answer(&silent), None);
        assert_eq!(answer(b"short"), None);
    }
}
