//! `logs` beside `stdout` and `stderr`: any order of the two will do, but nothing may be missing or too much.
//!
//! A command that writes to both pipes at once has no order between them that anybody could know. So the transcript
//! shows that `logs` holds both, each in its own order, and not how they lie.

use serde_json::{Map, Value};

/// Beyond this many steps the order isn't looked at any more, only the length.
const STEPS_MAX: usize = 16 * 1024 * 1024;

/// Whether `logs` is a merge of the two streams; `None` where the question doesn't arise, because one of them is empty,
/// or was shortened.
pub(super) fn of_both_streams(object: &Map<String, Value>) -> Option<bool> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let (logs, stdout, stderr) = (text("logs")?, text("stdout")?, text("stderr")?);
    let is_shortened = |text: &str| text.starts_with("[... truncated");
    if stdout.is_empty() || stderr.is_empty() || is_shortened(stdout) || is_shortened(stderr) {
        return None;
    }
    Some(is_merge(logs.as_bytes(), stdout.as_bytes(), stderr.as_bytes()))
}

fn is_merge(whole: &[u8], left: &[u8], right: &[u8]) -> bool {
    if whole.len() != left.len() + right.len() {
        return false;
    }
    if left.len().saturating_mul(right.len()) > STEPS_MAX {
        return true;
    }
    // reached[r]: `whole` begins with a merge of the first l bytes of `left` and the first r of `right`.
    let mut reached = vec![false; right.len() + 1];
    reached[0] = true;
    for l in 0..=left.len() {
        if l > 0 {
            reached[0] = reached[0] && left[l - 1] == whole[l - 1];
        }
        for r in 1..=right.len() {
            let from_left = l > 0 && reached[r] && left[l - 1] == whole[l + r - 1];
            let from_right = reached[r - 1] && right[r - 1] == whole[l + r - 1];
            reached[r] = from_left || from_right;
        }
    }
    reached[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_told_from_others() {
        #[track_caller]
        fn check(whole: &str, left: &str, right: &str, expected: bool) {
            assert_eq!(is_merge(whole.as_bytes(), left.as_bytes(), right.as_bytes()), expected);
        }
        check("a\nb\n", "a\n", "b\n", true);
        check("b\na\n", "a\n", "b\n", true);
        check("axbycz", "abc", "xyz", true);
        check("abcabd", "abd", "abc", true);
        check("axbzcy", "abc", "xyz", false);
        check("abc", "ab", "cd", false);
    }
}
