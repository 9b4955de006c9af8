//! Watchers of real folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::filesystem::{Root, Upload, WriteOptions};

/// No test waits longer for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Sandbox {
    dir: PathBuf,
    files: Files,
    runtime: Runtime,
}

impl Sandbox {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("boxd-watch-{}", fastrand::u64(..)));
        fs::create_dir_all(dir.join("w")).unwrap();
        let files = Files::new(Root::whole(), &dir, None, None);
        Self { dir, files, runtime: Runtime::start(1).unwrap() }
    }

    fn watch(&self, is_recursive: bool) -> Watcher {
        let place = self.files.place(b"w").unwrap();
        let asked = Asked { place, is_recursive, ignore: Ignore::default() };
        let mut watcher = Watcher::open(&self.files, &self.runtime, asked).unwrap();
        while !watcher.begin().unwrap() {}
        watcher
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.join("w").join(path)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// All that has happened up to now.
fn drain(watcher: &mut Watcher) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let (events, turn) = watcher.turn();
        all.extend(events);
        if turn != Turn::More {
            return all;
        }
    }
}

fn shown(sandbox: &Sandbox, events: &[Event]) -> Vec<String> {
    let below = |event: &Event| event.path().strip_prefix(&sandbox.dir).unwrap().display().to_string();
    events.iter().map(|event| format!("{:?} {}", event.op, below(event))).collect()
}

#[test]
fn files_are_told_however_they_are_made() {
    let sandbox = Sandbox::new();
    let mut watcher = sandbox.watch(false);
    let place = sandbox.files.place(b"w/a").unwrap();
    for _ in 0..2 {
        let mut upload = Upload::begin(&sandbox.files, &place, WriteOptions::default()).unwrap();
        upload.write(b"bytes").unwrap();
        upload.commit().unwrap();
    }
    fs::write(sandbox.at("b"), "bytes").unwrap();
    fs::hard_link(sandbox.at("b"), sandbox.at("c")).unwrap();
    fs::write(sandbox.at("empty"), "").unwrap();
    let expect = ["Create w/a", "Write w/a", "Create w/b", "Write w/b", "Create w/c", "Create w/empty"];
    let told = shown(&sandbox, &drain(&mut watcher));
    // Two writes of one file that nobody has looked at between may be one for the kernel.
    assert!(told.iter().filter(|line| *line == "Write w/a").count() <= 2);
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(expect));
}

#[test]
fn what_does_not_fit_is_one_overflow_and_new_folders_are_found() {
    let sandbox = Sandbox::new();
    let mut watcher = sandbox.watch(true);
    let file = sandbox.at("x".repeat(200).as_str());
    fs::write(&file, "").unwrap();
    for n in 0..4000 {
        let (from, to) = if n % 2 == 0 { (&file, sandbox.at("y")) } else { (&sandbox.at("y"), file.clone()) };
        fs::rename(from, to).unwrap();
        // As the reader of the runtime does at some time.
        watcher.hub.as_ref().unwrap().read().unwrap();
    }
    fs::create_dir_all(sandbox.at("late/deep")).unwrap();
    fs::write(sandbox.at("late/deep/f"), "f").unwrap();
    let events = drain(&mut watcher);
    let told = shown(&sandbox, &events);
    assert_eq!(told.iter().filter(|line| line.starts_with("Overflow")).count(), 1);
    let behind = told.iter().position(|line| line.starts_with("Overflow")).unwrap() + 1;
    let expect = ["Create w/late", "Create w/late/deep", "Create w/late/deep/f", "Write w/late/deep/f"];
    assert_eq!(told[behind..], expect);
    fs::write(sandbox.at("late/deep/g"), "").unwrap();
    assert_eq!(shown(&sandbox, &drain(&mut watcher)), ["Create w/late/deep/g"]);
}

#[test]
fn a_thousand_watchers_have_one_descriptor_and_leave_nothing() {
    let sandbox = Sandbox::new();
    let mut watchers: Vec<_> = (0..1000).map(|n| sandbox.watch(n % 2 == 0)).collect();
    let hub = Arc::downgrade(watchers[0].hub.as_ref().unwrap());
    assert!(watchers.iter().all(|watcher| Arc::as_ptr(watcher.hub.as_ref().unwrap()) == hub.as_ptr()));
    fs::create_dir(sandbox.at("sub")).unwrap();
    for watcher in &mut watchers {
        assert_eq!(shown(&sandbox, &drain(watcher)), ["Create w/sub"]);
    }
    // Those who stay are told on, of folders that others have left, too.
    watchers.truncate(1);
    fs::write(sandbox.at("sub/f"), "").unwrap();
    assert_eq!(shown(&sandbox, &drain(&mut watchers[0])), ["Create w/sub/f"]);
    watchers.clear();
    let begun = Instant::now();
    while hub.upgrade().is_some() {
        assert!(begun.elapsed() < PATIENCE, "the descriptor is still there");
        std::thread::yield_now();
    }
    assert_eq!(shown(&sandbox, &drain(&mut sandbox.watch(true))), [""; 0]);
}

#[test]
fn an_inbox_wakes_who_listens() {
    let sandbox = Sandbox::new();
    let mut watcher = sandbox.watch(false);
    drain(&mut watcher);
    let listener = watcher.listen();
    fs::write(sandbox.at("a"), "").unwrap();
    smol::block_on(listener);
    assert_eq!(shown(&sandbox, &drain(&mut watcher)), ["Create w/a"]);
}

#[test]
fn the_end_of_a_folder_is_the_end() {
    let sandbox = Sandbox::new();
    let mut watcher = sandbox.watch(true);
    // Somebody still stands in it, and others go from where it is.
    let _open = fs::File::open(sandbox.dir.join("w")).unwrap();
    fs::create_dir(sandbox.dir.join("other")).unwrap();
    fs::remove_dir(sandbox.dir.join("other")).unwrap();
    assert_eq!(watcher.turn(), (vec![], Turn::Idle));
    fs::remove_dir_all(sandbox.dir.join("w")).unwrap();
    let (events, turn) = watcher.turn();
    assert_eq!((shown(&sandbox, &events), turn), (vec!["Remove w".to_owned()], Turn::Over));
}

/// Changes a tree at random, as far as it can be changed.
fn churn(root: &Path, seed: u64, deeds: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..deeds {
        let top = root.join(format!("c{}", random.u8(..5)));
        let other = root.join(format!("c{}", random.u8(..5)));
        let below = other.join(format!("d{}", random.u8(..3)));
        // Most of it is impossible at the moment, which is as good as any.
        match random.u8(..7) {
            0 | 1 => fs::create_dir_all(&below).ok(),
            2 => fs::remove_dir_all(&top).ok(),
            3 => fs::rename(&top, &other).ok(),
            4 => fs::rename(&below, &top).ok(),
            _ => fs::write(below.join(format!("f{}", random.u8(..4))), "x").ok(),
        };
    }
}

fn entries(root: &Path, all: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            entries(&path, all);
        }
        all.insert(path);
    }
}

#[test]
fn who_follows_the_events_knows_the_tree() {
    let sandbox = Sandbox::new();
    let mut watcher = sandbox.watch(true);
    let root = sandbox.dir.join("w");
    let seed = fastrand::u64(..);
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    let mut follow = |events: Vec<Event>| {
        for event in events {
            let path = event.path();
            match event.op {
                Op::Create => drop(known.insert(path)),
                Op::Remove | Op::Rename => known.retain(|known| !known.starts_with(&path)),
                Op::Write | Op::Chmod => {}
                Op::Overflow | Op::Error => panic!("{event:?}"),
            }
        }
        known.clone()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let root = &root;
                scope.spawn(move || churn(root, seed + n, 2000))
            })
            .collect();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            follow(drain(&mut watcher));
        }
    });
    let mut there = BTreeSet::new();
    entries(&root, &mut there);
    assert_eq!(follow(drain(&mut watcher)), there, "seed {seed}");
    let folders = there.iter().filter(|path| path.is_dir()).count();
    assert_eq!(watcher.translator.folders.len(), folders + 1, "seed {seed}");
}
