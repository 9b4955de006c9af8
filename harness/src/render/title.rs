//! Titles of steps, and the requests they send.

use crate::{
    fixture::{Action, Mode, Part, Plan, Send, Step},
    text,
};

/// What a step does, on one line.
pub(crate) fn title(step: &Step) -> String {
    match &step.action {
        Action::Send(send) => send_title(send),
        Action::Raw(raw) => {
            let close = if raw.half_close { ", then half-closed" } else { "" };
            let open = raw.open.as_ref().map(|name| format!(", open as {name}")).unwrap_or_default();
            format!("raw bytes{close}{open}")
        }
        Action::Socket { plan, name } => format!("socket {} {}, open as {name}", plan.method, plan.target),
        Action::Talk(talk) => {
            let end = match &talk.until {
                Some(until) => format!(" until {until}"),
                None if talk.closes => " to its end".to_owned(),
                None => String::new(),
            };
            format!("{} {}{end}", if talk.frames.is_empty() { "listen to" } else { "talk on" }, talk.name)
        }
        Action::Poll { plan, until } => format!("poll {} {} until {until}", plan.method, plan.target),
        Action::Await { stream, until } => format!("await {stream} until {until}"),
        Action::Finish { stream } => format!("read {stream} to its end"),
        Action::Disconnect { stream, reset: false } => format!("close {stream}"),
        Action::Disconnect { stream, reset: true } => format!("reset {stream}"),
        Action::Terminate { ends: false } => "SIGTERM to the daemon".to_owned(),
        Action::Kill(Part::Keeper) => "SIGKILL to the keeper".to_owned(),
        Action::Kill(Part::Worker) => "SIGKILL to the worker".to_owned(),
        Action::Terminate { ends: true } => "SIGTERM to the daemon, which ends".to_owned(),
        Action::Asked => "what the stand-in was asked".to_owned(),
        Action::Release => "the stand-in answers".to_owned(),
        Action::Join { background } => format!("answer of {background}"),
    }
}

fn send_title(send: &Send) -> String {
    let mut parts = vec![format!("{} {}", send.plan.method, send.plan.target)];
    if send.repeat > 1 {
        parts.push(format!("{} times", send.repeat));
    }
    if send.parallel > 1 {
        parts.push(format!("{} at once", send.parallel));
    }
    if send.keep_connection {
        parts.push("on the kept connection".to_owned());
    }
    parts.extend(send.resumes.as_ref().map(|earlier| format!("going on with {earlier}")));
    if send.half_close {
        parts.push("half-closed".to_owned());
    }
    match &send.mode {
        Mode::Whole => {}
        Mode::Open { name, until: None } => parts.push(format!("open as {name}")),
        Mode::Open { name, until: Some(until) } => parts.push(format!("open as {name} until {until}")),
        Mode::Unread { name } => parts.push(format!("open as {name}, never read")),
        Mode::Background { name } => parts.push(format!("in the background as {name}")),
    }
    parts.join(", ")
}

/// What a step sends, as the fixture writes it.
pub(crate) fn request_lines(step: &Step) -> Vec<String> {
    match &step.action {
        Action::Send(Send { plan, .. }) | Action::Poll { plan, .. } | Action::Socket { plan, .. } => {
            plan_lines(plan)
        }
        Action::Talk(talk) => talk.frames.iter().map(|frame| format!("> {}", frame.shown())).collect(),
        Action::Raw(raw) => {
            raw.pieces.iter().map(|piece| format!("> {}", text::quote_short(piece.as_bytes()))).collect()
        }
        _ => Vec::new(),
    }
}

fn plan_lines(plan: &Plan) -> Vec<String> {
    let headers = plan.headers.iter().map(|(name, value)| {
        let value = if value.len() > 200 { text::quote_short(value.as_bytes()) } else { value.clone() };
        format!("> {name}: {value}")
    });
    headers.chain(plan.body.shown().map(|body| format!("> {body}"))).collect()
}
