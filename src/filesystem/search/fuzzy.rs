//! `Fuzzy`: paths that have the letters of a query in their order, the best first.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::ranking::{Ranked, Ranking};
use super::walk::Walk;
use crate::error::Result;
use crate::filesystem::listing::Kind;
use crate::filesystem::{Files, Info};

/// Entries looked at in one turn.
const TURN_ENTRIES: usize = 4096;

/// See the module. Upper and lower case are alike; words with blanks between them may come in any order.
pub(crate) struct Fuzzy {
    walk: Walk,
    pattern: Pattern,
    matcher: Matcher,
    ranking: Ranking,
    letters: Vec<char>,
}

impl Fuzzy {
    /// Below a folder; `None` is as many as there is room for, 100,000 paths or 32 MiB of them.
    pub(crate) fn new(walk: Walk, query: &str, results_max: Option<usize>) -> Self {
        let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
        Self {
            walk,
            pattern,
            matcher: Matcher::new(Config::DEFAULT.match_paths()),
            ranking: Ranking::new(results_max),
            letters: Vec::new(),
        }
    }

    /// Looks at some more; false when all were looked at.
    pub(crate) fn turn(&mut self) -> Result<bool> {
        for _ in 0..TURN_ENTRIES {
            if !self.walk.advance()? {
                return Ok(false);
            }
            let path = self.walk.path().as_os_str();
            let text = path.to_string_lossy();
            let letters = Utf32Str::new(&text, &mut self.letters);
            if let Some(score) = self.pattern.score(letters, &mut self.matcher) {
                self.ranking.add(score, path.as_bytes(), self.walk.kind() == Kind::Folder);
            }
        }
        Ok(true)
    }

    /// The best, when all were looked at.
    pub(crate) fn into_best(self) -> Vec<Ranked> {
        self.ranking.into_sorted()
    }
}

impl fmt::Debug for Fuzzy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fuzzy").field("walk", &self.walk).finish_non_exhaustive()
    }
}

/// Divides a path that is a query, too: the longest beginning that is a folder, and the rest.
pub(crate) fn split(files: &Files, given: &[u8]) -> (Vec<u8>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches('/').to_owned();
    // The beginning ends where the path ends, or before one of its slashes, or is the root.
    let slashes = (0..given.len()).rev().filter(|at| given[*at] == b'/').map(|at| at.max(1));
    for end in std::iter::once(given.len()).chain(slashes) {
        let folder = &given[..end];
        let place: PathBuf = files.plain_place(folder).absolute;
        if files.root.stat(&place, true).is_ok_and(|stat| Info::new(&stat).is_folder()) {
            return (folder.to_owned(), text(&given[end..]));
        }
    }
    (b".".to_vec(), text(given))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::filesystem::{Root, Scope, Stop};

    fn files() -> (Files, PathBuf) {
        let dir = std::env::temp_dir().join(format!("boxd-fuzzy-{}", fastrand::u64(..)));
        for folder in ["src/deep", "docs"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        for file in ["main.go", "src/app.ts", "src/deep/main.rs", "docs/a b.md"] {
            std::fs::write(dir.join(file), "x").unwrap();
        }
        (Files::new(Root::whole(), &dir, None, None), dir)
    }

    #[test]
    fn the_folder_of_a_query_is_the_longest_that_is_there() {
        let (files, dir) = files();
        let at = |path: &str| format!("{}/{path}", dir.display());
        #[track_caller]
        fn check(files: &Files, given: &str, folder: &str, query: &str) {
            let found = split(files, given.as_bytes());
            assert_eq!(found, (folder.as_bytes().to_vec(), query.to_owned()), "{given}");
        }
        check(&files, "src/mn", "src", "mn");
        check(&files, "src", "src", "");
        check(&files, "src/x/y", "src", "x/y");
        check(&files, "mngo", ".", "mngo");
        check(&files, "nope/y", ".", "nope/y");
        check(&files, &at("src/ap"), &at("src"), "ap");
        check(&files, "/nope-here", "/", "nope-here");
        check(&files, "//nope-here/x", "/", "nope-here/x");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_best_comes_first() {
        let (files, dir) = files();
        let find = |query: &str| {
            let place = files.plain_place(b".");
            let walk = Walk::open(&files, &place, Scope::default(), Stop::new()).unwrap();
            let mut fuzzy = Fuzzy::new(walk, query, Some(20));
            while fuzzy.turn().unwrap() {}
            let paths = fuzzy.into_best().into_iter().map(|r| String::from_utf8(r.path).unwrap());
            paths.collect::<Vec<_>>()
        };
        assert_eq!(find("mngo"), ["main.go"]);
        assert_eq!(find("MAIN"), ["main.go", "src/deep/main.rs"]);
        assert_eq!(find("md docs"), ["docs/a b.md"]);
        assert_eq!(find("zzz"), [""; 0]);
        assert_eq!(find("").len(), 7);
        assert!(Path::new(&dir).exists());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
