//! The folder that a drive is mounted on. Blocks as long as the file systems above it do.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

/// Makes a folder and those above it that are missing; what is made belongs to `owner`, what is there is left alone. The error is a
/// sentence in the words of the known server.
pub(super) fn make(path: &Path, owner: Option<(u32, u32)>) -> Result<(), String> {
    let mut prefix = PathBuf::new();
    for part in path.components() {
        prefix.push(part);
        let refused = |error: io::Error| {
            let words = crate::error::Error::File { action: "mkdir", path: prefix.clone(), source: error };
            words.to_string()
        };
        match fs::metadata(&prefix) {
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(_) if prefix == path => {
                return Err(format!("{} exists and is not a directory", path.display()));
            }
            Ok(_) => return Err(refused(rustix::io::Errno::NOTDIR.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
        match fs::DirBuilder::new().mode(0o755).create(&prefix) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && prefix.is_dir() => continue,
            Err(error) => return Err(refused(error)),
        }
        if let Some((uid, gid)) = owner {
            lchown(&prefix, Some(uid), Some(gid)).map_err(refused)?;
        }
    }
    Ok(())
}

/// The path as the kernel knows it: links are followed as far as it is there.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, real)) = found else { return path.to_owned() };
    let below = path.strip_prefix(above).unwrap_or(Path::new(""));
    if below.as_os_str().is_empty() { real } else { real.join(below) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_paths_are_resolved() {
        let temp = fs::canonicalize(std::env::temp_dir()).unwrap();
        let folder = temp.join(format!("boxd-drive-{:016x}", fastrand::u64(..)));
        make(&folder.join("a/b"), None).unwrap();
        make(&folder.join("a/b"), Some((1, 1))).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        std::os::unix::fs::symlink("a", folder.join("link")).unwrap();
        let error = |path: &str| make(&folder.join(path), None).unwrap_err();
        assert_eq!(error("file"), format!("{} exists and is not a directory", folder.join("file").display()));
        assert_eq!(error("file/x"), format!("mkdir {}: not a directory", folder.join("file").display()));
        make(&folder.join("link/c"), None).unwrap();
        assert_eq!(resolve(&folder.join("link/c")), folder.join("a/c"));
        assert_eq!(resolve(&folder.join("link/new/x")), folder.join("a/new/x"));
        assert_eq!(resolve(Path::new("/")), Path::new("/"));
        fs::remove_dir_all(folder).unwrap();
    }
}
