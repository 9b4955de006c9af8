//! `Report`: which mechanisms of the kernel boxd uses here, what is missing, and why. One builder for `GET /capabilities` and
//! `boxd doctor`.
//!
//! Nothing is guessed from versions: each is tried, or was tried when it was needed.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use crate::process::{self, Host, Place};
use crate::sys::{birth, descriptors, file, oom, pidfd, pipe};

/// With fewer descriptors than this a daemon refuses its first starts.
const DESCRIPTORS_MIN: u64 = 256;

/// The process that orphans are handed to.
const INIT_PID: u32 = 1;

/// The keeper process, as far as this process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The worker runs alone, as it was told to.
    Unwanted,
    /// A daemon with these settings would have one.
    Planned,
    /// It is there.
    Running,
    /// It has died.
    Gone,
}

impl Keeper {
    /// Whether orphans of commands are handed to it.
    fn reaps(self) -> bool {
        matches!(self, Self::Planned | Self::Running)
    }
}

/// One mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mechanism {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// It is used, or will be when it is needed.
    pub(crate) is_in_use: bool,
    /// Without it boxd cannot do its work.
    pub(crate) is_important: bool,
    /// How it is used, or why it is not and what that costs.
    pub(crate) detail: String,
}

/// One limit of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitReport {
    /// The field of the request.
    pub(crate) name: &'static str,
    /// A request for it is taken.
    pub(crate) is_enforced: bool,
    /// By what, or why not.
    pub(crate) detail: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) limits: Vec<LimitReport>,
    /// What a stop or a kill does not reach.
    pub(crate) evades_kill: Vec<&'static str>,
}

impl Report {
    /// Tries everything out. Makes and removes a file in the log folder and, the first time, control groups: call it where
    /// waiting is allowed.
    pub(crate) fn build(log_dir: &Path, keeper: Keeper) -> Self {
        let host = process::host();
        let mut mechanisms =
            vec![keeper_mechanism(keeper), pidfd_mechanism(), group_signals(), orphans(keeper)];
        mechanisms.extend(control_groups(host));
        mechanisms.extend([birth_mechanism(host), oom_score(), oom_reports(), log_folder(log_dir)]);
        mechanisms.extend([splice(log_dir), memory_files(), descriptor_limit()]);
        Self {
            mechanisms,
            limits: limits(host),
            evades_kill: vec![
                "a descendant that was orphaned (a double fork) and runs with a cleared environment, unless the process has a limit that a control group holds",
                "a process that another service was asked to start (cron, at, systemd, a container engine): it is no descendant",
                "a process in the middle of an uninterruptible system call (a hung file system): it goes when that call ends",
            ],
        }
    }

    /// Whether nothing important is missing.
    pub(crate) fn is_well(&self) -> bool {
        self.mechanisms.iter().all(|mechanism| mechanism.is_in_use || !mechanism.is_important)
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("mechanisms\n");
        let mut line = |mark: &str, name: &str, detail: &str| {
            writeln!(text, "  {mark:<8}{name:<26}{detail}").expect("a string takes all text");
        };
        for mechanism in &self.mechanisms {
            let mark = match (mechanism.is_in_use, mechanism.is_important) {
                (true, _) => "ok",
                (false, true) => "MISSING",
                (false, false) => "-",
            };
            line(mark, mechanism.name, &mechanism.detail);
        }
        line("", "", "");
        text.truncate(text.trim_end().len());
        text.push_str("\n\nlimits of a process\n");
        for limit in &self.limits {
            let mark = if limit.is_enforced { "ok" } else { "refused" };
            writeln!(text, "  {mark:<8}{:<26}{}", limit.name, limit.detail).expect("a string takes all text");
        }
        text.push_str("\nnot reached by a kill\n");
        for evader in &self.evades_kill {
            writeln!(text, "  {evader}").expect("a string takes all text");
        }
        text.push_str(if self.is_well() {
            "\nNothing important is missing.\n"
        } else {
            "\nSomething important is missing.\n"
        });
        text
    }
}

fn mechanism(name: &'static str, is_important: bool, found: Result<String, String>) -> Mechanism {
    let is_in_use = found.is_ok();
    Mechanism { name, is_in_use, is_important, detail: found.unwrap_or_else(|why| why) }
}

fn keeper_mechanism(keeper: Keeper) -> Mechanism {
    let found = match keeper {
        Keeper::Running => Ok("it holds the listeners and the pipes, and starts a worker that dies again"),
        Keeper::Planned => Ok("it will hold the listeners and the pipes, and start a worker that dies again"),
        Keeper::Unwanted => {
            Err("switched off (--no-keeper): commands lose their output when the daemon ends")
        }
        Keeper::Gone => Err("it has died: commands lose their output when this worker ends"),
    };
    mechanism("keeper", false, found.map(str::to_owned).map_err(str::to_owned))
}

fn pidfd_mechanism() -> Mechanism {
    let found = pidfd::PidFd::open(std::process::id())
        .map(|_| "exits are seen and signals sent by descriptor".to_owned())
        .map_err(|error| format!("commands cannot be watched: {error} (Linux 5.3 has it)"));
    mechanism("pidfd", true, found)
}

fn group_signals() -> Mechanism {
    let found = if pidfd::has_group_signals() {
        Ok("a process group is signalled by descriptor, also when its leader is gone".to_owned())
    } else {
        Err("a process group is signalled by number while its leader is not reaped (Linux 6.9 has it by descriptor)".to_owned())
    };
    mechanism("pidfdGroupSignals", false, found)
}

fn orphans(keeper: Keeper) -> Mechanism {
    let found = if keeper.reaps() {
        Ok("orphans of commands come to the keeper and are reaped".to_owned())
    } else if std::process::id() == INIT_PID {
        Ok("boxd is PID 1: orphans come to it and are reaped".to_owned())
    } else {
        Err("orphans go to another process, which has to reap them".to_owned())
    };
    mechanism("reapsOrphans", false, found)
}

fn control_groups(host: &Host) -> [Mechanism; 4] {
    let place = |place: &Result<Place, String>| place.as_ref().map(Place::text).map_err(Clone::clone);
    [
        mechanism("cgroupUnified", false, place(&host.unified)),
        mechanism("cgroupMemory", false, place(&host.memory)),
        mechanism("cgroupPids", false, place(&host.pids)),
        mechanism("cgroupCpu", false, place(&host.cpu)),
    ]
}

fn birth_mechanism(host: &Host) -> Mechanism {
    let found = match (&host.unified, birth::has_clone3()) {
        (Ok(_), true) => Ok("a command is born inside its group of version 2".to_owned()),
        (Ok(_), false) => {
            Err("a command moves itself before it is executed, which costs milliseconds".to_owned())
        }
        (Err(_), _) => Err("there is no group of version 2 to be born into".to_owned()),
    };
    mechanism("cloneIntoCgroup", false, found)
}

fn oom_score() -> Mechanism {
    let found = match oom::own() {
        Ok(score) if score < 0 => Ok(format!("the daemon's is {score}, commands get +500")),
        Ok(score) => {
            Err(format!("the daemon's is {score}: only a privileged user may lower it; commands get +500"))
        }
        Err(error) => Err(error.to_string()),
    };
    mechanism("oomScore", false, found)
}

fn oom_reports() -> Mechanism {
    let found = process::oom_source().map_or_else(
        || Err("the kernel does not count whom it kills for want of memory: such an end is called `signaled`".to_owned()),
        |file| Ok(format!("a SIGKILL beside which {} grows is called `oom`", file.display())),
    );
    mechanism("oomReports", false, found)
}

fn log_folder(dir: &Path) -> Mechanism {
    let found = with_file(dir, |_| Ok(()))
        .map(|()| dir.display().to_string())
        .map_err(|error| format!("output is kept in memory and then dropped: {}: {error}", dir.display()));
    mechanism("logFolder", true, found)
}

fn splice(dir: &Path) -> Mechanism {
    let moved = with_file(dir, |file| {
        let (read, write) = pipe::output_pipe()?;
        rustix::io::write(&write, b"x")?;
        pipe::splice_to_file(&read, file, 0, 1).map(drop)
    });
    let found = moved
        .map(|()| "output goes from pipes to files inside the kernel".to_owned())
        .map_err(|error| format!("output is copied through the daemon: {error}"));
    mechanism("splice", false, found)
}

fn memory_files() -> Mechanism {
    let found = file::in_memory("boxd-probe")
        .map(|_| "output goes to memory while the disk takes none".to_owned())
        .map_err(|error| format!("output is dropped while the disk takes none: {error}"));
    mechanism("memfd", false, found)
}

fn descriptor_limit() -> Mechanism {
    let limit = descriptors::limit();
    let found = if limit >= DESCRIPTORS_MIN {
        Ok(format!("{limit} for the daemon, which a running command takes three or four of"))
    } else {
        Err(format!("{limit} are too few: raise the hard limit to {DESCRIPTORS_MIN} at least"))
    };
    mechanism("descriptors", true, found)
}

fn limits(host: &Host) -> Vec<LimitReport> {
    let held = |name, place: &Result<Place, String>| LimitReport {
        name,
        is_enforced: place.is_ok(),
        detail: place.as_ref().map_or_else(Clone::clone, |place| format!("control group, {}", place.text())),
    };
    let watched = |name, by: &str| LimitReport { name, is_enforced: true, detail: by.to_owned() };
    let cpu = match &host.cpu {
        Ok(place) => {
            format!("counted by a control group, {}, looked at when it can be used up", place.text())
        }
        Err(_) => "summed over the tree in /proc; orphans that have ended are not in the sum".to_owned(),
    };
    vec![
        held("memoryBytes", &host.memory),
        watched("cpuSeconds", &cpu),
        held("pids", &host.pids),
        watched("wallSeconds", "timer"),
        watched("outputBytes", "log"),
        watched("idleSeconds", "log and timer"),
    ]
}

/// Does something with a new file in a folder, which is made if need be, and removes the file.
fn with_file(dir: &Path, work: impl FnOnce(&fs::File) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let path = dir.join(format!(".probe-{}-{:08x}", std::process::id(), fastrand::u32(..)));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let result = work(&file);
    fs::remove_file(&path)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_takes_no_files_is_important() {
        let folder = std::env::temp_dir().join(format!("boxd-doctor-{:016x}", fastrand::u64(..)));
        let well = Report::build(&folder, Keeper::Unwanted);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
        fs::remove_dir(&folder).unwrap();
        assert!(well.is_well(), "{}", well.text());
        assert!(well.text().contains("  -       keeper "), "{}", well.text());
        let ill = Report::build(Path::new("/proc/nowhere"), Keeper::Running);
        assert!(!ill.is_well());
        assert!(ill.text().contains("  MISSING logFolder"), "{}", ill.text());
        assert!(ill.text().contains("  ok      keeper                    it holds"), "{}", ill.text());
    }
}
