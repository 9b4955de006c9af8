//! The variables that a daemon starts with: its own, and what two files add to them. Neither overrides.

use std::ffi::OsString;
use std::path::Path;

use super::reading::{FILE_BYTES_MAX, contents};
use super::{dotenv, pairs};
use crate::error::{Error, Result};
use crate::keeper;
use crate::sys::environment;

/// In the folder where the daemon is started.
const DOTENV: &str = ".env";

/// The variable that names a file of pairs.
const PAIRS_PATH: &str = "BL_ENV_VAR_PATH";

/// Sets the variables of both files, `.env` first, that are not there yet. What cannot be done is said, a sentence each, and is no
/// reason not to start.
///
/// To be called once, before there is a second thread. Whoever was started by a keeper has inherited the result.
pub fn load() -> Vec<String> {
    let is_ours = |name| std::env::var_os(name).is_some();
    if is_ours(keeper::protocol::SOCKET) || is_ours(keeper::renewal::STATE) {
        return Vec::new();
    }
    let mut troubles = Vec::new();
    let dotenv = match read_dotenv(Path::new(DOTENV), &mut troubles) {
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            troubles.push(format!("{DOTENV} is not used: {error}"));
            Vec::new()
        }
        Ok(variables) => variables,
    };
    add(dotenv, &mut troubles);
    let path = std::env::var_os(PAIRS_PATH).filter(|path| !path.is_empty());
    if let Some(path) = path {
        match contents(Path::new(&path), FILE_BYTES_MAX) {
            Err(error) => troubles.push(format!("{PAIRS_PATH} is not used: {error}")),
            Ok(bytes) => {
                let (pairs, bad) = pairs::parse(&bytes);
                if bad > 0 {
                    troubles.push(format!("{PAIRS_PATH}: {bad} entries are no variables"));
                }
                add(pairs, &mut troubles);
            }
        }
    }
    troubles
}

fn read_dotenv(path: &Path, troubles: &mut Vec<String>) -> Result<Vec<(OsString, OsString)>> {
    let bytes = contents(path, FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let outside = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let parsed = dotenv::parse(&text, &outside);
    if let Some(line) = parsed.bad_lines.first() {
        let count = parsed.bad_lines.len();
        troubles.push(format!("{DOTENV}: {count} lines are no variables; the first is line {line}"));
    }
    Ok(last_ones(parsed.variables))
}

/// Of equal names the last counts.
fn last_ones(variables: Vec<(String, String)>) -> Vec<(OsString, OsString)> {
    let last: std::collections::BTreeMap<String, String> = variables.into_iter().collect();
    last.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn add(variables: Vec<(OsString, OsString)>, troubles: &mut Vec<String>) {
    for (name, value) in variables {
        if std::env::var_os(&name).is_none()
            && let Err(error) = environment::set_before_threads([(name.as_os_str(), value.as_os_str())])
        {
            troubles.push(format!("{} cannot be set: {error}", name.display()));
        }
    }
}
