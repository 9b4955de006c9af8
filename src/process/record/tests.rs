//! What a worker leaves is what the next one reads, also when they are not of one version.

use std::time::Duration;

use super::*;
use crate::custody::Journal;
use crate::id::IdSource;
use crate::log::{Offsets, OutputStream};
use crate::process::RestartPolicy;
use crate::process::spec::Origin;
use crate::process::state::Exit;

fn spec(name: &str) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        command: "true".to_owned(),
        working_dir: "/".into(),
        env: vec![("KEY".to_owned(), "value\u{2028}".to_owned())],
        stdin: true,
        timeout: Some(Duration::from_millis(1500)),
        restart: RestartPolicy { on_failure: true, max: -1 },
        keep_alive: false,
        origin: Origin::Client,
        limits: crate::process::Limits::default(),
    }
}

fn frame(kind: u8, record: &impl Serialize) -> Frame {
    Frame { kind, bytes: serde_json::to_vec(record).unwrap() }
}

#[test]
fn the_last_word_counts_and_what_is_forgotten_is_gone() {
    let ids = IdSource::resume(7, 1);
    let (a, b, c) = (ids.next(), ids.next(), ids.next());
    let running = State::started(10, 1000, 50);
    let mut over = running.clone();
    over.exited(Exit::Code(0), 2000, RestartPolicy { on_failure: false, max: 0 });
    let sealed = Offsets { stdout: 3, stderr: 0 };
    let frames = [
        frame(KIND, &ProcessRecord::Boot { version: VERSION, boot: 7, next: 1 }),
        frame(KIND, &ProcessRecord::Intent { id: a, spec: Cow::Owned(spec("a")) }),
        frame(KIND, &ProcessRecord::Intent { id: b, spec: Cow::Owned(spec("b")) }),
        frame(KIND, &ProcessRecord::Intent { id: c, spec: Cow::Owned(spec("c")) }),
        frame(KIND, &ProcessRecord::State { id: a, state: running.clone() }),
        frame(KIND, &ProcessRecord::State { id: c, state: running }),
        frame(KIND, &ProcessRecord::Forgotten { id: c }),
        frame(KIND, &ProcessRecord::State { id: a, state: over.clone() }),
        frame(log_record::KIND, &LogRecord::Sealed { id: a, at: sealed }),
        frame(log_record::KIND, &LogRecord::Lost { id: c, stream: OutputStream::Stdout, end: 9 }),
        frame(99, &"of a later version"),
    ];
    let history = History::read(&frames).unwrap();
    assert_eq!((history.boot, history.next), (Some(7), 4));
    assert_eq!(history.processes.keys().copied().collect::<Vec<_>>(), [a, b]);
    assert_eq!(history.processes[&a].state, Some(over));
    assert_eq!(history.processes[&a].log.sealed, Some(sealed));
    assert_eq!(history.processes[&b].state, None);
    assert_eq!(history.processes[&b].spec, spec("b"));
}

#[test]
fn another_version_and_nonsense_are_refused() {
    let boot = ProcessRecord::Boot { version: VERSION + 1, boot: 7, next: 1 };
    assert!(matches!(History::read(&[frame(KIND, &boot)]), Err(Unreadable::Version(_))));
    assert!(matches!(History::read(&[frame(KIND, &"nonsense")]), Err(Unreadable::Record(_))));
}

/// The journal of the first version, as a worker wrote it then. It is never made anew: boxd reads what an older boxd left.
#[test]
fn the_state_of_the_first_version_is_read() {
    let frozen = include_bytes!("frozen-1.journal");
    let file = crate::sys::file::in_memory("frozen").unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, frozen, 0).unwrap();
    let (_, frames) = Journal::resume(file.into()).unwrap();
    let history = History::read(&frames).unwrap();
    let told: Vec<String> = history
        .processes
        .values()
        .map(|process| {
            let state = process.state.as_ref();
            format!(
                "{} {} {:?} runs {} ends {} sealed {:?}",
                process.spec.name,
                state.map_or("unborn", |state| state.status().name()),
                state.map(State::exit_code),
                state.map_or(0, |state| state.run + 1),
                process.log.boundaries.len(),
                process.log.sealed.map(|at| (at.stdout, at.stderr)),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "done failed Some(3) runs 1 ends 0 sealed Some((3, 4))",
            "restarts failed Some(9) runs 2 ends 1 sealed Some((0, 0))",
            "large completed Some(0) runs 1 ends 0 sealed Some((20000000, 0))",
            "killed killed Some(-1) runs 1 ends 0 sealed Some((0, 0))",
            "runs running Some(0) runs 1 ends 0 sealed None",
        ]
    );
    let large = &history.processes.values().find(|process| process.spec.name == "large").unwrap().log;
    assert!(large.streams[0].bases.len() >= 3, "a long stream has several files");
    let running = history.processes.values().last().unwrap();
    assert!(running.spec.stdin && running.spec.timeout == Some(Duration::from_hours(1)));
    assert_eq!(running.spec.env, [("KEY".to_owned(), "väl".to_owned())]);
}
