//! The curl tour of a document, made and compared: what a README shows must be what a server answers.
//!
//! Blocks of the language `console` hold lines `$ curl …` and, below each, what it prints. The commands are not given to a
//! shell: the few options of curl that a tour needs are understood here, so that the check needs no program. Values that
//! change from run to run are compared by their kind.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{
    client::{Connection, Deadline, Exchange, Request},
    target::Target,
};

/// One answer may take this long; a tour waits for nothing longer than a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Keys whose values change from run to run.
const CHANGING: [&str; 13] = [
    "pid",
    "startedAt",
    "completedAt",
    "workingDir",
    "durationMs",
    "ts",
    "cursor",
    "userMs",
    "systemMs",
    "maxRssBytes",
    "lastModified",
    "owner",
    "group",
];

/// One command of a tour and what the document says that it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Stop {
    /// The line without its `$ `.
    pub command: String,
    /// The lines below it.
    pub printed: String,
}

/// The commands of a document, in order.
pub fn stops(document: &str) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), stops.last_mut()) {
                (Some(command), _) => {
                    stops.push(Stop { command: command.to_owned(), printed: String::new() });
                }
                (None, Some(stop)) => stop.printed.extend([line, "\n"]),
                (None, None) => {}
            }
        }
    }
    stops
}

/// Makes one stop against a server.
///
/// # Errors
/// A sentence that shows both texts when they differ in more than what changes from run to run.
pub fn make(stop: &Stop, target: &Target) -> Result<(), String> {
    let curl = Curl::parse(&stop.command)?;
    let answered = curl.run(target)?;
    let (expected, found) = (steady(&stop.printed), steady(&answered));
    if expected == found {
        return Ok(());
    }
    Err(format!("$ {}\nthe document says:\n{expected}\nthe server says:\n{found}", stop.command))
}

/// A curl command line, as far as a tour uses it.
#[derive(Debug, Default, PartialEq)]
struct Curl {
    method: Option<String>,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    path: String,
    discards: bool,
}

impl Curl {
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = words(line)?.into_iter();
        if words.next().as_deref() != Some("curl") {
            return Err(format!("`{line}` is not a curl command"));
        }
        let mut curl = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{line}`: {word} needs a value"));
            match word.as_str() {
                "-X" => curl.method = Some(value()?),
                "-d" => curl.body = Some(value()?),
                "-o" => curl.discards = value()? == "/dev/null",
                "-H" => {
                    let header = value()?;
                    let (name, value) =
                        header.split_once(": ").ok_or_else(|| format!("`{header}` is no header"))?;
                    curl.headers.insert(name.to_lowercase(), value.to_owned());
                }
                "-s" | "-N" | "-sN" => {}
                url => {
                    let rest =
                        url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is not understood"))?;
                    rest.find('/').map_or("/", |at| &rest[at..]).clone_into(&mut curl.path);
                }
            }
        }
        Ok(curl)
    }

    fn run(&self, target: &Target) -> Result<String, String> {
        let default = if self.body.is_some() { "POST" } else { "GET" };
        let method = self.method.clone().unwrap_or_else(|| default.to_owned());
        let request = Request {
            method: method.clone(),
            target: self.path.clone(),
            headers: self.headers.clone(),
            body: self.body.as_ref().map(|body| body.as_bytes().to_vec()),
            pieces: None,
        };
        let deadline = Deadline::within(ANSWER_WITHIN);
        let mut connection = Connection::open(target, &deadline).map_err(|error| error.to_string())?;
        connection.write(&request.bytes(target.authority()), &deadline).map_err(|error| error.to_string())?;
        let mut exchange = Exchange::new(connection, &method);
        while exchange.read_body("the answer", &deadline).map_err(|error| error.to_string())? {}
        let text = String::from_utf8(exchange.body).map_err(|error| error.to_string())?;
        Ok(if self.discards { String::new() } else { text })
    }
}

/// Splits a command line at blanks, quotes respected.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(format!("`{line}` ends inside a quote")) } else { Ok(words) }
}

/// A printed text with what changes replaced by its kind, and without the newline that a terminal adds.
fn steady(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let (label, json) = line.strip_prefix("data: ").map_or(("", line), |json| ("data: ", json));
        if line.starts_with("id: ") {
            let end = line.rsplit_once('.').map_or("", |(_, last)| if last == "end" { ".end" } else { "" });
            return format!("id: [cursor]{end}");
        }
        match serde_json::from_str::<Value>(json) {
            Ok(value @ Value::Object(_)) => format!("{label}{}", steady_json(json, &value)),
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text of an object, its key order kept, with the values of changing keys replaced where they stand.
fn steady_json(text: &str, value: &Value) -> String {
    // What a process used stands in an object of its own.
    let find = |key| value.get(key).or_else(|| value.get("usage")?.get(key));
    CHANGING.iter().fold(text.to_owned(), |text, key| match find(key) {
        Some(Value::String(string)) if string.is_empty() => text,
        Some(found) => text.replacen(&format!("\"{key}\":{found}"), &format!("\"{key}\":[{key}]"), 1),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_block_by_block() {
        let document = "text\n```sh\n$ no\n```\n```console\n$ curl -s a\none\ntwo\n$ curl b\n```\nend\n";
        let stop = |command: &str, printed: &str| Stop { command: command.into(), printed: printed.into() };
        assert_eq!(stops(document), [stop("curl -s a", "one\ntwo\n"), stop("curl b", "")]);
    }

    #[test]
    fn a_command_line_is_read_like_curl_does() {
        let line = "curl -sN http://h:1/process?a=b -H 'Accept: text/event-stream' -d '{\"a\": \"b c\"}' -o /dev/null";
        let curl = Curl::parse(line).unwrap();
        assert_eq!((curl.path.as_str(), curl.body.as_deref()), ("/process?a=b", Some("{\"a\": \"b c\"}")));
        assert_eq!((curl.headers["accept"].as_str(), curl.discards), ("text/event-stream", true));
        assert!(
            Curl::parse("wget x").is_err()
                && Curl::parse("curl 'x").is_err()
                && Curl::parse("curl -z x").is_err()
        );
    }

    #[test]
    fn only_what_changes_is_hidden() {
        let shown = steady(
            "id: a-1.0.4.0.end\ndata: {\"pid\":\"7\",\"name\":\"x\",\"ts\":12,\"completedAt\":\"\"}\n\n",
        );
        assert_eq!(
            shown,
            "id: [cursor].end\ndata: {\"pid\":[pid],\"name\":\"x\",\"ts\":[ts],\"completedAt\":\"\"}"
        );
    }
}
