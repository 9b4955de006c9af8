//! Searches of small trees: what is found, in which order, and that nothing holds them up.

use std::fs;

use super::*;
use crate::filesystem::Root;

struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("boxd-content-{}", fastrand::u64(..)));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn open(&self, at: &str, options: ContentOptions) -> Content {
        let files = Files::new(Root::whole(), &self.0, None, None);
        Content::open(&files, &files.plain_place(at.as_bytes()), options, Stop::new()).unwrap()
    }

    fn search(&self, options: ContentOptions) -> Vec<(String, u64)> {
        all(self.open(".", options))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn all(mut content: Content) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    while let Some(files) = content.turn().unwrap() {
        for file in files {
            let path = file.path.to_string_lossy();
            found.extend(file.hits.iter().map(|hit| (path.clone().into_owned(), hit.line)));
        }
    }
    found
}

fn options(query: &str, hits_max: Option<usize>) -> ContentOptions {
    ContentOptions { query: query.to_owned(), hits_max, ..ContentOptions::default() }
}

#[test]
fn the_order_is_that_of_the_walk_however_many_search() {
    let tree = Tree::new();
    let mut expect = Vec::new();
    for n in 0..1500 {
        let path = format!("d{:02}/f{n:04}", n % 37);
        tree.write(&path, format!("x\n{}", "needle\n".repeat(n % 3)));
        expect.extend((0..n % 3).map(|hit| (path.clone(), hit as u64 + 2)));
    }
    expect.sort();
    for _ in 0..3 {
        assert_eq!(tree.search(options("NEEDLE", None)), expect);
    }
    for max in [1, 2, 77, 1000] {
        assert_eq!(tree.search(options("needle", Some(max))), expect[..max]);
    }
    let found =
        tree.search(ContentOptions { file_pattern: Some("*1".to_owned()), ..options("needle", None) });
    assert_eq!(found, expect.iter().filter(|(path, _)| path.ends_with('1')).cloned().collect::<Vec<_>>());
    assert!(
        tree.search(ContentOptions { file_pattern: Some("[".to_owned()), ..options("n", None) }).is_empty()
    );
    assert!(tree.search(options("needle\nneedle", None)).is_empty());
}

#[test]
fn any_number_of_hits_is_held_by_the_turn() {
    let tree = Tree::new();
    let lines = 300_000;
    tree.write("a/first", "needle\n");
    tree.write("b/many", "a needle\n".repeat(lines));
    tree.write("c/last", "needle\nneedle");
    let mut content = tree.open(".", ContentOptions { context_lines: 20, ..options("needle", None) });
    let (mut total, mut last) = (0, String::new());
    while let Some(files) = content.turn().unwrap() {
        let bytes: usize = files.iter().flat_map(|file| &file.hits).map(Hit::bytes).sum();
        assert!(bytes < 6 << 20, "{bytes}");
        for file in files {
            assert!(last.as_str() <= file.path.to_str().unwrap());
            file.path.to_str().unwrap().clone_into(&mut last);
            total += file.hits.len();
        }
    }
    assert_eq!((total, last.as_str()), (lines + 3, "c/last"));
    assert_eq!(tree.search(options("needle", Some(1000))).len(), 1000);
    // The last file has waited with hits while the one before it used up what was left.
    assert_eq!(tree.search(options("needle", Some(lines + 2))).len(), lines + 2);
}

#[test]
fn nothing_is_waited_for() {
    let tree = Tree::new();
    tree.write("file", b"\0needle\xff\0");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.0.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.0.join("socket")).unwrap();
    std::os::unix::fs::symlink("file", tree.0.join("link")).unwrap();
    assert_eq!(tree.search(options("needle", None)), [("file".to_owned(), 1)]);
    // Even what became a FIFO behind the walk's back.
    let folder = rustix::fs::open(&tree.0, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    let folder = std::sync::Arc::new(Folder::new(folder));
    let needle = Needle::new("needle", true).unwrap();
    let stop = Stop::new();
    let turn = Turn::new(Wish { needle: &needle, context_lines: 0, hits_max: 9 }, &stop);
    for name in ["fifo", "socket", "link", "gone"] {
        let mut job = Job::new(folder.clone(), std::path::Path::new(name), false);
        job.search(&mut Eye::new(), &turn).unwrap();
        assert!(job.is_done() && job.hits.is_empty(), "{name}");
    }
}

#[test]
fn the_kernels_files_are_searched_when_asked() {
    let tree = Tree::new();
    let content = tree.open(
        "/proc/self",
        ContentOptions { file_pattern: Some("status".to_owned()), ..options("VmRSS:", Some(1)) },
    );
    assert_eq!(all(content)[0].0, "status");
}

#[test]
fn a_search_that_nobody_wants_ends() {
    let tree = Tree::new();
    tree.write("big", "x".repeat(1 << 20));
    let files = Files::new(Root::whole(), &tree.0, None, None);
    let stop = Stop::new();
    let wanted = stop.wanted();
    let mut content = Content::open(&files, &files.plain_place(b"."), options("y", None), stop).unwrap();
    drop(wanted);
    assert!(content.turn().unwrap().is_none());
}
