//! A server as a model: what a command writes (`Script`), a server that sends it (`Server`), and a client that comes back when it is cut
//! (`follow`).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{prelude::*, sample::Index};
use serde_json::json;

use crate::{
    client::{Ending, Head},
    conversation::Answer,
    fixture::Show,
    normalise::Normaliser,
    render::{Look, answer_lines},
    rules::Rules,
    stream::{Asked, StreamLog},
    text,
};

/// Where a reader stands: the run, and the bytes of its stdout and stderr.
type Place = (usize, [usize; 2]);

/// What one run of a command writes, in this order; `true` is stdout.
type Written = Vec<(bool, Vec<u8>)>;

/// What a command writes in each of its runs, between which it is started again.
#[derive(Debug, Clone)]
pub(super) struct Script(Vec<Written>);

/// What a wrong server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    LosesByte,
    RepeatsByte,
    SwapsBytes,
    MovesByteToTheOtherStream,
    LosesRestart,
    LosesByteAtASeam,
    RepeatsByteAtASeam,
    NoTerminal,
    TwoTerminals,
    EndsInsideAnEvent,
}

/// Numbers that are chosen at random, again and again the same.
#[derive(Debug)]
pub(super) struct Chances<'a> {
    numbers: &'a [u8],
    at: usize,
}

/// Sends a script.
#[derive(Debug)]
pub(super) struct Server<'a> {
    script: &'a Script,
    /// The order across the streams is kept.
    ordered: bool,
    defect: Option<Defect>,
}

/// What a client was told in the end.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) transcript: Vec<String>,
    pub(super) broken: Vec<String>,
    /// A defect at a seam came to bear.
    pub(super) has_shifted: bool,
}

impl Defect {
    pub(super) const ALL: [Self; 10] = [
        Self::LosesByte,
        Self::RepeatsByte,
        Self::SwapsBytes,
        Self::MovesByteToTheOtherStream,
        Self::LosesRestart,
        Self::LosesByteAtASeam,
        Self::RepeatsByteAtASeam,
        Self::NoTerminal,
        Self::TwoTerminals,
        Self::EndsInsideAnEvent,
    ];

    pub(super) fn is_at_a_seam(self) -> bool {
        matches!(self, Self::LosesByteAtASeam | Self::RepeatsByteAtASeam)
    }
}

/// Bytes in which a cut may do harm: line ends, characters of several bytes, bytes that are no text, what looks like SSE.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let parts = [
        "\r\n",
        "\n",
        "\r",
        "\n\n",
        "\0",
        "ä",
        "€",
        "🐚",
        "\u{2028}",
        "\u{85}",
        "\u{feff}",
        "\"",
        "\\",
        "data: x\n\n",
        ": hb\n",
        "a",
        "b",
    ];
    let part = prop_oneof![
        3 => prop::sample::select(parts.map(|part| part.as_bytes().to_vec()).to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

/// One run to three; the first one writes something in which each defect has a place, and so has a restart.
pub(super) fn script() -> impl Strategy<Value = Script> {
    let run = prop::collection::vec((any::<bool>(), bytes()), 0..6);
    prop::collection::vec(run, 2..4).prop_map(|mut runs| {
        runs[0].push((true, b"ab\r\n".to_vec()));
        Script(runs)
    })
}

/// See [`Chances`].
pub(super) fn chances() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..60)
}

impl<'a> Chances<'a> {
    pub(super) fn new(numbers: &'a [u8]) -> Self {
        Self { numbers, at: 0 }
    }

    /// A number below this one.
    fn below(&mut self, bound: usize) -> usize {
        let number = usize::from(self.numbers[self.at % self.numbers.len()]);
        self.at += 1;
        number % bound
    }
}

impl Script {
    pub(super) fn of(runs: &[&[(bool, &[u8])]]) -> Self {
        let written =
            |run: &&[(bool, &[u8])]| run.iter().map(|(stream, bytes)| (*stream, bytes.to_vec())).collect();
        Self(runs.iter().map(written).collect())
    }

    /// All that one run writes to one stream.
    fn all(&self, run: usize, stdout: bool) -> Vec<u8> {
        let of_stream = self.0[run].iter().filter(|(stream, _)| *stream == stdout);
        of_stream.flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// What the transcript has to be, made without a stream.
    pub(super) fn transcript(&self, ordered: bool) -> Vec<String> {
        let mut lines = vec!["< 200 content-type: text/event-stream".to_owned()];
        lines.push(r#"start {"cursor":"[cursor]","name":"n","pid":"[pid:1]"}"#.to_owned());
        for run in 0..self.0.len() {
            if run > 0 {
                lines.push(format!(r#"restart {{"attempt":{run},"exitCode":1}}"#));
            }
            let mut pieces: Written = Vec::new();
            if ordered {
                for (stdout, bytes) in &self.0[run] {
                    match pieces.last_mut() {
                        Some((last, joined)) if last == stdout => joined.extend(bytes),
                        _ => pieces.push((*stdout, bytes.clone())),
                    }
                }
            } else {
                pieces = [true, false].map(|stdout| (stdout, self.all(run, stdout))).to_vec();
            }
            let pieces = pieces.iter().filter(|(_, bytes)| !bytes.is_empty());
            lines.extend(
                pieces.map(|(stdout, bytes)| format!("{} {}", name(*stdout), text::quote_short(bytes))),
            );
        }
        lines.push(r#"result {"exitCode":3}"#.to_owned());
        lines
    }

    /// What a server with this defect takes for the script.
    pub(super) fn with(&self, defect: Defect, place: Index) -> Self {
        let mut runs = self.0.clone();
        let mut places = Vec::new();
        for (run, written) in runs.iter().enumerate() {
            for (item, (_, bytes)) in written.iter().enumerate() {
                let differs = |at: &usize| {
                    defect != Defect::SwapsBytes || bytes.get(at + 1).is_some_and(|next| *next != bytes[*at])
                };
                places.extend((0..bytes.len()).filter(differs).map(|at| (run, item, at)));
            }
        }
        let (run, item, at) = *place.get(&places);
        let (stdout, bytes) = &mut runs[run][item];
        match defect {
            Defect::LosesByte => drop(bytes.remove(at)),
            Defect::RepeatsByte => bytes.insert(at, bytes[at]),
            Defect::SwapsBytes => bytes.swap(at, at + 1),
            Defect::MovesByteToTheOtherStream => {
                let moved = (!*stdout, vec![bytes.remove(at)]);
                runs[run].push(moved);
            }
            Defect::LosesRestart => {
                let second = runs.remove(1);
                runs[0].extend(second);
            }
            Defect::LosesByteAtASeam
            | Defect::RepeatsByteAtASeam
            | Defect::NoTerminal
            | Defect::TwoTerminals
            | Defect::EndsInsideAnEvent => {}
        }
        Self(runs)
    }
}

impl<'a> Server<'a> {
    pub(super) fn right(script: &'a Script, ordered: bool) -> Self {
        Self { script, ordered, defect: None }
    }

    pub(super) fn with(script: &'a Script, ordered: bool, defect: Defect) -> Self {
        Self { script, ordered, defect: Some(defect) }
    }

    /// The body of an answer to a client that has seen the event with this id, and whether that began at the wrong place.
    fn answer(&self, last_id: Option<&str>, chances: &mut Chances<'_>) -> (String, bool) {
        let (mut place, has_shifted) = match last_id {
            Some(id) => self.shifted(parse(id)),
            None => ((0, [0, 0]), false),
        };
        let start = json!({"type": "start", "pid": "1", "name": "n", "cursor": id_of(place)});
        let mut body = ["retry: 1000\nevent: start\ndata: ", &text::json(&start), "\n\n"].concat();
        loop {
            if chances.below(3) == 0 {
                body.push_str(": hb\n");
            }
            let (run, _) = place;
            if let Some((stdout, bytes)) = self.next(place, chances) {
                place.1[usize::from(!stdout)] += bytes.len();
                frame(&mut body, &id_of(place), name(stdout), &output(stdout, &bytes));
            } else if run + 1 < self.script.0.len() {
                place = (run + 1, [0, 0]);
                let restart = json!({"type": "restart", "attempt": run + 1, "exitCode": 1});
                frame(&mut body, &id_of(place), "restart", &text::json(&restart));
            } else {
                break;
            }
        }
        for number in 0..self.terminals() {
            frame(&mut body, &format!("end{number}"), "result", r#"{"exitCode":3,"type":"result"}"#);
        }
        if self.defect == Some(Defect::EndsInsideAnEvent) {
            body.pop();
        }
        (body, has_shifted)
    }

    fn terminals(&self) -> usize {
        match self.defect {
            Some(Defect::NoTerminal) => 0,
            Some(Defect::TwoTerminals) => 2,
            _ => 1,
        }
    }

    /// What comes next at a place: of one stream, no more than one event takes.
    fn next(&self, (run, read): Place, chances: &mut Chances<'_>) -> Option<(bool, Vec<u8>)> {
        let most = 1 + chances.below(12);
        if self.ordered {
            let mut before = [0, 0];
            for (stdout, bytes) in &self.script.0[run] {
                let stream = usize::from(!stdout);
                before[stream] += bytes.len();
                if before[stream] > read[stream] {
                    let rest = &bytes[bytes.len() - (before[stream] - read[stream])..];
                    return Some((*stdout, rest[..most.min(rest.len())].to_vec()));
                }
            }
            return None;
        }
        let first = chances.below(2) == 0;
        [first, !first].into_iter().find_map(|stdout| {
            let all = self.script.all(run, stdout);
            let rest = &all[read[usize::from(!stdout)]..];
            (!rest.is_empty()).then(|| (stdout, rest[..most.min(rest.len())].to_vec()))
        })
    }

    /// A byte too far, or one too few, if this server makes that mistake and there is one.
    fn shifted(&self, (run, mut read): Place) -> (Place, bool) {
        let lengths = [true, false].map(|stdout| self.script.all(run, stdout).len());
        let stream = match self.defect {
            Some(Defect::LosesByteAtASeam) => (0..2).find(|&stream| read[stream] < lengths[stream]),
            Some(Defect::RepeatsByteAtASeam) => (0..2).find(|&stream| read[stream] > 0),
            _ => None,
        };
        let Some(stream) = stream else { return ((run, read), false) };
        if self.defect == Some(Defect::LosesByteAtASeam) {
            read[stream] += 1;
        } else {
            read[stream] -= 1;
        }
        ((run, read), true)
    }
}

/// Reads the script from a server, cut at these places of the answers (in parts of 65536), each time going on behind the last id; the last answer is read
/// to its end.
pub(super) fn follow(server: &Server<'_>, cuts: &[u16], mut chances: Chances<'_>) -> Told {
    let head = Head { status: 200, headers: vec![("content-type".into(), "text/event-stream".into())] };
    let asked = Asked::new("POST", "/process", Some(&"text/event-stream".to_owned()));
    let (mut earlier, mut broken, mut last_id, mut has_shifted) =
        (Vec::new(), Vec::new(), None::<String>, false);
    let mut read = |body: &[u8], ending, chances: &mut Chances<'_>| {
        let mut log = StreamLog::for_answer(&asked, &head).expect("it is a stream");
        let mut rest = body;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 + chances.below(200)));
            log.feed(piece);
            rest = behind;
        }
        log.close(ending, body);
        broken.extend(log.broken().iter().cloned());
        log
    };
    for cut in cuts {
        let (body, shifted) = server.answer(last_id.as_deref(), &mut chances);
        has_shifted |= shifted;
        let part = &body.as_bytes()[..(usize::from(*cut) * body.len()) >> 16];
        let log = read(part, Ending::Left, &mut chances);
        if log.count("result") > 0 {
            break;
        }
        last_id = log.last_id().map(str::to_owned).or(last_id);
        earlier = log.behind(earlier);
    }
    let (body, shifted) = server.answer(last_id.as_deref(), &mut chances);
    has_shifted |= shifted;
    let stream = read(body.as_bytes(), Ending::Whole, &mut chances);
    let answer = Answer {
        interim: Vec::new(),
        head: Some(head.clone()),
        body: body.into_bytes(),
        ending: Ending::Whole,
        stream: Some(stream),
        took: Duration::ZERO,
    };
    let look = Look { show: &Show::All, headers: &[], ordered: server.ordered, earlier: &earlier };
    let mut normaliser = Normaliser::new(Rules::embedded(), r#"name = "n""#);
    let transcript = answer_lines(&answer, look, &mut normaliser);
    broken.extend(normaliser.take_complaints());
    Told { transcript, broken, has_shifted }
}

fn name(stdout: bool) -> &'static str {
    if stdout { "stdout" } else { "stderr" }
}

fn output(stdout: bool, bytes: &[u8]) -> String {
    let mut record = json!({"type": name(stdout), "ts": 1_795_469_000_130_u64});
    if let Ok(text) = std::str::from_utf8(bytes) {
        record["data"] = text.into();
    } else {
        record["data"] = STANDARD.encode(bytes).into();
        record["encoding"] = "base64".into();
    }
    text::json(&record)
}

fn frame(body: &mut String, id: &str, event: &str, data: &str) {
    body.push_str(&["id: ", id, "\nevent: ", event, "\ndata: ", data, "\n\n"].concat());
}

fn id_of((run, [out, err]): Place) -> String {
    format!("{run}.{out}.{err}")
}

fn parse(id: &str) -> Place {
    let numbers: Vec<usize> = id.split('.').map(|part| part.parse().expect("one of our ids")).collect();
    (numbers[0], [numbers[1], numbers[2]])
}
