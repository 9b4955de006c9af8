//! `ScaleFile`: holds the host's scale-to-zero off while there are processes with `keepAlive`.
//!
//! The host counts: `+` at the beginning of the file is one more reason to stay awake, `-` one less, and `=N` sets the count. Who
//! holds it is a set here; a task of its own brings the file after it, so a file that hangs or refuses holds nobody up. A worker
//! begins with `=N`, whatever an earlier one has come to say, and so does everything after a write that failed.
//!
//! Without the file's folder there is no host of that kind, and all of it does nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Timer;
use event_listener::Event;
use futures_lite::FutureExt;

use crate::custody::Custody;
use crate::degradation::{Degradation, Trouble};
use crate::id::ProcessId;

/// How long a start waits until the host knows of it. A file that takes longer is in trouble, and the command is to run.
const TELL_PATIENCE: Duration = Duration::from_secs(1);

/// A file that refused is tried again after this time, if nothing happens before.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct ScaleFile {
    /// `None`: there is no host that scales.
    path: Option<PathBuf>,
    degradation: Arc<Degradation>,
    custody: Custody,
    /// Held for a few lines at a time.
    counts: Mutex<Counts>,
    /// Somebody has begun to hold it, or let go.
    changed: Event,
    /// The file was written, or has refused.
    tried: Event,
}

#[derive(Debug, Default)]
struct Counts {
    holders: BTreeSet<ProcessId>,
    /// What the host was told last; `None`: what it knows is not known.
    told: Option<usize>,
    /// How many writes were tried.
    tries: u64,
}

impl ScaleFile {
    /// The file at `path`, if its folder is there now.
    pub(crate) fn new(path: &Path, degradation: Arc<Degradation>, custody: Custody) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = folder.is_dir().then(|| path.to_owned());
        let counts = Mutex::default();
        Self { path, degradation, custody, counts, changed: Event::new(), tried: Event::new() }
    }

    /// A process holds it from now on. Gives how many writes were tried before, for `told`: one can be tried and refused at once.
    pub(crate) fn hold(&self, id: ProcessId) -> u64 {
        let (tries, is_new) = {
            let mut counts = self.lock();
            (counts.tries, self.path.is_some() && counts.holders.insert(id))
        };
        if is_new {
            self.changed.notify(1);
        }
        tries
    }

    /// A process needs it no longer, if it did.
    pub(crate) fn let_go(&self, id: ProcessId) {
        if self.path.is_some() && self.lock().holders.remove(&id) {
            self.changed.notify(1);
        }
    }

    /// Completes when the host knows of everybody who holds it now, or the file has refused since so many tries, or that takes too long.
    pub(crate) async fn told(&self, before: u64) {
        if self.path.is_none() {
            return;
        }
        let told = async {
            loop {
                let tried = self.tried.listen();
                {
                    let counts = self.lock();
                    if counts.told == Some(counts.holders.len())
                        || (counts.tries > before && counts.told.is_none())
                    {
                        return;
                    }
                }
                tried.await;
            }
        };
        let time_up = async {
            Timer::after(TELL_PATIENCE).await;
        };
        told.or(time_up).await;
    }

    /// Tells the host, as long as the daemon runs and no other worker has taken over.
    pub(crate) async fn keep_told(self: Arc<Self>) {
        let Some(path) = self.path.clone() else { return };
        loop {
            let changed = self.changed.listen();
            if self.custody.is_retired() {
                return;
            }
            let next = self.lock().next();
            let Some((text, told)) = next else {
                changed.await;
                continue;
            };
            let (to, bytes) = (path.clone(), text.clone());
            let written = blocking::unblock(move || write(&to, bytes.as_bytes())).await;
            {
                let mut counts = self.lock();
                counts.told = written.is_ok().then_some(told);
                counts.tries += 1;
            }
            self.tried.notify(usize::MAX);
            match written {
                Ok(()) => self.degradation.clear(Trouble::ScaleFile),
                Err(error) => {
                    let reason = format!(
                        "the sandbox may be scaled to zero beside a process with keepAlive: {} cannot be written: {error}",
                        path.display()
                    );
                    self.degradation.set(Trouble::ScaleFile, reason);
                    let retry = async {
                        Timer::after(RETRY_AFTER).await;
                    };
                    changed.or(retry).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// What is to be written next, and what the host knows then. `None`: it knows.
    fn next(&self) -> Option<(String, usize)> {
        let count = self.holders.len();
        match self.told {
            None => Some((format!("={count}"), count)),
            Some(told) if told < count => Some(("+".to_owned(), told + 1)),
            Some(told) if told > count => Some(("-".to_owned(), told - 1)),
            Some(_) => None,
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not for a regular file alone: the host's is a device. A FIFO without a reader is refused.
    let mut options = File::options();
    let mut file = options.write(true).create(true).mode(0o644).custom_flags(libc::O_NONBLOCK).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdSource;

    #[test]
    fn the_host_is_told_one_by_one_and_the_count_when_it_is_unknown() {
        let ids = IdSource::new();
        let mut counts = Counts::default();
        counts.holders.extend([ids.next(), ids.next()]);
        assert_eq!(counts.next(), Some(("=2".to_owned(), 2)));
        counts.told = Some(0);
        assert_eq!(counts.next(), Some(("+".to_owned(), 1)));
        counts.told = Some(3);
        assert_eq!(counts.next(), Some(("-".to_owned(), 2)));
        counts.told = Some(2);
        assert_eq!(counts.next(), None);
    }

    #[test]
    fn a_file_is_kept_told_and_one_that_refuses_is_a_trouble() {
        let folder = std::env::temp_dir().join(format!("boxd-scale-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        let degradation = Arc::new(Degradation::default());
        let scale = Arc::new(ScaleFile::new(&path, degradation.clone(), Custody::none()));
        let (ids, content) = (IdSource::new(), || std::fs::read_to_string(&path).unwrap());
        let (one, two) = (ids.next(), ids.next());
        let tries = || scale.lock().tries;
        let work = async {
            scale.told(scale.hold(one)).await;
            assert_eq!(content(), "=1");
            scale.hold(two);
            scale.told(scale.hold(two)).await;
            assert_eq!(content(), "+1");
            scale.let_go(one);
            scale.let_go(one);
            scale.told(tries()).await;
            assert_eq!(content(), "-1");
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            scale.told(scale.hold(one)).await;
            assert_eq!(degradation.reasons().len(), 1);
            std::fs::remove_dir(&path).unwrap();
            scale.let_go(two);
            scale.told(tries()).await;
            assert_eq!((content().as_str(), degradation.reasons().len()), ("=1", 0));
        };
        smol::block_on(work.or(scale.clone().keep_told()));

        let nowhere = Arc::new(ScaleFile::new(&folder.join("absent/file"), degradation, Custody::none()));
        smol::block_on(async { nowhere.told(nowhere.hold(one)).await });
        smol::block_on(nowhere.keep_told());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_refusal_that_comes_before_anybody_waits_for_it_is_seen() {
        let folder = std::env::temp_dir().join(format!("boxd-scale-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(folder.join("file")).unwrap();
        let scale = Arc::new(ScaleFile::new(&folder.join("file"), Arc::default(), Custody::none()));
        let before = scale.hold(IdSource::new().next());
        let tried = scale.tried.listen();
        smol::block_on(tried.or(scale.clone().keep_told()));
        let told = futures_lite::future::poll_once(scale.told(before));
        assert!(smol::block_on(told).is_some(), "it waits for the next try, seconds later");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
