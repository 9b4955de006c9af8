//! `Host`: which limits the kernel can hold for this user here. Found out by trying, once, when it is first asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Once};
use std::time::Duration;

use async_io::Timer;

use super::layout::Layout;
use super::{LimitKind, Limits};
use crate::error::{Error, Result};

/// The version of the hierarchy that a controller is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// A hierarchy of its own.
    V1,
    /// The unified one.
    V2,
}

/// Where groups for one controller are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) version: Version,
    /// The group of the daemon: what it may not exceed, no process may.
    pub(crate) parent: PathBuf,
}

impl Place {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let version = match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        };
        format!("version {version}, {}", self.parent.display())
    }
}

/// What can be used, and why not the rest.
#[derive(Debug)]
pub(crate) struct Host {
    /// The unified hierarchy, with or without controllers: it kills and counts whole trees.
    pub(crate) unified: Result<Place, String>,
    /// For `memoryBytes`.
    pub(crate) memory: Result<Place, String>,
    /// For `pids`.
    pub(crate) pids: Result<Place, String>,
    /// For `cpuSeconds`.
    pub(crate) cpu: Result<Place, String>,
}

/// The start of the name of every group of a process; its id follows.
pub(super) const PREFIX: &str = "boxd-";

/// The group that the daemon moves into when its own one must not hold processes.
const DAEMON_GROUP: &str = "boxd.daemon";

/// How often what is in that group is moved. What forks all the time may have left a child behind each time.
const MOVES_MAX: u32 = 10;

/// The person who started the daemon wants no groups.
static IS_OFF: AtomicBool = AtomicBool::new(false);

static HOST: LazyLock<Host> = LazyLock::new(Host::probe);

/// The host. The first call makes and removes a group in each hierarchy.
pub(crate) fn host() -> &'static Host {
    &HOST
}

/// Removes what dead daemons left, the first time. Not before the groups of this daemon's last worker are taken over: one whose
/// process is between two runs, or has met its limit and was not asked about, is as empty as what nobody needs.
///
/// Two looks, `TAKEN_OVER_WITHIN` apart: a group that is empty and nobody's may be another daemon's whose worker was killed a moment
/// ago, and which the next one is about to take over.
pub(crate) fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        let candidates = host().abandoned();
        if candidates.is_empty() {
            return;
        }
        let look_again = move || {
            async_io::block_on(Timer::after(TAKEN_OVER_WITHIN));
            for group in &candidates {
                remove_abandoned(group);
            }
        };
        // Without a thread they stay until the next daemon's first limit.
        std::thread::Builder::new().name("boxd-sweep".to_owned()).spawn(look_again).ok();
    });
}

/// A worker that was killed is followed by another after 5 s at most, which takes its groups over.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

/// Removes a group if it is empty and nobody's.
fn remove_abandoned(group: &Path) {
    if let Some(_taken) = super::control_group::take_abandoned(group) {
        fs::remove_dir(group).ok();
    }
}

/// Makes the host one without control groups. Before it is first asked for.
pub(crate) fn without_groups() {
    IS_OFF.store(true, Ordering::Relaxed);
}

impl Host {
    /// Refuses limits that nothing here can hold.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        let memory = limits.memory_bytes.map(|_| ("memoryBytes", &self.memory));
        let pids = limits.pids.map(|_| ("pids", &self.pids));
        for (limit, place) in [memory, pids].into_iter().flatten() {
            if let Err(why) = place {
                return Err(Error::LimitUnavailable { limit, why: why.clone() });
            }
        }
        Ok(())
    }

    /// Where the controller of a limit is; `None` when it needs none or has none.
    pub(super) fn place(&self, kind: LimitKind) -> Option<&Place> {
        match kind {
            LimitKind::Memory => self.memory.as_ref().ok(),
            LimitKind::Pids => self.pids.as_ref().ok(),
            LimitKind::Cpu => self.cpu.as_ref().ok(),
            LimitKind::Wall | LimitKind::Output | LimitKind::Idle => None,
        }
    }

    fn probe() -> Self {
        if IS_OFF.load(Ordering::Relaxed) {
            let off = || Err("control groups are switched off (--no-cgroups)".to_owned());
            return Self { unified: off(), memory: off(), pids: off(), cpu: off() };
        }
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let mut layout = Layout::parse(&read("cgroup"), &read("mountinfo"));
        // An earlier worker moved down: groups are made where it made them.
        if let Some(own) = layout.unified.as_mut().filter(|own| own.ends_with(DAEMON_GROUP)) {
            own.pop();
        }
        Self::of(&layout)
    }

    fn of(layout: &Layout) -> Self {
        let unified = match &layout.unified {
            None => Err("no version 2 hierarchy of control groups is mounted".to_owned()),
            Some(own) => try_out(own, &["cgroup.procs"], "").map(|()| own.clone()),
        };
        Self {
            memory: controller(layout, &unified, "memory", ["memory.max", "memory.limit_in_bytes"]),
            pids: controller(layout, &unified, "pids", ["pids.max", "pids.max"]),
            cpu: match &unified {
                Ok(parent) => Ok(Place { version: Version::V2, parent: parent.clone() }),
                Err(_) => version_1(layout, "cpuacct", "cpuacct.usage"),
            },
            unified: unified.map(|parent| Place { version: Version::V2, parent }),
        }
    }

    /// The groups that daemons left which are gone. One with a process in it, or of a daemon that lives, is none.
    fn abandoned(&self) -> Vec<PathBuf> {
        let places = [&self.unified, &self.memory, &self.pids, &self.cpu];
        let folders = places.into_iter().flatten().map(|place| fs::read_dir(&place.parent));
        let entries = folders.flatten().flatten().flatten();
        let is_ours = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            id.is_some_and(|id| id.parse::<crate::id::ProcessId>().is_ok())
        };
        let is_abandoned = |path: &PathBuf| super::control_group::take_abandoned(path).is_some();
        entries.filter(is_ours).map(|entry| entry.path()).filter(is_abandoned).collect()
    }

    /// Removes them at once.
    #[cfg(test)]
    pub(super) fn sweep(&self) {
        for group in self.abandoned() {
            remove_abandoned(&group);
        }
    }
}

fn controller(
    layout: &Layout,
    unified: &Result<PathBuf, String>,
    name: &str,
    files: [&str; 2],
) -> Result<Place, String> {
    let Some(own) = &layout.unified else { return version_1(layout, name, files[1]) };
    if !words(&own.join("cgroup.controllers")).any(|word| word == name) {
        return version_1(layout, name, files[1]).map_err(|why| {
            format!("{why}; and version 2 does not offer it to the daemon's group {}", own.display())
        });
    }
    let own = unified.as_ref().map_err(Clone::clone)?;
    pass_on(own, name).map_err(|error| {
        format!("the controller `{name}` cannot be passed on by {}: {error}", own.display())
    })?;
    try_out(own, &[files[0]], name)?;
    Ok(Place { version: Version::V2, parent: own.clone() })
}

fn version_1(layout: &Layout, name: &str, file: &str) -> Result<Place, String> {
    let Some(own) = layout.v1.get(name) else {
        return Err(format!("no control group hierarchy with the controller `{name}` is mounted"));
    };
    try_out(own, &["tasks", file], name)?;
    Ok(Place { version: Version::V1, parent: own.clone() })
}

/// Makes a group inside `own`, looks whether its files can be written, and removes it.
fn try_out(own: &Path, files: &[&str], controller: &str) -> Result<(), String> {
    let group = own.join(format!("boxd.probe-{}-{controller}", std::process::id()));
    let result = fs::create_dir(&group)
        .map_err(|error| format!("no control group can be made in {}: {error}", own.display()))
        .and_then(|()| {
            files.iter().try_for_each(|file| {
                let opened = fs::OpenOptions::new().write(true).open(group.join(file));
                opened
                    .map(drop)
                    .map_err(|error| format!("`{file}` cannot be written below {}: {error}", own.display()))
            })
        });
    fs::remove_dir(&group).ok();
    result
}

/// Lets the groups inside `own` have a controller.
///
/// Version 2 refuses that as long as the group has processes itself, but for the root. A group that is the daemon's alone, as a
/// container's or a service's is, is emptied: its processes move one level down.
fn pass_on(own: &Path, name: &str) -> io::Result<()> {
    let control = own.join("cgroup.subtree_control");
    if words(&control).any(|word| word == name) {
        return Ok(());
    }
    let enable = || fs::write(&control, format!("+{name}"));
    let make_room = || {
        let lower = own.join(DAEMON_GROUP);
        if let Err(error) = fs::create_dir(&lower)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        let pids: Vec<u32> = words(&own.join("cgroup.procs")).filter_map(|word| word.parse().ok()).collect();
        if !super::super::tree::are_ours(&pids) {
            return Err(io::Error::other("it holds processes that are not the daemon's"));
        }
        for pid in pids {
            // One that has ended meanwhile is in no group.
            fs::write(lower.join("cgroup.procs"), pid.to_string()).ok();
        }
        Ok(())
    };
    until_free(enable, make_room)
}

/// Makes room as long as a group is busy: what one of its processes has started since the look at them is still there, and one
/// that ended since then is nobody's.
fn until_free(
    mut enable: impl FnMut() -> io::Result<()>,
    mut make_room: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let mut refused = None;
    for _ in 0..MOVES_MAX {
        match enable() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            result => return result,
        }
        refused = make_room().err();
    }
    enable().map_err(|busy| refused.unwrap_or(busy))
}

fn words(file: &Path) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_is_refused_with_the_reason() {
        let host = Host::of(&Layout::default());
        let limits = Limits { memory_bytes: Some(1 << 20), ..Limits::default() };
        let text = host.check(&limits).unwrap_err().to_string();
        assert_eq!(
            text,
            "the limit memoryBytes cannot be enforced here: no control group hierarchy with the controller `memory` is mounted"
        );
        let limits = Limits { pids: Some(1), ..Limits::default() };
        assert!(host.check(&limits).unwrap_err().to_string().contains("pids"));
        // The supervisor holds these.
        let second = Some(Duration::from_secs(1));
        let limits =
            Limits { cpu: second, wall: second, idle: second, output_bytes: Some(1), ..Limits::default() };
        host.check(&limits).unwrap();
    }

    #[test]
    fn a_group_that_is_still_busy_is_emptied_again() {
        #[track_caller]
        fn check(busy: u32, refusals: u32, expect: Result<(), &str>) {
            let (left, moves) = (std::cell::Cell::new(busy), std::cell::Cell::new(0));
            let enable = || if left.get() == 0 { Ok(()) } else { Err(io::ErrorKind::ResourceBusy.into()) };
            let make_room = || {
                moves.set(moves.get() + 1);
                if moves.get() <= refusals {
                    return Err(io::Error::other("not ours"));
                }
                left.set(left.get() - 1);
                Ok(())
            };
            let result = until_free(enable, make_room).map_err(|error| error.to_string());
            assert_eq!(result, expect.map_err(str::to_owned));
        }
        check(0, 0, Ok(()));
        check(1, 0, Ok(()));
        check(3, 2, Ok(()));
        check(MOVES_MAX, 0, Ok(()));
        check(MOVES_MAX + 1, 0, Err("resource busy"));
        check(1, MOVES_MAX, Err("not ours"));
    }

    #[test]
    fn a_folder_that_takes_no_groups_is_no_place() {
        let layout = Layout {
            unified: Some("/proc/self".into()),
            v1: [("memory".to_owned(), PathBuf::from("/nonexistent"))].into(),
        };
        let host = Host::of(&layout);
        assert!(host.unified.unwrap_err().starts_with("no control group can be made in /proc/self: "));
        assert!(host.memory.unwrap_err().starts_with("no control group can be made in /nonexistent: "));
    }
}
