//! The binary as a person meets it, and daemons of the harness's own, played by shell scripts.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
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
    assert!(lines.ends_with("profile boxd: 0 hold, 0 deviate, 1 failed, 0 skipped\n"), "{lines}");
}

#[test]
fn a_profile_decides_what_fails() {
    let case = ["--only", "process/exec_forgiving_json"];
    let code = |url: &str, profile: &str| {
        let output = harness(&[&["run", "--target", url, "--profile", profile][..], &case].concat());
        (output.status.code(), text(&output.stdout))
    };
    let mock = Mock::start(|_| Reply::json(500, "{}"));
    let (blaxel, _) = code(&mock.url(), "blaxel");
    assert_eq!(blaxel, Some(1));
    let output = harness(&["run", "--target", &mock.url(), "--profile", "nobody"]);
    assert!(text(&output.stderr).contains("there is no profile `nobody`"));
}

#[test]
fn a_run_is_written_in_every_form_and_a_baseline_is_kept_true() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reports");
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let known = |case: &str| {
        fs::write(path("known.toml"), format!("[[deviation]]\ncase = \"{case}\"\nwhy = \"not yet\"\n"))
            .unwrap();
    };
    let mock = Mock::start(|_| Reply::json(200, r#"{"error":"out of order"}"#));
    let run = |only: &str| {
        let (url, json, junit, html) = (mock.url(), path("a.json"), path("a.xml"), path("page"));
        let (known, only) = (path("known.toml"), only.to_owned());
        let arguments = ["run", "--target", &url, "--only", &only, "--baseline", &known];
        let reports = ["--json", &json, "--junit", &junit, "--html", &html, "--name", "mine"];
        let output = harness(&[&arguments[..], &reports].concat());
        (output.status.code(), text(&output.stdout))
    };
    known("process/exec_bad_command");
    let (code, lines) = run("process/exec_bad_command");
    assert_eq!(code, Some(0), "{lines}");
    assert!(lines.contains("known    process/exec_bad_command: not yet"), "{lines}");
    assert!(fs::read_to_string(path("a.xml")).unwrap().contains("<skipped message=\"not yet\"/>"));
    let page = fs::read_to_string(path("page/index.html")).unwrap();
    assert!(
        page.contains("POST /process HTTP/1.1") && page.contains("1 fails (1 known)"),
        "the wire is shown"
    );
    let output = harness(&["report", &path("a.json"), &path("a.json"), "--html", &path("both")]);
    assert!(output.status.success());
    assert!(
        fs::read_to_string(path("both/index.html")).unwrap().matches("<div class=\"verdict ").count() == 2
    );
    known("system/no_such_case");
    assert_eq!(run("*bad_command*").0, Some(2));
}

#[test]
fn what_a_server_answers_is_recorded_and_reviewed() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("recorded");
    fs::remove_dir_all(&folder).ok();
    let into = folder.display().to_string();
    let mock = Mock::start(|_| Reply::json(400, r#"{"error":"other words"}"#));
    let only = "process/exec_bad_command";
    let output = harness(&["record", "--target", &mock.url(), "--only", only, "--into", &into]);
    assert!(
        text(&output.stdout).contains("1 proposed, 0 as they are, 0 skipped"),
        "{}",
        text(&output.stderr)
    );
    assert!(folder.join("snapshots/process/exec_bad_command.snap.new").exists());
    assert!(harness(&["review", "--into", &into, "--accept"]).status.success());
    let taken = fs::read_to_string(folder.join("snapshots/process/exec_bad_command.snap")).unwrap();
    assert!(
        taken.contains("input_file: fixtures/process/exec_bad_command.toml") && taken.contains("other words")
    );
    let output = harness(&["record", "--target", &mock.url(), "--only", only, "--into", &into]);
    assert!(text(&output.stdout).contains("0 proposed, 1 as they are"), "{}", text(&output.stdout));
}

#[test]
fn two_servers_are_compared() {
    let one = Mock::start(|_| Reply::json(400, r#"{"error":"one"}"#));
    let other = Mock::start(|_| Reply::json(422, r#"{"error":"one"}"#));
    let only = ["--only", "process/exec_bad_command"];
    let compare = |a: &str, b: &str| {
        let output = harness(&[&["diff", a, b][..], &only].concat());
        (output.status.code(), text(&output.stdout))
    };
    let (code, lines) = compare(&one.url(), &one.url());
    assert!(code == Some(0) && lines.contains("same      process/exec_bad_command"), "{lines}");
    let (code, lines) = compare(&one.url(), &other.url());
    assert!(
        code == Some(1) && lines.contains("DIFFERENT process/exec_bad_command") && lines.contains("-< 400"),
        "{lines}"
    );
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

#[test]
fn a_server_that_is_reset_before_each_case_is_the_cases_own() {
    let mock = Mock::start(|_| Reply::json(200, "[]"));
    let output =
        harness(&["run", "--target", &mock.url(), "--only", "process/list_empty", "--reset-cmd", "true"]);
    let lines = text(&output.stdout);
    assert!(!lines.contains("skipped  process/list_empty"), "{lines}");
    let output =
        harness(&["run", "--target", &mock.url(), "--only", "process/list_empty", "--reset-cmd", "false"]);
    assert!(text(&output.stderr).contains("`false` ended with"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(2));
}

/// A case of its own, whose flags and variables are as odd as can be, against a server that is always there.
fn as_wanted(name: &str, command: &str) -> (Option<i32>, String, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("as-wanted").join(name);
    for kind in ["fixtures/odd", "snapshots/odd"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
    }
    let fixture = "why = 'w'\nsource = 'spec'\ndaemon = [\"--a= it's $HOME\", \"\", \"--in={{dir}}\"]\nfiles = { 'a/b' = 'content' }\n\
        daemon_env = { ODD = \"two\\nlines `id` \\\\ \\\" *\" }\n[[step]]\nsend = 'GET /x'\n";
    fs::write(folder.join("fixtures/odd/words.toml"), fixture).unwrap();
    let snapshot =
        "---\nsource: x\n---\n## 1 [spec] GET /x\n< 200 content-type: application/json; charset=utf-8\n{}\n";
    fs::write(folder.join("snapshots/odd/words.snap"), snapshot).unwrap();
    let mock = Mock::start(|_| Reply::json(200, "{}"));
    let (url, cases) = (mock.url(), folder.display().to_string());
    let command = format!("told={cases}/told; {command}");
    let asked = ["run", "--target", &url, "--cases", &cases, "--reset-as-wanted", "--reset-cmd", &command];
    let output = harness(&asked);
    (output.status.code(), text(&output.stdout), folder.join("told"))
}

#[test]
fn a_reset_command_is_told_what_the_case_wants() {
    let script = "eval \"set -- $CASE_FLAGS\"; printf '<%s>' $CASE_ASK $CASE_NAME \"$@\" >>$told; \
        eval \"set -- $CASE_ENV\"; shift 2; printf '<%s>' \"$@\" >>$told; cat $CASE_DIR/a/b >>$told";
    let (code, lines, told) = as_wanted("told", script);
    assert!(code == Some(0) && lines.contains("holds    odd/words"), "{lines}");
    let told = fs::read_to_string(told).unwrap();
    let (started, stopped) = told.split_once("content<stop>").unwrap();
    let (before, behind) = started.split_once("<--in=").unwrap();
    assert_eq!(before, "<start><odd/words><--a= it's $HOME><>");
    let (directory, variables) = behind.split_once('>').unwrap();
    assert_eq!(variables, "<TZ=FAR-13><ODD=two\nlines `id` \\ \" *>");
    assert!(stopped.ends_with("content") && !Path::new(directory).exists(), "{told}");
}

#[test]
fn what_a_reset_command_cannot_or_does_not_do_is_told() {
    #[track_caller]
    fn check(name: &str, command: &str, expected: &str) {
        let (_, lines, _) = as_wanted(name, command);
        assert!(lines.contains(expected), "{lines}");
    }
    check("cannot", "echo 'no flags here' >&2; exit 77", "skipped  odd/words: no flags here\n");
    check("fails", "echo 'no such flag' >&2; exit 2", "ended with exit status: 2: no such flag");
    check("no-pid", "echo pid=none", "`pid=none` names no process");
    let ends_badly = "[ $CASE_ASK = start ] || { echo 'exit code 3' >&2; exit 1; }";
    check("ends-badly", ends_badly, "ended with exit status: 1: exit code 3");
    // A server in the background that holds what the command was given keeps nobody waiting.
    let behind = "if [ $CASE_ASK = start ]; then sleep 100 & echo $! >$told; else kill $(cat $told); fi";
    check("background", behind, "holds    odd/words");
}

#[test]
fn several_servers_are_asked_each_some() {
    let start = || Mock::start(|_| Reply::json(500, "{}"));
    let (one, other) = (start(), start());
    let (first, second) = (one.url(), other.url());
    let only = ["--only", "process/exec_bad_*", "--jobs", "2"];
    let output = harness(&[&["run", "--target", &first, "--target", &second][..], &only].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!([&one, &other].iter().all(|mock| !mock.seen().is_empty()), "{}", text(&output.stdout));
}

#[test]
fn a_program_is_started_for_each_case_and_its_end_counts() {
    let run = |program: &Path| {
        let json = program.with_extension("json");
        let names = [program, &json].map(|path| path.display().to_string());
        let output =
            harness(&["run", "--bin", &names[0], "--only", "process/exec_bad_command", "--json", &names[1]]);
        (output.status.code(), text(&output.stdout), names[1].clone())
    };
    let (code, lines, _) = run(&program("will-not", "echo 'no such flag' >&2; exit 2"));
    assert!(code == Some(1) && lines.contains("no such flag"), "{lines}");
    let mock = Mock::start(|_| Reply::json(400, r#"{"error":"out of order"}"#));
    let listens = format!("echo 'listening on {}' >&2", mock.url());
    let script = format!("trap 'kill -9 $!; exit 3' TERM; sleep 60 & {listens}; wait");
    let (code, lines, json) = run(&program("ends-badly", &script));
    assert!(code == Some(1) && lines.contains("ended with exit status: 3"), "{lines}");
    // What was found is held to another profile without another run.
    let again = |profile: &str| {
        let output = harness(&["report", &json, "--profile", profile]);
        (output.status.code(), text(&output.stdout))
    };
    let (code, lines) = again("blaxel");
    assert!(code == Some(1) && lines.contains("FAILED   process/exec_bad_command"), "{lines}");
    assert_eq!(again("nobody").0, Some(2));
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
