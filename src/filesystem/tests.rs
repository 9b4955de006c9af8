//! Writing, seen from outside: what readers see, what is kept, and who wins.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::error::{Error, Result};

struct Folder {
    path: PathBuf,
    files: Files,
}

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("boxd-files-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path).unwrap();
        let files = Files::new(Root::whole(), &path, None, None);
        Self { path, files }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8], options: WriteOptions) -> Result<Written> {
        let mut upload = Upload::begin(&self.files, &self.files.place(name.as_bytes())?, options)?;
        upload.write(bytes)?;
        upload.commit()
    }

    fn method(&self, name: &str, bytes: &[u8]) -> Method {
        self.write(name, bytes, WriteOptions::default()).unwrap().method
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).ok();
    }
}

#[test]
fn a_file_is_created_then_replaced_and_nothing_else_is_left() {
    let folder = Folder::new();
    assert_eq!(folder.method("a", b"one"), Method::Created);
    let first = fs::metadata(folder.at("a")).unwrap();
    assert_eq!(folder.method("a", b"two"), Method::Replaced);
    assert_ne!(fs::metadata(folder.at("a")).unwrap().ino(), first.ino());
    assert_eq!(folder.write("a", b"three", WriteOptions::default()).unwrap().method, Method::Replaced);
    assert_eq!(fs::read(folder.at("a")).unwrap(), b"three");
    assert_eq!(folder.method("deep/er/b", b"x"), Method::Created);
    assert_eq!(folder.names(), ["a", "deep"]);
}

#[test]
fn a_cut_upload_never_was() {
    let folder = Folder::new();
    fs::write(folder.at("a"), "old").unwrap();
    for name in ["a", "new", "deep/new"] {
        let place = folder.files.place(name.as_bytes()).unwrap();
        let mut upload = Upload::begin(&folder.files, &place, WriteOptions::default()).unwrap();
        upload.write(b"half").unwrap();
    }
    assert_eq!(folder.names(), ["a"]);
    assert_eq!(fs::read(folder.at("a")).unwrap(), b"old");
}

#[test]
fn what_a_file_was_it_stays() {
    let folder = Folder::new();
    fs::write(folder.at("a"), "old").unwrap();
    fs::set_permissions(folder.at("a"), fs::Permissions::from_mode(0o4751)).unwrap();
    let named =
        rustix::fs::setxattr(folder.at("a"), "user.color", b"blue", rustix::fs::XattrFlags::empty()).is_ok();
    symlink("a", folder.at("link")).unwrap();
    symlink("nowhere/else", folder.at("dangling")).unwrap();
    assert_eq!(folder.method("link", b"new"), Method::Replaced);
    assert_eq!(fs::read_link(folder.at("link")).unwrap(), Path::new("a"));
    let metadata = fs::metadata(folder.at("a")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.len()), (0o4751, 3));
    if named {
        let mut value = Vec::with_capacity(16);
        rustix::fs::getxattr(folder.at("a"), "user.color", rustix::buffer::spare_capacity(&mut value))
            .unwrap();
        assert_eq!(value, b"blue");
    }
    // The folder that a link needs is made where the link leads.
    assert_eq!(folder.method("dangling", b"there"), Method::Created);
    assert_eq!(fs::read(folder.at("nowhere/else")).unwrap(), b"there");
}

#[test]
fn a_file_with_two_names_is_written_over() {
    let folder = Folder::new();
    fs::write(folder.at("a"), "a longer text").unwrap();
    fs::hard_link(folder.at("a"), folder.at("b")).unwrap();
    assert_eq!(folder.method("a", b"new"), Method::InPlace);
    assert_eq!(fs::read(folder.at("b")).unwrap(), b"new");
    let large = vec![7; 1 << 20];
    assert_eq!(folder.method("b", &large), Method::InPlace);
    assert_eq!(fs::read(folder.at("a")).unwrap(), large);
    assert_eq!(folder.names(), ["a", "b"]);
}

#[test]
fn appending_goes_behind_what_is_there() {
    let folder = Folder::new();
    let append = || WriteOptions { append: true, ..WriteOptions::default() };
    assert_eq!(folder.write("a", b"one,", append()).unwrap().method, Method::Created);
    assert_eq!(folder.write("a", b"two", append()).unwrap().method, Method::Appended);
    assert_eq!(fs::read(folder.at("a")).unwrap(), b"one,two");
}

#[test]
fn what_is_no_file_is_not_written_to() {
    let folder = Folder::new();
    fs::create_dir(folder.at("folder")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, folder.at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::write(folder.at("file"), "x").unwrap();
    let text = |name: &str| folder.write(name, b"x", WriteOptions::default()).unwrap_err().to_string();
    assert!(text("folder").ends_with("is a directory"), "{}", text("folder"));
    assert!(text("fifo").ends_with("not a regular file but a fifo"));
    assert!(text("file/below").ends_with("not a directory"));
    assert!(text(&"n".repeat(300)).ends_with("file name too long"));
    assert!(text("nul\0").ends_with("invalid argument"));
}

#[test]
fn of_writers_who_expect_the_same_version_one_wins() {
    let folder = Folder::new();
    let tag = folder.write("a", b"0", WriteOptions::default()).unwrap().info.etag();
    let condition = Condition { is: Some(Tags::These(vec![tag])), is_not: None };
    let results: Vec<Result<Written>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let (folder, condition) = (&folder, condition.clone());
                let write = move || {
                    let options = WriteOptions { condition, ..WriteOptions::default() };
                    folder.write("a", format!("writer {n}").as_bytes(), options)
                };
                scope.spawn(write)
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| matches!(e, Error::PreconditionFailed)));
}

#[test]
fn creators_of_one_name_do_not_fail_each_other() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for n in 0..8_u8 {
            let folder = &folder;
            scope.spawn(move || {
                for round in 0..50 {
                    folder.write(&format!("new-{round}"), &[n; 5000], WriteOptions::default()).unwrap();
                }
            });
        }
    });
    assert_eq!(folder.names().len(), 50);
}

#[test]
fn a_reader_sees_one_version_or_the_other() {
    let folder = Folder::new();
    let versions = [vec![b'a'; 300_000], vec![b'b'; 200_000]];
    folder.write("f", &versions[0], WriteOptions::default()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                folder.write("f", &versions[n % 2], WriteOptions::default()).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let read = fs::read(folder.at("f")).unwrap();
            assert!(versions.contains(&read), "{} bytes", read.len());
        }
    });
}

#[test]
fn folders_are_removed_with_all_that_is_in_them() {
    let folder = Folder::new();
    let mut deep = folder.at("tree");
    for n in 0..200 {
        deep.push(format!("level-{n}"));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    for n in 0..2000 {
        fs::write(folder.at("tree").join(format!("{n}")), "x").unwrap();
    }
    fs::create_dir(folder.at("kept")).unwrap();
    fs::write(folder.at("kept/file"), "x").unwrap();
    symlink(folder.at("kept"), folder.at("tree/link")).unwrap();
    let removal = Removal::find(&folder.files, &folder.files.place(b"tree").unwrap()).unwrap();
    assert!(removal.run(false).unwrap_err().to_string().ends_with("directory not empty"));
    removal.run(true).unwrap();
    assert_eq!(folder.names(), ["kept"]);
    assert!(folder.at("kept/file").exists());
}

#[test]
fn what_needs_a_descriptor_for_each_level_is_not_deeper_than_a_path() {
    let folder = Folder::new();
    let mut at = rustix::fs::open(&folder.path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..2100 {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    }
    let place = |name: &str| folder.files.place(name.as_bytes()).unwrap();
    let is_too_deep = |result: Result<()>| matches!(result, Err(Error::TooMuch { what: "depth", .. }));
    assert!(is_too_deep(copy(&folder.files, &place("d"), &place("copy"), true)));
    assert!(is_too_deep(change(&folder.files, &place("d"), Change::Mode(0o700), true)));
    let options = TreeOptions { recursive: true, ..TreeOptions::default() };
    assert!(is_too_deep(Tree::open(&folder.files, &place("d"), &options).map(drop)));
    for name in ["d", "copy"] {
        Removal::find(&folder.files, &place(name)).unwrap().run(true).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn bytes_come_out_as_they_went_in(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..6)) {
        let folder = Folder::new();
        for _ in 0..2 {
            let place = folder.files.place(b"f").unwrap();
            let mut upload = Upload::begin(&folder.files, &place, WriteOptions::default()).unwrap();
            for piece in &pieces {
                upload.write(piece).unwrap();
            }
            upload.commit().unwrap();
            prop_assert_eq!(fs::read(folder.at("f")).unwrap(), pieces.concat());
        }
    }
}

/// A list for whatever is new in the folder is not for a file that only takes the place of another.
#[test]
fn a_replacement_lets_nobody_in_whom_the_old_file_did_not() {
    let folder = Folder::new();
    folder.method("a", b"secret");
    let entries =
        [(1_u16, 7_u16, u32::MAX), (2, 7, 1000), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend_from_slice(&tag.to_le_bytes());
        list.extend_from_slice(&permissions.to_le_bytes());
        list.extend_from_slice(&id.to_le_bytes());
    }
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&folder.path, "system.posix_acl_default", &list, flags).is_err() {
        // Not every file system has such lists.
        return;
    }
    assert_eq!(folder.method("a", b"new"), Method::Replaced);
    let access = rustix::fs::getxattr(folder.at("a"), "system.posix_acl_access", &mut [0_u8; 256]);
    assert_eq!(access, Err(rustix::io::Errno::NODATA));
    assert_eq!(fs::metadata(folder.at("a")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_link_that_comes_between_the_look_and_the_deed_is_followed() {
    let folder = Folder::new();
    folder.method("file", b"x");
    folder.method("target", b"x");
    symlink("target", folder.at("link")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let at = rustix::fs::CWD;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(at, folder.at("file"), at, folder.at("link"), exchange).ok();
            }
        });
        for _ in 0..500 {
            // A replacement may take the place of the link, if that comes in the middle of the rename itself.
            if !folder.at("link").is_symlink() && !folder.at("file").is_symlink() {
                break;
            }
            if let Err(error) = folder.write("file", b"y", WriteOptions::default()) {
                done.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("{error}");
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
