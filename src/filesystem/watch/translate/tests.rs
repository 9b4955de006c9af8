//! What is told of what the kernel reports.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const TEMPORARY: &str = ".boxd-0123456789abcdef.tmp";
const FOLDER: ReadFlags = ReadFlags::ISDIR;

fn record(wd: i32, mask: ReadFlags, name: &str, cookie: u32) -> Record {
    Record { wd, mask, cookie, name: name.into() }
}

fn show(step: Step) -> String {
    let line = |event: &Event| format!("{:?} {}", event.op, event.path().display());
    match step {
        Step::Tell(event) => line(&event),
        Step::TellIfThere(event) => format!("if there: {}", line(&event)),
        Step::Enter(parent, name, telling) => format!("enter {parent} {} {telling:?}", name.display()),
        Step::Forget(folder) => format!("forget {folder}"),
        Step::Rescan => "rescan".to_owned(),
        Step::End => "end".to_owned(),
    }
}

/// One who watches `/r` (1) with `sub` (2) and `sub/deep` (3), but for what has `skip` in its path.
fn translator(is_recursive: bool) -> Translator {
    let mut translator = Translator::new("/r".into(), (1, Some(9)), is_recursive, Ignore::parse("skip"));
    if is_recursive {
        assert!(translator.folders.attach(2, 1, OsStr::new("sub")));
        assert!(translator.folders.attach(3, 2, OsStr::new("deep")));
    }
    translator
}

fn told(translator: &mut Translator, records: &[Record]) -> Vec<String> {
    records.iter().flat_map(|record| translator.take(record)).map(show).collect()
}

#[track_caller]
fn check(records: &[Record], expect: &[&str]) {
    assert_eq!(told(&mut translator(true), records), expect);
}

#[test]
fn plain_records() {
    use ReadFlags as R;
    check(&[record(1, R::CREATE, "a", 0)], &["Create /r/a"]);
    check(&[record(3, R::MODIFY, "a", 0)], &["Write /r/sub/deep/a"]);
    check(&[record(2, R::ATTRIB, "a", 0)], &["Chmod /r/sub/a"]);
    check(&[record(2, R::DELETE, "a", 0)], &["Remove /r/sub/a"]);
    check(
        &[record(1, R::MOVED_FROM, "a", 7), record(2, R::MOVED_TO, "b", 7)],
        &["Rename /r/a", "Create /r/sub/b"],
    );
    check(&[record(1, R::CREATE | FOLDER, "n", 0)], &["Create /r/n", "enter 1 n Writes"]);
    check(&[record(1, R::MOVED_TO | FOLDER, "n", 7)], &["Create /r/n", "enter 1 n Names"]);
    check(&[record(9, R::CREATE, "whose?", 0)], &[]);
    check(&[record(-1, R::QUEUE_OVERFLOW, "", 0)], &["Overflow /r/", "rescan"]);
    let alone = &mut translator(false);
    assert_eq!(told(alone, &[record(1, R::CREATE | FOLDER, "n", 0)]), ["Create /r/n"]);
    assert_eq!(told(alone, &[record(-1, R::QUEUE_OVERFLOW, "", 0)]), ["Overflow /r/"]);
}

#[test]
fn folders_that_leave_are_forgotten() {
    use ReadFlags as R;
    let mut t = translator(true);
    assert_eq!(told(&mut t, &[record(1, R::DELETE | FOLDER, "sub", 0)])[..2], ["Remove /r/sub", "forget 2"]);
    assert_eq!(t.folders.len(), 1);

    let mut t = translator(true);
    assert_eq!(told(&mut t, &[record(1, R::MOVED_FROM | FOLDER, "sub", 7)]), ["Rename /r/sub"]);
    // What happens in it while nobody knows where it is cannot be told.
    assert_eq!(told(&mut t, &[record(3, R::CREATE, "x", 0)]), [""; 0]);
    assert_eq!(t.settle().len(), 2);

    let mut t = translator(true);
    let moved = [record(1, R::MOVED_FROM | FOLDER, "sub", 7), record(1, R::MOVED_TO | FOLDER, "new", 7)];
    assert_eq!(told(&mut t, &moved), ["Rename /r/sub", "Create /r/new", "enter 1 new Names"]);
    assert_eq!(told(&mut t, &[record(3, R::MODIFY, "x", 0)]), ["Write /r/new/deep/x"]);
    assert_eq!(t.settle(), [0; 0]);

    let mut t = translator(true);
    let ignored = [record(1, R::MOVED_FROM | FOLDER, "sub", 7), record(1, R::MOVED_TO | FOLDER, "skip", 7)];
    assert_eq!(told(&mut t, &ignored), ["Rename /r/sub"]);
    assert_eq!(t.settle().len(), 2);
}

#[test]
fn the_end_of_the_root_is_the_end() {
    use ReadFlags as R;
    check(&[record(1, R::DELETE_SELF, "", 0)], &["Remove /r", "end"]);
    check(&[record(1, R::MOVE_SELF, "", 0)], &["Rename /r", "end"]);
    check(&[record(9, R::DELETE | FOLDER, "r", 0)], &["Remove /r", "end"]);
    check(&[record(9, R::MOVED_FROM | FOLDER, "r", 7)], &["Rename /r", "end"]);
    check(&[record(9, R::CREATE, "r", 0), record(9, R::DELETE, "s", 0), record(8, R::DELETE, "r", 0)], &[]);
    check(&[record(1, R::UNMOUNT, "", 0)], &["Remove /r", "end"]);
    check(&[record(1, R::ATTRIB | FOLDER, "", 0)], &["Chmod /r"]);
    check(&[record(2, R::ATTRIB | FOLDER, "", 0), record(2, R::MOVE_SELF, "", 0)], &[]);
    check(&[record(3, R::IGNORED, "", 0)], &["forget 3"]);
    let mut top = Translator::new("/".into(), (1, None), false, Ignore::default());
    assert_eq!(told(&mut top, &[record(1, R::CREATE, "a", 0)]), ["Create /a"]);
    assert_eq!(told(&mut top, &[record(1, R::UNMOUNT, "", 0)]), ["end"]);
}

#[test]
fn ignored_paths_are_not_told() {
    use ReadFlags as R;
    check(&[record(1, R::CREATE | FOLDER, "skip", 0), record(2, R::MODIFY, "a.skip.b", 0)], &[]);
    check(&[record(1, R::MOVED_FROM, "skip", 7), record(1, R::MOVED_TO, "told", 7)], &["Create /r/told"]);
}

#[test]
fn names_of_ours_are_not_told() {
    use ReadFlags as R;
    let all = [R::CREATE, R::MODIFY, R::ATTRIB, R::DELETE].map(|mask| record(1, mask, TEMPORARY, 0));
    check(&all, &[]);
    let replacement = [
        record(1, R::CREATE, TEMPORARY, 0),
        record(1, R::MOVED_FROM, TEMPORARY, 7),
        record(1, R::MOVED_TO, "a", 7),
    ];
    check(&replacement, &["Write /r/a"]);
    // Only while its cookie is remembered, and once.
    check(&[replacement[2].clone()], &["Create /r/a"]);
    check(
        &[record(1, R::MODIFY, "#12", 0), record(1, R::CREATE, "#12", 0)],
        &["if there: Write /r/#12", "Create /r/#12"],
    );
}

#[test]
fn what_was_found_is_told_once() {
    use ReadFlags as R;
    let mut t = translator(true);
    for name in ["a", "b", "c"] {
        assert_eq!(t.found(3, OsStr::new(name), true).unwrap().path(), Path::new("/r/sub/deep").join(name));
    }
    assert!(t.found(3, OsStr::new("skip"), true).is_none());
    // Reported late, removed and made again, and moved here.
    let records = [
        record(3, R::CREATE, "a", 0),
        record(3, R::MODIFY, "a", 0),
        record(3, R::DELETE, "b", 0),
        record(3, R::CREATE, "b", 0),
        record(3, R::MOVED_TO, "c", 7),
    ];
    let expect = ["Write /r/sub/deep/a", "Remove /r/sub/deep/b", "Create /r/sub/deep/b"];
    assert_eq!(told(&mut t, &records), expect);
    assert_eq!(t.fresh(), [(3, "b".into())]);
    t.settle();
    assert_eq!(told(&mut t, &[record(3, R::CREATE, "a", 0)]), ["Create /r/sub/deep/a"]);
}

#[test]
fn files_that_were_only_made_are_fresh() {
    use ReadFlags as R;
    #[track_caller]
    fn check(records: &[Record], expect: &[&str]) {
        let mut t = translator(true);
        told(&mut t, records);
        assert_eq!(t.fresh().into_iter().map(|(_, name)| name).collect::<Vec<_>>(), expect);
        t.settle();
        assert_eq!(t.fresh(), []);
    }
    let made = |name| record(1, R::CREATE, name, 0);
    check(&[made("b"), made("a")], &["b", "a"]);
    check(&[made("a"), record(1, R::MODIFY, "a", 0)], &[]);
    check(&[made("a"), record(1, R::DELETE, "a", 0)], &[]);
    check(&[made("a"), record(1, R::MOVED_FROM, "a", 7), record(1, R::MOVED_TO, "b", 7)], &[]);
    check(&[record(1, R::CREATE | FOLDER, "n", 0)], &[]);
    check(&[made("a"), record(-1, R::QUEUE_OVERFLOW, "", 0)], &["a"]);
}

fn any_record() -> impl Strategy<Value = Record> {
    use ReadFlags as R;
    let masks = [
        R::CREATE,
        R::DELETE,
        R::MODIFY,
        R::ATTRIB,
        R::MOVED_FROM,
        R::MOVED_TO,
        R::DELETE_SELF,
        R::MOVE_SELF,
        R::IGNORED,
        R::QUEUE_OVERFLOW,
    ];
    let names = prop_oneof!["[ab]", Just("sub".to_owned()), Just(TEMPORARY.to_owned()), Just(String::new())];
    (
        prop::sample::select(vec![1, 2, 3, 4, 9]),
        prop::sample::select(masks.to_vec()),
        any::<bool>(),
        names,
        0..3_u32,
    )
        .prop_map(|(wd, mask, is_folder, name, cookie)| {
            let mask = if is_folder { mask | FOLDER } else { mask };
            record(wd, mask, &name, cookie)
        })
}

proptest! {
    #[test]
    fn no_record_is_too_odd(records in prop::collection::vec(any_record(), 0..60)) {
        let mut t = translator(true);
        for record in &records {
            for step in t.take(record) {
                match step {
                    Step::Tell(event) | Step::TellIfThere(event) => {
                        prop_assert!(event.path().starts_with("/r"));
                        prop_assert!(!is_temporary(&event.name));
                    }
                    // Who is entered is somewhere.
                    Step::Enter(parent, ..) => prop_assert!(t.path(parent).is_some()),
                    Step::Forget(folder) => prop_assert!(folder != 1 && !t.folders.has(folder)),
                    Step::Rescan | Step::End => {}
                }
            }
        }
        t.settle();
        // Nothing is watched of which nobody knows where it is.
        prop_assert!(t.folders.all().all(|folder| t.path(folder).is_some()));
    }
}
