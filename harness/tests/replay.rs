//! Replays every fixture against a daemon of its own: one test a fixture file, filtered by its name.
//!
//! `BOXD_HARNESS_BIN` names another program to start, `BOXD_HARNESS_URL` a server that already runs; cases that need a
//! daemon with settings of its own are ignored there. Changed transcripts are reviewed with `cargo insta review`, or taken
//! over with `INSTA_UPDATE=always`.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread,
};

use boxd_harness::{
    book::{Book, Case},
    daemon::Daemon,
    helper, probe,
    run::{Home, Report, run},
    target::Target,
};
use libtest_mimic::{Arguments, Failed, Trial};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What the cases are replayed against.
enum Server {
    Program(PathBuf),
    Running(Target),
}

fn main() -> ExitCode {
    if let Some(code) = helper::run_if_asked() {
        return code;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let book = Book::read(root).expect("every fixture can be read");
    let server = Arc::new(match env::var("BOXD_HARNESS_URL") {
        Ok(url) => Server::Running(Target::parse(&url).expect("BOXD_HARNESS_URL is a URL")),
        Err(_) => Server::Program(
            env::var_os("BOXD_HARNESS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_boxd").into(), PathBuf::from),
        ),
    });
    let trials = book
        .cases
        .into_iter()
        .map(|case| {
            let is_ignored = matches!(*server, Server::Running(_))
                && case.fixture.own_daemon_reason().is_some()
                || (case.fixture.needs_root && !is_root())
                || case.fixture.place.is_some_and(|place| !place.is_possible());
            let server = Arc::clone(&server);
            Trial::test(case.name.clone(), move || replay(&case, &server, root)).with_ignored_flag(is_ignored)
        })
        .collect();
    let mut arguments = Arguments::from_args();
    // Cases wait more than they compute.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(cores * 2));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn replay(case: &Case, server: &Server, root: &Path) -> Result<(), Failed> {
    let program = match server {
        Server::Program(program) => program,
        Server::Running(target) => {
            return match probe::missing_limit(&case.fixture, target)? {
                Some(_) => Ok(()),
                None => judge(case, &run(case, target, Home::default()), root, ""),
            };
        }
    };
    let helper = helper::command_line()?;
    let daemon = Daemon::start(program, &case.fixture)?;
    if probe::missing_limit(&case.fixture, daemon.target())?.is_some() {
        return Ok(daemon.stop()?);
    }
    let report = run(case, daemon.target(), daemon.home(&helper));
    let log = daemon.log();
    judge(case, &report, root, &log)?;
    daemon.stop().map_err(|sentence| Failed::from(format!("{sentence}\n\nthe daemon's log:\n{log}")))
}

/// Compares a transcript with the snapshot of its case, as insta does: by panicking, after it has shown the difference
/// and left a `.snap.new` for review. `root` is the folder that holds `fixtures` and `snapshots`.
fn assert_snapshot(root: &Path, name: &str, transcript: &str) {
    let (resource, case) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(root.join("snapshots").join(resource));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_input_file(root.join("fixtures").join(format!("{name}.toml")));
    settings.bind(|| insta::assert_snapshot!(case, transcript));
}

/// Fails with everything that helps: what is wrong, what was said, what the daemon wrote.
fn judge(case: &Case, report: &Report, root: &Path, log: &str) -> Result<(), Failed> {
    let transcript = report.transcript.to_string();
    if report.failures.is_empty() {
        let compared = std::panic::catch_unwind(|| assert_snapshot(root, &case.name, &transcript));
        return compared
            .map_err(|_| Failed::from(format!("the transcript differs\n\nthe daemon's log:\n{log}")));
    }
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| format!("step {} [{}]: {}", failure.step, failure.source, failure.sentence))
        .collect();
    let failures = failures.join("\n");
    let why = &case.fixture.why;
    Err(Failed::from(format!("{why}\n\n{failures}\n\n{transcript}\nthe daemon's log:\n{log}")))
}
