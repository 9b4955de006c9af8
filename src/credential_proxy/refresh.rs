//! `Refresh`: variables with tokens in them that follow their files, where this host cannot stand between commands and the proxy.
//!
//! ```text
//! look ──> a value is another one ──> given to what is started from now on
//!  └── the folder of a file tells of a change, or 30 s are over ──> look
//! ```
//! The folder is watched and not the file, because a new token is mostly a new file in the old one's place. Where nothing can be watched
//! (a file system of another host, no watches left), 30 s are what the known server takes.

mod folders;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use super::directive::split;
use super::token;
use folders::Folders;

/// How often files are looked at when nobody tells of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Names, and values with tokens in them.
pub(crate) type Resolved = Vec<(&'static str, OsString)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Refresh {
    variables: Vec<Variable>,
}

#[derive(Debug)]
struct Variable {
    name: &'static str,
    /// With the directive in it.
    given: String,
    /// The last value that could be made.
    value: Option<String>,
    /// Why none could be made at the last look.
    trouble: Option<String>,
}

impl Refresh {
    /// Of variables whose values have directives in them. Nothing is read yet.
    pub(super) fn new(wanted: &[(&'static str, String)]) -> Self {
        let unread = |(name, given): &(&'static str, String)| Variable {
            name,
            given: given.clone(),
            value: None,
            trouble: None,
        };
        Self { variables: wanted.iter().map(unread).collect() }
    }

    /// The values that have changed since the last look, and what went wrong that did not before. A file that cannot be read, or is empty
    /// because somebody writes it over, changes nothing. Blocks as long as the files do.
    pub(super) fn look(&mut self) -> (Resolved, Vec<String>) {
        let (mut changed, mut troubles) = (Vec::new(), Vec::new());
        for variable in &mut self.variables {
            let Variable { name, given, value, trouble } = variable;
            match token::resolved(given) {
                Ok(now) => {
                    *trouble = None;
                    if value.as_ref() != Some(&now) {
                        changed.push((*name, OsString::from(&now)));
                        *value = Some(now);
                    }
                }
                Err(why) => {
                    let why = format!("{name}: {why}");
                    if trouble.as_ref() != Some(&why) {
                        troubles.push(why.clone());
                        *trouble = Some(why);
                    }
                }
            }
        }
        (changed, troubles)
    }

    /// Gives what changes to `provide`, from now on and for ever.
    pub(crate) async fn run(self, provide: impl FnMut(Resolved)) {
        self.run_every(LOOK_AGAIN, provide).await;
    }

    async fn run_every(mut self, every: Duration, mut provide: impl FnMut(Resolved)) {
        let mut folders = Folders::of(self.variables.iter().filter_map(|variable| file(&variable.given)));
        loop {
            let look = move || {
                // First: what changes meanwhile is looked at again.
                folders.watch();
                let found = self.look();
                (self, folders, found)
            };
            let found;
            (self, folders, found) = blocking::unblock(look).await;
            let (changed, troubles) = found;
            if !changed.is_empty() {
                provide(changed);
            }
            for trouble in troubles {
                tracing::warn!("commands keep the token that they are given: {trouble}");
            }
            let time_up = async {
                Timer::after(every).await;
            };
            folders.changed().or(time_up).await;
        }
    }
}

fn file(given: &str) -> Option<PathBuf> {
    split(given).ok().map(|(_, path, _)| path.into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;

    fn following(path: &Path, every: Duration) -> (mpsc::Receiver<Resolved>, crate::runtime::Runtime) {
        let value = format!("http://me:{{{{file({})}}}}@h", path.display());
        let (teller, told) = mpsc::channel();
        let runtime = crate::runtime::Runtime::start(1).unwrap();
        let refresh = Refresh::new(&[("http_proxy", value)]);
        // Whoever listened may be gone at the end of a test.
        let run = refresh.run_every(every, move |changed| drop(teller.send(changed)));
        runtime.spawn(run).detach();
        (told, runtime)
    }

    #[track_caller]
    fn tells(told: &mpsc::Receiver<Resolved>, token: &str) {
        let changed = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(changed, [("http_proxy", OsString::from(format!("http://me:{token}@h")))]);
    }

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("boxd-refresh-{:x}", fastrand::u64(..)))
    }

    #[test]
    fn a_change_is_told_at_once_and_once() {
        let folder = folder();
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("token");
        std::fs::write(&path, "1").unwrap();
        let (told, _runtime) = following(&path, Duration::from_hours(1));
        tells(&told, "1");
        std::fs::write(&path, "2").unwrap();
        tells(&told, "2");
        // The same once more, another file, and none: nothing of that is told.
        std::fs::write(&path, " 2\n").unwrap();
        std::fs::write(folder.join("other"), "x").unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(folder.join("new"), "3").unwrap();
        std::fs::rename(folder.join("new"), &path).unwrap();
        tells(&told, "3");
        assert!(told.try_recv().is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_secret_of_kubernetes_changes_by_its_folder() {
        let folder = folder();
        for (version, token) in [("v1", "1"), ("v2", "2")] {
            std::fs::create_dir_all(folder.join(version)).unwrap();
            std::fs::write(folder.join(version).join("token"), token).unwrap();
        }
        std::os::unix::fs::symlink("v1", folder.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/token", folder.join("token")).unwrap();
        let (told, _runtime) = following(&folder.join("token"), Duration::from_hours(1));
        tells(&told, "1");
        std::os::unix::fs::symlink("v2", folder.join("..next")).unwrap();
        std::fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
        tells(&told, "2");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_watched_is_looked_at_now_and_then() {
        let folder = folder();
        let path = folder.join("token");
        let (told, _runtime) = following(&path, Duration::from_millis(1));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, "late").unwrap();
        tells(&told, "late");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
