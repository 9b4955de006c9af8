//! `Load`: clients that start commands, follow them and hold the daemon to each word, while somebody else breaks it.
//!
//! A slot is one client after the other: it starts a command in one of three ways, follows it over every cut, compares all
//! that was said with what the command did, and begins again until it is told to stop. Every second command has a limit that it
//! never comes near to, so it is born inside a control group, and ends as the others do.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    api::{Api, PATIENCE, Trouble},
    follow::Follower,
    script::{End, Script, notes},
};
use crate::{client::Deadline, random::Random};

/// How far the time of an exit may be off.
const LATE_MS: u64 = 1500;
/// How late a timeout may come: while no worker lives, which is as long as the keeper's pause, nobody ends the command.
const TIMEOUT_LATE_MS: u64 = 6000;
/// The pause before a restart, and what the daemon calls a timeout of one second.
const SECOND: Duration = Duration::from_secs(1);

/// Limits that need a control group, and values that no command here comes near to.
const LIMITS: [(&str, u64); 2] = [("pids", 200), ("memoryBytes", 256 << 20)];

/// What is special about a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Writes and ends.
    Plain,
    /// Fails, is started again once, and fails again.
    Restarting,
    /// Never ends by itself, and has a timeout.
    TimedOut,
}

/// What is asked of the daemon for one command.
#[derive(Debug)]
struct Plan {
    kind: Kind,
    script: Script,
    /// Where limits can be had at all.
    has_limits: bool,
    /// How its client starts it.
    way: u64,
}

/// A command that is over and was found in order.
#[derive(Debug)]
struct Finished {
    name: String,
    output: Arc<[Vec<u8>; 2]>,
    process: Value,
}

/// The clients' common memory.
#[derive(Debug)]
pub(super) struct Load {
    api: Api,
    marks: PathBuf,
    seed: u64,
    /// Of `LIMITS` those that hold here.
    limits: Option<Value>,
    stop: AtomicBool,
    losses: Mutex<Vec<String>>,
    finished: Mutex<Vec<Finished>>,
    cuts: AtomicUsize,
    bytes: AtomicU64,
}

impl Load {
    /// For the daemon at `api`.
    pub(super) fn new(api: &Api, marks: PathBuf, seed: u64) -> Self {
        let (limits, losses) = match limits(api) {
            Ok(limits) => (limits, Vec::new()),
            Err(loss) => (None, vec![loss]),
        };
        Self {
            api: api.clone(),
            marks,
            seed,
            limits,
            stop: AtomicBool::new(false),
            losses: Mutex::new(losses),
            finished: Mutex::default(),
            cuts: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Lets each slot come to the end of its command.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Takes what was lost.
    pub(super) fn losses(&self) -> Vec<String> {
        std::mem::take(&mut self.losses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commands that were followed to their end, bytes compared, connections cut.
    pub(super) fn figures(&self) -> (usize, u64, usize) {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner).len();
        (finished, self.bytes.load(Ordering::Relaxed), self.cuts.load(Ordering::Relaxed))
    }

    /// Whether a command with a limit can be had.
    pub(super) fn has_limits(&self) -> bool {
        self.limits.is_some()
    }

    /// Which commands have a limit, for the table.
    pub(super) fn told_limits(&self) -> String {
        match &self.limits {
            Some(limits) => format!("every second with the limits {limits}"),
            None => "none with a limit, because no control group can be had".to_owned(),
        }
    }

    /// Runs slot `slot` until `stop`.
    pub(super) fn run(&self, slot: u64) {
        let mut random = Random::fork(self.seed, slot);
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let name = format!("c{slot}-{round}");
            let kind = match random.below(12) {
                0 => Kind::Restarting,
                1 => Kind::TimedOut,
                _ => Kind::Plain,
            };
            let script = script(kind, &mut random);
            let plan =
                Plan { kind, script, has_limits: (slot + round).is_multiple_of(2), way: random.below(4) };
            self.keep(self.live(&name, &plan));
            round += 1;
        }
    }

    /// The life of one short command that writes a few times to both streams. Everything about it comes from the seed.
    pub(super) fn try_short(&self, name: &str, seed: u64, has_limits: bool) {
        let plan = Plan { kind: Kind::Plain, script: Script::short(seed), has_limits, way: 3 };
        self.keep(self.live(name, &plan));
    }

    fn keep(&self, result: Result<Finished, String>) {
        match result {
            Ok(finished) => self.finished.lock().unwrap_or_else(PoisonError::into_inner).push(finished),
            Err(loss) => self.lose(loss),
        }
    }

    /// Looks at everything that is over once more: who looks later, after however many workers, sees the same.
    pub(super) fn check_again(&self) {
        let finished = std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner));
        for Finished { name, output, process } in &finished {
            let again = self.api.look(&format!("/process/{name}")).map(|answer| answer.json());
            let result = again
                .and_then(|again| same_process(name, process, &again))
                .and_then(|()| Follower::new(name, output.clone()).finish(&self.api, PATIENCE));
            result.unwrap_or_else(|loss| self.lose(format!("looked at again: {loss}")));
        }
        match self.api.look("/process") {
            Ok(answer) => {
                let list = answer.json();
                let listed = |name: &str| {
                    list.as_array().map_or(0, |all| all.iter().filter(|one| one["name"] == name).count())
                };
                for one in finished.iter().filter(|one| listed(&one.name) != 1) {
                    self.lose(format!("{} stands {} times in the list", one.name, listed(&one.name)));
                }
            }
            Err(loss) => self.lose(loss),
        }
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = finished;
    }

    fn lose(&self, loss: String) {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner).push(loss);
    }

    /// The whole life of one command, as its client sees it.
    fn live(&self, name: &str, plan: &Plan) -> Result<Finished, String> {
        let Plan { kind, script, has_limits, way } = plan;
        let kind = *kind;
        let runs = if kind == Kind::Restarting { 2 } else { 1 };
        let output = Arc::new(script.output().map(|stream| stream.repeat(runs)));
        let command = script.command(&self.marks, name).map_err(|error| error.to_string())?;
        let mut request = json!({ "name": name, "command": command });
        match kind {
            Kind::Restarting => {
                request["restartOnFailure"] = json!(true);
                request["maxRestarts"] = json!(1);
            }
            Kind::TimedOut => request["timeout"] = json!(SECOND.as_secs()),
            Kind::Plain => {}
        }
        if let Some(limits) = self.limits.as_ref().filter(|_| *has_limits) {
            request["limits"] = limits.clone();
        }
        let mut follower = Follower::new(name, output.clone());
        match way {
            // A waited start of a command whose time is up is answered 422, which is another test's.
            0 if kind != Kind::TimedOut => {
                request["waitForCompletion"] = json!(true);
                self.api.start(&request)?;
            }
            1 => self.start_streamed(name, &request, &mut follower)?,
            _ => self.api.start(&request)?,
        }
        follower.finish(&self.api, PATIENCE)?;
        self.cuts.fetch_add(follower.cuts, Ordering::Relaxed);
        self.bytes.fetch_add((output[0].len() + output[1].len()) as u64, Ordering::Relaxed);
        if follower.restarts != runs - 1 {
            return Err(format!("{name}: {} restarts were told of {}", follower.restarts, runs - 1));
        }
        let process = self.api.look(&format!("/process/{name}"))?.json();
        same_process(name, follower.result.as_ref().unwrap_or(&Value::Null), &process)?;
        if process["limits"] != request["limits"] {
            return Err(format!(
                "{name}: its limits are {} and not {}",
                process["limits"], request["limits"]
            ));
        }
        self.check_end(name, kind, script, &process)?;
        Follower::new(name, output.clone())
            .finish(&self.api, PATIENCE)
            .map_err(|loss| format!("a late reader: {loss}"))?;
        Ok(Finished { name: name.to_owned(), output, process })
    }

    /// Starts with the answer as a stream; what comes of it counts, and the rest is followed by name.
    fn start_streamed(&self, name: &str, request: &Value, follower: &mut Follower) -> Result<(), String> {
        match self.api.open("POST", "/process", &[("accept", "text/event-stream")], Some(request)) {
            Ok((head, mut exchange)) if head.status == 200 => {
                follower.read(&mut exchange, &Deadline::within(PATIENCE))
            }
            Ok((head, _)) if head.status != 503 => {
                Err(format!("{name}: the start was answered {}", head.status))
            }
            Err(trouble @ (Trouble::Refused(_) | Trouble::Other(_))) => {
                Err(format!("{name}: the start: {trouble}"))
            }
            Ok(_) | Err(Trouble::Cut) => match self.api.look(&format!("/process/{name}"))?.status() {
                200 => Ok(()),
                _ => self.api.start(request),
            },
        }
    }

    /// Whether the end that is told is the one that was.
    fn check_end(&self, name: &str, kind: Kind, script: &Script, process: &Value) -> Result<(), String> {
        let runs = if kind == Kind::Restarting { 2 } else { 1 };
        let (status, reason, code) = match (kind, script.end) {
            (Kind::TimedOut, _) => ("killed", "timeout", -1),
            (_, End::Code(0)) => ("completed", "exited", 0),
            (_, End::Code(_)) => ("failed", "exited", script.exit_code()),
            (_, End::Killed) => ("failed", "signaled", -1),
        };
        let expected = json!([name, status, reason, code, runs - 1]);
        let told = json!([
            process["name"],
            process["status"],
            process["reason"],
            process["exitCode"],
            process["restartCount"]
        ]);
        if expected != told {
            return Err(format!("{name}: {told} is told of an end that was {expected}"));
        }
        let starts = notes(&self.marks, name, "start").len();
        if starts != runs {
            return Err(format!("{name}: the command ran {starts} times, not {runs}"));
        }
        let ends = notes(&self.marks, name, "end");
        let told = process["completedAt"].as_str().and_then(|date| httpdate::parse_http_date(date).ok());
        let told = told.map_or(0, |date| date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        match (kind, ends.last()) {
            (Kind::TimedOut, _) => {
                let took = process["durationMs"].as_u64().unwrap_or(0);
                let in_time = (1000..1000 + TIMEOUT_LATE_MS).contains(&took);
                if in_time { Ok(()) } else { Err(format!("{name}: a timeout of 1 s came after {took} ms")) }
            }
            (_, Some(end)) if (end / 1000..=(end + LATE_MS) / 1000).contains(&told) => Ok(()),
            (_, end) => Err(format!("{name}: completedAt is {told} s, the command ended at {end:?} ms")),
        }
    }
}

/// The limits that this daemon holds by control groups; `None` when there are none.
fn limits(api: &Api) -> Result<Option<Value>, String> {
    let report = api.look("/capabilities")?.json();
    let told = report["limits"].as_array().into_iter().flatten();
    let held: Vec<&Value> =
        told.filter(|limit| limit["enforced"] == true).map(|limit| &limit["name"]).collect();
    let wanted = LIMITS.iter().filter(|(name, _)| held.iter().any(|held| *held == name));
    let limits: serde_json::Map<_, _> =
        wanted.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    Ok((!limits.is_empty()).then_some(Value::Object(limits)))
}

/// A command of many kinds: slow and steady, in bursts, silent for a while before the end.
fn script(kind: Kind, random: &mut Random) -> Script {
    let seed = random.next() >> 16;
    let code = u8::try_from(random.below(120)).unwrap_or_default();
    let end = if random.below(10) == 0 { End::Killed } else { End::Code(code) };
    let few = [random.below(20_000), random.below(10_000)].map(super::script::size);
    let plain = Script { seed, bytes: few, lot: 600, pause_ms: 20, silence_ms: 0, end };
    match (kind, random.below(3)) {
        (Kind::Restarting, _) => Script { pause_ms: 1, end: End::Code(code.max(1)), ..plain },
        (Kind::TimedOut, _) => Script { lot: 1 << 16, pause_ms: 0, silence_ms: 120_000, ..plain },
        (Kind::Plain, 0) => {
            let many = [random.below(400_000), random.below(200_000)].map(super::script::size);
            Script { bytes: many, lot: 40_000, pause_ms: 100, ..plain }
        }
        (Kind::Plain, 1) => Script { silence_ms: random.below(400), ..plain },
        (Kind::Plain, _) => plain,
    }
}

/// Whether two looks at a finished process show the same.
fn same_process(name: &str, one: &Value, other: &Value) -> Result<(), String> {
    const FIELDS: [&str; 9] = [
        "pid",
        "name",
        "status",
        "reason",
        "exitCode",
        "startedAt",
        "completedAt",
        "restartCount",
        "durationMs",
    ];
    match FIELDS.iter().find(|field| one[**field] != other[**field]) {
        Some(field) => Err(format!("{name}: `{field}` was {} and is {}", one[*field], other[*field])),
        None => Ok(()),
    }
}
