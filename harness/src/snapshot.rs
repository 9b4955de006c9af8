//! Snapshots: how a file is read and written without insta, which makes them in `tests/replay.rs`.

/// The content of a snapshot file, without insta's head.
pub fn content(file: &str) -> &str {
    let body =
        file.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(file, |(_, body)| body);
    body.trim_end()
}

/// A snapshot file as insta writes it.
pub fn file(name: &str, transcript: &str) -> String {
    format!(
        "---\nsource: harness/tests/replay.rs\ninput_file: fixtures/{name}.toml\n---\n{}\n",
        transcript.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_head() {
        assert_eq!(content("---\nsource: x\n---\n## 1\n---\nend\n\n"), "## 1\n---\nend");
        assert_eq!(content("plain\n"), "plain");
    }
}
