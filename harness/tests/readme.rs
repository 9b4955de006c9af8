//! Makes the README's tour against a daemon: each command answers what the README shows.

use std::path::Path;

use boxd_harness::{daemon::Daemon, fixture::Fixture, tour};

#[test]
fn the_tour_of_the_readme_is_true() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let stops = tour::stops(&readme);
    assert!(stops.len() > 5, "the tour is found");
    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_boxd")), &Fixture::without_steps()).unwrap();
    for stop in &stops {
        if let Err(sentence) = tour::make(stop, daemon.target()) {
            panic!("{sentence}");
        }
    }
    daemon.stop().unwrap();
}
