//! The rules of the house that a text search can check. A rule that isn't here is a wish.
//!
//! To add one about imports, add a `Ban`; anything else is a test of its own.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use boxd_harness::book::{Book, files, stem};

/// Words that may not stand in the code of some files.
struct Ban {
    under: &'static [&'static str],
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        under: &["src/", "harness/"],
        except: &["src/http.rs", "src/http/"],
        words: &["tide::", "hyper::", "http_types::"],
        why: "only src/http names tide, hyper and http-types, so that replacing them touches one folder",
    },
    Ban {
        under: &["src/process", "src/log", "src/network", "src/filesystem", "src/terminal", "src/sys"],
        except: &[],
        words: &["crate::http", "crate::wire", "boxd::http", "boxd::wire"],
        why: "the core knows neither HTTP nor the wire's JSON",
    },
    Ban {
        under: &["src/sys"],
        except: &[],
        words: &["crate::process", "crate::log", "crate::network", "crate::sandbox"],
        why: "sys is the lowest layer",
    },
    Ban { under: &["harness/"], except: &[], words: &["boxd::"], why: "the harness knows only the wire" },
    Ban {
        under: &["src/", "harness/"],
        except: &["src/sys.rs", "src/sys/"],
        words: &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "(unsafe_code"],
        why: "unsafe code stands only in src/sys",
    },
    Ban {
        under: &["src/", "harness/"],
        except: &[],
        words: &["async_std::", "tokio::"],
        why: "one async runtime runs, and it is smol's",
    },
];

/// Every file has a limit, because every long-lived project has one runaway file.
const LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every Rust file of ours: its path from the root, and its text.
fn sources() -> Vec<(String, String)> {
    let folders = ["src", "harness/src", "harness/tests"];
    let paths: Vec<PathBuf> =
        folders.iter().flat_map(|folder| files(&root().join(folder), "rs").unwrap()).collect();
    paths.iter().map(|path| (stem(root(), path) + ".rs", fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file, line by line, without comments and without this file's own table.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_start()));
    lines.filter(|(_, line)| !line.starts_with("//"))
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn words_stand_only_where_they_may() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        if path == "harness/tests/tidy.rs" {
            continue;
        }
        let is_under = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        for ban in BANS.iter().filter(|ban| is_under(ban.under) && !is_under(ban.except)) {
            for (number, line) in code(&text) {
                let found = ban.words.iter().find(|word| has_word(line, word));
                complaints.extend(found.map(|word| format!("{path}:{number}: `{word}`: {}", ban.why)));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn files_are_short_and_say_what_they_own() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("{path}: {lines} lines, at most {LINES_MAX}: split it"));
        }
        if !text.starts_with("//!") {
            complaints.push(format!("{path}: begins without `//!`: say what it owns"));
        }
        if path.ends_with("/mod.rs") {
            complaints.push(format!("{path}: `foo.rs` and `foo/`, never `foo/mod.rs`"));
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_harness_does_not_depend_on_the_daemon() {
    let manifest = fs::read_to_string(root().join("harness/Cargo.toml")).unwrap();
    let named: Vec<_> =
        manifest.lines().filter(|line| line.starts_with("boxd ") || line.starts_with("boxd=")).collect();
    assert_eq!(named, [""; 0]);
}

#[test]
fn each_fixture_has_its_snapshot_and_each_snapshot_its_fixture() {
    let stems = |folder: &str, extension: &str| -> BTreeSet<String> {
        let folder = root().join(folder);
        files(&folder, extension).unwrap().iter().map(|path| stem(&folder, path)).collect()
    };
    let (fixtures, snapshots) = (stems("fixtures", "toml"), stems("snapshots", "snap"));
    let lonely = fixtures.difference(&snapshots).map(|name| format!("fixtures/{name}.toml has no snapshot"));
    let left = snapshots.difference(&fixtures).map(|name| format!("snapshots/{name}.snap has no fixture"));
    assert_none(&lonely.chain(left).collect::<Vec<_>>());
}

#[test]
fn fixtures_are_for_people() {
    const WHY_CHARS_MAX: usize = 220;
    let mut complaints = Vec::new();
    for case in Book::read(root()).unwrap().cases {
        let why = &case.fixture.why;
        if !why.ends_with('.') || why.chars().count() > WHY_CHARS_MAX {
            complaints.push(format!("{}: `why` is one sentence with its full stop", case.name));
        }
        if case.name.split('/').count() != 2 || !case.name.contains('_') {
            complaints.push(format!("{}: a case is named <resource>/<operation>_<circumstance>", case.name));
        }
        if case.text.lines().any(|line| line.trim_start().starts_with("# TODO")) {
            complaints.push(format!("{}: a case is finished before it is here", case.name));
        }
    }
    assert_none(&complaints);
}

#[test]
fn cases_that_documents_name_exist() {
    let names: Vec<_> = Book::read(root()).unwrap().cases.into_iter().map(|case| case.name).collect();
    let resources: BTreeSet<_> =
        names.iter().filter_map(|name| name.split_once('/')).map(|(r, _)| r).collect();
    let mut seen = 0;
    let mut complaints = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "harness/README.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let Some((resource, operation)) = word.split_once('/') else { continue };
            let is_case = resources.contains(resource)
                && operation.contains('_')
                && operation.chars().all(|c| c.is_ascii_alphanumeric() || "_*".contains(c));
            if !is_case {
                continue;
            }
            seen += 1;
            let is_there = match word.strip_suffix('*') {
                Some(start) => names.iter().any(|name| name.starts_with(start)),
                None => names.iter().any(|name| name == word),
            };
            if !is_there {
                complaints.push(format!("{document}: there is no case {word}"));
            }
        }
    }
    assert_none(&complaints);
    assert!(seen > 5, "the documents name cases, and this test finds them");
}

/// Whether a line has a word that isn't the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
    })
}
