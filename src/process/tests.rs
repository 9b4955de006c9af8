//! The engine through its door: real commands, no HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;

use super::supervise::Supervisor;
use super::table::{Memory, ProcessTable};
use super::*;
use crate::custody::Custody;
use crate::environment::Environment;
use crate::error::Error;
use crate::id::IdSource;
use crate::log::{Follower, Item, LogDir, LogLimits, Output, OutputStream, Position, Pump};
use crate::network::Monitors;
use crate::network::tunnel::Tunnel;
use crate::runtime::Runtime;
use crate::scale_file::ScaleFile;

mod forgetting;
mod model;

/// An engine with a log folder of its own.
pub(super) struct Engine {
    folder: PathBuf,
    pub(super) supervisor: Arc<Supervisor>,
}

impl Engine {
    pub(super) fn new() -> Self {
        Self::remembering(100)
    }

    fn remembering(finished_max: usize) -> Self {
        Self::with_memory(Memory { count_max: finished_max, age: Duration::MAX, bytes_max: usize::MAX })
    }

    fn with_memory(memory: Memory) -> Self {
        Self::with_bounds(memory, usize::MAX)
    }

    fn with_bounds(memory: Memory, running_max: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("boxd-engine-{:016x}", fastrand::u64(..)));
        let ids = IdSource::new();
        let limits = LogLimits {
            file_bytes_max: 1 << 20,
            total_bytes_max: 1 << 30,
            memory_bytes_max: 1 << 20,
            memory_files_max: 1 << 10,
        };
        let logs = LogDir::open(&folder, ids.boot(), limits, Duration::MAX, Custody::none()).unwrap();
        let runtime = Runtime::start(1).unwrap();
        let supervisor = Arc::new(Supervisor {
            ids,
            table: ProcessTable::new(memory, running_max),
            pump: Pump::start(1, Box::new(runtime.clone())).unwrap(),
            logs,
            shell: Shell::find("sh".into(), vec!["-c".to_owned()], std::env::var_os("PATH")),
            scale_file: Arc::new(ScaleFile::new(
                Path::new("/nonexistent/scale"),
                Arc::default(),
                Custody::none(),
            )),
            user: None,
            environment: Arc::new(Environment::open(std::env::vars_os(), Custody::none(), &[])),
            runtime,
            signalling: crate::underway::Underway::default(),
            gate: Gate::default(),
            intents: Intents::default(),
            adopted: Adopted::default(),
            monitors: Monitors::new(Custody::none()),
            tunnel: Tunnel::new(Custody::none()),
            attempt: crate::attempt::Attempt::new(Custody::none(), None),
            counters: ProcessCounters::default(),
        });
        Self { folder, supervisor }
    }

    pub(super) fn start(&self, spec: ProcessSpec) -> crate::error::Result<Arc<Process>> {
        within(self.supervisor.start(spec)).map(|started| started.process)
    }

    pub(super) fn run(&self, command: &str) -> Arc<Process> {
        let process = self.start(spec(command)).unwrap();
        within(process.over());
        process
    }

    pub(super) fn end(&self, process: &Arc<Process>, wanted: EndRequest) {
        within(self.supervisor.end(process, wanted, "it")).unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Everything here is over in moments; a minute means that it hangs.
pub(super) fn within<T>(future: impl Future<Output = T>) -> T {
    let hangs = async {
        async_io::Timer::after(Duration::from_mins(1)).await;
        panic!("it hangs")
    };
    smol::block_on(futures_lite::future::or(future, hangs))
}

pub(super) fn spec(command: &str) -> ProcessSpec {
    ProcessSpec {
        name: format!("test-{:016x}", fastrand::u64(..)),
        command: command.to_owned(),
        working_dir: "/".into(),
        env: Vec::new(),
        stdin: false,
        timeout: None,
        restart: RestartPolicy { on_failure: false, max: 0 },
        keep_alive: false,
        origin: Origin::Client,
        limits: Limits::default(),
    }
}

/// All output of a process that is over.
fn output(process: &Process) -> (String, String) {
    let follower = Follower::attach(process.log.clone(), Position::default());
    let items: Vec<_> = within(follower.collect());
    let text = |wanted: OutputStream| {
        let bytes: Vec<u8> = items
            .iter()
            .filter_map(|item| match item {
                Ok(Item::Output(Output { stream, bytes, .. })) if *stream == wanted => Some(bytes.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        String::from_utf8(bytes).unwrap()
    };
    (text(OutputStream::Stdout), text(OutputStream::Stderr))
}

/// Waits for the first output of a process, which says that the command has come so far.
pub(super) fn first_line(process: &Process) -> String {
    let mut follower = Follower::attach(process.log.clone(), Position::default());
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        match within(follower.next()) {
            Some(Ok(Item::Output(Output { bytes, .. }))) => line.extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(line).unwrap().trim().to_owned()
}

pub(super) fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a process that was killed is gone: its death is another's event, which this process cannot see.
fn gone(pid: &str) -> bool {
    let began = Instant::now();
    while is_alive(pid) {
        if began.elapsed() > Duration::from_secs(20) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn a_process_that_is_over_makes_room_for_the_next_at_once() {
    let memory = Memory { count_max: 100, age: Duration::MAX, bytes_max: usize::MAX };
    let engine = Engine::with_bounds(memory, 1);
    for _ in 0..50 {
        // Started as soon as the end of the one before can be seen.
        engine.run("true");
    }
    let process = engine.start(spec("sleep 600")).unwrap();
    let refused = engine.start(spec("true")).unwrap_err();
    assert!(matches!(refused, Error::TooManyProcesses { max: 1 }), "{refused}");
    let taken = ProcessSpec { name: process.spec.name.clone(), ..spec("true") };
    assert!(
        matches!(engine.start(taken).unwrap_err(), Error::NameInUse { .. }),
        "what is wrong whatever else ends"
    );
    engine.end(&process, EndRequest::KILL);
    within(process.over());
    engine.run("true");
}

#[test]
fn a_command_runs_and_its_end_is_told() {
    let engine = Engine::new();
    let process = engine.run("echo out; echo err >&2; exit 3");
    assert_eq!(output(&process), ("out\n".to_owned(), "err\n".to_owned()));
    let state = process.state();
    assert_eq!((state.exit_code(), state.reason(), state.signal()), (3, Some(Reason::Exited), None));
    assert_eq!(engine.run("kill -9 $$").state().signal(), Some(9));
    assert_eq!(engine.run("no-such-program").state().exit_code(), 127);
}

#[test]
fn who_starts_a_command_can_follow_it_from_its_first_byte() {
    // Eight times what is kept.
    const BYTES: usize = 8 << 20;
    let engine = Engine::new();
    let started = within(engine.supervisor.start(spec(&format!("head -c {BYTES} /dev/zero")))).unwrap();
    within(started.process.over());
    let follower = Follower::attach(started.process.log.clone(), Position::default());
    drop(started.first_byte);
    let items: Vec<_> = within(follower.collect());
    let bytes: usize = items
        .iter()
        .map(|item| if let Ok(Item::Output(Output { bytes, .. })) = item { bytes.len() } else { 0 })
        .sum();
    assert_eq!(bytes, BYTES);
}

#[test]
fn a_command_sees_its_environment_folder_and_mark() {
    let engine = Engine::new();
    let mut spec = spec("echo $GREETING $0 $PWD $BOXD_PROCESS; cat");
    spec.env =
        vec![("GREETING".to_owned(), "hello".to_owned()), ("PATH".to_owned(), "/bin:/usr/bin".to_owned())];
    spec.working_dir = "/usr".into();
    let process = engine.start(spec).unwrap();
    within(process.over());
    assert_eq!(output(&process).0, format!("hello sh /usr {}\n", process.id));
}

#[test]
fn a_command_goes_before_the_daemon_when_memory_runs_out() {
    let engine = Engine::new();
    let mut spec = spec("read line");
    spec.stdin = true;
    let process = engine.start(spec).unwrap();
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", process.state().pid)).unwrap();
    assert_eq!(score, "500\n");
}

#[test]
fn every_child_is_reaped() {
    let engine = Engine::new();
    let process = engine.run("true");
    // The end is told before the child is reaped, so the zombie may still be seen for a moment.
    let entry = format!("/proc/{}", process.state().pid);
    let began = Instant::now();
    while Path::new(&entry).exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "a zombie is left");
        std::thread::yield_now();
    }
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let engine = Engine::new();
    let failure = |change: fn(&mut ProcessSpec)| {
        let mut spec = spec("pwd");
        change(&mut spec);
        engine.start(spec).unwrap_err()
    };
    let text = failure(|s| s.working_dir = "/nonexistent".into()).to_string();
    assert_eq!(
        text,
        "failed to start process: could not execute command 'pwd' because folder '/nonexistent' does not exist"
    );
    assert!(failure(|s| s.working_dir = "/etc/passwd".into()).to_string().contains("/etc/passwd"));
    assert!(matches!(failure(|s| s.command = "a\0b".into()), Error::ContainsNul { what: "command" }));
    assert!(matches!(failure(|s| s.env = vec![("A".into(), "\0".into())]), Error::ContainsNul { .. }));
    assert!(engine.supervisor.table.all().is_empty());
    // The name is free again.
    let mut again = spec("true");
    again.name = "again".to_owned();
    again.working_dir = "/nonexistent".into();
    engine.start(again.clone()).unwrap_err();
    again.working_dir = "/".into();
    engine.start(again).unwrap();
}

#[test]
fn a_name_belongs_to_one_running_process() {
    let engine = Engine::new();
    let mut one = spec("read line");
    one.name = "one".to_owned();
    one.stdin = true;
    let first = engine.start(one.clone()).unwrap();
    assert!(matches!(engine.start(one.clone()), Err(Error::NameInUse { .. })));
    within(first.run().unwrap().stdin.unwrap().close());
    within(first.over());
    let second = engine.start(one).unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(engine.supervisor.table.find("one", false).unwrap().id, second.id);
    let pid = first.state().pid.to_string();
    assert_eq!(engine.supervisor.table.find(&pid, false).unwrap().id, first.id);
    engine.end(&second, EndRequest::KILL);
    within(second.over());
}

#[test]
fn a_background_child_does_not_delay_the_end() {
    let engine = Engine::new();
    let process = engine.run("(read forever < /dev/zero; sleep 60) & echo $!");
    let (out, _) = output(&process);
    assert_eq!(process.state().exit_code(), 0);
    assert!(is_alive(out.trim()), "the child lives on and holds the pipe");
    tree::signal_strays(process.id, 0, rustix::process::Signal::KILL, None);
    assert!(gone(out.trim()));
}

#[test]
fn a_kill_reaches_what_left_the_group() {
    let engine = Engine::new();
    let process = engine.start(spec("setsid sh -c 'echo $$; sleep 60' & wait")).unwrap();
    let stray = first_line(&process);
    engine.end(&process, EndRequest::KILL);
    let state = within(process.over());
    assert_eq!((state.reason(), state.exit_code()), (Some(Reason::Killed), -1));
    assert!(gone(&stray));
}

#[test]
fn the_order_of_every_run_is_on_disk() {
    let engine = Engine::new();
    let mut spec = spec("echo out; sleep 0.01; echo err >&2; exit 1");
    spec.restart = RestartPolicy { on_failure: true, max: 1 };
    let process = engine.start(spec).unwrap();
    within(process.over());
    let order = std::fs::read(engine.folder.join(format!("{}.order", process.id))).unwrap();
    // Two streams in each of two runs, 16 bytes each, behind the head.
    let entries = order.len() / 16;
    assert!(entries >= 4, "{entries} entries");
    // The daemon's own end of the files is closed once the process is over and its pipes are.
    let open = |name: &str| {
        std::fs::read_dir("/proc/self/fd").unwrap().flatten().any(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|path| path.to_string_lossy().contains(name))
        })
    };
    let began = Instant::now();
    while open(&format!("{}.", process.id)) {
        assert!(began.elapsed() < Duration::from_secs(20), "a file of the log is left open");
        std::thread::yield_now();
    }
}

#[test]
fn a_kill_in_a_restarts_pause_reaches_what_the_run_left() {
    let engine = Engine::new();
    let mut spec = spec("sleep 60 & echo $!; exit 1");
    spec.restart = RestartPolicy { on_failure: true, max: 1 };
    let process = engine.start(spec).unwrap();
    let left = first_line(&process);
    within(process.until(State::is_backing_off));
    engine.end(&process, EndRequest::KILL);
    assert_eq!(within(process.over()).reason(), Some(Reason::Killed));
    assert!(gone(&left));
}

#[test]
fn a_kill_reaches_what_a_stop_left() {
    let engine = Engine::new();
    let process = engine.start(spec("sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & wait")).unwrap();
    let left = first_line(&process);
    engine.end(&process, EndRequest::STOP);
    within(process.over());
    assert!(is_alive(&left));
    engine.end(&process, EndRequest::KILL);
    assert!(gone(&left));
}

#[test]
fn a_stop_is_heard_once_and_its_exit_code_kept() {
    let engine = Engine::new();
    let command = "trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let process = engine.start(spec(command)).unwrap();
    assert_eq!(first_line(&process), "ready");
    engine.end(&process, EndRequest::STOP);
    engine.end(&process, EndRequest::STOP);
    let state = within(process.over());
    assert_eq!((state.reason(), state.exit_code()), (Some(Reason::Stopped), 7));
    assert_eq!(output(&process).0, "ready\nterm\n");
}

#[test]
fn time_that_is_up_kills() {
    let engine = Engine::new();
    let mut late = spec("echo begun; sleep 60");
    late.timeout = Some(Duration::from_millis(50));
    let process = engine.start(late).unwrap();
    let state = within(process.over());
    assert_eq!((state.reason(), state.exit_code(), state.signal()), (Some(Reason::Timeout), -1, Some(9)));
}

#[test]
fn a_stop_ends_a_restart_loop_in_its_pause() {
    let engine = Engine::new();
    let mut failing = spec("echo try; exit 2");
    failing.restart = RestartPolicy { on_failure: true, max: -1 };
    let process = engine.start(failing).unwrap();
    within(process.until(State::is_backing_off));
    engine.end(&process, EndRequest::STOP);
    let state = process.state();
    assert_eq!((state.reason(), state.exit_code(), state.restarts), (Some(Reason::Stopped), 2, 0));
    assert_eq!(output(&process).0, "try\n");
}

#[test]
fn a_restart_keeps_the_pid_that_clients_know() {
    let engine = Engine::new();
    let mut failing = spec("echo $$; exit 1");
    failing.restart = RestartPolicy { on_failure: true, max: 1 };
    let process = engine.start(failing).unwrap();
    let state = within(process.over());
    let pids: Vec<String> = output(&process).0.lines().map(str::to_owned).collect();
    assert_eq!((state.restarts, state.run, pids.len()), (1, 1, 2));
    assert_eq!(state.pid.to_string(), pids[0]);
    assert!(engine.supervisor.table.find(&pids[0], false).is_some());
}

#[test]
fn a_command_longer_than_an_argument_works() {
    let engine = Engine::new();
    let filler = "x".repeat(1 << 20);
    let process = engine.run(&format!("set a b; : {filler}; echo $0 $# {}; cat; exit 5", filler.len()));
    assert_eq!(output(&process).0, "sh 2 1048576\n");
    assert_eq!(process.state().exit_code(), 5);
    let left: Vec<_> = std::fs::read_dir(&engine.folder).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("command")), "{left:?}");
}

#[test]
fn a_pid_that_comes_again_is_the_latest_process() {
    let engine = Engine::new();
    let first = engine.run("true");
    let second = engine.run("true");
    // The same number again, as the kernel may give it.
    let pid = first.state().pid;
    let pidfd = Arc::new(crate::sys::pidfd::PidFd::open(std::process::id()).unwrap());
    let log =
        crate::log::Log::new(&engine.supervisor.logs, engine.supervisor.ids.next(), "reused".to_owned());
    let run = process::Run { pidfd, stdin: None };
    let reused = Process::new(engine.supervisor.ids.next(), spec("true"), log, pid, run);
    engine.supervisor.table.insert(reused.clone());
    let found = |identifier: &str| engine.supervisor.table.find(identifier, false).map(|p| p.id);
    assert_eq!(found(&pid.to_string()), Some(reused.id));
    assert_eq!(found(&first.spec.name), Some(first.id));
    assert_eq!(found(&second.state().pid.to_string()), Some(second.id));
    engine.supervisor.table.remove(&first);
    assert_eq!(
        found(&pid.to_string()),
        Some(reused.id),
        "forgetting the old one leaves the new one in place"
    );
}

#[test]
fn an_exit_while_the_pump_is_stopped_waits_with_its_output() {
    let engine = Engine::new();
    let go = engine.folder.join("go");
    let command = format!("until [ -e {} ]; do sleep 0.01; done; echo last", go.display());
    let process = engine.start(spec(&command)).unwrap();
    let pump = &engine.supervisor.pump;
    assert!(within(pump.stop(Duration::from_mins(1))));
    std::fs::write(go, "").unwrap();
    process.run().unwrap().pidfd.wait_exit().unwrap();
    assert!(!process.state().is_over(), "it would be over without its output");
    pump.go_on();
    within(process.over());
    assert_eq!(output(&process).0, "last\n");
}
