//! Archives of trees, made and unpacked, by us and by others.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::unpacking::Unpacked;
use super::*;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Root, staging_file};

const FORMATS: [Format; 3] = [Format::Tar, Format::TarGz, Format::Zip];
const BOUNDS: UnpackBounds = UnpackBounds { entries_max: 1000, bytes_max: 10 << 20 };

struct Folder {
    path: PathBuf,
    files: Files,
}

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("boxd-archive-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path).unwrap();
        let files = Files::new(Root::whole(), &path, None, None);
        Self { path, files }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn pack(&self, name: &str, format: Format) -> Vec<u8> {
        let place = self.files.plain_place(name.as_bytes());
        let mut packing = Packing::open(&self.files, &place, format).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = packing.next().unwrap() {
            assert!(!piece.is_empty() && piece.len() < 1 << 20);
            bytes.extend(piece);
        }
        bytes
    }

    fn unpack(&self, name: &str, bytes: &[u8], format: Format, bounds: UnpackBounds) -> Result<Unpacked> {
        let mut file = staging_file()?;
        file.write_all(bytes).unwrap();
        unpack(&self.files, &self.files.plain_place(name.as_bytes()), (file, format), bounds)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Some folders in it are closed.
        open_all(&self.path);
        fs::remove_dir_all(&self.path).unwrap();
    }
}

fn open_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            open_all(&entry.path());
        }
    }
}

/// What a tree is: by its paths, the kind with the mode, the time, and the bytes.
type Seen = BTreeMap<PathBuf, (u32, i64, Vec<u8>)>;

fn look(folder: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).unwrap() {
            let path = below.join(entry.unwrap().file_name());
            let whole = folder.join(&path);
            let info = fs::symlink_metadata(&whole).unwrap();
            let bytes = if info.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if info.is_symlink() {
                fs::read_link(&whole).unwrap().into_os_string().into_vec()
            } else {
                fs::read(&whole).unwrap()
            };
            seen.insert(path, (info.mode(), info.mtime(), bytes));
        }
    }
    seen
}

#[derive(Debug, Clone)]
enum Node {
    File { name: Vec<u8>, mode: u32, modified: u32, bytes: Vec<u8> },
    Folder { name: Vec<u8>, mode: u32, modified: u32, nodes: Vec<Node> },
    Link { name: Vec<u8>, target: Vec<u8> },
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => b'a'..=b'c', 1 => any::<u8>()]
        .prop_filter("no name", |byte| !matches!(byte, 0 | b'/'));
    let short = prop::collection::vec(byte, 1..4);
    prop_oneof![9 => short, 1 => prop::collection::vec(b'x'..=b'z', 90..130)]
        .prop_filter("no name", |name| !matches!(&name[..], b"." | b".."))
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..1100),
        (150_000..200_000_usize).prop_map(|len| vec![7; len])
    ];
    let file = (name(), 0..0o1000_u32, any::<u32>(), bytes)
        .prop_map(|(name, mode, modified, bytes)| Node::File { name, mode, modified, bytes });
    let link = (name(), prop::collection::vec(b'.'..=b'b', 1..150))
        .prop_map(|(name, target)| Node::Link { name, target });
    let leaf = prop_oneof![3 => file, 1 => link];
    let node = leaf.prop_recursive(4, 20, 5, |inner| {
        (name(), 0..0o1000_u32, any::<u32>(), prop::collection::vec(inner, 0..5))
            .prop_map(|(name, mode, modified, nodes)| Node::Folder { name, mode, modified, nodes })
    });
    prop::collection::vec(node, 0..5)
}

fn make(folder: &Path, nodes: &[Node]) {
    let finish = |path: &Path, mode: u32, modified: u32| {
        // What is closed to its owner cannot be packed, but by root.
        let mode = mode | 0o500;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(modified) / 2);
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    };
    let at = |name: &[u8]| folder.join(std::ffi::OsStr::from_bytes(name));
    for node in nodes {
        match node {
            Node::File { name, .. } | Node::Folder { name, .. } | Node::Link { name, .. }
                if at(name).symlink_metadata().is_ok() => {}
            Node::File { name, mode, modified, bytes } => {
                fs::write(at(name), bytes).unwrap();
                finish(&at(name), *mode, *modified);
            }
            Node::Link { name, target } => {
                symlink(std::ffi::OsStr::from_bytes(target), at(name)).unwrap();
            }
            Node::Folder { name, mode, modified, nodes } => {
                fs::create_dir(at(name)).unwrap();
                make(&at(name), nodes);
                finish(&at(name), *mode, *modified);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_tree_comes_back_as_it_was(nodes in nodes()) {
        let folder = Folder::new();
        fs::create_dir(folder.at("in")).unwrap();
        make(&folder.at("in"), &nodes);
        let packed = look(&folder.at("in"));
        for (n, format) in FORMATS.into_iter().enumerate() {
            let out = format!("out-{n}/deep");
            let bytes = folder.pack("in", format);
            let done = folder.unpack(&out, &bytes, format, BOUNDS).unwrap();
            prop_assert_eq!(done.entries, packed.len() as u64);
            let unpacked = look(&folder.at(&out));
            prop_assert_eq!(&unpacked, &packed, "{:?}", format);
            // Once more over what is there now.
            prop_assert_eq!(folder.unpack(&out, &bytes, format, BOUNDS).unwrap(), done);
            prop_assert_eq!(&look(&folder.at(&out)), &packed);
        }
    }

    #[test]
    fn no_bytes_do_any_harm(format in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..2000), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let folder = Folder::new();
        fs::create_dir(folder.at("in")).unwrap();
        fs::write(folder.at("in/file"), &bytes).unwrap();
        symlink("..", folder.at("in/link")).unwrap();
        folder.unpack("out", &bytes, FORMATS[format], BOUNDS).unwrap_err();
        let mut packed = folder.pack("in", FORMATS[format]);
        let at = at.index(packed.len());
        packed[at] = with;
        folder.unpack("out", &packed, FORMATS[format], BOUNDS).ok();
        packed.truncate(at);
        folder.unpack("out", &packed, FORMATS[format], BOUNDS).ok();
        let names: Vec<_> = fs::read_dir(&folder.path).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert!(names.iter().all(|name| name == "in" || name == "out"), "{:?}", names);
    }
}

/// A tar archive as somebody else writes it.
fn tar_of(entries: &[(tar::EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, link, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o6755);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn nothing_leaves_the_folder() {
    use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    #[track_caller]
    fn check(entries: &[(tar::EntryType, &str, &str, &[u8])], expect: &str) {
        let folder = Folder::new();
        fs::write(folder.at("secret"), "secret").unwrap();
        let error = folder.unpack("out", &tar_of(entries), Format::Tar, BOUNDS).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
        assert_eq!(fs::read(folder.at("secret")).unwrap(), b"secret");
        let names: Vec<_> = fs::read_dir(&folder.path).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == "secret" || name == "out"), "{names:?}");
    }
    let good = (Regular, "good", "", &b"x"[..]);
    for bad in ["../secret", "/secret", "a/../../secret", ".."] {
        check(&[good, (Regular, bad, "", b"x")], "the entry");
        check(&[good, (Directory, bad, "", b"")], "the entry");
    }
    check(&[good, (Link, "a", "../secret", b"")], "leaves the folder");
    check(&[good, (Link, "a", "/etc/passwd", b"")], "is absolute");
    for kind in [Block, Char, Fifo] {
        check(&[good, (kind, "a", "", b"")], "the entry 'a' is a");
    }
    // Links that come first lead nowhere.
    check(&[(Symlink, "a", "..", b""), (Regular, "a/secret", "", b"x")], "not a directory");
    check(&[(Symlink, "a", "..", b""), (Directory, "a/new", "", b"")], "not a directory");
    check(&[(Symlink, "a", "../secret", b""), (Link, "b", "a", b"")], "operation not permitted");
    check(&[(Symlink, "a", "..", b""), (Link, "b", "a/secret", b"")], "not a directory");
    check(&[(Symlink, "a", "..", b""), (Directory, "a", "", b"")], "not a directory");
}

#[test]
fn what_lies_in_the_way_is_replaced_and_not_followed() {
    use tar::EntryType::{Link, Regular, Symlink};
    let folder = Folder::new();
    fs::create_dir(folder.at("out")).unwrap();
    fs::write(folder.at("secret"), "secret").unwrap();
    symlink("../secret", folder.at("out/a")).unwrap();
    let archive = tar_of(&[
        (Regular, "a", "", b"new"),
        (Link, "b", "a", b""),
        (Link, "b", "./a", b""),
        (Symlink, "c", "a", b""),
        (Symlink, "c", "b", b""),
    ]);
    let done = folder.unpack("out", &archive, Format::Tar, BOUNDS).unwrap();
    assert_eq!(done, Unpacked { entries: 5, bytes: 3 });
    assert_eq!(fs::read(folder.at("secret")).unwrap(), b"secret");
    let info = fs::symlink_metadata(folder.at("out/a")).unwrap();
    assert_eq!((info.is_file(), info.nlink(), info.mode() & 0o7777), (true, 2, 0o755));
    assert_eq!(fs::read_link(folder.at("out/c")).unwrap(), Path::new("b"));
    assert_eq!(fs::read_dir(folder.at("out")).unwrap().count(), 3);
}

#[test]
fn bombs_have_bounds() {
    let folder = Folder::new();
    fs::create_dir(folder.at("in")).unwrap();
    for n in 0..4 {
        fs::write(folder.at(&format!("in/{n}")), [0; 1000]).unwrap();
    }
    for format in FORMATS {
        let bytes = folder.pack("in", format);
        let bounds = UnpackBounds { bytes_max: 3999, ..BOUNDS };
        let result = folder.unpack("out", &bytes, format, bounds);
        assert!(matches!(result, Err(Error::ArchiveTooLarge { what: "bytes", .. })), "{result:?}");
        let bounds = UnpackBounds { entries_max: 3, ..BOUNDS };
        let result = folder.unpack("out", &bytes, format, bounds);
        assert!(matches!(result, Err(Error::ArchiveTooLarge { what: "entries", .. })), "{result:?}");
        assert!(!folder.at("out").exists());
        let bounds = UnpackBounds { entries_max: 4, bytes_max: 4000 };
        folder.unpack("out", &bytes, format, bounds).unwrap();
        fs::remove_dir_all(folder.at("out")).unwrap();
    }
    // A size that is a lie.
    let mut bytes = folder.pack("in", Format::Zip);
    let at = bytes.windows(4).rposition(|four| four == 1000_u32.to_le_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    let result = folder.unpack("out", &bytes, Format::Zip, BOUNDS);
    assert!(matches!(result, Err(Error::BadArchive { .. })), "{result:?}");
}

#[test]
fn others_read_what_we_pack() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("in/sub")).unwrap();
    let long = "n".repeat(120);
    fs::write(folder.at(&format!("in/sub/{long}")), "text".repeat(1000)).unwrap();
    symlink(&long, folder.at("in/link")).unwrap();
    let tar = folder.pack("in", Format::Tar);
    let mut gz = Vec::new();
    let packed = folder.pack("in", Format::TarGz);
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut gz).unwrap();
    assert_eq!(tar, gz);
    let mut archive = tar::Archive::new(&tar[..]);
    let names: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [Path::new("link"), Path::new("sub/"), &Path::new("sub").join(&long)]);
    let packed = folder.pack("in", Format::Zip);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    let mut text = String::new();
    archive.by_name(&format!("sub/{long}")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((archive.len(), text), (3, "text".repeat(1000)));
    assert!(archive.by_name("link").unwrap().is_symlink());
}

#[test]
fn we_read_what_others_pack() {
    let folder = Folder::new();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o640);
    zip.add_directory("sub", options).unwrap();
    zip.start_file("sub/a", options).unwrap();
    zip.write_all(b"deflated").unwrap();
    zip.start_file("b", options.compression_method(zip::CompressionMethod::Stored)).unwrap();
    zip.write_all(b"stored").unwrap();
    zip.start_file("large", options.large_file(true)).unwrap();
    zip.write_all(b"64 bits").unwrap();
    zip.add_symlink("link", "b", options).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let done = folder.unpack("out", &bytes, Format::Zip, BOUNDS).unwrap();
    assert_eq!(done.entries, 5);
    let read = |name: &str| fs::read_to_string(folder.at("out").join(name)).unwrap();
    assert_eq!(
        (read("sub/a"), read("link"), read("large")),
        ("deflated".into(), "stored".into(), "64 bits".into())
    );
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o600);
    builder.append_pax_extensions([("path", &b"p/\xc3\xa9\xff"[..]), ("mtime", b"17.5")]).unwrap();
    header.set_cksum();
    builder.append(&header, &b"pax"[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    folder.unpack("out", &bytes, Format::Tar, BOUNDS).unwrap();
    let info = fs::metadata(folder.at("out/p").join(std::ffi::OsStr::from_bytes(b"\xc3\xa9\xff"))).unwrap();
    assert_eq!((info.len(), info.mtime(), info.mode() & 0o777), (3, 17, 0o600));
}

#[test]
fn a_file_that_changes_is_as_long_as_its_header_says() {
    let folder = Folder::new();
    let path = folder.at("file");
    fs::write(&path, vec![b'x'; 300_000]).unwrap();
    for (format, len) in [(Format::Tar, 500_000), (Format::Tar, 200_000), (Format::Zip, 200_000)] {
        fs::write(&path, vec![b'x'; 300_000]).unwrap();
        let place = folder.files.plain_place(b"file");
        let mut packing = Packing::open(&folder.files, &place, format).unwrap();
        // The header is written, and nothing is read yet.
        fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = packing.next().unwrap() {
            bytes.extend(piece);
        }
        folder.unpack("out", &bytes, format, BOUNDS).unwrap();
        let read = fs::read(folder.at("out/file")).unwrap();
        let expect = if format == Format::Zip { 200_000 } else { 300_000 };
        assert_eq!(read.len(), expect, "{format:?} {len}");
        let whole = usize::try_from(len).unwrap().min(300_000);
        assert!(read[..whole].iter().all(|byte| *byte == b'x' || len > 300_000));
        assert!(read[whole..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn special_files_are_left_out_and_refused_alone() {
    let folder = Folder::new();
    fs::create_dir(folder.at("in")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.at("in/fifo"), mode).unwrap();
    assert_eq!(folder.pack("in", Format::Tar), [0; 1024]);
    let place = folder.files.plain_place(b"in/fifo");
    assert!(matches!(
        Packing::open(&folder.files, &place, Format::Tar).map(|_| ()),
        Err(Error::NotRegular { kind: "fifo", .. })
    ));
    let mut file = staging_file().unwrap();
    file.rewind().unwrap();
}
