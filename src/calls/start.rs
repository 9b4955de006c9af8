//! What a start comes to, whoever asks for it: the request as the core takes it, and what is waited for behind it.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use futures_lite::FutureExt;

use crate::error::Error;
use crate::process::{
    Limits, Origin, PortsAnswer, Process, ProcessSpec, Reason, RestartPolicy, State, wait_for_ports,
};
use crate::sandbox::Sandbox;
use crate::view::log_text::{Shown, Stretch};
use crate::wire::ProcessRequest;
use crate::wire::limits::ProcessLimits;

/// The timeout of a process that keeps the sandbox awake, when the client does not say.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_mins(10);

/// A process that could not be killed in time is waited for this much longer.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// No shell starts in less memory than this.
const MEMORY_LIMIT_MIN: u64 = 1024 * 1024;

/// Shorter and longer limits are made this long: a clock has its bounds.
const SECONDS_LIMIT_MIN: Duration = Duration::from_millis(1);
const SECONDS_LIMIT_MAX: Duration = Duration::from_hours(24 * 365 * 100);

/// Characters of an automatic name behind `proc-`.
const NAME_CHARS: usize = 8;

/// Bytes of output quoted in an error.
const QUOTED_BYTES: u64 = 2048;

/// Completes when the process is over. A process that was killed because its time was up is an error.
pub(crate) async fn until_over(process: &Arc<Process>) -> Result<(), Error> {
    let over = async { Some(process.over().await) };
    let state = match process.spec.timeout {
        None => over.await,
        Some(timeout) => over.or(unkillable(process, timeout)).await,
    };
    match (state, process.spec.timeout) {
        (Some(state), _) if state.reason() != Some(Reason::Timeout) => Ok(()),
        (_, after) => Err(Error::TimedOut { after: after.unwrap_or_default() }),
    }
}

/// Completes when a process that was to be killed is still there: nobody waits for what the kernel does not let go.
async fn unkillable(process: &Arc<Process>, timeout: Duration) -> Option<State> {
    loop {
        let run = process.state().run;
        Timer::after(timeout).await;
        // What is over already is not killed: what was waited for beside its end does not come in time.
        if process.state().is_over() {
            return None;
        }
        Timer::after(KILL_GRACE).await;
        let state = process.state();
        // Each run has its own time.
        if state.run == run && !state.is_backing_off() {
            return None;
        }
    }
}

/// Completes when the ports listen, or with the reason why they will not.
pub(crate) async fn until_open(process: &Arc<Process>, ports: Vec<u16>) -> Result<(), Error> {
    let timed_out = |after| Error::PortsTimedOut { after };
    let open = async {
        match wait_for_ports(process.clone(), ports.clone()).await {
            PortsAnswer::Open => Ok(()),
            PortsAnswer::Over(state) if state.reason() == Some(Reason::Timeout) => {
                Err(timed_out(process.spec.timeout.unwrap_or_default()))
            }
            // It did what it was to do and will not listen any more.
            PortsAnswer::Over(state) if state.exit_code() == 0 => Ok(()),
            PortsAnswer::Over(state) => {
                let output = quoted_output(process).await;
                Err(Error::PortsNeverOpened { exit_code: state.exit_code(), ports, output })
            }
        }
    };
    match process.spec.timeout {
        None => open.await,
        Some(after) => {
            let time_up = async {
                unkillable(process, after).await;
                Err(timed_out(after))
            };
            open.or(time_up).await
        }
    }
}

/// The end of a process's output for an error text.
async fn quoted_output(process: &Arc<Process>) -> String {
    let stretch = Stretch::tail(process.log.clone(), process.spec.restart, QUOTED_BYTES);
    stretch.plain(Shown::Both).await.trim_end().to_owned()
}

/// The ports that a client names, each once.
pub(crate) fn ports(asked: &[i64]) -> Result<Vec<u16>, Error> {
    let mut ports = asked
        .iter()
        .map(|port| u16::try_from(*port).ok().filter(|p| *p > 0).ok_or(Error::InvalidPort { port: *port }))
        .collect::<Result<Vec<_>, _>>()?;
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// The request as the core takes it. `keep_alive_disabled`: who wants that is refused.
pub(crate) fn spec(
    sandbox: &Sandbox,
    keep_alive_disabled: bool,
    asked: ProcessRequest,
) -> Result<ProcessSpec, Error> {
    if asked.keep_alive && keep_alive_disabled {
        return Err(Error::KeepAliveDisabled);
    }
    let seconds = |s: i64| u64::try_from(s).ok().filter(|s| *s > 0).map(Duration::from_secs);
    let timeout = match asked.timeout {
        None if asked.keep_alive => Some(KEEP_ALIVE_TIMEOUT),
        Some(below) if below < 0 && asked.keep_alive => Some(KEEP_ALIVE_TIMEOUT),
        timeout => timeout.and_then(seconds),
    };
    Ok(ProcessSpec {
        name: asked.name.unwrap_or_else(automatic_name),
        working_dir: sandbox.folder(&asked.working_dir)?,
        command: asked.command,
        env: asked.env,
        stdin: asked.stdin,
        timeout,
        restart: RestartPolicy { on_failure: asked.restart_on_failure, max: asked.max_restarts },
        keep_alive: asked.keep_alive,
        origin: Origin::Client,
        limits: limits(&asked.limits.unwrap_or_default())?,
    })
}

/// The limits, checked: each is above zero, and what a shell needs to start at all.
fn limits(asked: &ProcessLimits) -> Result<Limits, Error> {
    let invalid = |limit: &str, why: String| Error::InvalidLimit { limit: limit.to_owned(), why };
    if let Some(limit) = asked.unknown.first() {
        return Err(invalid(limit, "there is no such limit".to_owned()));
    }
    let count = |limit: &str, number: Option<i64>, min: u64| {
        let checked = number.map(|n| u64::try_from(n).ok().filter(|n| *n >= min).ok_or(n)).transpose();
        checked.map_err(|n| invalid(limit, format!("{n} is below {min}")))
    };
    let seconds = |limit: &str, number: Option<f64>| {
        let check = |n: f64| {
            if n <= 0.0 {
                return Err(invalid(limit, format!("{n} is not above 0")));
            }
            Ok(Duration::try_from_secs_f64(n)
                .unwrap_or(Duration::MAX)
                .clamp(SECONDS_LIMIT_MIN, SECONDS_LIMIT_MAX))
        };
        number.map(check).transpose()
    };
    Ok(Limits {
        memory_bytes: count("memoryBytes", asked.memory_bytes, MEMORY_LIMIT_MIN)?,
        cpu: seconds("cpuSeconds", asked.cpu_seconds)?,
        pids: count("pids", asked.pids, 1)?,
        wall: seconds("wallSeconds", asked.wall_seconds)?,
        output_bytes: count("outputBytes", asked.output_bytes, 1)?,
        idle: seconds("idleSeconds", asked.idle_seconds)?,
    })
}

fn automatic_name() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letters = (0..NAME_CHARS).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())]));
    format!("proc-{}", letters.collect::<String>())
}
