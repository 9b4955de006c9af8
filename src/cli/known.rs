//! `Known`: the variables of the known server, and what a setting becomes when several places say it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{CodegenSettings, Secret};
use crate::user::{self, Identity};

/// Share of the host's memory that logs may take on disk, when nothing is set: what the known server does.
const LOG_PERCENT: u64 = 10;

/// The budget when the host does not say how much memory it has.
const LOG_BYTES_TOTAL_UNKNOWN: u64 = 96 * 1024 * 1024;

/// Variables of the known server.
pub(super) struct Known<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Known<'_> {
    pub(super) fn text(&self, name: &str) -> Option<OsString> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let value = value.to_string_lossy().into_owned();
        value.parse().map(Some).map_err(|_| format!("{name} is `{value}`, which is no number that fits"))
    }

    /// The spellings of true that the known server takes.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some_and(|v| {
            matches!(v.to_string_lossy().as_ref(), "1" | "t" | "T" | "true" | "TRUE" | "True")
        })
    }
}

/// Keys of providers stand in the environment alone: a command line is seen by everybody.
pub(super) fn codegen(known: &Known<'_>) -> Result<CodegenSettings, String> {
    let key = |name| {
        let Some(value) = known.text(name) else { return Ok(None) };
        let text = value.to_string_lossy().trim().to_owned();
        // It becomes a header.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{name} must consist of visible ASCII characters"));
        }
        Ok((!text.is_empty()).then(|| Secret::new(text)))
    };
    let url = |name, default: &str| {
        let url =
            known.text(name).map_or_else(|| default.to_owned(), |url| url.to_string_lossy().into_owned());
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if is_http { Ok(url) } else { Err(format!("{name} is `{url}`, which is no http or https URL")) }
    };
    Ok(CodegenSettings {
        relace_key: key("RELACE_API_KEY")?,
        relace_base_url: url("RELACE_BASE_URL", "https://models.relace.ai")?,
        morph_key: key("MORPH_API_KEY")?,
        morph_base_url: url("BOXD_MORPH_BASE_URL", "https://api.morphllm.com")?,
    })
}

pub(super) fn workload_user(flag: Option<String>, known: &Known<'_>) -> Result<Option<Identity>, String> {
    let known_spec = || known.text("BL_SANDBOX_USER").filter(|_| known.is_on("BL_SANDBOX_USER_ENABLED"));
    let spec = flag.or_else(|| known_spec().map(|spec| spec.to_string_lossy().into_owned()));
    spec.map(|spec| Identity::find(&spec)).transpose()
}

pub(super) fn or<T>(flag: Option<T>, known: Option<T>, default: T) -> T {
    flag.or(known).unwrap_or(default)
}

pub(super) fn unlimited_if_zero(bytes: u64) -> u64 {
    if bytes == 0 { u64::MAX / 4 } else { bytes }
}

pub(super) fn token(file: Option<&Path>, known: &Known<'_>) -> Result<Option<Secret>, String> {
    let text = match file {
        Some(path) => {
            let bytes = fs::read(path)
                .map_err(|error| format!("the token file {} cannot be read: {error}", path.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            Some(text.lines().next().unwrap_or_default().trim().to_owned())
        }
        None => known.text("BOXD_AUTH_TOKEN").map(|value| value.to_string_lossy().trim().to_owned()),
    };
    match text {
        Some(text) if text.is_empty() => Err("the auth token is empty".to_owned()),
        // No request could ever carry it, or not in every place where a token is looked for.
        Some(text) if !text.bytes().all(|b| b.is_ascii_graphic()) => {
            let hint = if text.starts_with('\u{feff}') { "; it begins with a byte order mark" } else { "" };
            Err(format!("the auth token must consist of visible ASCII characters{hint}"))
        }
        text => Ok(text.map(Secret::new)),
    }
}

pub(super) fn total_bytes(
    bytes: Option<u64>,
    percent: Option<u64>,
    known: &Known<'_>,
) -> Result<u64, String> {
    if let Some(bytes) = bytes.or(known.number("SANDBOX_MAX_LOG_BYTES_TOTAL")?) {
        return Ok(unlimited_if_zero(bytes));
    }
    let percent = or(percent, known.number("SANDBOX_MAX_LOG_PERCENT")?, LOG_PERCENT);
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total_bytes(&text));
    Ok(memory.map_or(LOG_BYTES_TOTAL_UNKNOWN, |bytes| bytes / 100 * percent))
}

/// `MemTotal:       24689340 kB`
pub(super) fn mem_total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

pub(super) fn default_log_dir(known: &Known<'_>) -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/log/boxd".into();
    }
    let home = || user::home(known.text("HOME")).map(|home| home.join(".local/state"));
    let state = known.path("XDG_STATE_HOME").or_else(home);
    match state {
        Some(state) => state.join("boxd/log"),
        None => std::env::temp_dir().join(format!("boxd-{}", rustix::process::geteuid().as_raw())),
    }
}

pub(super) fn shell_args(flag: Option<String>, known: &Known<'_>) -> Vec<String> {
    let text = flag.or_else(|| known.text("SHELL_ARGS").map(|v| v.to_string_lossy().into_owned()));
    text.unwrap_or_else(|| "-c".to_owned()).split_whitespace().map(str::to_owned).collect()
}
