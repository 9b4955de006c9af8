//! `Ignore`: what of a watched folder is not told. Pure.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Texts that make a path ignored when they are anywhere in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ignore {
    texts: Vec<Vec<u8>>,
}

impl Ignore {
    /// Reads texts with commas between them. Blanks count; an empty text is none.
    pub(crate) fn parse(list: &str) -> Self {
        let texts = list.split(',').filter(|text| !text.is_empty());
        Self { texts: texts.map(|text| text.as_bytes().to_vec()).collect() }
    }

    /// Whether an absolute path is ignored.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        self.texts.iter().any(|text| path.windows(text.len()).any(|part| part == text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_looked_for_in_the_whole_path() {
        #[track_caller]
        fn check(list: &str, path: &str, expect: bool) {
            assert_eq!(Ignore::parse(list).has(Path::new(path)), expect);
        }
        check("node_modules,.git", "/a/node_modules/x", true);
        check("node_modules,.git", "/a/node_modules.x", true);
        check("node_modules,.git", "/a/src", false);
        check("a/s", "/a/src", true);
        check(" sub", "/a/sub", false);
        check(",,", "/a", false);
        check("", "/a", false);
        check("longer than the path", "/a", false);
    }
}
