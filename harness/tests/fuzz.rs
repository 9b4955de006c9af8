//! The fuzzer can be wrong: defects that were planted in a server are found, made small and written as cases which fail on that
//! server and hold on boxd; and boxd itself passes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process,
    sync::Mutex,
    thread,
    time::Duration,
};

use boxd_harness::{
    book::Book,
    daemon::Daemon,
    fixture::Fixture,
    fuzz::{Finding, Fuzz, Kind, Length, Report},
    judge::{Verdict, judge},
    profile::Profile,
    site::Site,
    target::Target,
};

#[path = "mutants/defects.rs"]
mod defects;
#[path = "mutants/proxy.rs"]
mod proxy;

use defects::{DEFECTS, Defect};

fn daemon() -> Daemon {
    let program =
        env::var_os("BOXD_HARNESS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_boxd").into(), PathBuf::from);
    Daemon::start(&program, &Fixture::without_steps()).unwrap()
}

fn fuzz(target: &Target, workspace: &Path) -> Fuzz {
    Fuzz {
        target: target.clone(),
        own: false,
        pid: None,
        seed: 1,
        length: Length::Sequences(400),
        only: "*".to_owned(),
        jobs: 4,
        workspace: workspace.join("fuzz").display().to_string(),
        patience: Duration::from_secs(10),
        out: None,
    }
}

fn planted(what: &str) -> &'static Defect {
    DEFECTS.iter().find(|defect| defect.what == what).unwrap()
}

/// Fuzzes a server with a defect, and looks at the case that comes of it.
#[track_caller]
fn check(defect: &'static Defect, (only, operation, kind): (&str, &str, Kind), patience: Duration) {
    let daemon = daemon();
    let out = daemon.directory().join("found");
    let mutant = proxy::start(defect, daemon.target()).unwrap();
    let fuzz =
        Fuzz { only: only.to_owned(), patience, out: Some(out.clone()), ..fuzz(&mutant, daemon.directory()) };
    let report = fuzz.run(&|_| {}).unwrap();
    assert!(!report.is_good());
    let is_it = |finding: &&Finding| finding.operation == operation && finding.kind == kind;
    let finding = report
        .findings
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{} ({}): {report}", defect.what, defect.caught_by));
    assert!(finding.comes_again, "{finding}");
    let steps = finding.fixture.matches("[[step]]").count();
    assert!(steps <= 2 && finding.fixture.len() < 900, "it can be smaller:\n{}", finding.fixture);

    let book = Book::read(&out).unwrap();
    let case = book.cases.iter().find(|case| case.name == finding.case()).unwrap();
    let site = Site { workspace: Some(daemon.directory().display().to_string()), ..Site::default() };
    let profile = Profile::named("boxd").unwrap();
    let on_mutant = judge(case, &mutant, &site, &profile);
    assert_eq!(on_mutant.verdict, Verdict::Fails, "on the mutant: {:?}\n{}", on_mutant.findings, case.text);
    let on_boxd = judge(case, daemon.target(), &site, &profile);
    assert_eq!(on_boxd.verdict, Verdict::Holds, "on boxd: {:?}\n{}", on_boxd.findings, case.text);
}

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_500_is_found() {
    let defect = planted("a body that is no JSON is a 500");
    check(defect, ("POST /process", "POST /process", Kind::Fault), PATIENCE);
}

#[test]
fn a_wrong_type_is_found() {
    let defect = planted("a pid is a number");
    let operation = "GET /process/{identifier}/wait";
    check(defect, (operation, operation, Kind::Invalid), PATIENCE);
}

#[test]
fn another_media_type_is_found() {
    static DEFECT: Defect = Defect {
        what: "nobody is shown in HTML",
        caught_by: "",
        meets: |asked| asked.method == "GET" && asked.target.starts_with("/process/"),
        request: |_| {},
        answer: |_, answer| {
            if answer.status == 404 {
                answer.set("content-type", "text/html");
            }
        },
    };
    let operation = "GET /process/{identifier}/stats";
    check(&DEFECT, (operation, operation, Kind::Undocumented), PATIENCE);
}

#[test]
fn a_key_that_is_missing_is_found() {
    static DEFECT: Defect = Defect {
        what: "a listing has no folders",
        caught_by: "",
        meets: |asked| asked.method == "GET" && asked.target.starts_with("/filesystem/tree/"),
        request: |_| {},
        answer: |_, answer| answer.body = answer.body.replace("\"subdirectories\"", "\"folders\""),
    };
    let operation = "GET /filesystem/tree/{path}";
    check(&DEFECT, (operation, operation, Kind::Invalid), PATIENCE);
}

#[test]
fn a_hang_is_found() {
    static DEFECT: Defect = Defect {
        what: "a search with bounds never comes back",
        caught_by: "",
        meets: |asked| asked.target.starts_with("/filesystem-find/") && asked.target.contains("maxResults="),
        request: |_| {},
        answer: |_, _| loop {
            thread::park();
        },
    };
    let operation = "GET /filesystem-find/{path}";
    check(&DEFECT, (operation, operation, Kind::Hang), Duration::from_secs(1));
}

#[test]
fn memory_that_is_kept_is_found() {
    // The mutant is this process.
    static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    static DEFECT: Defect = Defect {
        what: "every request is remembered",
        caught_by: "",
        meets: |asked| asked.target.starts_with("/health"),
        request: |_| {},
        answer: |_, _| KEPT.lock().unwrap().push(vec![1; 1 << 18]),
    };
    let daemon = daemon();
    let mutant = proxy::start(&DEFECT, daemon.target()).unwrap();
    let fuzz = Fuzz {
        only: "GET /health".to_owned(),
        pid: Some(process::id().cast_signed()),
        ..fuzz(&mutant, daemon.directory())
    };
    let Report { memory, .. } = fuzz.run(&|_| {}).unwrap();
    KEPT.lock().unwrap().clear();
    assert!(!memory.unwrap().is_flat(), "{memory:?}");
}

#[test]
fn a_server_that_went_away_is_told() {
    let daemon = daemon();
    let (target, folder) = (daemon.target().clone(), daemon.directory().to_owned());
    let fuzz = Fuzz {
        length: Length::Time(Duration::from_mins(2)),
        pid: Some(daemon.pid()),
        patience: Duration::from_millis(300),
        ..fuzz(&target, &folder)
    };
    let report = thread::scope(|scope| {
        let run = scope.spawn(|| fuzz.run(&|_| {}).unwrap());
        // The first sequence that needs files has begun.
        let has_begun =
            || fs::read_dir(folder.join("fuzz")).is_ok_and(|mut entries| entries.next().is_some());
        while !has_begun() {
            thread::yield_now();
        }
        drop(daemon);
        run.join().unwrap()
    });
    assert!(!report.is_good());
    assert_eq!(report.afterwards.len(), 2, "{report}");
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::Gone), "{report}");
}

#[test]
fn boxd_passes() {
    for seed in [11, 12] {
        let daemon = daemon();
        let fuzz = Fuzz {
            seed,
            length: Length::Sequences(300),
            pid: Some(daemon.pid()),
            ..fuzz(daemon.target(), daemon.directory())
        };
        let report = fuzz.run(&|_| {}).unwrap();
        assert!(report.is_good(), "{report}");
        assert_eq!(report.sequences, 300);
        let good = report.statuses.get(&200).copied().unwrap_or_default();
        assert!(good > 300 && report.statuses.contains_key(&400), "it only gets refusals: {report}");
        assert!(!daemon.directory().join("fuzz").exists(), "the folder of the run is still there");
        assert!(asked(daemon.target()).ends_with("{\"uploads\":[]}"), "an upload is left");
        daemon.stop().unwrap();
    }
}

fn asked(target: &Target) -> String {
    let mut connection = TcpStream::connect(target.to_string()).unwrap();
    let request =
        format!("GET /filesystem-multipart HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.trim_end().to_owned()
}
