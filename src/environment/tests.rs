//! Layers, and what is left of them in the next worker.

use super::*;

fn open(own: &[(&str, &str)], frames: &[Frame]) -> Arc<Environment> {
    let own = own.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Arc::new(Environment::open(own, Custody::none(), frames))
}

fn document(generation: u64, variables: &[(&str, &str)]) -> Metadata {
    let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Metadata { generation, environment }
}

#[test]
fn a_reload_replaces_what_the_last_one_applied() {
    let environment = open(&[("A", "base"), ("EMPTY", ""), ("BOXD_AUTH_TOKEN", "s3cret")], &[]);
    let of = |name| environment.text(name);
    assert_eq!((of("A").as_deref(), of("EMPTY"), of("BOXD_AUTH_TOKEN")), (Some("base"), None, None));
    let before = environment.variables();
    let first = environment.apply(document(3, &[("A", "1"), ("B", "two"), ("BOXD_AUTH_TOKEN", "x")]));
    assert_eq!(first, Ok(Reloaded { generation: 3, applied: 3, removed: 0 }));
    assert_eq!(
        (of("A").as_deref(), of("B").as_deref(), of("BOXD_AUTH_TOKEN")),
        (Some("1"), Some("two"), None)
    );
    assert_eq!(
        environment.apply(document(4, &[("B", "9")])),
        Ok(Reloaded { generation: 4, applied: 1, removed: 2 })
    );
    assert_eq!(
        (of("A").as_deref(), of("B").as_deref()),
        (Some("base"), Some("9")),
        "the lower layer is there again"
    );
    assert_eq!(before[OsStr::new("A")], "base", "what was started before keeps what it was given");
}

#[test]
fn what_the_daemon_provides_later_stands_below_a_reload() {
    let environment = open(&[("A", "base"), ("B", "base")], &[]);
    environment.apply(document(1, &[("B", "applied")])).unwrap();
    environment.provide([("A", "new".into()), ("B", "new".into())]);
    let of = |name| environment.text(name);
    assert_eq!((of("A").as_deref(), of("B").as_deref()), (Some("new"), Some("applied")));
    environment.apply(document(2, &[])).unwrap();
    assert_eq!(of("B").as_deref(), Some("new"));
}

#[test]
fn the_next_worker_goes_on_with_what_was_applied() {
    let applied = Applied { environment: Cow::Owned(document(0, &[("A", "1")]).environment) };
    let frame = |applied: &Applied<'_>| Frame { kind: KIND, bytes: serde_json::to_vec(applied).unwrap() };
    let next = open(&[("A", "base")], &[frame(&Applied::default()), frame(&applied)]);
    assert_eq!(next.text("A").as_deref(), Some("1"));
    assert_eq!(next.apply(document(0, &[])).unwrap().removed, 1);
    assert_eq!(next.text("A").as_deref(), Some("base"));
}

#[test]
fn variables_with_which_nothing_could_be_started_are_refused() {
    let long = "x".repeat(100_000);
    let names: Vec<String> = (0..60).map(|n| format!("V{n}")).collect();
    let many = |count: usize| -> Vec<(&str, &str)> {
        names.iter().take(count).map(|name| (name.as_str(), long.as_str())).collect()
    };
    let fit = usize::try_from(bound::bytes_max() / 100_100).unwrap().min(60);
    let environment = open(&[], &[]);
    let all = environment.apply(document(1, &many(fit)));
    assert_eq!(all.map(|reloaded| reloaded.applied), Ok(fit));
    let why = environment.apply(document(2, &many(fit + 1))).unwrap_err();
    assert!(why.contains("nothing can be started"), "{why}");
    assert_eq!(environment.text("V0").map(|text| text.len()), Some(100_000), "it is as it was");
    // A base that is too large already can still become smaller.
    let environment = open(&many(fit + 2), &[]);
    assert!(environment.apply(document(1, &[("V0", "")])).is_ok());
    assert!(environment.apply(document(2, &[])).is_err());
}

#[test]
fn a_document_that_cannot_be_read_changes_nothing() {
    let folder = std::env::temp_dir().join(format!("boxd-metadata-{:016x}", fastrand::u64(..)));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("metadata");
    let environment = open(&[("BL_METADATA_PATH", path.to_str().unwrap())], &[]);
    let reload = || smol::block_on(environment.reload(|| Ok(()))).map_err(|error| error.to_string());
    let refused = |text: &str| reload().unwrap_err().contains(text);
    assert!(refused("metadata: no such file or directory"));
    std::fs::write(&path, r#"{"environment":{"A":"1"}}"#).unwrap();
    assert_eq!(reload().unwrap().applied, 1);
    std::fs::write(&path, "x".repeat(2 << 20)).unwrap();
    assert!(refused("file too large"));
    std::fs::write(&path, r#"{"environment":{"A":"2","B":3}}"#).unwrap();
    assert!(refused("environment.B is no text"));
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    assert!(refused("no regular file"));
    assert_eq!(environment.text("A").as_deref(), Some("1"));
    std::fs::remove_dir_all(folder).unwrap();
}
