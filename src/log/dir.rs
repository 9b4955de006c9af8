//! `LogDir`: the folder of log files, what may stand in it, and how much.
//!
//! ```text
//! <id>.stdout.log  <id>.stderr.log  <id>.order      one process; further segments are <id>.stdout.1.log …
//! <name>.stdout.log -> <id>.stdout.log              the newest segment of the latest process of a name (a link)
//! <boot>.lock                                       locked by the daemon whose ids begin with <boot>
//! ```
//! A user's name never becomes a path: it is spelled injectively with letters that cannot leave the folder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::OutputStream;
use super::counters::LogCounters;
use super::keeping::Kept;
use super::record::{self, LogRecord};
use super::segment::{Extent, Segment};
use super::store::Log;
use crate::custody::Custody;
use crate::degradation::Degradation;
use crate::id::ProcessId;

/// Spelled names longer than this are cut and told apart by a hash: with `.stdout.log` they stay under the 255 bytes that
/// file systems allow.
const SPELLED_NAME_BYTES_MAX: usize = 180;

/// How much output is kept.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "each says its unit and that it is a bound")]
pub(crate) struct LogLimits {
    /// Bytes kept of each stream of a process; older ones are dropped and a reader is told.
    pub(crate) file_bytes_max: u64,
    /// Bytes kept of all processes together, what followers have yet to read included; `budget` says how exactly.
    pub(crate) total_bytes_max: u64,
    /// Bytes held in memory, of all processes together, while the disk takes none; `budget` says how exactly.
    pub(crate) memory_bytes_max: u64,
    /// Files that these are in: each takes a descriptor here and in the keeper.
    pub(crate) memory_files_max: u64,
}

/// The folder and its account.
#[derive(Debug)]
pub(crate) struct LogDir {
    path: PathBuf,
    pub(crate) limits: LogLimits,
    /// Where the next worker learns what it needs to read the logs.
    pub(crate) custody: Custody,
    /// Bytes stored by all logs.
    stored: AtomicU64,
    /// Bytes of those that are in memory.
    in_memory: AtomicU64,
    /// Files that these are in.
    memory_files: AtomicU64,
    /// Guards the list of living logs; held while one is added, removed or looked for.
    logs: Mutex<HashMap<ProcessId, Weak<Log>>>,
    /// Held by one thread at a time while the budget is enforced.
    enforcing: Mutex<()>,
    /// The number that begins the ids of this daemon.
    boot: u32,
    /// Held for as long as the daemon lives; another one when the folder is made again, none while it was never of use.
    lock: Mutex<Option<File>>,
    /// Others may go through the folder.
    is_passable: AtomicBool,
    /// What is counted of all logs.
    pub(crate) counters: LogCounters,
    /// Where it is said that the folder takes no output.
    pub(crate) degradation: Arc<Degradation>,
}

impl LogDir {
    /// Opens the folder, makes it when it is missing, and sweeps out what dead daemons left there longer ago than
    /// `leftovers_age`. Workers of one daemon have the same boot number, and may be there at the same time.
    pub(crate) fn open(
        path: &Path,
        boot: u32,
        limits: LogLimits,
        leftovers_age: Duration,
        custody: Custody,
    ) -> io::Result<Arc<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = path.canonicalize()?;
        let lock = share_lock(&path, boot)?;
        sweep::sweep(&path, leftovers_age);
        Ok(Arc::new(Self::new(path, boot, limits, custody, Some(lock))))
    }

    /// Opens the folder for a worker that goes on where another has ended. Commands run, and what they print can be in memory: a
    /// folder that is of no use now is said to refuse, and tried again.
    pub(crate) fn reopen(
        path: &Path,
        boot: u32,
        limits: LogLimits,
        leftovers_age: Duration,
        custody: Custody,
    ) -> Arc<Self> {
        Self::open(path, boot, limits.clone(), leftovers_age, custody.clone()).unwrap_or_else(|error| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            let dir = Self::new(path, boot, limits, custody, None);
            dir.refused(&error);
            Arc::new(dir)
        })
    }

    fn new(path: PathBuf, boot: u32, limits: LogLimits, custody: Custody, lock: Option<File>) -> Self {
        Self {
            path,
            limits,
            custody,
            stored: AtomicU64::new(0),
            in_memory: AtomicU64::new(0),
            memory_files: AtomicU64::new(0),
            logs: Mutex::default(),
            enforcing: Mutex::new(()),
            boot,
            lock: Mutex::new(lock),
            is_passable: AtomicBool::new(false),
            counters: LogCounters::default(),
            degradation: Arc::default(),
        }
    }

    /// The absolute path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file of a stream whose first byte has offset `base`; `part` counts the files of one stream.
    pub(crate) fn create(
        &self,
        id: ProcessId,
        stream: OutputStream,
        part: u32,
        base: u64,
    ) -> io::Result<Arc<Segment>> {
        let path = self.path.join(file_name(id, stream, part));
        let file = match new_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // Somebody deleted the folder under us.
                self.restore()?;
                new_file(&path)?
            }
            result => result?,
        };
        let segment = Segment::on_disk(base, part, path, file);
        self.note(segment.record(id, stream));
        Ok(segment)
    }

    /// Makes a file in memory, number `number` of a process, for a stream's bytes from `base` on.
    pub(crate) fn create_in_memory(
        &self,
        id: ProcessId,
        stream: OutputStream,
        number: u32,
        base: u64,
    ) -> io::Result<Arc<Segment>> {
        let file = crate::sys::file::in_memory("boxd-log")?;
        let deposit = Kept::Memory(number).deposit(&self.custody, id, file.as_fd());
        let segment = Segment::in_memory(base, number, file, Some(deposit));
        self.note(segment.record(id, stream));
        Ok(segment)
    }

    /// Tells the next worker something about a log.
    pub(crate) fn note(&self, record: impl IntoIterator<Item = LogRecord>) {
        for record in record {
            self.custody.note(record::KIND, &record);
        }
    }

    /// What the folder holds of a stream: the file of this part, and its size. `None`: there is no such file.
    pub(crate) fn find(&self, id: ProcessId, stream: OutputStream, part: u32) -> Option<(PathBuf, u64)> {
        let path = self.path.join(file_name(id, stream, part));
        let size = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        Some((path, size))
    }

    /// Opens the order file of a process, if it has one.
    pub(crate) fn open_order(&self, id: ProcessId) -> Option<File> {
        File::options().read(true).write(true).open(self.order_path(id)).ok()
    }

    /// Writes the whole order file of a process and gives it back open.
    pub(crate) fn replace_order(&self, id: ProcessId, bytes: &[u8]) -> io::Result<File> {
        let (path, fresh) = (self.order_path(id), self.path.join(format!("{id}.order.new")));
        fs::remove_file(&fresh).ok();
        let file = new_file(&fresh)?;
        let written = std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0);
        written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        Ok(file)
    }

    /// Deletes the order file of a process, if it has one.
    pub(crate) fn remove_order(&self, id: ProcessId) {
        fs::remove_file(self.order_path(id)).ok();
    }

    /// Makes `<name>.<stream>.log` a link to a file of this process, the newest. Failure is logged: the link is a
    /// convenience.
    pub(crate) fn link(&self, name: &str, id: ProcessId, stream: OutputStream, part: u32) {
        let link = self.link_path(name, stream);
        let fresh = self.path.join(format!("{id}.{}.link", stream.name()));
        let target = file_name(id, stream, part);
        let result = std::os::unix::fs::symlink(target, &fresh).and_then(|()| fs::rename(&fresh, &link));
        if let Err(error) = result {
            fs::remove_file(&fresh).ok();
            tracing::debug!(process = %id, %error, "no link to the log by name");
        }
    }

    /// Takes the links of `name` away, all of them or only those to `only`.
    pub(crate) fn unlink(&self, name: &str, only: Option<ProcessId>) {
        for stream in OutputStream::BOTH {
            let link = self.link_path(name, stream);
            let ours = only.is_none_or(|id| {
                let owner = format!("{id}.");
                fs::read_link(&link)
                    .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(owner.as_bytes()))
            });
            if ours {
                fs::remove_file(&link).ok();
            }
        }
    }

    /// Counts bytes that were stored in a segment; whether they began a stretch.
    pub(crate) fn add(&self, bytes: u64, segment: &Segment, is_new: bool) {
        self.stored.fetch_add(bytes, Ordering::Relaxed);
        if segment.is_memory() {
            self.in_memory.fetch_add(bytes, Ordering::Relaxed);
            self.memory_files.fetch_add(u64::from(is_new), Ordering::Relaxed);
        }
    }

    /// Counts a stretch that was given up.
    pub(crate) fn sub(&self, extent: &Extent) {
        self.stored.fetch_sub(extent.len(), Ordering::Relaxed);
        if extent.segment.is_memory() {
            self.in_memory.fetch_sub(extent.len(), Ordering::Relaxed);
            self.memory_files.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Bytes stored by all logs.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Bytes of those that are in memory.
    pub(crate) fn stored_in_memory(&self) -> u64 {
        self.in_memory.load(Ordering::Relaxed)
    }

    /// Files in memory.
    pub(crate) fn memory_files(&self) -> u64 {
        self.memory_files.load(Ordering::Relaxed)
    }

    /// How many bytes the slowest follower of all has yet to read.
    pub(crate) fn lag(&self) -> u64 {
        let logs: Vec<Arc<Log>> = {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.values().filter_map(Weak::upgrade).collect()
        };
        logs.iter().map(|log| log.lag()).max().unwrap_or(0)
    }

    pub(super) fn register(&self, id: ProcessId, log: Weak<Log>) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, log);
    }

    pub(super) fn unregister(&self, id: ProcessId) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn order_path(&self, id: ProcessId) -> PathBuf {
        self.path.join(format!("{id}.order"))
    }

    fn link_path(&self, name: &str, stream: OutputStream) -> PathBuf {
        self.path.join(format!("{}.{}.log", spell(name), stream.name()))
    }
}

mod budget;
mod recovery;
mod sweep;

pub(super) use recovery::RETRY_AFTER;

fn file_name(id: ProcessId, stream: OutputStream, part: u32) -> String {
    match part {
        0 => format!("{id}.{}.log", stream.name()),
        n => format!("{id}.{}.{n}.log", stream.name()),
    }
}

fn lock_name(boot: u32) -> String {
    format!("{boot:08x}.lock")
}

/// Takes the lock that keeps other daemons from our files; the workers of one daemon share it.
fn share_lock(dir: &Path, boot: u32) -> io::Result<File> {
    let path = dir.join(lock_name(boot));
    let lock = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    crate::sys::file::share_lock(&lock)?;
    Ok(lock)
}

fn new_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// A name as a file name: injective, without separators, never hidden, and never the spelling of an id.
fn spell(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let looks_like_id = name.parse::<ProcessId>().is_ok();
    let mut spelled = String::with_capacity(name.len());
    for (i, b) in name.bytes().enumerate() {
        if plain(b) && !(i == 0 && (b == b'.' || looks_like_id)) {
            spelled.push(char::from(b));
        } else {
            const HEX: [u8; 16] = *b"0123456789ABCDEF";
            spelled.extend(['%', char::from(HEX[usize::from(b >> 4)]), char::from(HEX[usize::from(b & 15)])]);
        }
    }
    if spelled.len() <= SPELLED_NAME_BYTES_MAX {
        return spelled;
    }
    // '~' is never plain, so a cut name is no other name's spelling.
    let hash = fnv1a(name.as_bytes());
    spelled.truncate(SPELLED_NAME_BYTES_MAX);
    format!("{spelled}~{hash:032x}")
}

/// FNV-1a with 128 bits: stable over releases, and long names that clash do not come about by accident.
fn fnv1a(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, b| (hash ^ u128::from(*b)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_spelled_inside_the_folder() {
        #[track_caller]
        fn check(name: &str, expect: &str) {
            assert_eq!(spell(name), expect);
        }
        check("build", "build");
        check("my server_1.2", "my%20server_1.2");
        check("a/b", "a%2Fb");
        check("../../x", "%2E.%2F..%2Fx");
        check(".", "%2E");
        check("..", "%2E.");
        check("é", "%C3%A9");
        check("00000001-1", "%300000001-1");
        assert!(spell(&"n".repeat(300)).len() < 230);
        assert_ne!(spell(&"n".repeat(300)), spell(&"n".repeat(301)));
    }

    proptest! {
        #[test]
        fn no_two_names_share_a_spelling(names in proptest::collection::hash_set(".{0,6}|[.%/~a]{0,4}", 0..40)) {
            let mut seen = HashMap::new();
            for name in names {
                let spelled = spell(&name);
                prop_assert!(!spelled.contains(['/', '\0']) && !spelled.starts_with('.'));
                if let Some(other) = seen.insert(spelled, name.clone()) {
                    prop_assert_eq!(other, name);
                }
            }
        }
    }
}
