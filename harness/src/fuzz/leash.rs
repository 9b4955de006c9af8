//! `Leash`: what may be sent to a server that somebody else started. Every request passes here, whoever made it.
//!
//! A fuzzer changes whatever it gets hold of, so this does not trust the generator: it reads the request as the most
//! lenient server could (case of keys, escapes in paths, slashes that are repeated) and refuses what it doesn't know.
//!
//! - Files and folders are named below `{{dir}}`, a folder that was made for the case; no link leads out of it.
//! - Commands are those of a short list; they end by themselves within a second.
//! - Only processes of this run, `{{name}}…`, are signalled or written to.
//! - Nothing is upgraded, mounted, exported, frozen or routed; no URL is handed over that somebody would call.

use percent::decoded;
use serde_json::{Map, Value};

use super::call::{Call, Payload};
use crate::contract::NONE;

/// What commands may be.
pub(super) const COMMANDS: [&str; 13] = [
    "true",
    "false",
    "exit 3",
    "echo hello",
    "echo one; echo two >&2",
    "printf 'no newline'",
    "printf '\\303\\251\\377\\n'",
    "sleep 0.05; echo late",
    "timeout 1 cat",
    "timeout 1 head -c 3",
    "head -c 70000 /dev/zero | tr '\\0' a",
    "kill -9 $$",
    "(sleep 0.3; echo orphan) & echo parent",
];

/// Tools of MCP that do what routes do, and nothing with a model's provider or below the server's own folder.
const TOOLS: [&str; 17] = [
    "fsDeleteFileOrDirectory",
    "fsEditFile",
    "fsGetWorkingDirectory",
    "fsListDirectory",
    "fsReadFile",
    "fsWriteFile",
    "processExecute",
    "processGet",
    "processGetLogs",
    "processKill",
    "processPorts",
    "processStdinClose",
    "processStdinWrite",
    "processStop",
    "processWait",
    "processesList",
    "fuzzNoSuchTool",
];

/// Where the path of a file follows.
const FILES: [&str; 9] = [
    "/filesystem/",
    "/filesystem/tree/",
    "/filesystem-archive/",
    "/filesystem-content-search/",
    "/filesystem-find/",
    "/filesystem-search/",
    "/filesystem-stat/",
    "/filesystem-multipart/initiate/",
    "/watch/filesystem/",
];

/// Routes that take paths in their bodies.
const DEEDS: [&str; 5] =
    ["/filesystem-chmod", "/filesystem-chown", "/filesystem-copy", "/filesystem-move", "/filesystem-symlink"];

/// Routes that only look.
const LOOKS: [&str; 10] = [
    "/",
    "/health",
    "/capabilities",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/filesystem-multipart",
    "/drives/mount",
    "/archive/status",
    "/terminal",
];

/// Headers by which a request cannot become another one.
const HEADERS: [&str; 12] = [
    "accept",
    "content-type",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "x-fuzz",
    "x-request-id",
    "x-blaxel-workspace",
];

/// An empty archive is so long.
const ARCHIVE_BYTES_MAX: usize = 1024;

/// Which servers may be sent what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leash {
    /// The daemon is the harness's own, with a root of its own for files.
    pub(super) own: bool,
}

impl Leash {
    /// Whether a request may be sent.
    pub(super) fn allows(self, call: &Call) -> bool {
        let path = call.target.split(['?', '#']).next().unwrap_or_default();
        let query = call.target.split_once('?').map_or("", |(_, query)| query);
        call.headers.keys().all(|name| HEADERS.contains(&name.to_ascii_lowercase().as_str()))
            && !stops(query)
            && self.allows_path(call, path)
            && allows_payload(call, path)
    }

    fn allows_path(self, call: &Call, path: &str) -> bool {
        let only_looks = matches!(call.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if let Some((before, rest)) = path.split_once("{{dir}}") {
            let own = self.own
                && matches!(before, "/codegen/fastapply/" | "/codegen/reranking/" | "/drives/mount/");
            let depth = depth(rest);
            return (FILES.contains(&before) || own)
                && depth.is_some_and(|depth| depth > 0 || call.method != "DELETE");
        }
        if LOOKS.contains(&path) {
            return only_looks || path == "/";
        }
        if DEEDS.contains(&path) || matches!(path, "/process" | "/mcp") {
            return true;
        }
        if let Some(rest) = path.strip_prefix("/process/") {
            return is_own_name(rest) && climbs_nowhere(rest);
        }
        if let Some(rest) = path.strip_prefix("/filesystem-multipart/") {
            return (is_own_name(rest) || rest.starts_with("{{upload}}")) && climbs_nowhere(rest);
        }
        if let Some(rest) = path.strip_prefix("/network/process/") {
            return (only_looks || self.own) && climbs_nowhere(rest);
        }
        let is_bare = decoded(path).is_some_and(|path| path.starts_with("/fuzz"));
        let own = ["/port/1/", "/environment/reload", "/archive/resume", "/network/tunnel"];
        let is_own =
            own.iter().any(|known| path == *known || (*known == "/port/1/" && path.starts_with(known)));
        climbs_nowhere(path)
            && (is_bare || (self.own && is_own && call.operation() != NONE && !path.ends_with("/config")))
    }
}

/// Whether a signal would hold a process up, which then ends for nobody.
fn stops(query: &str) -> bool {
    let query = decoded(query).unwrap_or_default().to_ascii_uppercase();
    ["STOP", "TSTP", "TTIN", "TTOU", "=19", "=20", "=21", "=22"].iter().any(|word| query.contains(word))
}

/// How far below `{{dir}}` the rest of a path leads; `None` when it may lead elsewhere.
fn depth(rest: &str) -> Option<usize> {
    let rest = decoded(rest)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    rest.split(['/', '\\']).try_fold(0_usize, |depth, part| match part {
        "" | "." => Some(depth),
        ".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    })
}

/// Whether a path has no `..`, however it is written.
fn climbs_nowhere(path: &str) -> bool {
    decoded(path).is_some_and(|path| !path.contains(".."))
}

/// A path in a body, which a server may take apart like one in a target, or as it stands.
fn inside(text: &str) -> Option<usize> {
    text.strip_prefix("{{dir}}").and_then(depth)
}

fn is_own_name(text: &str) -> bool {
    text.starts_with("{{name}}")
}

fn allows_payload(call: &Call, path: &str) -> bool {
    let text = match &call.body {
        Payload::Absent => return true,
        Payload::Json(value) => return allows_json(path, value),
        Payload::Text(text) => text.clone(),
        Payload::Chunked(pieces) => pieces.concat(),
        Payload::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    if path.starts_with("/filesystem-archive/") && text.len() > ARCHIVE_BYTES_MAX {
        return false;
    }
    // A field of a form that might name another file.
    if text.to_ascii_lowercase().contains("name=\"path\"") {
        return false;
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => allows_json(path, &value),
        Err(_) if DEEDS.contains(&path) || matches!(path, "/process" | "/mcp") => allows_broken(&text),
        // The content of a file, or what a command reads.
        Err(_) => true,
    }
}

/// Whether what is no JSON says nothing that a reader which forgives much could take for harm: each text in it is held
/// to what stands before it.
fn allows_broken(text: &str) -> bool {
    let texts: Vec<_> = text.split('"').skip(1).step_by(2).collect();
    texts.windows(2).all(|pair| allows_field(pair[0], &Value::String(pair[1].to_owned())))
        && !text.to_ascii_lowercase().contains("maxrestarts")
}

fn allows_json(path: &str, value: &Value) -> bool {
    if path != "/mcp" {
        return allows_value(value);
    }
    match value {
        Value::Array(messages) => messages.iter().all(|message| allows_json(path, message)),
        Value::Object(message) => {
            let Some(params) = message.get("params") else { return allows_value(value) };
            let is_known = params.get("name").is_none_or(|name| match name {
                Value::String(name) => TOOLS.contains(&name.as_str()),
                _ => true,
            });
            // Keys in other cases than the protocol's are not sent.
            let is_plain = |fields: &Map<String, Value>| {
                fields.keys().all(|key| !key.eq_ignore_ascii_case("name") || key == "name")
            };
            is_known
                && params.as_object().is_none_or(is_plain)
                && !message.keys().any(|key| key.eq_ignore_ascii_case("params") && key != "params")
                && params.get("arguments").is_none_or(allows_value)
        }
        _ => true,
    }
}

/// Whether all that a JSON value says is harmless, wherever it stands.
fn allows_value(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(allows_value),
        Value::Object(fields) => {
            fields.iter().all(|(key, field)| allows_field(key, field) && allows_value(field))
        }
        _ => true,
    }
}

fn allows_field(key: &str, field: &Value) -> bool {
    let key = key.to_ascii_lowercase();
    let text = field.as_str();
    match key.as_str() {
        "command" => text.is_none_or(|text| COMMANDS.contains(&text) || text.trim().is_empty()),
        "name" | "identifier" => text.is_none_or(|text| text.is_empty() || is_own_name(text)),
        "path" | "source" | "destination" | "target" => text.is_none_or(|text| inside(text).is_some()),
        "workingdir" => {
            text.is_none_or(|text| matches!(text, "" | "/" | "/tmp" | "~") || inside(text).is_some())
        }
        "files" => {
            let names = field.as_object().into_iter().flat_map(Map::keys);
            names.clone().all(|name| depth(&format!("/{name}")).is_some_and(|depth| depth > 0))
        }
        "env" => {
            let names = field.as_object().into_iter().flat_map(Map::keys);
            names.clone().all(|name| name.is_empty() || name.starts_with("FUZZ") || name.starts_with('='))
        }
        "maxrestarts" => field.as_f64().is_none_or(|count| (0.0..=2.0).contains(&count)),
        "callback" | "url" | "baseurl" | "completeurl" | "aborturl" | "parturls" | "config" | "drivename"
        | "mountpath" | "mountprogram" | "shell" => false,
        _ => true,
    }
}

/// Escapes of URLs.
mod percent {
    /// The text with all escapes undone, again and again; `None` when there is no end of them.
    pub(super) fn decoded(text: &str) -> Option<String> {
        const ROUNDS_MAX: usize = 4;
        let mut current = text.to_owned();
        for _ in 0..ROUNDS_MAX {
            let next = once(&current);
            if next == current {
                return Some(current);
            }
            current = next;
        }
        None
    }

    fn once(text: &str) -> String {
        let bytes = text.as_bytes();
        let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            let escape = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
            if let Some(byte) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                decoded.push(byte);
                at += 3;
            } else {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
        String::from_utf8_lossy(&decoded).into_owned()
    }
}

#[cfg(test)]
mod tests;
