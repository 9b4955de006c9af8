//! Limits on real commands. What needs a control group is looked at only where the host lets one be made.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::control_group::take_abandoned;
use super::*;
use crate::process::tests::{Engine, first_line, is_alive, spec, within};
use crate::process::{EndRequest, Process, Reason, tree};

/// A stop leaves a descendant of it, which has left the session, the parent and the environment behind.
const EVADER: &str = "(env -i setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 60' &); sleep 60";

fn limited(command: &str, limits: Limits) -> crate::process::ProcessSpec {
    crate::process::ProcessSpec { limits, ..spec(command) }
}

/// The folders of the groups of a process.
fn folders(process: &Process) -> Vec<PathBuf> {
    let host = host();
    let places = [&host.unified, &host.memory, &host.pids, &host.cpu].into_iter().flatten();
    let paths = places.map(|place| place.parent.join(format!("boxd-{}", process.id)));
    paths.filter(|path| path.exists()).collect()
}

/// A place of a test's own, which no other sweeps. It is for the test to remove.
fn below(place: &Place) -> Place {
    let parent = place.parent.join(format!("boxd.test-{:016x}", fastrand::u64(..)));
    std::fs::create_dir(&parent).unwrap();
    Place { parent, ..place.clone() }
}

fn nowhere() -> Host {
    let none = || Err(String::new());
    Host { unified: none(), memory: none(), pids: none(), cpu: none() }
}

#[track_caller]
fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

/// A process in a group that was stopped, and the pid of what it has left there.
fn over_but_for_a_descendant(engine: &Engine) -> (Arc<Process>, String) {
    let limits = Limits { pids: Some(50), ..Limits::default() };
    let process = engine.start(limited(EVADER, limits)).unwrap();
    let left = first_line(&process);
    engine.end(&process, EndRequest::STOP);
    within(process.over());
    (process, left)
}

#[test]
fn groups_live_as_long_as_a_descendant() {
    if host().pids.is_err() {
        return;
    }
    let engine = Engine::new();
    let (process, left) = over_but_for_a_descendant(&engine);
    assert!(is_alive(&left));
    assert!(!folders(&process).is_empty());
    assert!(take_abandoned(&folders(&process)[0]).is_none(), "a daemon minds it");
    tree::signal_strays(process.id, 0, Signal::KILL, None);
    assert!(is_alive(&left), "without the group it is not found");
    assert!(within(engine.supervisor.gate.close(Duration::from_secs(1))), "no worker can take over");
    engine.supervisor.gate.open();
    engine.end(&process, EndRequest::KILL);
    wait_for("a descendant is left", || !is_alive(&left));
    wait_for("a group is left", || folders(&process).is_empty());
    let held = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|path| {
            path.to_string_lossy().contains(&process.id.to_string())
                && path.to_string_lossy().contains("cgroup")
        })
    };
    wait_for("a descriptor of a group that is gone is left", || !held());
}

#[test]
fn the_next_worker_minds_the_groups_of_what_is_over() {
    if host().pids.is_err() {
        return;
    }
    let engine = Engine::new();
    let (process, left) = over_but_for_a_descendant(&engine);
    let limits = process.spec.limits;
    let restored = |log| Process::restored(process.id, limited("", limits), log, process.state(), None);
    let adopted = restored(process.log.clone());
    find_groups(&adopted);
    engine.supervisor.arm(&adopted);
    engine.end(&adopted, EndRequest::KILL);
    wait_for("a descendant is left", || !is_alive(&left));
    wait_for("a group is left", || folders(&process).is_empty());
    let late = restored(process.log.clone());
    find_groups(&late);
    assert!(late.group.get().is_none() && folders(&process).is_empty(), "a group is made for nothing");
}

/// Lets a shell try to be six processes in a group of its own, where so many are allowed in it and in the group above it.
fn exceeded_among(above_max: u64, own_max: u64) -> Option<LimitKind> {
    let place = below(host().pids.as_ref().unwrap());
    let above = place.parent.clone();
    std::fs::write(above.join("pids.max"), above_max.to_string()).unwrap();
    if place.version == host::Version::V2 {
        std::fs::write(above.join("cgroup.subtree_control"), "+pids").unwrap();
    }
    let only_pids = Host { pids: Ok(place), ..nowhere() };
    let limits = Limits { pids: Some(own_max), ..Limits::default() };
    let id = crate::id::IdSource::new().next();
    let group = ControlGroup::open(&only_pids, id, &limits).unwrap().unwrap();
    let script = format!(
        "echo 0 > {}/boxd-{id}/cgroup.procs; for i in 1 2 3 4 5; do sleep 60 & done",
        above.display()
    );
    std::process::Command::new("sh")
        .args(["-c", &script])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    let exceeded = group.exceeded();
    for pid in group.members() {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).ok();
    }
    wait_for("a group is left", || group.remove() && std::fs::remove_dir(&above).is_ok());
    exceeded
}

#[test]
fn a_fork_that_is_refused_by_a_group_above_is_not_the_limit_of_this_one() {
    if host().pids.is_err() {
        return;
    }
    assert_eq!(exceeded_among(50, 3), Some(LimitKind::Pids));
    assert_eq!(exceeded_among(3, 50), None);
}

#[test]
fn a_start_that_fails_leaves_no_group() {
    let engine = Engine::new();
    let limits = Limits { cpu: Some(Duration::from_secs(5)), ..Limits::default() };
    let mut nowhere = limited("true", limits);
    nowhere.working_dir = "/nonexistent".into();
    let error = engine.start(nowhere).unwrap_err();
    assert!(error.to_string().contains("folder '/nonexistent' does not exist"), "{error}");
    let host = host();
    let boot = format!("boxd-{:08x}-", engine.supervisor.ids.boot());
    for place in [&host.unified, &host.cpu].into_iter().flatten() {
        let names = std::fs::read_dir(&place.parent).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(&boot)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_process_that_was_taken_over_is_watched_from_its_birth() {
    let engine = Engine::new();
    let limits = Limits {
        wall: Some(Duration::from_millis(300)),
        cpu: Some(Duration::from_mins(1)),
        ..Limits::default()
    };
    let process = engine.start(limited("sleep 60", limits)).unwrap();
    // As another worker does it: the clock goes on, and the groups are found again.
    engine.supervisor.arm(&process);
    let state = within(process.over());
    assert_eq!((state.reason(), state.exit_code()), (Some(Reason::Limit(LimitKind::Wall)), -1));
}

#[test]
fn a_group_that_nobody_minds_is_swept() {
    let Ok(place) = &host().unified else { return };
    let place = below(place);
    let path = place.parent.join(format!("boxd-{}", crate::id::IdSource::new().next()));
    std::fs::create_dir(&path).unwrap();
    assert!(take_abandoned(&path).is_some());
    let only_unified = Host { unified: Ok(place.clone()), ..nowhere() };
    only_unified.sweep();
    assert!(!path.exists());
    std::fs::remove_dir(place.parent).unwrap();
}

#[test]
fn a_group_that_is_just_made_is_not_swept() {
    let Ok(place) = &host().unified else { return };
    let place = below(place);
    let only_unified = Host { unified: Ok(place.clone()), ..nowhere() };
    let limits = Limits { cpu: Some(Duration::from_secs(5)), ..Limits::default() };
    let is_done = AtomicBool::new(false);
    let lost = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                only_unified.sweep();
            }
        });
        let ids = crate::id::IdSource::new();
        let lost = (0..5000).find(|_| {
            let group = ControlGroup::open(&only_unified, ids.next(), &limits).ok().flatten();
            group.is_none_or(|group| group.entrances().is_err())
        });
        is_done.store(true, Ordering::Relaxed);
        lost
    });
    assert_eq!(lost, None, "a group is gone that a daemon minds");
    std::fs::remove_dir(place.parent).unwrap();
}
