//! Walks of small trees with everything in them that a walk can meet.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::mkdirat;

use super::*;
use crate::filesystem::Root;

struct Tree(PathBuf);

impl Tree {
    fn new(paths: &[&str]) -> Self {
        let dir = std::env::temp_dir().join(format!("boxd-walk-{}", fastrand::u64(..)));
        fs::create_dir(&dir).unwrap();
        for path in paths {
            if let Some(folder) = path.strip_suffix('/') {
                fs::create_dir_all(dir.join(folder)).unwrap();
                continue;
            }
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), path).unwrap();
        }
        Self(dir)
    }

    fn walk_in(&self, root: Root, at: &str, scope: Scope) -> Walk {
        let files = Files::new(root, &self.0, None, None);
        Walk::open(&files, &files.plain_place(at.as_bytes()), scope, Stop::new()).unwrap()
    }

    fn paths(&self, scope: Scope) -> Vec<String> {
        paths(self.walk_in(Root::whole(), ".", scope))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn paths(mut walk: Walk) -> Vec<String> {
    let mut found = Vec::new();
    while walk.advance().unwrap() {
        found.push(walk.path().to_string_lossy().into_owned());
    }
    assert!(!walk.advance().unwrap(), "an end is an end");
    found
}

#[test]
fn names_are_in_the_order_of_their_bytes() {
    let tree = Tree::new(&["b/z", "b/a", "b.txt", "B", "a/", "c/"]);
    assert_eq!(tree.paths(Scope::default()), ["B", "a", "b", "b/a", "b/z", "b.txt", "c"]);
}

#[test]
fn what_is_left_out() {
    let tree = Tree::new(&[".h/x", ".f", "node_modules/x", "a/node_modules/y", "a/b", "sub/node_modules"]);
    let scope =
        Scope { exclude_hidden: true, exclude_folders: ["node_modules".into()].into(), gitignore: false };
    assert_eq!(tree.paths(scope), ["a", "a/b", "sub", "sub/node_modules"]);
    assert_eq!(tree.paths(Scope::default()).len(), 11);
}

#[test]
fn gitignore_of_all_levels() {
    let tree =
        Tree::new(&["top/sub/a.log", "top/sub/keep.log", "top/sub/out/x", "top/sub/in/b.tmp", "top/c.log"]);
    fs::write(tree.0.join(".gitignore"), "*.log\n").unwrap();
    fs::write(tree.0.join("top/.gitignore"), "!keep.log\n/sub/out/\n").unwrap();
    fs::write(tree.0.join("top/sub/in/.gitignore"), "*.tmp\n").unwrap();
    let scope = || Scope { gitignore: true, exclude_hidden: true, ..Scope::default() };
    assert_eq!(tree.paths(scope()), ["top", "top/sub", "top/sub/in", "top/sub/keep.log"]);
    // What is above counts only in a repository.
    assert_eq!(paths(tree.walk_in(Root::whole(), "top/sub", scope())).len(), 5);
    fs::create_dir(tree.0.join(".git")).unwrap();
    assert_eq!(paths(tree.walk_in(Root::whole(), "top/sub", scope())), ["in", "keep.log"]);
    // The folder that was named is searched, whatever the rules say of it.
    assert_eq!(paths(tree.walk_in(Root::whole(), "top/sub/out", scope())), ["x"]);
}

#[test]
fn links_lead_nowhere() {
    let tree = Tree::new(&["a/x", "in/y"]);
    symlink("..", tree.0.join("a/up")).unwrap();
    symlink("/", tree.0.join("in/root")).unwrap();
    symlink("loop", tree.0.join("loop")).unwrap();
    assert_eq!(tree.paths(Scope::default()), ["a", "a/up", "a/x", "in", "in/root", "in/y", "loop"]);
    let confined = Root::confined(&tree.0.join("in"));
    assert_eq!(paths(tree.walk_in(confined, "/root", Scope::default())), ["root", "y"]);
    // The folder that is named may be a link itself.
    assert_eq!(paths(tree.walk_in(Root::whole(), "a/up/in", Scope::default())), ["root", "y"]);
}

#[test]
fn a_tree_may_be_deeper_than_paths_and_descriptors() {
    const DEPTH: usize = 150;
    let tree = Tree::new(&["z"]);
    let name = "d".repeat(50);
    let mut at = Folder::new(rustix::fs::open(&tree.0, OFlags::PATH, Mode::empty()).unwrap());
    for _ in 0..DEPTH {
        for name in [name.as_str(), "e"] {
            mkdirat(&at, name, Mode::from_raw_mode(0o755)).unwrap();
        }
        at = at.open(OsStr::new(&name)).unwrap();
    }
    let mut walk = tree.walk_in(Root::whole(), ".", Scope::default());
    let (mut found, mut longest, mut last) = (0, 0, String::new());
    while walk.advance().unwrap() {
        found += 1;
        longest = longest.max(walk.path.len());
        last = walk.name().to_string_lossy().into_owned();
        assert!(walk.levels.iter().filter(|level| level.folder.is_some()).count() <= OPEN_FOLDERS_MAX + 1);
    }
    // Behind the deep folder each level has another one, which is found on the way back.
    assert_eq!((found, longest, last.as_str()), (2 * DEPTH + 1, DEPTH * 51 - 1, "z"));
}

#[test]
fn a_folder_that_moved_away_is_left_out() {
    let tree = Tree::new(&["z", "other/"]);
    let deep = "d/".repeat(OPEN_FOLDERS_MAX + 4);
    fs::create_dir_all(tree.0.join(&deep)).unwrap();
    let mut walk = tree.walk_in(Root::whole(), "d", Scope::default());
    while walk.path.len() < deep.len() - 4 {
        assert!(walk.advance().unwrap());
    }
    // `..` of what is in it leads elsewhere now: nothing there is taken for it.
    fs::rename(tree.0.join("d/d/d"), tree.0.join("other/d")).unwrap();
    let rest = paths(walk);
    assert!(rest.iter().all(|path| path.starts_with("d/d/d/d")), "{rest:?}");
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let tree = Tree::new(&["a/x", "b/y"]);
    fs::set_permissions(tree.0.join("a"), fs::Permissions::from_mode(0o0)).unwrap();
    let found = tree.paths(Scope::default());
    // Root reads everything.
    let expect: &[&str] =
        if rustix::process::geteuid().is_root() { &["a", "a/x", "b", "b/y"] } else { &["a", "b", "b/y"] };
    assert_eq!(found, expect);
    fs::set_permissions(tree.0.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut walk = tree.walk_in(Root::whole(), ".", Scope::default());
    assert!(walk.advance().unwrap());
    fs::remove_dir_all(tree.0.join("a")).unwrap();
    fs::write(tree.0.join("a"), "no folder any more").unwrap();
    assert_eq!(paths(walk), ["b", "b/y"]);
}

#[test]
fn the_kernels_file_systems_are_not_entered_from_outside() {
    let tree = Tree::new(&[]);
    let scope = || Scope { exclude_folders: fs_folders(), ..Scope::default() };
    let found = paths(tree.walk_in(Root::whole(), "/", scope()));
    assert!(found.contains(&"proc".to_owned()) && !found.iter().any(|path| path.starts_with("proc/")));
    assert!(paths(tree.walk_in(Root::whole(), "/proc/self", Scope::default())).len() > 10);
}

/// All folders at the top but `proc`.
fn fs_folders() -> HashSet<OsString> {
    let names = fs::read_dir("/").unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "proc").collect()
}

#[test]
fn nobody_wants_it_any_more() {
    let tree = Tree::new(&["a", "b"]);
    let files = Files::new(Root::whole(), &tree.0, None, None);
    let stop = Stop::new();
    let wanted = stop.wanted();
    let mut walk = Walk::open(&files, &files.plain_place(b"."), Scope::default(), stop).unwrap();
    assert!(walk.advance().unwrap());
    drop(wanted);
    assert!(!walk.advance().unwrap());
}
