//! `FileTarget`: the file that a request target names, by the rules that clients of this API rely on. Pure.
//!
//! A route that takes a path is known by the decoded beginning of the target, so `/filesystem%2Ftmp/x` is one of `/filesystem`.
//! What follows is the path: absolute when a slash of the target is written `%2F` anywhere, else relative, unless it begins with a
//! second slash. So `/filesystem//tmp/x`, `/filesystem/%2Ftmp%2Fx` and `/filesystem%2Ftmp/x` are all `/tmp/x`, and
//! `/filesystem/tmp/x` lies below the working folder.

use percent_encoding::percent_decode_str;

/// The routes that take a path, the longest first.
const ROUTES: [&str; 12] = [
    "/filesystem-multipart/initiate",
    "/filesystem-content-search",
    "/filesystem-archive",
    "/filesystem-search",
    "/watch/filesystem",
    "/filesystem-find",
    "/filesystem-stat",
    "/filesystem/tree",
    "/drives/mount",
    "/codegen/fastapply",
    "/codegen/reranking",
    "/filesystem",
];

/// The route whose paths are always absolute, and which is one without a slash behind it, too.
const TREE: &str = "/filesystem/tree";

/// A target of a route that takes a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileTarget {
    /// The route.
    pub(crate) route: &'static str,
    /// The path as a client means it: bytes, not yet cleaned, `.` for the working folder.
    pub(crate) path: Vec<u8>,
}

impl FileTarget {
    /// Reads the path of a request target, still escaped. `None`: the route takes none.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        let decoded: Vec<u8> = percent_decode_str(raw).collect();
        let route = ROUTES.into_iter().find(|route| {
            decoded
                .strip_prefix(route.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&b'/') || (rest.is_empty() && *route == TREE))
        })?;
        let wildcard = &decoded[route.len()..];
        if route == TREE {
            let path = if wildcard.is_empty() { b"/".to_vec() } else { wildcard.to_vec() };
            return Some(Self { route, path });
        }
        let is_absolute = raw.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2F"));
        let path = match wildcard {
            path if is_absolute => path.to_vec(),
            b"/" => b".".to_vec(),
            path => path[1..].to_vec(),
        };
        Some(Self { route, path })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_as_clients_spell_them() {
        #[track_caller]
        fn check(raw: &str, route: &str, path: &str) {
            let target = FileTarget::parse(raw).unwrap();
            assert_eq!(
                (target.route, String::from_utf8_lossy(&target.path).as_ref()),
                (route, path),
                "{raw}"
            );
        }
        let files = "/filesystem";
        check("/filesystem/", files, ".");
        check("/filesystem/.", files, ".");
        check("/filesystem/tmp/x", files, "tmp/x");
        check("/filesystem//tmp/x", files, "/tmp/x");
        check("/filesystem/%2Ftmp%2Fx", files, "//tmp/x");
        check("/filesystem/%2Ftmp/x", files, "//tmp/x");
        check("/filesystem%2Ftmp/x", files, "/tmp/x");
        check("/filesystem%2ftmp/x", files, "/tmp/x");
        check("/filesystem/%2ftmp%2fx", files, "//tmp/x");
        check("/filesystem/tmp%2Fx", files, "/tmp/x");
        check("/filesystem/%2F", files, "//");
        check("/filesystem%2F", files, "/");
        check("/filesystem/~", files, "~");
        check("/filesystem/~/a", files, "~/a");
        check("/filesystem/%7E/a", files, "~/a");
        check("/filesystem/a%20b%25", files, "a b%");
        check("/filesystem/../x", files, "../x");
        check("/filesystem/%2E%2E/x", files, "../x");
        check("/filesystem/a/", files, "a/");
        check("/filesystem/a\\b", files, "a\\b");
        check("/%66ilesystem/a", files, "a");
        check("/filesystem/treefoo", files, "treefoo");
        check("/filesystem/tree.txt", files, "tree.txt");
        check("/filesystem/trees/a", files, "trees/a");
        check("/filesystem/tree", "/filesystem/tree", "/");
        check("/filesystem/tree/", "/filesystem/tree", "/");
        check("/filesystem/tree/a/b", "/filesystem/tree", "/a/b");
        check("/filesystem/tree//a", "/filesystem/tree", "//a");
        check("/filesystem/tree%2Fa", "/filesystem/tree", "/a");
        check("/filesystem/tree/~", "/filesystem/tree", "/~");
        check("/filesystem-find/src", "/filesystem-find", "src");
        check("/filesystem-find/%2Fsrc", "/filesystem-find", "//src");
        check("/filesystem-content-search//a", "/filesystem-content-search", "/a");
        check("/watch/filesystem/%2Ftmp%2Fd%2F**", "/watch/filesystem", "//tmp/d/**");
        check("/filesystem-multipart/initiate/a", "/filesystem-multipart/initiate", "a");
    }

    #[test]
    fn other_routes_take_no_path() {
        for raw in [
            "/filesystem",
            "/filesystems/a",
            "/filesystem-finder/a",
            "/x/filesystem/a",
            "//filesystem/a",
            "/filesystem-find",
            "/filesystem-multipart/id/parts",
            "/process/a",
        ] {
            assert_eq!(FileTarget::parse(raw), None, "{raw}");
        }
    }

    #[test]
    fn names_need_not_be_text() {
        assert_eq!(FileTarget::parse("/filesystem//a%FF").map(|t| t.path), Some(b"/a\xff".to_vec()));
        assert_eq!(FileTarget::parse("/filesystem//a%00b").map(|t| t.path), Some(b"/a\0b".to_vec()));
    }

    proptest! {
        #[test]
        fn any_target_has_a_path_or_none(raw in "(/filesystem|/drives/mount|%2[fF]|/tree|[-a-z/%.~é*]){0,8}") {
            if let Some(target) = FileTarget::parse(&raw) {
                prop_assert!(ROUTES.contains(&target.route));
                prop_assert!(!target.path.is_empty());
                prop_assert!(target.path.len() <= raw.len());
            }
        }

        #[test]
        fn a_path_comes_out_however_it_is_escaped(
            path in prop::collection::vec(any::<u8>(), 1..40), plain in prop::collection::vec(any::<bool>(), 40),
        ) {
            let escaped = path.iter().zip(&plain).fold(String::new(), |escaped, (byte, plain)| {
                // An escaped slash makes any path absolute and keeps one slash more.
                if *byte == b'/' || *plain && byte.is_ascii_alphanumeric() { escaped + &char::from(*byte).to_string() } else { escaped + &format!("%{byte:02x}") }
            });
            let target = FileTarget::parse(&format!("/filesystem//{escaped}")).unwrap();
            prop_assert_eq!(target.path, [b"/", path.as_slice()].concat());
        }
    }
}
