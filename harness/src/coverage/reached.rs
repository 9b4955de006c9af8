//! What a case reaches: its fixture says what is sent, its snapshot what came back.

use std::collections::HashMap;

use super::document::plain;
use crate::{
    book::Case,
    fixture::{Action, Mode, Plan},
};

/// An answer that a case has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) method: String,
    /// As the fixture writes it.
    pub(super) target: String,
    pub(super) status: String,
    /// Without parameters; empty when the answer has none.
    pub(super) media_type: String,
}

/// A request: its method and target.
type Asked = (String, String);

/// Everything that a case reaches.
pub(super) fn reached(case: &Case) -> Vec<Reached> {
    let sections = sections(case.snapshot.as_deref().unwrap_or_default());
    let mut named: HashMap<&str, Vec<Asked>> = HashMap::new();
    let mut found = Vec::new();
    for (step, section) in case.fixture.steps.iter().zip(sections) {
        let asked = match &step.action {
            Action::Send(send) => {
                let asked = vec![of(&send.plan)];
                if let Mode::Open { name, .. } | Mode::Unread { name } | Mode::Background { name } =
                    &send.mode
                {
                    named.insert(name, asked.clone());
                }
                asked
            }
            Action::Poll { plan, .. } | Action::Socket { plan, .. } => vec![of(plan)],
            Action::Raw(raw) => {
                let asked = in_bytes(&raw.pieces.concat());
                if let Some(name) = &raw.open {
                    named.insert(name, asked.clone());
                }
                asked
            }
            Action::Await { stream: name, .. }
            | Action::Finish { stream: name }
            | Action::Join { background: name } => named.get(name.as_str()).cloned().unwrap_or_default(),
            Action::Disconnect { .. }
            | Action::Terminate { .. }
            | Action::Kill(_)
            | Action::Talk(_)
            | Action::Asked
            | Action::Release => Vec::new(),
        };
        found.extend(pair(&asked, &section));
    }
    found
}

fn of(plan: &Plan) -> Asked {
    (plan.method.clone(), plan.target.clone())
}

/// The requests in bytes that a fixture writes itself: lines that end like the first of a head.
fn in_bytes(text: &str) -> Vec<Asked> {
    let lines = text.split("\r\n").flat_map(|line| line.split('\n'));
    let heads = lines.filter_map(|line| {
        let rest = line.strip_suffix(" HTTP/1.1").or_else(|| line.strip_suffix(" HTTP/1.0"))?;
        // What stands before it on its line is the body of the request before.
        let (before, target) = rest.rsplit_once(' ')?;
        let method = before.rsplit(|c: char| !c.is_ascii_uppercase()).next()?;
        Some((method.to_owned(), target.to_owned()))
    });
    heads.collect()
}

/// Which answer is to which request: one kind of request has all of them, several have one each in their order.
fn pair(asked: &[Asked], answers: &[(String, String)]) -> Vec<Reached> {
    let reach = |(method, target): &Asked, (status, media_type): &(String, String)| Reached {
        method: method.clone(),
        target: target.clone(),
        status: status.clone(),
        media_type: media_type.clone(),
    };
    match asked {
        [one] => answers.iter().map(|answer| reach(one, answer)).collect(),
        several => several.iter().zip(answers).map(|(asked, answer)| reach(asked, answer)).collect(),
    }
}

/// The answers in each section of a transcript: status and media type. Interim answers are none.
fn sections(snapshot: &str) -> Vec<Vec<(String, String)>> {
    let mut sections: Vec<Vec<(String, String)>> = Vec::new();
    for line in snapshot.lines() {
        if line.starts_with("## ") {
            sections.push(Vec::new());
        }
        let (Some(section), Some(rest)) = (sections.last_mut(), line.strip_prefix("< ")) else { continue };
        if let Some(status) = status(rest) {
            section.push((status.to_owned(), String::new()));
        }
        // The media type is the first header, or stands on a line of its own.
        if let Some((_, media_type)) = rest.split_once("content-type: ")
            && let Some((_, last)) = section.last_mut()
        {
            *last = plain(media_type);
        }
    }
    sections
}

fn status(rest: &str) -> Option<&str> {
    let word = rest.split(' ').next().unwrap_or_default();
    let is_status = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    (is_status && !word.starts_with("10")).then_some(word).or_else(|| (word == "101").then_some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(steps: &str, snapshot: &str, expect: &[&str]) {
        let fixture = format!("why = \"x.\"\nsource = \"spec\"\n{steps}");
        let case = Case::new("a/b_c", fixture, Some(snapshot)).unwrap();
        let found: Vec<_> = reached(&case)
            .into_iter()
            .map(|Reached { method, target, status, media_type }| {
                format!("{method} {target} {status} {media_type}")
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn each_answer_belongs_to_its_request() {
        check(
            "[[step]]\nsend = \"GET /a\"\nrepeat = 2\n[[step]]\npoll = \"GET /b\"\nuntil = { status = 404 }\n",
            "## 1 [spec] GET /a, 2 times\n1 ×\n< 200 allow: GET\n< content-type: text/plain; charset=utf-8\n\"< 500\"\n1 ×\n< 503\n\n\
             ## 2 [spec] poll GET /b\n< 404 content-type: text/plain\n",
            &["GET /a 200 text/plain", "GET /a 503 ", "GET /b 404 text/plain"],
        );
        check(
            "[[step]]\nsend = \"GET /a\"\nopen = \"s\"\n[[step]]\nsend = \"GET /b\"\nbackground = \"w\"\n[[step]]\nfinish = \"s\"\n\
             [[step]]\njoin = \"w\"\n",
            "## 1 [spec] GET /a\n\n## 2 [spec] GET /b\n\n## 3 [spec] read s\n< 200 content-type: text/event-stream\n\n\
             ## 4 [spec] answer of w\n< 100\n< 422\n",
            &["GET /a 200 text/event-stream", "GET /b 422 "],
        );
        check(
            "[[step]]\nraw = [\"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nPOST /b HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n{}\", \
             \"GET /c HTTP/1.0\\r\\n\\r\\n\"]\nanswers = 3\n",
            "## 1 [spec] raw bytes\n< 200\n< 400\n< 101\n",
            &["GET /a 200 ", "POST /b 400 ", "GET /c 101 "],
        );
    }

    #[test]
    fn a_case_without_a_snapshot_reaches_nothing() {
        check("[[step]]\nsend = \"GET /a\"\n", "", &[]);
    }
}
