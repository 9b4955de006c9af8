//! What viewers are shown of a tape, without a shell.

use std::sync::Arc;

use super::*;
use crate::terminal::session::tests::Scene;

fn output(text: &[u8]) -> Shown {
    Shown::Output(text.to_vec())
}

#[test]
fn who_comes_is_shown_the_past_and_then_what_comes() {
    let scene = Scene::new();
    let mut first = scene.viewer();
    assert_eq!(first.look(), None);
    scene.print(b"one\n");
    assert_eq!(first.look(), Some(output(b"one\n")));
    let mut second = scene.viewer();
    assert_eq!(second.look(), Some(output(b"\x1b[0mone\n")));
    scene.print("é".as_bytes());
    assert_eq!(first.look(), Some(output("é".as_bytes())));
    assert_eq!(second.look(), Some(output("é".as_bytes())));
    assert_eq!(second.look(), None);
}

#[test]
fn a_character_that_is_not_whole_waits_for_its_end() {
    let scene = Scene::new();
    let mut viewer = scene.viewer();
    assert_eq!(viewer.look(), None);
    scene.print(b"a\xe4\xbd");
    assert_eq!(viewer.look(), Some(output(b"a")));
    assert_eq!(viewer.look(), None);
    assert_eq!(scene.viewer().look(), Some(output(b"\x1b[0ma")));
    scene.print(b"\xa0");
    assert_eq!(viewer.look(), Some(output("你".as_bytes())));
    scene.print(b"\xf0");
    scene.session.end(Ending::Unseen);
    assert_eq!(viewer.look(), Some(output(b"\xf0")), "nothing can come behind it");
    assert_eq!(viewer.look(), Some(Shown::Over(Ending::Unseen)));
}

#[test]
fn who_falls_behind_begins_anew_at_a_line() {
    let scene = Scene::new();
    let mut viewer = scene.viewer();
    assert_eq!(viewer.look(), None);
    scene.print(&b"0123456789abcde\n".repeat(40_000));
    let Some(Shown::Output(shown)) = viewer.look() else { panic!("nothing is shown") };
    assert!(shown.starts_with(b"\x1bc0123456789abcde\n") && shown.ends_with(b"e\n"));
    assert!(shown.len() as u64 <= REPLAY_BYTES_MAX + 2 && shown.len() as u64 > REPLAY_BYTES_MAX - 32);
    assert_eq!(viewer.look(), None);
}

#[test]
fn places_are_given_back() {
    let count = Arc::new(AtomicUsize::new(0));
    let one = Place::take(&count, 1).unwrap();
    assert!(Place::take(&count, 1).is_none());
    drop(one);
    assert!(Place::take(&count, 1).is_some());
}

#[test]
fn another_worker_goes_on_at_once() {
    let scene = Scene::new();
    let mut viewer = scene.viewer();
    scene.print(b"x");
    scene.session.end(Ending::Moved);
    assert_eq!(viewer.look(), Some(Shown::Over(Ending::Moved)));
    assert!(Viewer::of(&scene.session, scene.place(), false).is_err());
}
