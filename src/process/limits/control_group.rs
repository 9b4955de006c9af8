//! `ControlGroup`: the groups of one process, one in each hierarchy that is needed, named after boxd's id of it.
//!
//! The same call makes them and finds them again, so a later worker that was handed a process can go on. As long as a daemon
//! lives that minds a group, it holds a lock on its folder; a group without one that is empty was left by a dead daemon.
//! Counters are the kernel's and start at zero with the group.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::host::{Host, PREFIX, Version};
use super::{LimitKind, Limits};
use crate::error::{Error, Result};
use crate::id::ProcessId;
use crate::sys::birth::Entrances;
use crate::sys::file::{share_lock, try_lock};
use crate::sys::readiness::KernelFiles;

/// Between the making of a folder and its lock another daemon may take it for abandoned. It has it for two system calls.
const ATTEMPTS_MAX: usize = 1000;

/// The kernel takes up to so much of a group's memory at once (64 pages): a full group may lack that.
const CHARGE_BYTES_MAX: u64 = 256 * 1024;

/// What a clock tick of `cpuacct.stat` lasts: `USER_HZ`, which is 100 on every architecture that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// A group in one hierarchy.
#[derive(Debug)]
struct Folder {
    version: Version,
    path: PathBuf,
    /// Open and locked as long as the folder is there: the process is remembered for longer.
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// Removes the folder, and lets the lock go with it.
    fn remove(&self) -> bool {
        let is_gone = is_removed(&self.path);
        if is_gone {
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        is_gone
    }
}

/// The groups of one process.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    /// The unified one first, if there is one.
    folders: Vec<Folder>,
    /// Which of the folders counts what.
    memory: Option<usize>,
    pids: Option<usize>,
    cpu: Option<usize>,
    /// How many processes of it the kernel had killed for want of memory when that was last asked.
    oom_kills: AtomicU64,
    /// The last reading before the folders went. Held for a line.
    last: Mutex<GroupUsage>,
}

/// What the tree has used, as its group counts it. `None`: the group does not count that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupUsage {
    /// CPU time outside of the kernel and inside, of everything that ever was in the group.
    pub(crate) cpu: Option<(Duration, Duration)>,
    /// Memory of the processes now.
    pub(crate) rss_bytes: Option<u64>,
    /// The most memory so far, the page cache included.
    pub(crate) peak_bytes: Option<u64>,
}

impl ControlGroup {
    /// Those of a process to be started. Only one with such limits has any.
    pub(crate) fn of(id: ProcessId, limits: &Limits) -> Result<Option<Arc<Self>>> {
        if !limits.want_group() {
            return Ok(None);
        }
        super::sweep_once();
        Ok(Self::open(super::host(), id, limits)?.map(Arc::new))
    }

    /// Makes the groups that the limits need, or finds those that were made before, and sets the limits.
    pub(crate) fn open(host: &Host, id: ProcessId, limits: &Limits) -> Result<Option<Self>> {
        host.check(limits)?;
        if !limits.want_group() {
            return Ok(None);
        }
        let mut group = Self {
            folders: Vec::new(),
            memory: None,
            pids: None,
            cpu: None,
            oom_kills: AtomicU64::new(0),
            last: Mutex::default(),
        };
        let made = group.make(host, id, limits);
        match made {
            Ok(()) if group.folders.is_empty() => Ok(None),
            Ok(()) => Ok(Some(group)),
            Err(source) => {
                let path = group.folders.last().map(|folder| folder.path.clone()).unwrap_or_default();
                group.remove();
                Err(Error::Spawn { action: "cannot make the control group", path, source })
            }
        }
    }

    /// Whether there is any group of this process, made by whichever worker.
    pub(crate) fn is_there(host: &Host, id: ProcessId) -> bool {
        let places = [&host.unified, &host.memory, &host.pids, &host.cpu];
        places.into_iter().flatten().any(|place| place.parent.join(name(id)).exists())
    }

    fn make(&mut self, host: &Host, id: ProcessId, limits: &Limits) -> io::Result<()> {
        let name = name(id);
        let mut at: HashMap<PathBuf, usize> = HashMap::new();
        let mut enter = |folders: &mut Vec<Folder>, version: Version, parent: &Path| -> io::Result<usize> {
            let path = parent.join(&name);
            if let Some(n) = at.get(&path) {
                return Ok(*n);
            }
            let lock = make_and_lock(&path)?;
            folders.push(Folder { version, path: path.clone(), lock: Mutex::new(Some(lock)) });
            at.insert(path, folders.len() - 1);
            Ok(folders.len() - 1)
        };
        if let Ok(place) = &host.unified {
            enter(&mut self.folders, place.version, &place.parent)?;
        }
        let wanted = [
            (LimitKind::Memory, limits.memory_bytes.is_some(), &mut self.memory),
            (LimitKind::Pids, limits.pids.is_some(), &mut self.pids),
            // Counted for whoever asks for the statistics, where it costs no further group.
            (LimitKind::Cpu, limits.cpu.is_some() || host.unified.is_ok(), &mut self.cpu),
        ];
        for (kind, is_wanted, slot) in wanted {
            if let Some(place) = host.place(kind).filter(|_| is_wanted) {
                *slot = Some(enter(&mut self.folders, place.version, &place.parent)?);
            }
        }
        if let (Some(bytes), Some(folder)) = (limits.memory_bytes, self.at(self.memory)) {
            set_memory(folder, bytes)?;
        }
        if let (Some(pids), Some(folder)) = (limits.pids, self.at(self.pids)) {
            fs::write(folder.path.join("pids.max"), pids.to_string())?;
        }
        Ok(())
    }

    /// The ways in for a new process.
    pub(crate) fn entrances(&self) -> io::Result<Entrances> {
        let mut entrances = Entrances::default();
        let write = |path: PathBuf| OpenOptions::new().write(true).open(path).map(OwnedFd::from);
        for folder in &self.folders {
            match folder.version {
                Version::V2 => {
                    entrances.unified = Some(File::open(&folder.path)?.into());
                    entrances.unified_procs = Some(write(folder.path.join("cgroup.procs"))?);
                }
                Version::V1 => entrances.tasks.push(write(folder.path.join("tasks"))?),
            }
        }
        Ok(entrances)
    }

    /// The pids of the living processes in it: nothing that a process does takes it out.
    pub(crate) fn members(&self) -> HashSet<u32> {
        let mut members = HashSet::new();
        for folder in &self.folders {
            let text = fs::read_to_string(folder.path.join("cgroup.procs")).unwrap_or_default();
            members.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        members
    }

    /// Kills everything in it at once, where the kernel can (version 2, Linux 5.14).
    pub(crate) fn kill(&self) {
        for folder in self.folders.iter().filter(|folder| folder.version == Version::V2) {
            fs::write(folder.path.join("cgroup.kill"), "1").ok();
        }
    }

    /// Which limit the kernel says was met.
    pub(crate) fn exceeded(&self) -> Option<LimitKind> {
        if let Some(folder) = self.at(self.memory)
            && oom_kills(folder) > 0
            && met_own_limit(folder)
        {
            return Some(LimitKind::Memory);
        }
        let pids = self.at(self.pids)?;
        let is_refused = number_after(&pids.path.join("pids.events"), "max") > 0;
        (is_refused && was_full(pids)).then_some(LimitKind::Pids)
    }

    /// Whether the kernel has killed something in it for want of memory since this was last asked. `None`: it does not tell.
    pub(crate) fn lost_to_oom(&self) -> Option<bool> {
        let kills = oom_kills(self.at(self.memory)?);
        Some(kills > self.oom_kills.swap(kills, Ordering::Relaxed))
    }

    /// What the tree has used so far; after the end of the groups what it had used by then.
    pub(crate) fn usage(&self) -> GroupUsage {
        let now = GroupUsage {
            cpu: self.at(self.cpu).and_then(cpu),
            rss_bytes: self.at(self.memory).and_then(rss),
            peak_bytes: self.at(self.memory).and_then(|folder| {
                let file = by_version(folder, "memory.peak", "memory.max_usage_in_bytes");
                fs::read_to_string(folder.path.join(file)).ok()?.trim().parse().ok()
            }),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.cpu = now.cpu.or(last.cpu);
        last.peak_bytes = now.peak_bytes.or(last.peak_bytes);
        GroupUsage { rss_bytes: now.rss_bytes, ..*last }
    }

    /// The CPU time that it counts, if it does.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.at(self.cpu).and_then(cpu).map(|(user, system)| user + system)
    }

    /// What tells when a limit is met, and when the last process has gone.
    pub(crate) fn events(&self) -> io::Result<KernelFiles> {
        let mut files = KernelFiles::new()?;
        for folder in self.folders.iter().filter(|folder| folder.version == Version::V2) {
            files.add_file(&folder.path.join("cgroup.events"))?;
        }
        if let Some(folder) = self.at(self.pids).filter(|folder| folder.version == Version::V2) {
            files.add_file(&folder.path.join("pids.events"))?;
        }
        match self.at(self.memory) {
            Some(folder) if folder.version == Version::V2 => {
                files.add_file(&folder.path.join("memory.events"))?;
            }
            Some(folder) => {
                let control = File::open(folder.path.join("memory.oom_control"))?;
                let counter = files.add_counter()?;
                let (counter, control) =
                    (crate::sys::file::number(counter), crate::sys::file::number(&control));
                fs::write(folder.path.join("cgroup.event_control"), format!("{counter} {control}"))?;
            }
            None => {}
        }
        Ok(files)
    }

    /// Whether the kernel tells nobody when a fork is refused, as in version 1.
    pub(crate) fn refuses_silently(&self) -> bool {
        self.at(self.pids).is_some_and(|folder| folder.version == Version::V1)
    }

    /// Whether its memory is counted by version 1, which tells of a want of memory before the kernel has killed for it.
    pub(crate) fn tells_early(&self) -> bool {
        self.at(self.memory).is_some_and(|folder| folder.version == Version::V1)
    }

    /// Removes the groups; false while a process is in one. What they counted stays known.
    pub(crate) fn remove(&self) -> bool {
        self.usage();
        // All of them are tried: one that is gone is as good as removed.
        self.folders.iter().filter(|folder| !folder.remove()).count() == 0
    }

    fn at(&self, folder: Option<usize>) -> Option<&Folder> {
        self.folders.get(folder?)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // A start that failed leaves nothing.
        self.remove();
    }
}

/// Takes a group that nobody minds. As long as the answer lives nobody begins to mind it.
pub(super) fn take_abandoned(path: &Path) -> Option<File> {
    let folder = File::open(path).ok()?;
    try_lock(&folder).unwrap_or(false).then_some(folder)
}

fn name(id: ProcessId) -> String {
    format!("{PREFIX}{id}")
}

fn make_and_lock(path: &Path) -> io::Result<File> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let opened = File::open(path).and_then(|folder| {
            // Shared with a worker that has retired and still serves its streams.
            share_lock(&folder)?;
            // Removed before it was locked?
            fs::metadata(path).map(|_| folder)
        });
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS_MAX => {}
            // Whoever has it alone looks whether it is abandoned, and is about to remove it or to let go.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if attempt == ATTEMPTS_MAX {
                    // A worker of an earlier release minds it, which shares with nobody.
                    return File::open(path);
                }
                std::thread::yield_now();
            }
            result => return result,
        }
    }
}

fn set_memory(folder: &Folder, bytes: u64) -> io::Result<()> {
    let write = |file: &str, text: &str| fs::write(folder.path.join(file), text);
    let bytes = bytes.to_string();
    write(by_version(folder, "memory.max", "memory.limit_in_bytes"), &bytes)?;
    // Without swap there is no such file; with it the limit would only push memory out.
    match folder.version {
        Version::V1 => write("memory.memsw.limit_in_bytes", &bytes).ok(),
        Version::V2 => {
            // One that is killed takes the others with it. The supervisor does that as well, a moment later.
            write("memory.oom.group", "1").ok();
            write("memory.swap.max", "0").ok()
        }
    };
    Ok(())
}

fn oom_kills(folder: &Folder) -> u64 {
    number_after(&folder.path.join(by_version(folder, "memory.events", "memory.oom_control")), "oom_kill")
}

/// Whether the group met its own limit, not that of a group above it.
fn met_own_limit(folder: &Folder) -> bool {
    if folder.version == Version::V2 {
        return number_after(&folder.path.join("memory.events"), "max") > 0;
    }
    let number = |file: &str| fs::read_to_string(folder.path.join(file)).ok()?.trim().parse::<u64>().ok();
    let has_failed = number("memory.failcnt").is_some_and(|times| times > 0);
    // Where memory and swap have the same limit, the kernel (6.18) counts no failure of either.
    let is_full = number("memory.max_usage_in_bytes")
        .zip(number("memory.limit_in_bytes"))
        .is_some_and(|(peak, limit)| peak.saturating_add(CHARGE_BYTES_MAX) >= limit);
    has_failed || is_full
}

/// Whether a group had as many processes as it may have. The kernel counts a refused fork in the group of who forked, also when
/// it was a group above that was full. An older kernel has no `pids.peak`: it does not tell.
fn was_full(folder: &Folder) -> bool {
    let number = |file: &str| fs::read_to_string(folder.path.join(file)).ok()?.trim().parse::<u64>().ok();
    number("pids.peak").zip(number("pids.max")).is_none_or(|(peak, max)| peak >= max)
}

fn cpu(folder: &Folder) -> Option<(Duration, Duration)> {
    match folder.version {
        Version::V2 => {
            let text = fs::read_to_string(folder.path.join("cpu.stat")).ok()?;
            let time = |name| find(&text, name).map(Duration::from_micros);
            Some((time("user_usec")?, time("system_usec")?))
        }
        Version::V1 => {
            let text = fs::read_to_string(folder.path.join("cpuacct.stat")).ok()?;
            let time = |name| find(&text, name).map(|ticks| TICK * u32::try_from(ticks).unwrap_or(u32::MAX));
            Some((time("user")?, time("system")?))
        }
    }
}

fn rss(folder: &Folder) -> Option<u64> {
    let text = fs::read_to_string(folder.path.join("memory.stat")).ok()?;
    let names = match folder.version {
        Version::V2 => ["anon", "file_mapped"],
        Version::V1 => ["total_rss", "total_mapped_file"],
    };
    Some(find(&text, names[0])? + find(&text, names[1]).unwrap_or_default())
}

fn by_version<'a>(folder: &Folder, v2: &'a str, v1: &'a str) -> &'a str {
    match folder.version {
        Version::V2 => v2,
        Version::V1 => v1,
    }
}

fn number_after(path: &Path, name: &str) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| find(&text, name)).unwrap_or_default()
}

/// The number behind a name in a file of lines `name number`.
pub(super) fn find(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn is_removed(path: &Path) -> bool {
    match fs::remove_dir(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 1\noom_kill 3\n";
        assert_eq!(
            (find(text, "oom_kill"), find(text, "under_oom"), find(text, "oom")),
            (Some(3), Some(1), None)
        );
        let text = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(
            (find(text, "max"), find(text, "oom"), find(text, "oom_kill")),
            (Some(12), Some(1), Some(1))
        );
    }
}
