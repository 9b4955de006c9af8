//! What dead daemons left in the log folder goes when it is old.
//!
//! A daemon holds the lock of its `<boot>.lock` file for as long as it lives, so the files of a boot number whose lock is
//! free belong to nobody. Files that boxd did not name are never touched.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Deletes the files of dead daemons that were last written longer ago than `age`, and links that lead nowhere.
///
/// Errors are passed over: a file that cannot be deleted now is found at the next start.
pub(super) fn sweep(dir: &Path, age: Duration) {
    let names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let alive: HashSet<&str> =
        names.iter().filter_map(|n| n.strip_suffix(".lock")).filter(|boot| is_locked(dir, boot)).collect();
    let mut kept: HashSet<&str> = HashSet::new();
    for name in &names {
        let path = dir.join(name);
        if let Some(boot) = boot_of(name)
            && !alive.contains(boot)
        {
            if is_older(&path, age) {
                fs::remove_file(&path).ok();
            } else {
                kept.insert(boot);
            }
        }
    }
    for name in &names {
        let path = dir.join(name);
        let dead_lock = name
            .strip_suffix(".lock")
            .is_some_and(|boot| is_boot(boot) && !alive.contains(boot) && !kept.contains(boot));
        let dead_link =
            name.rsplit_once('.').is_some_and(|(_, end)| end == "log") && path.is_symlink() && !path.exists();
        if dead_lock || dead_link {
            fs::remove_file(&path).ok();
        }
    }
}

/// The boot number in the name of a process's file (`<boot>-<serial>.…`).
fn boot_of(name: &str) -> Option<&str> {
    let (id, _) = name.split_once('.')?;
    id.parse::<crate::id::ProcessId>().ok()?;
    id.split_once('-').map(|(boot, _)| boot)
}

fn is_boot(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_locked(dir: &Path, boot: &str) -> bool {
    let lock = File::open(dir.join(format!("{boot}.lock")));
    lock.is_ok_and(|file| !crate::sys::file::try_lock(&file).unwrap_or(true))
}

fn is_older(path: &Path, age: Duration) -> bool {
    let written = fs::symlink_metadata(path).and_then(|m| m.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|old| old >= age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::Custody;
    use crate::log::{LogDir, LogLimits};

    #[test]
    fn only_dead_daemons_files_go() {
        let dir = std::env::temp_dir().join(format!("boxd-sweep-{}", fastrand::u64(..)));
        let limits =
            LogLimits { file_bytes_max: 1, total_bytes_max: 1, memory_bytes_max: 1, memory_files_max: 1 };
        let living =
            LogDir::open(&dir, 0xaaaa_aaaa, limits.clone(), Duration::ZERO, Custody::none()).unwrap();
        for name in [
            "aaaaaaaa-1.stdout.log",
            "bbbbbbbb-1.stdout.log",
            "bbbbbbbb-2.order",
            "bbbbbbbb.lock",
            "notes.txt",
        ] {
            fs::write(dir.join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("bbbbbbbb-1.stdout.log", dir.join("build.stdout.log")).unwrap();
        std::os::unix::fs::symlink("aaaaaaaa-1.stdout.log", dir.join("serve.stdout.log")).unwrap();
        let second =
            LogDir::open(&dir, 0xcccc_cccc, limits.clone(), Duration::from_hours(1), Custody::none())
                .unwrap();
        assert!(dir.join("bbbbbbbb-1.stdout.log").exists(), "young leftovers stay");
        drop(second);
        let _third = LogDir::open(&dir, 0xdddd_dddd, limits, Duration::ZERO, Custody::none()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(
            left,
            ["aaaaaaaa-1.stdout.log", "aaaaaaaa.lock", "dddddddd.lock", "notes.txt", "serve.stdout.log"]
        );
        drop(living);
        fs::remove_dir_all(dir).unwrap();
    }
}
