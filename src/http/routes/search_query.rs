//! What the three searches read from the query alike.

use std::ffi::OsString;

use tide::Request;

use crate::filesystem::{EXCLUDED_FOLDERS, Scope, names_of};
use crate::http::context::Context;
use crate::http::refusal::Refusal;
use crate::http::request;

/// The most results that can be asked for with a number; zero is no bound.
const RESULTS_MAX: u64 = 1000;

/// A parameter; one without a value counts as none.
pub(super) fn parameter(request: &Request<Context>, name: &str) -> Option<String> {
    request::target(request).parameter(name).filter(|value| !value.is_empty())
}

/// Whether a parameter is there and true.
pub(super) fn flag(request: &Request<Context>, name: &str) -> bool {
    parameter(request, name).as_deref() == Some("true")
}

/// Where is searched. Hidden entries are left out unless the client says otherwise; only `true` is true.
pub(super) fn scope(request: &Request<Context>) -> Scope {
    let excluded = names_of(&parameter(request, "excludeDirs").unwrap_or_default());
    let exclude_folders = if excluded.is_empty() {
        EXCLUDED_FOLDERS.into_iter().map(OsString::from).collect()
    } else {
        excluded.into_iter().map(OsString::from).collect()
    };
    Scope {
        exclude_folders,
        exclude_hidden: parameter(request, "excludeHidden").is_none_or(|value| value == "true"),
        gitignore: flag(request, "gitignore"),
    }
}

/// How many results are wanted; `None` is all.
pub(super) fn results_max(request: &Request<Context>, default: u64) -> Result<Option<usize>, Refusal> {
    let Some(text) = parameter(request, "maxResults") else { return bound(default) };
    match text.parse() {
        Ok(number) => bound(number),
        Err(_) => Err(Refusal::InvalidParameter("maxResults", text)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is a result's value")]
fn bound(number: u64) -> Result<Option<usize>, Refusal> {
    Ok(usize::try_from(number.min(RESULTS_MAX)).ok().filter(|number| *number > 0))
}
