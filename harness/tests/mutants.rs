//! The harness can be wrong: servers with one defect each must be caught by the case that is named for it, and by no other.
//!
//! A broken server is a good daemon behind a proxy that breaks one thing. Each is asked all the named cases.

use std::{env, path::PathBuf, process::ExitCode, sync::Arc, thread};

use boxd_harness::{
    book::{Book, Case},
    daemon::Daemon,
    fixture::Fixture,
    helper,
    judge::{Finding, Verdict, judge_alone},
    profile::Profile,
    target::Target,
};
use libtest_mimic::{Arguments, Failed, Trial};

#[path = "mutants/defects.rs"]
mod defects;
#[path = "mutants/proxy.rs"]
mod proxy;

use defects::{DEFECTS, Defect};

/// Cases that no defect is named for, which must hold all the same.
const BESIDES: [&str; 3] =
    ["stream/exec_sse_no_output", "http/path_is_decoded", "process/exec_stdin_is_empty"];

/// A server without a defect; else a case that always fails would seem to catch everything.
const SOUND: Defect =
    Defect { what: "none", caught_by: "", meets: |_| false, request: |_| {}, answer: |_, _| {} };

fn main() -> ExitCode {
    if let Some(code) = helper::run_if_asked() {
        return code;
    }
    let program =
        env::var_os("BOXD_HARNESS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_boxd").into(), PathBuf::from);
    let daemon = Daemon::start(&program, &Fixture::without_steps()).expect("the daemon starts");
    let names: Vec<_> = DEFECTS.iter().map(|defect| defect.caught_by).chain(BESIDES).collect();
    let book = Book::embedded().expect("every fixture can be read");
    let cases: Vec<Case> =
        book.cases.into_iter().filter(|case| names.contains(&case.name.as_str())).collect();
    assert!(
        names.iter().all(|name| cases.iter().any(|case| case.name == *name)),
        "a named case is not there"
    );
    let (cases, server) = (Arc::new(cases), daemon.target().clone());
    let trials = std::iter::once(&SOUND)
        .chain(&DEFECTS)
        .map(|defect| {
            let (cases, server) = (Arc::clone(&cases), server.clone());
            Trial::test(defect.what.replace(' ', "_"), move || is_caught(defect, &cases, &server))
        })
        .collect();
    let mut arguments = Arguments::from_args();
    // Cases wait more than they compute.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads = arguments.test_threads.or(Some(cores * 2));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(daemon);
    conclusion.exit_code()
}

/// Asks a server with a defect all the cases.
fn is_caught(defect: &'static Defect, cases: &[Case], server: &Target) -> Result<(), Failed> {
    let target = proxy::start(defect, server)?;
    let profile = Profile::named("boxd")?;
    let mut wrong = Vec::new();
    for case in cases {
        let (verdict, findings) = judge_alone(case, &target, &profile);
        let is_caught = verdict == Verdict::Fails;
        if is_caught && case.name != defect.caught_by {
            wrong.push(format!("{} fails, too:{}", case.name, shown(&findings)));
        }
        if !is_caught && case.name == defect.caught_by {
            wrong.push(format!("{} does not catch it", case.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| text + "\n  " + &finding.text.replace('\n', "\n  "))
}
