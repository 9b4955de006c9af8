//! A session without a shell, and one that is typed into.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::custody::Custody;
use crate::terminal::viewer::{Place, Viewer};

/// A terminal that only this test has open.
pub(crate) struct Scene {
    pub(crate) session: Arc<Session>,
    pub(crate) other_end: OwnedFd,
    places: Arc<AtomicUsize>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (terminal, other_end) = pty::open(Size { cols: 80, rows: 24 }).unwrap();
        let key = Key { boot: 1, serial: 1, run: 0 };
        let shell = (PidFd::open(std::process::id()).unwrap(), Parent::Keeper);
        let kept = (Tape::new("x").unwrap(), Deposit::resumed(&Custody::none(), key));
        let session = Session::new(("x".to_owned(), key), shell, terminal, kept).unwrap();
        Self { session: Arc::new(session), other_end, places: Arc::default() }
    }

    /// Lets it be read, without a terminal.
    pub(crate) fn print(&self, bytes: &[u8]) {
        self.session.state().tape.append(bytes).unwrap();
    }

    pub(crate) fn place(&self) -> Place {
        Place::take(&self.places, 10).unwrap()
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer::of(&self.session, self.place(), false).unwrap()
    }
}

/// The time in which something happens that does happen.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn what_is_printed_is_read_and_what_is_typed_is_echoed() {
    let scene = Scene::new();
    smol::block_on(async {
        scene.session.type_in("hé\n".as_bytes()).await;
        let mut viewer = scene.viewer();
        let mut shown = String::new();
        let look = async {
            // The kernel echoes when it finds the time, so what is printed waits for the echo.
            for (end, print) in [("hé\r\n", "out\n"), ("out\r\n", "")] {
                while !shown.ends_with(end) {
                    let crate::terminal::Shown::Output(bytes) = viewer.next().await else { return };
                    shown.push_str(&String::from_utf8_lossy(&bytes));
                }
                rustix::io::write(&scene.other_end, print.as_bytes()).unwrap();
            }
        };
        let read = async { scene.session.read_on().await };
        look.or(read).await;
        assert_eq!(shown.trim_start_matches("\u{1b}[0m"), "hé\r\nout\r\n");
    });
}

#[test]
fn nobody_reads_while_it_is_held_and_all_is_read_afterwards() {
    let scene = Scene::new();
    scene.session.hold();
    rustix::io::write(&scene.other_end, b"out").unwrap();
    assert_eq!(scene.session.read_turn(), Turn::Held);
    assert_eq!(scene.session.state().tape.end(), 0);
    scene.session.go_on();
    smol::block_on(scene.session.read_rest());
    assert_eq!(scene.session.state().tape.read(0, 10).unwrap(), b"out");
}

#[test]
fn a_terminal_that_nobody_has_open_is_read_to_its_end() {
    let Scene { session, other_end, .. } = Scene::new();
    rustix::io::write(&other_end, &[b'x'; 3000]).unwrap();
    drop(other_end);
    let began = Instant::now();
    smol::block_on(session.read_rest());
    assert_eq!(session.state().tape.end(), 3000);
    assert!(began.elapsed() < REST_MAX, "the end was waited for");
}

#[test]
fn a_viewer_that_stands_still_is_waited_for_once() {
    let scene = Scene::new();
    let mut viewer = scene.viewer();
    scene.print(&vec![b'x'; usize::try_from(AHEAD_MAX).unwrap() + 1]);
    let wait = || {
        let began = Instant::now();
        smol::block_on(scene.session.wait_for_viewers());
        began.elapsed()
    };
    assert!(wait() >= PATIENCE);
    assert!(wait() < PATIENCE, "it is not waited for again");
    for _ in 0..20 {
        smol::block_on(async {
            viewer.next().or(futures_lite::future::ready(crate::terminal::Shown::Output(vec![]))).await
        });
    }
    assert!(wait() < PATIENCE, "it has caught up");
    scene.print(&vec![b'x'; usize::try_from(AHEAD_MAX).unwrap() + 1]);
    assert!(wait() >= PATIENCE, "it is waited for once more");
}

#[test]
fn it_is_unwatched_when_nobody_came_for_the_whole_time() {
    let scene = Scene::new();
    let idle = Duration::from_millis(50);
    let viewer = scene.viewer();
    let leave = async {
        Timer::after(2 * idle).await;
        drop(viewer);
        std::future::pending::<()>().await;
    };
    let began = Instant::now();
    let late = async {
        Timer::after(SOON).await;
    };
    smol::block_on(scene.session.unwatched(idle).or(leave).or(late));
    assert!(began.elapsed() >= 3 * idle && began.elapsed() < SOON);
}

#[test]
fn the_keepers_word_is_waited_for() {
    let scene = Scene::new();
    let none = smol::block_on(scene.session.told_exit(Duration::from_millis(1)));
    assert!(none.is_none());
    let status = crate::sys::pidfd::ExitStatus::Code(3);
    scene.session.tell_exit(Exited { pid: 1, status, at_ms: 0, usage: None });
    assert_eq!(smol::block_on(scene.session.told_exit(SOON)).unwrap().status, status);
}
