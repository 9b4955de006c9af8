//! A client process that is stopped (SIGSTOP) in the middle of a stream, and goes on later.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    Suite,
    api::{Api, PATIENCE},
    daemon::{Daemon, Setup, signal},
    follow::Follower,
    report::Row,
    script::{End, Script},
};
use crate::{client::Deadline, helper, random::Random, target::Target};

/// The helper's word for the client.
pub(crate) const WORD: &str = "client";

const BYTES: usize = 6_000_000;
/// What the others may take longer than the command, which writes for about a second.
const WITHIN: Duration = Duration::from_secs(20);

pub(super) fn try_it(suite: &Suite) -> io::Result<Vec<Row>> {
    let mut random = Random::fork(suite.seed, 7);
    // In the second the log keeps less than is written, and the budget is spent before the client goes on.
    let tight = ["--max-log-file-bytes=500000", "--max-log-bytes-total=1000000"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for (what, arguments) in [("", Vec::new()), (", and the log keeps a tenth of the output", tight)] {
        let is_tight = !arguments.is_empty();
        let mut daemon = Daemon::start(suite, &Setup { arguments, ..Setup::default() })?;
        let mut row = Row::new(format!("A client process is stopped (SIGSTOP){what}"));
        let mut gaps = 0;
        for round in 0..suite.times(2, 20, 100) {
            row.tried += 1;
            match once(&daemon, round, random.next() >> 16, is_tight) {
                Ok(count) => gaps += count,
                Err(loss) => row.losses.push(loss),
            }
            row.note(daemon.check().map_err(|error| error.to_string()));
        }
        row.checked = format!(
            "another follower has every byte in time; after SIGCONT the client has {}",
            if is_tight {
                format!("all, or one gap and then the rest ({gaps} gaps)")
            } else {
                "every byte".to_owned()
            }
        );
        rows.push(row);
    }
    Ok(rows)
}

fn once(daemon: &Daemon, round: usize, seed: u64, is_tight: bool) -> Result<usize, String> {
    let name = format!("s{round}");
    let script =
        Script { seed, bytes: [BYTES, 0], lot: 60_000, pause_ms: 5, silence_ms: 0, end: End::Code(1) };
    let command = script.command(&daemon.marks(), &name).map_err(|error| error.to_string())?;
    let command = format!("read line; {command}");
    daemon.api().start(&json!({ "name": name, "command": command, "stdin": true }))?;
    let mut client = Client::start(daemon.api(), &name, seed).map_err(|error| error.to_string())?;
    let mut other = Follower::new(&name, Arc::new(script.output()));
    let mut exchange = other.connect(daemon.api())?.ok_or("the stream was cut")?;
    daemon.api().write_stdin(&name, "go\n").map_err(|trouble| trouble.to_string())?;
    client.await_first().map_err(|error| format!("the client: {error}"))?;
    signal(client.child.id(), Signal::STOP);
    let began = Instant::now();
    other.read(&mut exchange, &Deadline::within(PATIENCE))?;
    other.finish(daemon.api(), PATIENCE)?;
    if began.elapsed() > WITHIN || other.cuts > 0 || !other.gaps.is_empty() {
        return Err(format!(
            "{name}: the other follower took {:?}, with {} cuts",
            began.elapsed(),
            other.cuts
        ));
    }
    signal(client.child.id(), Signal::CONT);
    let told = client.finish()?;
    let gaps = told["gaps"].as_array().map_or(0, Vec::len);
    let most = usize::from(is_tight);
    if gaps <= most && told["cuts"] == 0 { Ok(gaps) } else { Err(format!("{name}: the client tells {told}")) }
}

/// The client process.
struct Client {
    child: Child,
    lines: BufReader<Box<dyn Read>>,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "the client has to be a process of its own, to be stopped")]
    fn start(api: &Api, name: &str, seed: u64) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([helper::WORD, WORD, api.authority(), name, &seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the client has no stdout"))?;
        Ok(Self { child, lines: BufReader::new(Box::new(stdout)) })
    }

    /// Waits until it says that something has come.
    fn await_first(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        if line == "first\n" { Ok(()) } else { Err(io::Error::other(format!("it says `{}`", line.trim()))) }
    }

    /// What it says at its end.
    fn finish(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).map_err(|error| error.to_string())?;
        serde_json::from_str(text.trim()).map_err(|_| format!("the client: {}", text.trim()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ended: bool = self.child.kill().and_then(|()| self.child.wait()).is_ok();
    }
}

/// Follows a process and tells what came: the helper's side.
pub(crate) fn run(words: &[&str]) -> io::Result<()> {
    let usage = || io::Error::other("usage: client AUTHORITY NAME SEED");
    let [authority, name, seed] = *words else { return Err(usage()) };
    let seed = seed.parse().map_err(|_| usage())?;
    let target = Target::parse(&format!("http://{authority}")).map_err(io::Error::other)?;
    let api = Api::new(target).narrow();
    let script = Script { bytes: [BYTES, 0], ..Script::short(seed) };
    let mut follower = Follower::new(name, Arc::new(script.output()));
    let result = follow(&api, &mut follower);
    let told = match result {
        Ok(()) => json!({ "gaps": follower.gaps, "cuts": follower.cuts }),
        Err(loss) => json!({ "loss": loss, "gaps": follower.gaps, "cuts": -1 }),
    };
    writeln!(io::stdout(), "{told}")
}

fn follow(api: &Api, follower: &mut Follower) -> Result<(), String> {
    let deadline = Deadline::within(PATIENCE);
    let mut exchange = follower.connect(api)?.ok_or("the stream was cut")?;
    while follower.received[0] == 0 && follower.read_some(&mut exchange, &deadline)? {}
    writeln!(io::stdout(), "first").map_err(|error| error.to_string())?;
    follower.read(&mut exchange, &deadline)?;
    follower.finish(api, PATIENCE)
}
