//! Commands too long for one argument.
//!
//! The kernel takes at most 128 KiB in one argument (`MAX_ARG_STRLEN`, 32 pages). A longer command is put into a file that
//! the shell reads with its `.` built-in: `$0`, standard input and the exit code stay what they are for `-c`. The file lives
//! as long as the process, because a restart reads it again.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::id::ProcessId;
use crate::sys::credentials::Ids;

/// `MAX_ARG_STRLEN` of Linux; the NUL at the end counts.
const ARGUMENT_BYTES_MAX: usize = 128 * 1024;

/// Whether a command has to be read from a file.
pub(crate) fn is_long(command: &str) -> bool {
    command.len() >= ARGUMENT_BYTES_MAX
}

/// The file of a process's command.
pub(crate) fn path(dir: &Path, id: ProcessId) -> PathBuf {
    dir.join(format!("{id}.command"))
}

/// Writes the command to its file, unless it stands there already, and gives the argument for the shell.
/// `reader` is who has to read it, when that is not the daemon's own user.
pub(crate) fn put_away(path: &Path, command: &str, reader: Option<&Ids>) -> io::Result<String> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let written = file.write_all(command.as_bytes()).and_then(|()| file.write_all(b"\n"));
            let written = written.and_then(|()| match reader {
                Some(ids) => std::os::unix::fs::fchown(&file, Some(ids.uid), Some(ids.gid)),
                None => Ok(()),
            });
            if let Err(error) = written {
                fs::remove_file(path).ok();
                return Err(error);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(format!(". {}", quote(&path.to_string_lossy())))
}

/// A text as one word of the shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quote("/a b/it's"), r"'/a b/it'\''s'");
    }

    #[test]
    fn the_limit_is_the_kernels() {
        assert!(!is_long(&"x".repeat(131_071)));
        assert!(is_long(&"x".repeat(131_072)));
    }
}
