//! What a store of uploads is held to, with a model of it beside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};
use proptest::prelude::*;

use super::*;
use crate::error::{Error, Result};
use crate::filesystem::{Files, Root};

const BOUNDS: UploadBounds =
    UploadBounds { expiry: Duration::from_hours(1), count_max: 8, bytes_max: 1 << 20 };

struct Store {
    dir: PathBuf,
    files: Files,
    uploads: Uploads,
}

impl Store {
    fn new(bounds: UploadBounds) -> Self {
        let dir = std::env::temp_dir().join(format!("boxd-uploads-{}", fastrand::u64(..)));
        std::fs::create_dir(&dir).unwrap();
        let files = Files::new(Root::whole(), &dir, None, None);
        Self { files, uploads: Uploads::new(&dir, bounds), dir }
    }

    /// What the next worker has.
    fn restart(&mut self) {
        self.uploads = Uploads::new(&self.dir, self.uploads.bounds);
    }

    fn begin(&self, name: &str) -> Result<UploadId> {
        self.uploads.begin(&self.files.plain_place(name.as_bytes()), 0o640)
    }

    fn part(&self, id: UploadId, number: i64, bytes: &[u8]) -> Result<Part> {
        let mut part = PartUpload::begin(&self.uploads, id, number)?;
        for piece in bytes.chunks(3) {
            part.write(piece)?;
        }
        part.finish()
    }

    fn complete(&self, id: UploadId, wanted: &[(i64, String)]) -> Result<PathBuf> {
        let wanted =
            wanted.iter().map(|(number, etag)| WantedPart { number: *number, etag: etag.clone() }).collect();
        self.uploads.complete(id, wanted, &self.files)
    }

    fn session(&self, id: UploadId) -> PathBuf {
        self.dir.join("multipart-uploads").join(id.to_string())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn md5(bytes: &[u8]) -> String {
    format!("{:x}", Md5::digest(bytes))
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(then).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Begin,
    Part(usize, i64, Vec<u8>),
    Cut(usize, i64, Vec<u8>),
    Complete(usize, Vec<i64>),
    WrongEtag(usize, i64),
    Abort(usize),
    Restart,
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let step = prop_oneof![
        2 => Just(Step::Begin),
        6 => (0..4_usize, 0..5_i64, bytes()).prop_map(|(n, number, bytes)| Step::Part(n, number, bytes)),
        2 => (0..4_usize, 1..5_i64, bytes()).prop_map(|(n, number, bytes)| Step::Cut(n, number, bytes)),
        2 => (0..4_usize, prop::collection::vec(1..5_i64, 1..5)).prop_map(|(n, parts)| Step::Complete(n, parts)),
        1 => (0..4_usize, 1..5_i64).prop_map(|(n, number)| Step::WrongEtag(n, number)),
        1 => (0..4_usize).prop_map(Step::Abort),
        1 => Just(Step::Restart),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..40)
}

type Model = BTreeMap<UploadId, BTreeMap<i64, Vec<u8>>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_store_is_a_map_of_maps(steps in steps()) {
        let mut store = Store::new(BOUNDS);
        let (mut model, mut ids) = (Model::new(), vec![UploadId::random()]);
        for step in steps {
            run(&mut store, &mut model, &mut ids, step);
            prop_assert_eq!(store.uploads.ids().unwrap(), model.keys().copied().collect::<Vec<_>>());
            for (id, parts) in &model {
                let listed = store.uploads.look(*id).unwrap().parts;
                let listed: Vec<_> = listed.into_iter().map(|p| (i64::from(p.number), p.etag, p.size)).collect();
                let expected: Vec<_> = parts.iter().map(|(n, bytes)| (*n, md5(bytes), bytes.len() as u64)).collect();
                prop_assert_eq!(listed, expected);
            }
        }
    }
}

fn run(store: &mut Store, model: &mut Model, ids: &mut Vec<UploadId>, step: Step) {
    let pick = |ids: &[UploadId], n: usize| ids[n % ids.len()];
    match step {
        Step::Begin => match store.begin(&format!("file-{}", ids.len())) {
            Ok(id) => {
                model.insert(id, BTreeMap::new());
                ids.push(id);
            }
            Err(Error::TooManyUploads { max }) => assert_eq!(max, model.len()),
            Err(error) => panic!("{error}"),
        },
        Step::Part(n, number, bytes) => {
            let id = pick(ids, n);
            match (store.part(id, number, &bytes), model.get_mut(&id)) {
                (Ok(part), Some(parts)) => {
                    assert_eq!((i64::from(part.number), part.etag), (number, md5(&bytes)));
                    parts.insert(number, bytes);
                }
                (Err(Error::InvalidPartNumber { .. }), Some(_)) => assert_eq!(number, 0),
                (Err(Error::UploadNotFound { .. }), None) => {}
                (result, _) => panic!("{result:?}"),
            }
        }
        Step::Cut(n, number, bytes) => {
            if let Ok(mut part) = PartUpload::begin(&store.uploads, pick(ids, n), number) {
                part.write(&bytes).unwrap();
            }
        }
        Step::Complete(n, numbers) => {
            let id = pick(ids, n);
            let parts = model.get(&id);
            let etag =
                |number| parts.and_then(|parts| parts.get(number)).map_or_else(String::new, |b| md5(b));
            let wanted: Vec<_> = numbers.iter().map(|number| (*number, etag(number))).collect();
            match (store.complete(id, &wanted), parts) {
                (Ok(path), Some(parts)) => {
                    let chosen = parts.iter().filter(|(number, _)| numbers.contains(number));
                    let bytes: Vec<u8> = chosen.flat_map(|(_, bytes)| bytes.clone()).collect();
                    assert_eq!(std::fs::read(path).unwrap(), bytes);
                    model.remove(&id);
                }
                (Err(Error::PartNotFound { number }), Some(parts)) => assert!(!parts.contains_key(&number)),
                (Err(Error::UploadNotFound { .. }), None) => {}
                (result, _) => panic!("{result:?}"),
            }
        }
        Step::WrongEtag(n, number) => match store.complete(pick(ids, n), &[(number, "x".to_owned())]) {
            Err(Error::EtagMismatch { .. } | Error::PartNotFound { .. } | Error::UploadNotFound { .. }) => {}
            result => panic!("{result:?}"),
        },
        Step::Abort(n) => {
            let id = pick(ids, n);
            assert_eq!(store.uploads.abort(id).is_ok(), model.remove(&id).is_some());
        }
        Step::Restart => store.restart(),
        Step::Sweep => assert_eq!(store.uploads.sweep().is_some(), !model.is_empty()),
    }
}

#[test]
fn only_the_daemons_user_sees_uploads() {
    use std::os::unix::fs::MetadataExt;
    let store = Store::new(BOUNDS);
    std::fs::create_dir(store.dir.join("multipart-uploads")).unwrap();
    let id = store.begin("a").unwrap();
    store.part(id, 1, b"x").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(store.session(id).parent().unwrap()), 0o700);
    assert_eq!(mode(&store.session(id)), 0o700);
    for entry in std::fs::read_dir(store.session(id)).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn what_nobody_touches_expires() {
    let store = Store::new(BOUNDS);
    let (old, young) = (store.begin("a").unwrap(), store.begin("b").unwrap());
    store.part(old, 1, b"x").unwrap();
    let all = store.dir.join("multipart-uploads");
    for name in [".gone-x", ".new-young", ".new-old"] {
        std::fs::create_dir_all(all.join(name).join("sub")).unwrap();
    }
    std::fs::create_dir(all.join("somebody-else's")).unwrap();
    age(&store.session(old), 3602);
    age(&all.join(".new-old"), 3602);
    let left = store.uploads.sweep().unwrap();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3601), "{left:?}");
    assert_eq!(store.uploads.ids().unwrap(), [young]);
    let mut names: Vec<_> = std::fs::read_dir(&all).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let id = young.to_string();
    let mut expect = vec![".new-young", "somebody-else's", &id];
    expect.sort_unstable();
    assert_eq!(names, expect);
    // Whoever comes with a part is in time until the moment of the removal.
    age(&store.session(young), 3602);
    store.part(young, 1, b"x").unwrap();
    assert!(store.uploads.sweep().is_some());
}

#[test]
fn a_lost_md5_is_found_again() {
    let store = Store::new(BOUNDS);
    let id = store.begin("a").unwrap();
    store.part(id, 3, b"three").unwrap();
    for entry in std::fs::read_dir(store.session(id)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("etag-") {
            std::fs::write(path, "half").unwrap();
        }
    }
    assert_eq!(store.uploads.look(id).unwrap().parts[0].etag, md5(b"three"));
    store.complete(id, &[(3, md5(b"three"))]).unwrap();
}

#[test]
fn all_parts_together_have_a_bound() {
    let store = Store::new(UploadBounds { bytes_max: 10, ..BOUNDS });
    let id = store.begin("a").unwrap();
    store.part(id, 1, b"123456").unwrap();
    assert!(matches!(store.part(id, 2, b"12345"), Err(Error::UploadsFull { bytes_max: 10 })));
    store.part(id, 1, b"1234").unwrap();
    store.part(id, 2, b"12345").unwrap();
    store.uploads.abort(id).unwrap();
    let id = store.begin("a").unwrap();
    store.part(id, 1, b"1234567890").unwrap();
}

#[test]
fn an_old_file_stays_when_the_upload_fails() {
    let store = Store::new(BOUNDS);
    let id = store.begin("a").unwrap();
    std::fs::write(store.dir.join("a"), "old").unwrap();
    store.part(id, 1, b"new").unwrap();
    assert!(store.complete(id, &[(1, md5(b"new")), (2, String::new())]).is_err());
    assert_eq!(std::fs::read(store.dir.join("a")).unwrap(), b"old");
    store.complete(id, &[(1, md5(b"new"))]).unwrap();
    assert_eq!(std::fs::read(store.dir.join("a")).unwrap(), b"new");
}

#[test]
fn two_who_complete_or_replace_at_once_are_one_after_the_other() {
    let store = Store::new(BOUNDS);
    for _ in 0..20 {
        let id = store.begin("a").unwrap();
        store.part(id, 1, b"one").unwrap();
        // Each has handles of its own, like two workers.
        let completed: usize = std::thread::scope(|scope| {
            let deeds: Vec<_> = (0..6)
                .map(|n| {
                    let store = &store;
                    scope.spawn(move || {
                        let other = Uploads::new(&store.dir, BOUNDS);
                        let wanted = vec![WantedPart { number: 1, etag: md5(b"one") }];
                        match n % 3 {
                            0 => usize::from(other.complete(id, wanted, &store.files).is_ok()),
                            1 => usize::from(other.abort(id).is_ok()),
                            _ => {
                                store.part(id, 1, b"one").ok();
                                0
                            }
                        }
                    })
                })
                .collect();
            deeds.into_iter().map(|deed| deed.join().unwrap()).sum()
        });
        assert_eq!(completed, 1);
        assert!(store.uploads.ids().unwrap().is_empty());
    }
}
