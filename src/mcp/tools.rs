//! The tools: one table. Their schemas and descriptions are data (`tools/tools.json`), each has its function here.

mod code;
mod codegen;
mod files;
mod process;
mod process_start;
mod ranges;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::call::{Call, Working};

const TEXT: &str = include_str!("tools/tools.json");

/// Needed to be asked for: they cost money, so there has to be a key.
const NEED_KEY: [&str; 2] = ["codegenEditFile", "codegenRerank"];

/// What a tool does.
type Run = fn(Call) -> Working;

/// A tool.
pub(super) struct Tool {
    /// What its arguments have to be.
    pub(super) input: Value,
    pub(super) run: Run,
}

macro_rules! run {
    ($function:path) => {
        |call| Box::pin($function(call))
    };
}

const RUNS: [(&str, Run); 26] = [
    ("codegenCodebaseSearch", run!(code::search_codebase)),
    ("codegenEditFile", run!(codegen::edit_file)),
    ("codegenFileSearch", run!(code::search_files)),
    ("codegenGrepSearch", run!(code::grep)),
    ("codegenListDir", run!(files::list_workspace)),
    ("codegenParallelApply", run!(code::apply_in_parallel)),
    ("codegenReadFileRange", run!(ranges::read)),
    ("codegenReapply", run!(code::reapply)),
    ("codegenRerank", run!(codegen::rerank)),
    ("fsDeleteFileOrDirectory", run!(files::delete)),
    ("fsEditFile", run!(files::edit)),
    ("fsGetWorkingDirectory", run!(files::working_directory)),
    ("fsListDirectory", run!(files::list)),
    ("fsReadFile", run!(files::read)),
    ("fsWriteFile", run!(files::write)),
    ("processExecute", run!(process_start::execute)),
    ("processGet", run!(process::get)),
    ("processGetLogs", run!(process::logs)),
    ("processKill", run!(process::kill)),
    ("processPorts", run!(process::ports)),
    ("processStartInteractive", run!(process_start::start_interactive)),
    ("processStdinClose", run!(process::close_stdin)),
    ("processStdinWrite", run!(process::write_stdin)),
    ("processStop", run!(process::stop)),
    ("processWait", run!(process::wait)),
    ("processesList", run!(process::list)),
];

static TOOLS: LazyLock<BTreeMap<&'static str, Tool>> = LazyLock::new(|| {
    let tools: Vec<Value> = serde_json::from_str(TEXT).expect("a test reads it");
    let input =
        |name: &str| tools.iter().find(|tool| tool["name"] == name).map(|tool| tool["inputSchema"].clone());
    RUNS.into_iter().filter_map(|(name, run)| Some((name, Tool { input: input(name)?, run }))).collect()
});

/// A tool of this name; `with_key`: also when it needs a key.
pub(super) fn find(name: &str, with_key: bool) -> Option<&'static Tool> {
    TOOLS.get(name).filter(|_| with_key || !NEED_KEY.contains(&name))
}

/// All tools as JSON, sorted by their names. Made once: a list is asked for before every call by some clients.
pub(super) fn list(with_key: bool) -> &'static str {
    static LISTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        let tools: Vec<Value> = serde_json::from_str(TEXT).expect("a test reads it");
        let without = tools.iter().filter(|tool| NEED_KEY.iter().all(|name| tool["name"] != *name));
        [Value::Array(without.cloned().collect()).to_string(), Value::Array(tools).to_string()]
    });
    &LISTS[usize::from(with_key)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_has_a_schema_and_each_schema_a_tool() {
        let tools: Vec<Value> = serde_json::from_str(TEXT).unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, RUNS.map(|(name, _)| name));
        assert!(names.is_sorted());
        assert_eq!(TOOLS.len(), names.len());
        for tool in &tools {
            assert!(tool["description"].as_str().unwrap().ends_with('.'));
            assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        }
    }

    #[test]
    fn a_tool_that_needs_a_key_is_hidden_without_one() {
        assert!(find("codegenRerank", false).is_none() && find("codegenRerank", true).is_some());
        assert!(!list(false).contains("codegenRerank") && list(true).contains("codegenRerank"));
    }
}
