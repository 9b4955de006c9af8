//! Globs over the names of cases.

/// Whether a case's name fits a glob: `*` is any text, `?` any character; without either, the start of the name will do.
pub fn fits(glob: &str, name: &str) -> bool {
    if !glob.contains(['*', '?']) {
        return name.starts_with(glob);
    }
    let (glob, name): (Vec<_>, Vec<_>) = (glob.chars().collect(), name.chars().collect());
    // Which ends of the glob's parts each start of the name can stand at.
    let mut stands: Vec<bool> = vec![false; glob.len() + 1];
    stands[0] = true;
    for (index, part) in glob.iter().enumerate() {
        stands[index + 1] = stands[index] && *part == '*';
    }
    for character in name {
        let before = stands.clone();
        stands[0] = false;
        for (index, part) in glob.iter().enumerate() {
            stands[index + 1] = match part {
                '*' => before[index + 1] || stands[index] || before[index],
                '?' => before[index],
                plain => before[index] && *plain == character,
            };
        }
    }
    stands[glob.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_choose_cases() {
        #[track_caller]
        fn check(glob: &str, name: &str, expected: bool) {
            assert_eq!(fits(glob, name), expected, "{glob} {name}");
        }
        check("process/", "process/exec_true", true);
        check("process/exec", "stream/exec", false);
        check("*sse*", "process/exec_sse_final_event", true);
        check("process/*_event", "process/exec_sse_final_event", true);
        check("process/*_even", "process/exec_sse_final_event", false);
        check("p?ocess/*", "process/x", true);
        check("*", "", true);
    }
}
