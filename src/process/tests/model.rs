//! The table and the states of its processes against a model that is simple enough to be believed, under random operations.
//!
//! No command runs: what the pump and the supervisor would report is handed in.

use proptest::prelude::*;

use super::super::limits::LimitKind;
use super::super::process::{Process, Run};
use super::super::state::{Asked, Ending, Exit, Next};
use super::*;
use crate::clock;
use crate::sys::pidfd::PidFd;

/// Finished processes that are remembered.
const REMEMBERED: usize = 3;
/// How long; and an age beyond it.
const AGE: Duration = Duration::from_mins(1);
const LONG_AGO_MS: u64 = 120_000;
/// Processes that may be running at once.
const RUNNING_MAX: usize = 2;
const NAMES: [&str; 3] = ["a", "b", "7"];
const PIDS: [u32; 3] = [7, 8, 9];

/// What happens. Numbers choose among what is there at that moment.
#[derive(Debug, Clone)]
enum Step {
    Start {
        name: usize,
        pid: usize,
        restarts: i64,
    },
    Exit {
        which: usize,
        exit: Exit,
        long_ago: bool,
    },
    Ask {
        which: usize,
        ending: Ending,
    },
    /// The timeout of the present run, or of the one before.
    TimeUp {
        which: usize,
        is_late: bool,
    },
    Restart {
        which: usize,
    },
    RestartFails {
        which: usize,
    },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let exit = prop_oneof![
        2 => Just(Exit::Code(0)),
        3 => (1..200).prop_map(Exit::Code),
        1 => Just(Exit::Signal(9)),
        1 => Just(Exit::Signal(15)),
    ];
    let ending = prop_oneof![
        2 => Just(Ending::Stop),
        2 => Just(Ending::Kill),
        1 => Just(Ending::Limit(LimitKind::Wall)),
        1 => Just(Ending::Limit(LimitKind::Output)),
    ];
    let which = 0_usize..8;
    prop_oneof![
        4 => (0..NAMES.len(), 0..PIDS.len(), -1_i64..3)
            .prop_map(|(name, pid, restarts)| Step::Start { name, pid, restarts }),
        4 => (which.clone(), exit, prop::bool::weighted(0.2))
            .prop_map(|(which, exit, long_ago)| Step::Exit { which, exit, long_ago }),
        2 => (which.clone(), ending).prop_map(|(which, ending)| Step::Ask { which, ending }),
        1 => (which.clone(), any::<bool>()).prop_map(|(which, is_late)| Step::TimeUp { which, is_late }),
        3 => which.clone().prop_map(|which| Step::Restart { which }),
        1 => which.prop_map(|which| Step::RestartFails { which }),
        1 => Just(Step::Expire),
    ]
}

/// Where a process of the model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Runs,
    Waits,
    Over,
}

/// A process as the model sees it.
#[derive(Debug)]
struct Entry {
    process: Arc<Process>,
    name: &'static str,
    pid: u32,
    restarts_left: i64,
    phase: Phase,
    runs: u32,
    asked: Option<Ending>,
    /// Status, reason and exit code as clients see them.
    shown: (&'static str, Option<&'static str>, i32),
}

impl Entry {
    fn end(&mut self, status: &'static str, reason: &'static str, code: i32) {
        self.phase = Phase::Over;
        self.shown = (status, Some(reason), code);
    }

    fn end_as_asked(&mut self, ending: Ending, code: i32) {
        match ending {
            Ending::Stop => self.end("stopped", "stopped", code),
            Ending::Kill => self.end("killed", "killed", -1),
            Ending::Timeout => self.end("killed", "timeout", -1),
            Ending::Limit(kind) => self.end("killed", Reason::Limit(kind).name(), -1),
        }
    }
}

/// The real table and the model of it, side by side.
struct Bench {
    table: Arc<ProcessTable>,
    logs: Arc<LogDir>,
    ids: IdSource,
    folder: PathBuf,
    pidfd: Arc<PidFd>,
    /// All that were ever started, in their order.
    entries: Vec<Entry>,
    /// Numbers of the finished that are remembered, the longest finished first, and whether each is too old.
    finished: Vec<(usize, bool)>,
    forgotten: Vec<usize>,
    /// The exit code of the last run, by number.
    codes: Vec<i32>,
}

impl Bench {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("boxd-model-{:016x}", fastrand::u64(..)));
        let ids = IdSource::new();
        let limits = LogLimits {
            file_bytes_max: 1 << 20,
            total_bytes_max: 1 << 30,
            memory_bytes_max: 1 << 20,
            memory_files_max: 1 << 10,
        };
        let logs = LogDir::open(&folder, ids.boot(), limits, Duration::MAX, Custody::none()).unwrap();
        let memory = Memory { count_max: REMEMBERED, age: AGE, bytes_max: usize::MAX };
        let pidfd = Arc::new(PidFd::open(std::process::id()).unwrap());
        let table = ProcessTable::new(memory, RUNNING_MAX);
        let (entries, finished, forgotten, codes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { table, logs, ids, folder, pidfd, entries, finished, forgotten, codes }
    }

    fn run(&self) -> Run {
        Run { pidfd: self.pidfd.clone(), stdin: None }
    }

    fn name_is_taken(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name && entry.phase != Phase::Over)
    }

    /// The number of one of those in this phase.
    fn pick(&self, which: usize, phases: &[Phase]) -> Option<usize> {
        let fit: Vec<usize> =
            (0..self.entries.len()).filter(|number| phases.contains(&self.entries[*number].phase)).collect();
        fit.get(which % fit.len().max(1)).copied()
    }

    fn perform(&mut self, step: &Step) {
        match *step {
            Step::Start { name, pid, restarts } => self.start(NAMES[name], PIDS[pid], restarts),
            Step::Exit { which, exit, long_ago } => {
                if let Some(number) = self.pick(which, &[Phase::Runs]) {
                    self.exit(number, exit, long_ago);
                }
            }
            Step::Ask { which, ending } => {
                if let Some(number) = self.pick(which, &[Phase::Runs, Phase::Waits, Phase::Over]) {
                    self.ask(number, ending, None);
                }
            }
            Step::TimeUp { which, is_late } => {
                if let Some(number) = self.pick(which, &[Phase::Runs, Phase::Waits]) {
                    let run = self.entries[number].runs;
                    self.ask(number, Ending::Timeout, Some(if is_late { run.wrapping_sub(1) } else { run }));
                }
            }
            Step::Restart { which } => {
                if let Some(number) = self.pick(which, &[Phase::Runs, Phase::Waits, Phase::Over]) {
                    self.restart(number);
                }
            }
            Step::RestartFails { which } => {
                if let Some(number) = self.pick(which, &[Phase::Waits]) {
                    assert!(self.entries[number].process.record_restart_failure());
                    self.entries[number].end("failed", "spawn_failed", -1);
                    self.finish(number, false);
                }
            }
            Step::Expire => {
                let forgotten = self.table.expire();
                self.forget(&forgotten, REMEMBERED);
            }
        }
    }

    fn start(&mut self, name: &'static str, pid: u32, restarts: i64) {
        let reserved = self.table.reserve(name);
        let running = self.entries.iter().filter(|entry| entry.phase != Phase::Over).count();
        let _reservation = match reserved {
            Err(Error::NameInUse { .. }) => return assert!(self.name_is_taken(name)),
            Err(Error::TooManyProcesses { .. }) => {
                return assert!(running >= RUNNING_MAX && !self.name_is_taken(name));
            }
            Err(other) => panic!("{other}"),
            Ok(reservation) => reservation,
        };
        assert!(running < RUNNING_MAX && !self.name_is_taken(name), "a name belongs to one that is not over");
        assert!(self.table.reserve(name).is_err(), "nobody else takes a name while its command is started");
        let mut spec = spec("true");
        name.clone_into(&mut spec.name);
        spec.restart = RestartPolicy { on_failure: restarts != 0, max: restarts };
        let id = self.ids.next();
        let log = crate::log::Log::new(&self.logs, id, name.to_owned());
        let process = Process::new(id, spec, log, pid, self.run());
        self.table.insert(process.clone());
        let shown = ("running", None, 0);
        let phase = Phase::Runs;
        self.entries.push(Entry {
            process,
            name,
            pid,
            restarts_left: restarts,
            phase,
            runs: 0,
            asked: None,
            shown,
        });
        self.codes.push(0);
    }

    fn exit(&mut self, number: usize, exit: Exit, long_ago: bool) {
        let at_ms = clock::now_ms() - if long_ago { LONG_AGO_MS } else { 0 };
        let next = self.entries[number].process.record_exit(exit, at_ms);
        let code = if let Exit::Code(code) = exit { code } else { -1 };
        self.codes[number] = code;
        let entry = &mut self.entries[number];
        let restarts = entry.asked.is_none() && exit != Exit::Code(0) && entry.restarts_left != 0;
        if restarts {
            entry.phase = Phase::Waits;
            assert_eq!(next, Next::Restart { attempt: entry.runs + 1 });
            return;
        }
        assert_eq!(next, Next::End);
        match (entry.asked, exit) {
            (Some(ending), _) => entry.end_as_asked(ending, code),
            (None, Exit::Code(0)) => entry.end("completed", "exited", 0),
            (None, Exit::Code(code)) => entry.end("failed", "exited", code),
            (None, Exit::Signal(_)) => entry.end("failed", "signaled", -1),
        }
        self.finish(number, long_ago);
    }

    fn ask(&mut self, number: usize, ending: Ending, run: Option<u32>) {
        let told = self.entries[number].process.ask(ending, run);
        let entry = &mut self.entries[number];
        if run.is_some_and(|run| run != entry.runs) {
            assert_eq!(told, Asked::Already, "the timeout of an earlier run ends no later one");
            return;
        }
        match entry.phase {
            Phase::Over => {
                // Its own end, and a restart that failed, are the only ends that nobody asked for.
                let was_asked = !matches!(entry.shown.1, Some("exited" | "signaled" | "spawn_failed"));
                assert_eq!(told, if was_asked { Asked::Already } else { Asked::NotRunning });
            }
            // The first limit that was met is the one that is told.
            Phase::Runs if matches!((entry.asked, ending), (Some(Ending::Limit(_)), Ending::Limit(_))) => {
                assert_eq!(told, Asked::Already);
            }
            Phase::Runs if entry.asked >= Some(ending) => assert_eq!(told, Asked::Already),
            Phase::Runs => {
                assert_eq!(told, Asked::Signal);
                entry.asked = Some(ending);
            }
            Phase::Waits => {
                assert_eq!(told, Asked::Ended);
                let code = self.codes[number];
                entry.end_as_asked(ending, code);
                self.finish(number, false);
            }
        }
    }

    fn restart(&mut self, number: usize) {
        let run = self.run();
        let entry = &mut self.entries[number];
        let was_taken = entry.process.record_restart(run);
        assert_eq!(was_taken, entry.phase == Phase::Waits, "only a process that waits for it is restarted");
        if was_taken {
            entry.phase = Phase::Runs;
            entry.runs += 1;
            entry.restarts_left -= 1;
        }
    }

    fn finish(&mut self, number: usize, long_ago: bool) {
        let forgotten = self.table.finish(&self.entries[number].process);
        self.finished.push((number, long_ago));
        // Whoever ended first is the first to go, though it is counted later.
        let ended = |number: usize| (self.entries[number].process.state().ended_boot_ms, number);
        self.finished.sort_by_key(|(number, _)| ended(*number));
        self.forget(&forgotten, REMEMBERED);
    }

    /// The longest finished go: what is too many, and at the front what is too old.
    fn forget(&mut self, told: &[Arc<Process>], most: usize) {
        let mut expected = Vec::new();
        while self.finished.len() > most || self.finished.first().is_some_and(|(_, is_old)| *is_old) {
            let (number, _) = self.finished.remove(0);
            expected.push(self.entries[number].process.id);
            self.forgotten.push(number);
        }
        let told: Vec<_> = told.iter().map(|process| process.id).collect();
        assert_eq!(told, expected);
    }

    /// Everything that a client can see.
    fn check(&self) {
        let known = |number: &usize| !self.forgotten.contains(number);
        let all: Vec<_> = self.table.all().iter().map(|process| process.id).collect();
        let expected: Vec<_> =
            (0..self.entries.len()).filter(known).map(|number| self.entries[number].process.id).collect();
        assert_eq!(all, expected);
        let latest = |fits: &dyn Fn(&Entry) -> bool| {
            let last = self.entries.iter().rposition(fits).filter(known);
            last.map(|number| self.entries[number].process.id)
        };
        let found = |text: &str, name_first| self.table.find(text, name_first).map(|process| process.id);
        for name in NAMES {
            let (by_name, by_pid) =
                (latest(&|entry| entry.name == name), latest(&|entry| entry.pid.to_string() == name));
            assert_eq!(found(name, true), by_name.or(by_pid), "{name}");
            assert_eq!(found(name, false), by_pid.or(by_name), "{name}");
            assert_eq!(self.table.knows_name(name), by_name.is_some());
        }
        for pid in &PIDS[1..] {
            assert_eq!(found(&pid.to_string(), false), latest(&|entry| entry.pid == *pid), "{pid}");
        }
        for entry in &self.entries {
            let state = entry.process.state();
            let reason = state.reason().map(Reason::name);
            assert_eq!((state.status().name(), reason, state.exit_code()), entry.shown);
            let numbers = (state.run, state.restarts, state.pid);
            assert_eq!(numbers, (entry.runs, entry.runs, entry.pid));
            assert_eq!(state.is_over(), state.ended_ms.is_some() && state.ended_boot_ms.is_some());
            assert_eq!(entry.process.run().is_some(), entry.phase == Phase::Runs);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

proptest! {
    #[test]
    fn the_table_does_what_a_simple_model_does(steps in prop::collection::vec(step(), 0..80)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.perform(step);
            bench.check();
        }
    }
}
