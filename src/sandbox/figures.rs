//! `Figures`: what the core knows in numbers at one moment, for whoever watches over the daemon.
//!
//! Totals are this worker's, since it began; the keeper's restarts and upgrades are the daemon's. Reading them looks at each process, each
//! log and the folder of uploads, so it runs where waiting is allowed.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;
use rustix::process::{Resource, getrlimit};
use smol::lock::Mutex;

use super::Sandbox;
use crate::degradation::Trouble;
use crate::log::OutputStream;
use crate::metrics::Distribution;
use crate::process::Status;

/// How long the folder of uploads is waited for: a disk that hangs holds one thread, and not the other figures.
const FOLDER_PATIENCE: Duration = Duration::from_secs(1);

/// Who looks now. A thousand who ask at once take a thread or two, not one each.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    all: Arc<Mutex<()>>,
    /// Held for as long as the folder of uploads is read.
    uploads: Arc<Mutex<()>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Figures {
    /// How often a worker was started because the one before had died.
    pub(crate) restarts: u32,
    /// When the daemon started, and when this worker did: milliseconds since 1970.
    pub(crate) started_ms: (u64, u64),
    /// What may be wrong, by its name, and whether it is.
    pub(crate) troubles: Vec<(&'static str, bool)>,
    /// Of processes.
    pub(crate) processes: ProcessFigures,
    /// Of their output.
    pub(crate) output: OutputFigures,
    /// Uploads in parts that have begun; `None`: their folder cannot be read now.
    pub(crate) uploads: Option<u64>,
    /// How many there may be.
    pub(crate) uploads_max: u64,
    /// Listings, searches and the like whose turn it is, and those that wait.
    pub(crate) searches: (u64, u64),
    /// What the operating system says of this worker.
    pub(crate) own: OwnFigures,
}

/// See `Figures`.
#[derive(Debug)]
pub(crate) struct ProcessFigures {
    /// How many are remembered that stand so.
    pub(crate) by_status: [(Status, u64); Status::ALL.len()],
    /// From the request for a process to its running command.
    pub(crate) spawn: Distribution,
    /// Requests that came to no process.
    pub(crate) failed: u64,
    /// Runs that followed another of the same process.
    pub(crate) restarts: u64,
    /// How many are over, by the reason.
    pub(crate) ended: Vec<(&'static str, u64)>,
}

/// See `Figures`. All in bytes but `gaps`.
#[derive(Debug)]
pub(crate) struct OutputFigures {
    /// What commands have printed, by the stream.
    pub(crate) printed: [(&'static str, u64); 2],
    /// What of that nothing took.
    pub(crate) lost: u64,
    /// What followers were given.
    pub(crate) followed: u64,
    /// How often a follower was told that something is missing.
    pub(crate) gaps: u64,
    /// How much that was.
    pub(crate) gap_bytes: u64,
    /// What the slowest follower has yet to read.
    pub(crate) lag: u64,
    /// What is stored on the disk.
    pub(crate) on_disk: u64,
    /// What is stored in memory, because the disk takes none.
    pub(crate) in_memory: u64,
    /// What may be stored together.
    pub(crate) stored_max: u64,
}

/// See `Figures`; `None` where the system does not say.
#[derive(Debug, Default)]
pub(crate) struct OwnFigures {
    /// CPU time.
    pub(crate) cpu: Option<Duration>,
    /// Memory in use.
    pub(crate) resident_bytes: Option<u64>,
    /// Descriptors in use.
    pub(crate) descriptors: Option<u64>,
    /// How many there may be.
    pub(crate) descriptors_max: Option<u64>,
}

impl Sandbox {
    /// What there is to be known in numbers. Who comes while another looks waits for that.
    pub(crate) async fn figures(&self) -> Figures {
        let turn = self.looks.all.lock_arc().await;
        let uploads = self.count_uploads().await;
        let this = self.clone();
        let look = move || {
            // The look's and not the client's, who may leave.
            let _turn = turn;
            this.read_figures(uploads)
        };
        blocking::unblock(look).await
    }

    /// How many uploads there are, if their folder says so in time.
    async fn count_uploads(&self) -> Option<u64> {
        let turn = self.looks.uploads.try_lock_arc()?;
        let uploads = self.uploads.clone();
        let count = blocking::unblock(move || {
            let _turn = turn;
            uploads.ids().ok().map(|ids| ids.len() as u64)
        });
        let late = async {
            Timer::after(FOLDER_PATIENCE).await;
            None
        };
        count.or(late).await
    }

    fn read_figures(&self, uploads: Option<u64>) -> Figures {
        let (logs, heavy) = (&self.supervisor.logs, &self.files.heavy);
        let troubles = Trouble::ALL.map(|trouble| (trouble.name(), logs.degradation.is_set(trouble)));
        let keeper = ("keeper", !logs.custody.is_well());
        Figures {
            restarts: self.restarts,
            started_ms: self.started_ms,
            troubles: troubles.into_iter().chain([keeper]).collect(),
            processes: self.read_processes(),
            output: self.read_output(),
            uploads,
            uploads_max: self.uploads.bounds.count_max as u64,
            searches: (heavy.working.get(), heavy.waiting.get()),
            own: OwnFigures::read(),
        }
    }

    fn read_processes(&self) -> ProcessFigures {
        let counters = &self.supervisor.counters;
        let mut by_status = Status::ALL.map(|status| (status, 0));
        for process in self.all() {
            let status = process.state().status();
            by_status.iter_mut().filter(|(known, _)| *known == status).for_each(|(_, count)| *count += 1);
        }
        ProcessFigures {
            by_status,
            spawn: counters.spawn.read(),
            failed: counters.failed.get(),
            restarts: counters.restarts.get(),
            ended: counters.ends().collect(),
        }
    }

    fn read_output(&self) -> OutputFigures {
        let logs = &self.supervisor.logs;
        let counters = &logs.counters;
        let in_memory = logs.stored_in_memory();
        OutputFigures {
            printed: OutputStream::BOTH.map(|stream| (stream.name(), counters.printed(stream).get())),
            lost: counters.lost.get(),
            followed: counters.followed.get(),
            gaps: counters.gaps.get(),
            gap_bytes: counters.gap_bytes.get(),
            lag: logs.lag(),
            on_disk: logs.stored().saturating_sub(in_memory),
            in_memory,
            stored_max: logs.limits.total_bytes_max,
        }
    }
}

impl OwnFigures {
    /// Asks `/proc`.
    pub(crate) fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").ok();
        let descriptors = std::fs::read_dir("/proc/self/fd").ok();
        Self {
            cpu: Some(cpu_time()),
            resident_bytes: status.as_deref().and_then(resident_bytes),
            // Without the one that it takes to look.
            descriptors: descriptors.map(|entries| (entries.count() as u64).saturating_sub(1)),
            descriptors_max: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The kernel tells it in KiB.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_of_itself() {
        let own = OwnFigures::read();
        assert!(own.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{own:?}");
        assert!(own.descriptors.is_some_and(|n| (3..100_000).contains(&n)), "{own:?}");
        assert!(own.cpu.is_some_and(|cpu| cpu > Duration::ZERO), "{own:?}");
    }
}
