//! The binary as a person meets it, and daemons of the harness's own, played by shell scripts.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output},
};

use boxd_harness::{daemon::Daemon, fixture::Fixture};

use crate::mock::{Mock, Reply};

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boxd-harness")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn list_tells_what_there_is() {
    let output = harness(&["list", "--only", "process/exec_waited*"]);
    assert!(output.status.success());
    let lines = text(&output.stdout);
    assert!(lines.contains("process/exec_waited [sdk]\n    A waited command"), "{lines}");
    assert!(lines.ends_with(" cases\n"), "{lines}");
}

#[test]
fn run_fails_against_a_server_that_answers_otherwise() {
    let mock = Mock::start(|_| Reply::json(200, r#"{"error":"out of order"}"#));
    let url = mock.url();
    let output = harness(&["run", "--target", &url, "--only", "process/exec_bad_command"]);
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{lines}");
    assert!(lines.contains("FAILED   process/exec_bad_command\n"), "{lines}");
    assert!(lines.contains("-< 400 content-type") && lines.contains("+< 200 content-type"), "{lines}");
    assert!(lines.ends_with("0 passed, 1 failed, 0 skipped\n"), "{lines}");
}

#[test]
fn run_says_what_it_skips_and_what_it_cannot_do() {
    let mock = Mock::start(|_| Reply::json(200, "{}"));
    let output = harness(&["run", "--target", &mock.url(), "--only", "process/list_empty"]);
    assert!(text(&output.stdout).contains("skipped  process/list_empty: needs a daemon of its own"));
    assert_eq!(output.status.code(), Some(2), "nothing that was run is no success");
    let output = harness(&["run", "--target", "localhost:1"]);
    assert!(text(&output.stderr).contains("is no http:// URL"));
    assert_eq!(output.status.code(), Some(2));
}

/// A program that is started like the daemon.
fn program(name: &str, script: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn fixture(more: &str) -> Fixture {
    Fixture::parse(&format!("why = 'w'\nsource = 'spec'\n{more}\n[[step]]\nsend = 'GET /'")).unwrap()
}

const LISTENS: &str = "echo '{\"message\":\"listening on http://127.0.0.1:4711\",\"x\":1}' >&2";

#[test]
fn a_daemon_is_started_as_the_fixture_wants_it_and_ended() {
    let script = format!(
        "echo \"$@ $TOKEN $(cat secret) $TZ\" >&2; trap 'kill -9 $!; exit 0' TERM; sleep 60 & {LISTENS}; wait; exit 1"
    );
    let fixture =
        fixture("daemon = ['--flag=1']\ndaemon_env = { TOKEN = 'abc' }\nfiles = { secret = 'xyz' }");
    let daemon = Daemon::start(&program("good", &script), &fixture).unwrap();
    let directory = daemon.directory().to_owned();
    let log = daemon.log();
    assert!(log.starts_with("serve --listen 127.0.0.1:0 --log-dir /"), "{log}");
    assert!(log.contains("/logs --flag=1 abc xyz FAR-13\n"), "{log}");
    daemon.stop().unwrap();
    assert!(!directory.exists());
}

#[test]
fn a_daemon_that_fails_is_told_in_its_own_words() {
    let start = |name, script| Daemon::start(&program(name, script), &fixture(""));
    let sentence = start("refuses", "echo 'no such flag' >&2; exit 2").unwrap_err();
    assert!(sentence.contains("no such flag"), "{sentence}");
    let daemon =
        start("wrong-exit", &format!("trap 'kill -9 $!; exit 3' TERM; sleep 60 & {LISTENS}; wait")).unwrap();
    let sentence = daemon.stop().unwrap_err();
    assert!(sentence.contains("exit status: 3"), "{sentence}");
}
