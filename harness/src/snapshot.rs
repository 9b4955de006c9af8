//! Snapshots: where they are, how insta is set up, how a file is read without insta.

use std::path::Path;

/// Compares a transcript with the snapshot of its case, as insta does: by panicking, after it has shown the difference
/// and left a `.snap.new` for review. `root` is the folder that holds `fixtures` and `snapshots`.
pub fn assert(root: &Path, name: &str, transcript: &str) {
    let (resource, case) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(root.join("snapshots").join(resource));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_input_file(root.join("fixtures").join(format!("{name}.toml")));
    settings.bind(|| insta::assert_snapshot!(case, transcript));
}

/// The content of a snapshot file, without insta's head.
pub fn content(file: &str) -> &str {
    let body =
        file.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(file, |(_, body)| body);
    body.trim_end()
}

/// A snapshot file as insta writes it.
pub fn file(name: &str, transcript: &str) -> String {
    format!(
        "---\nsource: harness/src/snapshot.rs\ninput_file: fixtures/{name}.toml\n---\n{}\n",
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
