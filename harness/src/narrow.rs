//! A narrow place for a daemon: a small file system, and room for one watch, where nobody else sees or feels it.
//!
//! User and mount namespaces of its own, so no rights are needed where the machine allows such namespaces at all, and everything is gone
//! with the daemon.

use std::{path::Path, process::Command, sync::LazyLock};

/// What makes the place, and becomes the command behind it. The folder is below the daemon's directory, which is the present one.
const SCRIPT: &str = "mkdir narrow && mount -t tmpfs -o size=256k none narrow && echo 1 >/proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\"";

/// The first words of a command line that runs a program there.
const WORDS: [&str; 6] = ["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT];

/// A command that runs a program in a narrow place; its arguments are to be added. Its process becomes the program's.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(WORDS).arg(program);
    command
}

/// Whether this machine allows it. Tried once.
pub fn is_possible() -> bool {
    static POSSIBLE: LazyLock<bool> = LazyLock::new(|| {
        let folder = std::env::temp_dir().join(format!("boxd-narrow-{}", crate::variables::unique_name()));
        if std::fs::create_dir(&folder).is_err() {
            return false;
        }
        let tried = command(Path::new("true")).current_dir(&folder).output();
        let _removed: bool = std::fs::remove_dir_all(&folder).is_ok();
        tried.is_ok_and(|output| output.status.success())
    });
    *POSSIBLE
}
