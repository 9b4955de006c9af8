//! A server behind a script, which is restarted for each case as the case wants it (`--reset-as-wanted`): the script that comes with the
//! harness, and the same with a part of what it is told left out, which each case that needs the part has to notice.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use boxd_harness::{
    baseline::Baseline,
    book::{Book, Case},
    judge::{Judgement, Verdict},
    profile::Profile,
    site::Site,
    suite::{Reset, Subject, Suite},
    target::Target,
};

/// A case, with boxd behind the script of `harness/clean`; `before` stands before the script, `behind` behind it.
fn restarted(name: &str, before: &str, behind: &str) -> Judgement {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/clean/restart");
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restarted");
    let quoted = [script.as_path(), Path::new(env!("CARGO_BIN_EXE_boxd")), &state]
        .map(|path| format!("'{}'", path.display()));
    judge(name, format!("state={}; {before} {} {behind}", quoted[2], quoted.join(" ")))
}

fn judge(name: &str, command: String) -> Judgement {
    let cases = Book::embedded().unwrap().cases;
    let case: &Case = cases.iter().find(|case| case.name == name).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let suite = Suite {
        subject: Subject::Running(vec![Target::parse(&format!("http://{free}")).unwrap()]),
        profile: Profile::named("boxd").unwrap(),
        site: Site { patience: Duration::from_secs(10), ..Site::default() },
        baseline: Baseline::default(),
        jobs: 1,
        reset: Some(Reset { command, as_wanted: true }),
    };
    suite.run(std::slice::from_ref(case), |_| {}).unwrap().remove(0)
}

/// A case holds, and with something left out it does not.
#[track_caller]
fn check(name: &str, (before, behind): (&str, &str), expected: Verdict, said: &str) {
    let whole = restarted(name, "", "");
    assert_eq!(whole.verdict, Verdict::Holds, "{:?} {:?}", whole.findings, whole.reason);
    let less = restarted(name, before, behind);
    let words = format!("{:?} {:?}", less.findings, less.reason);
    assert_eq!(less.verdict, expected, "{words}");
    assert!(words.contains(said), "{words}");
}

#[test]
fn flags_reach_the_server() {
    check("access/host_allowed", ("CASE_FLAGS=", ""), Verdict::Fails, "403");
}

#[test]
fn variables_reach_the_server() {
    check("access/token_is_needed", ("CASE_ENV=", ""), Verdict::Fails, "401");
}

#[test]
fn files_reach_the_server() {
    check("access/token_from_a_file", ("rm -f \"$CASE_DIR\"/*;", ""), Verdict::Fails, "token cannot be read");
}

#[test]
fn a_place_reaches_the_server() {
    let name = "file/space_none_to_begin_uploads";
    if restarted(name, "", "").verdict == Verdict::Skipped {
        // This machine allows no namespaces.
        return;
    }
    check(name, ("CASE_BEFORE=", ""), Verdict::Fails, "507");
}

#[test]
fn the_process_is_known_where_it_is_ended() {
    check("file/watch_shutdown", ("", "| sed /pid=/d"), Verdict::Skipped, "says `pid=N`");
}

#[test]
fn the_servers_end_is_a_part_of_the_case() {
    let killed = "[ $CASE_ASK = start ] || kill -KILL -$(cat \"$state/${CASE_URL##*:}/pid\");";
    check("process/exec_waited", (killed, ""), Verdict::Fails, "ended with 137");
}

/// What `docker` does, without containers: `run` starts boxd where the image is named.
const DOCKER: &str = r#"#!/bin/bash
pid=${0%/*}/pid
case $1 in
rm) [ ! -e "$pid" ] || { kill -KILL -- "-$(cat "$pid")" && rm "$pid"; } ;;
inspect) echo "pid=$(cat "$pid")" ;;
run)
  variables=()
  until [ "$1" = my/server ]; do
    case $1 in
    --env=*) variables+=("${1#--env=}") ;;
    --workdir) cd "$2" ;;
    esac
    shift
  done
  shift
  set -m
  env -i PATH="$PATH" "${variables[@]}" BOXD "$@" </dev/null >/dev/null 2>&1 &
  echo $! >"$pid"
  ;;
esac
"#;

#[test]
fn the_script_of_the_readme_works() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restarted-docker");
    fs::create_dir_all(&folder).unwrap();
    let program = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/README.md")).unwrap();
    let (_, rest) = readme.split_once("```sh\n#!/bin/bash\n").unwrap();
    let script = program("restart", &format!("#!/bin/bash\n{}", rest.split_once("```").unwrap().0));
    program("docker", &DOCKER.replace("BOXD", &format!("'{}'", env!("CARGO_BIN_EXE_boxd"))));
    let judge = |name: &str| judge(name, format!("PATH='{}':$PATH '{script}'", folder.display()));
    for name in
        ["access/host_allowed", "access/token_is_needed", "access/token_from_a_file", "worker/killed_running"]
    {
        let judgement = judge(name);
        assert_eq!(
            judgement.verdict,
            Verdict::Holds,
            "{name}: {:?} {:?}",
            judgement.findings,
            judgement.reason
        );
    }
    let placed = judge("file/space_none_to_begin_uploads");
    assert_eq!(placed.verdict, Verdict::Skipped, "{:?}", placed.findings);
}
