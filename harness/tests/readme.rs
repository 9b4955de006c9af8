//! Holds documents to what boxd does: the tour of the README, and the case that a page lets its reader write.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;

use boxd_harness::{
    book::Case,
    daemon::Daemon,
    fixture::Fixture,
    judge::{Verdict, judge_program},
    profile::Profile,
    tour,
};

const BOXD: &str = env!("CARGO_BIN_EXE_boxd");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_tour_of_the_readme_is_true() {
    let stops = tour::stops(&read("README.md"));
    assert!(stops.len() > 5, "the tour is found");
    let daemon = Daemon::start(Path::new(BOXD), &Fixture::without_steps()).unwrap();
    for stop in &stops {
        if let Err(sentence) = tour::make(stop, daemon.target()) {
            panic!("{sentence}");
        }
    }
    daemon.stop().unwrap();
}

#[test]
fn the_case_that_a_page_lets_its_reader_write_is_answered_as_it_says() {
    let page = read("harness/docs/add-a-case.md");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let name = "process/exec_answers_a_line";
    let snapshot = block("text");
    assert!(
        snapshot.contains(&format!("input_file: fixtures/{name}.toml")),
        "it is the snapshot of that case"
    );
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{name}.toml")).exists());
    let profile = Profile::named("boxd").unwrap();
    let verdict = |snapshot: &str| {
        let case = Case::new(name, block("toml").to_owned(), Some(snapshot)).unwrap();
        let judgement = judge_program(&case, Path::new(BOXD), &profile);
        (judgement.verdict, judgement.findings)
    };
    assert_eq!(verdict(snapshot), (Verdict::Holds, Vec::new()));
    // As its fourth step says.
    assert_eq!(verdict(&snapshot.replace("got it", "got that")).0, Verdict::Fails);
}
