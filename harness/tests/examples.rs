//! The files that others copy: the commands in them are ones that the harness takes, and do what they say.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde::Deserialize;

use crate::mock::{Mock, Reply};

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    command: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    runs: Runs,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    run: Option<String>,
}

fn beside(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// One case, which this server does not hold: so it ends with 1, and the reports are there.
fn is_run(mut command: Command, report: &Path) {
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("FAILED   process/exec_bad_command"), "{said}");
    for file in ["index.html", "junit.xml", "run.json"] {
        assert!(report.join(file).is_file(), "{file} is not there: {said}");
    }
}

fn fresh(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::remove_dir_all(&folder).ok();
    folder
}

#[test]
fn the_containers_run_the_harness() {
    let compose: Compose = serde_saphyr::from_str(&beside("docs/compose.yml")).unwrap();
    let mock = Mock::start(|_| Reply::json(500, "{}"));
    let report = fresh("compose");
    let words = compose.services["harness"].command.as_ref().unwrap();
    let words =
        words.replace("http://box:8080", &mock.url()).replace("/report", &report.display().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxd-harness"));
    command.args(words.split_whitespace()).args(["--only", "process/exec_bad_command"]);
    is_run(command, &report);
}

#[test]
fn the_action_runs_the_harness() {
    let action: Action = serde_saphyr::from_str(&beside("action.yml")).unwrap();
    let line =
        action.runs.steps.iter().find_map(|step| step.run.as_deref().filter(|run| run.contains("$TARGET")));
    let mock = Mock::start(|_| Reply::json(500, "{}"));
    let report = fresh("action");
    // What a runner's checkout has after the first step.
    let checkout = fresh("checkout");
    fs::create_dir_all(checkout.join("harness")).unwrap();
    fs::create_dir_all(checkout.join("target/release")).unwrap();
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_boxd-harness"),
        checkout.join("target/release/boxd-harness"),
    )
    .unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-e", "-c", line.unwrap()])
        .env("GITHUB_ACTION_PATH", checkout.join("harness"))
        .envs([("TARGET", mock.url().as_str()), ("PROFILE", "blaxel")])
        .env("REPORT", &report)
        .env("ARGUMENTS", "--only process/exec_bad_command --workspace /tmp/conformance");
    is_run(command, &report);
}
