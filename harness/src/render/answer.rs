//! Answers as lines.

use serde_json::Value;

use crate::{
    client::{Ending, Head},
    conversation::Answer,
    exposition::{Exposition, is_exposition},
    fixture::Show,
    normalise::{Layers, Normaliser},
    rules::Rules,
    stand_in::Asked,
    stream::{Event, Piece, StreamLog, join},
    text,
};

/// What a step wants to see of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) show: &'a Show,
    pub(crate) headers: &'a [String],
    /// Keep the order across stdout and stderr.
    pub(crate) ordered: bool,
    /// The events of the stream that this one goes on with.
    pub(crate) earlier: &'a [Event],
}

/// An answer that was read: head and body.
pub(crate) fn answer_lines(answer: &Answer, look: Look<'_>, normaliser: &mut Normaliser) -> Vec<String> {
    if *look.show == Show::Nothing {
        return Vec::new();
    }
    let mut lines: Vec<_> = answer.interim.iter().map(|status| format!("< {status}")).collect();
    let Some(head) = &answer.head else {
        lines.push("< closed without an answer".to_owned());
        return lines;
    };
    lines.extend(head_lines(head, look.headers, normaliser));
    if *look.show != Show::Head {
        match &answer.stream {
            Some(log) => lines.extend(stream_lines(log, look, answer.ending, normaliser)),
            None => lines.extend(body_lines(answer, look.show, normaliser)),
        }
    }
    if answer.ending == Ending::Cut {
        lines.push("(cut)".to_owned());
    }
    lines
}

/// Status and headers; headers that aren't on the allow-list are complaints.
pub(crate) fn head_lines(head: &Head, wanted: &[String], normaliser: &mut Normaliser) -> Vec<String> {
    let rules = &Rules::embedded().headers;
    // Made anew for each answer; it stands in the body, too.
    if let Some((_, boundary)) = head.header("content-type").and_then(|value| value.split_once("boundary=")) {
        normaliser.know(boundary, "boundary");
    }
    let mut shown = Vec::new();
    for (name, value) in &head.headers {
        if let Some(look) = rules.allow.get(name) {
            if !look.fits_text(value) {
                normaliser.complain(format!("the header `{name}` is `{}`, not {look}", text::short(value)));
            }
        } else if !rules.show.contains(name) {
            normaliser.complain(format!("the header `{name}: {}` is on no list", text::short(value)));
        }
        if rules.show.contains(name) || wanted.contains(name) {
            shown.push(format!("{name}: {}", normaliser.text(value)));
        }
    }
    shown.sort();
    let mut shown = shown.into_iter();
    let first = shown.next().map_or_else(String::new, |header| format!(" {header}"));
    let mut lines = vec![format!("< {}{first}", head.status)];
    lines.extend(shown.map(|header| format!("< {header}")));
    lines
}

fn body_lines(answer: &Answer, show: &Show, normaliser: &mut Normaliser) -> Vec<String> {
    let media_type = answer.head.as_ref().and_then(|head| head.header("content-type")).unwrap_or_default();
    if answer.body.is_empty() {
        return Vec::new();
    }
    if is_exposition(media_type) {
        return exposition_lines(&answer.body, show, normaliser);
    }
    if !media_type.starts_with("application/json") {
        return vec![normaliser.bytes(&answer.body)];
    }
    match serde_json::from_slice(&answer.body) {
        Ok(value) => json_lines("", &value, show, normaliser),
        Err(error) => {
            normaliser.complain(format!("the body says that it is JSON and isn't: {error}"));
            vec![normaliser.bytes(&answer.body)]
        }
    }
}

/// Numbers are hidden, but for those that a case asks to be shown.
fn exposition_lines(body: &[u8], show: &Show, normaliser: &mut Normaliser) -> Vec<String> {
    let Ok(body) = std::str::from_utf8(body) else {
        normaliser.complain("the figures are no text".to_owned());
        return Vec::new();
    };
    let read = Exposition::read(body);
    read.complaints.iter().for_each(|complaint| normaliser.complain(format!("the figures: {complaint}")));
    if let Show::Places(_) = show {
        return json_lines("", &read.json(), show, normaliser);
    }
    let hidden = &Rules::embedded().figures.hidden_labels;
    let families = read.families.iter().flat_map(|family| {
        let samples = family.samples.iter().map(|sample| format!("{} [number]", sample.key(hidden)));
        std::iter::once(format!("{} {}", family.kind, family.name)).chain(samples)
    });
    families.map(|line| normaliser.text(&line)).collect()
}

fn stream_lines(log: &StreamLog, look: Look<'_>, ending: Ending, normaliser: &mut Normaliser) -> Vec<String> {
    // A stream that goes on with another tells its start once.
    let later = log.events().iter().filter(|event| look.earlier.is_empty() || event.name() != "start");
    let pieces = join(look.earlier.iter().chain(later), look.ordered);
    let mut lines = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Output { stream, bytes } => lines.push(format!("{stream} {}", normaliser.bytes(&bytes))),
            Piece::Event { name, value } => {
                let show = if name == "result" { look.show } else { &Show::All };
                lines.extend(json_lines(&format!("{name} "), &value, show, normaliser));
            }
        }
    }
    if ending == Ending::Whole && log.ends_silently() {
        lines.push("end".to_owned());
    }
    lines
}

fn json_lines(label: &str, value: &Value, show: &Show, normaliser: &mut Normaliser) -> Vec<String> {
    let layers = normaliser.json(value);
    if let Show::Places(places) = show {
        return places.iter().map(|place| place_line(label, place, &layers)).collect();
    }
    let mut lines = match &layers.common {
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| format!("  {}", text::json(item)));
            std::iter::once(format!("{label}[")).chain(items).chain(["]".to_owned()]).collect()
        }
        common => vec![format!("{label}{}", text::json(common))],
    };
    lines.extend(layers.own.iter().map(|(place, own)| {
        let gap = if place.is_empty() { "" } else { " " };
        format!("+ {place}{gap}{}", text::json(own))
    }));
    lines
}

/// What the stand-in was asked.
pub(crate) fn asked_lines(asked: &[Asked], normaliser: &mut Normaliser) -> Vec<String> {
    let mut lines = Vec::new();
    for Asked { line, authorization, body } in asked {
        let credentials = authorization.as_ref().map(|value| format!("  authorization: {value}"));
        lines.push(format!("? {}{}", normaliser.text(line), credentials.unwrap_or_default()));
        match serde_json::from_slice(body) {
            Ok(value) => lines.extend(json_lines("? ", &value, &Show::All, normaliser)),
            Err(_) if body.is_empty() => {}
            Err(_) => lines.push(format!("? {}", normaliser.bytes(body))),
        }
    }
    lines
}

fn place_line(label: &str, place: &str, layers: &Layers) -> String {
    if let Some(value) = layers.common.pointer(place) {
        return format!("{label}{place} {}", text::json(value));
    }
    let own = layers.own.iter().find_map(|(at, own)| own.pointer(place.strip_prefix(at.as_str())?));
    match own {
        Some(value) => format!("+ {label}{place} {}", text::json(value)),
        None => format!("{label}{place} (absent)"),
    }
}

#[cfg(test)]
mod tests;
