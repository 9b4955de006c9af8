//! The daemon's life: set up, serve, and go away when told.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::FutureExt;

use crate::capabilities::{Keeper, Report};
use crate::config::{Config, Processes};
use crate::credential_proxy;
use crate::custody::Handover;
use crate::http::{self, Listener, Server, Shutdown};
use crate::keeper::{self, Comeback};
use crate::listen;
use crate::process;
use crate::runtime::Runtime;
use crate::sandbox::{FromKeeper, Sandbox};
use crate::sys::descriptors;
use crate::sys::heap;
use crate::sys::oom;
use crate::sys::packets::Packets;
use crate::sys::signals::{Orders, RETIRED, Signals};
use crate::telemetry::Telemetry;
use crate::upgrade::Upgrader;
use crate::worker::Worker;

/// Time in which a stream of a retired worker that nobody ended can say that it ends.
const RETIRED_DRAIN: Duration = Duration::from_secs(2);

/// Runs the daemon: a keeper and its worker, or all in one process without a keeper. The error is one line for the person who
/// started it.
pub fn run(config: &Config) -> Result<ExitCode, String> {
    if let Some(packets) = inherited()? {
        return work(config, packets);
    }
    if let Some(state) = keeper::renewal::left_behind() {
        return keeper::go_on(state);
    }
    if config.processes == Processes::KeeperAndWorker {
        if config.listen.len() > keeper::LISTENERS_MAX {
            return Err(format!(
                "{} addresses are too many to listen on: at most {}",
                config.listen.len(),
                keeper::LISTENERS_MAX
            ));
        }
        return match keeper::run(listen::bind_all(&config.listen)?)? {
            Comeback::Keeper(code) => Ok(code),
            Comeback::Worker(packets) => work(config, packets),
        };
    }
    serve(config, None)
}

/// Is the worker of the keeper at the other end.
fn work(config: &Config, packets: Packets) -> Result<ExitCode, String> {
    // What people see in a list of processes. It is no worse without.
    rustix::thread::set_name(c"boxd-worker").ok();
    match Handover::receive(&packets, process::survivors) {
        Ok(handover) => serve(config, Some(FromKeeper { packets: Arc::new(packets), handover })),
        // Told to go away before it began.
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(ExitCode::SUCCESS),
        Err(error) => Err(format!("the keeper does not answer: {error}")),
    }
}

/// The worker's end of the pair, when this program was started by a keeper.
fn inherited() -> Result<Option<Packets>, String> {
    let Some(number) = std::env::var_os(keeper::protocol::SOCKET) else { return Ok(None) };
    let number = number.to_str().and_then(|text| text.parse().ok());
    let packets = number.ok_or(std::io::ErrorKind::InvalidInput.into()).and_then(Packets::inherited);
    packets.map(Some).map_err(|error| format!("{} names no keeper: {error}", keeper::protocol::SOCKET))
}

/// Serves until SIGTERM or SIGINT; a second one cuts short what the first one began, which is as clean an end as the drain
/// timeout's.
fn serve(config: &Config, mut kept: Option<FromKeeper>) -> Result<ExitCode, String> {
    // First of all: variables can be set only while there is one thread.
    let credentials = credential_proxy::set_up();
    let orders = Orders::default();
    let signals = Signals::take_over(kept.is_some().then(|| orders.clone()))
        .map_err(|error| format!("signals cannot be handled: {error}"))?;
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    let listeners = match &mut kept {
        Some(kept) => std::mem::take(&mut kept.handover.listeners),
        None => listen::bind_all(&config.listen)?,
    };
    let _telemetry = Telemetry::start(config.log_format);
    heap::give_back_freed();
    if let Err(error) = oom::protect_daemon() {
        tracing::debug!(%error, "the daemon is not protected from the out-of-memory killer");
    }
    let runtime =
        Runtime::start(config.threads).map_err(|error| format!("threads cannot be started: {error}"))?;
    if let Some(FromKeeper { handover: Handover { died: Some(died), recent_deaths, .. }, .. }) = &kept {
        tracing::error!(recent_deaths, "the last worker is gone: {died}; this one goes on where it was");
    }
    let packets = kept.as_ref().map(|kept| kept.packets.clone());
    let before = kept.as_mut().map(|kept| (kept.handover.upgrades, kept.handover.upgrade.take()));
    let (count, report) = before.unwrap_or_default();
    let sandbox = Sandbox::open(config, &runtime, kept).map_err(|error| error.to_string())?;
    let upgrader = Arc::new(Upgrader::new(count, report, sandbox.attempt()));
    let tunnel = sandbox.tunnel();
    let (ending, custody) = (sandbox.clone(), sandbox.custody().clone());
    let shutdown = Arc::new(Shutdown::default());
    let server = http::server(config, sandbox.clone(), upgrader.clone(), runtime.clone(), shutdown.clone());
    begin_tunnel(&sandbox, &runtime, config);
    let listeners = listeners.into_iter().map(Listener::new).collect::<Result<Vec<_>, _>>();
    let listeners = listeners.map_err(|error| format!("cannot listen: {error}"))?;
    // Before anybody is answered, on connections that are passed on, too: who has read that an upgrade is completed must not see it undone
    // because this worker is killed in the next moment.
    custody.serving();
    if let Some(packets) = packets {
        let (server, runtime, upgrader, tail) =
            (server.clone(), runtime.clone(), upgrader.clone(), Arc::default());
        let worker = Worker { sandbox, server, runtime, orders, upgrader, tail };
        worker.follow_keeper(packets).map_err(|error| format!("threads cannot be started: {error}"))?;
    }
    match credentials {
        credential_proxy::Outcome::Unwanted => {}
        credential_proxy::Outcome::Ready(proxy) => server.lend_credentials(proxy),
        credential_proxy::Outcome::Resolved { why, refresh } => {
            tracing::warn!("commands are given the proxy's token itself: {why}");
            let (sandbox, shutdown) = (ending.clone(), shutdown.clone());
            let follow = async move {
                refresh.run(|resolved| sandbox.provide_variables(resolved)).or(shutdown.listen()).await;
            };
            // Detached: it ends with the shutdown.
            runtime.spawn(follow).detach();
        }
    }
    accept_all(listeners, &server, &runtime, config);
    upgrader.served();
    let left = smol::block_on(until_the_end(signals, &server, &shutdown, &ending, config));
    // Its device goes by itself, and a route with it only when it is told.
    smol::block_on(tunnel.retire());
    if left > 0 {
        tracing::warn!("{left} connections were still open and are cut");
    }
    Ok(ExitCode::SUCCESS)
}

/// Sets up the tunnel that there was, or that the environment asks for. Failure is only logged: the rest serves without.
fn begin_tunnel(sandbox: &Sandbox, runtime: &Runtime, config: &Config) {
    let Some(tunnel) = sandbox.first_tunnel(config.tunnel.as_ref()) else { return };
    match http::tunnel_settings(&tunnel) {
        Ok(settings) => {
            let sandbox = sandbox.clone();
            let begin = async move {
                if let Err(error) = sandbox.replace_tunnel(settings, tunnel).await {
                    tracing::error!("{error}");
                }
            };
            // Detached: nobody waits for it.
            runtime.spawn(begin).detach();
        }
        Err(why) => tracing::error!("invalid tunnel config: {why}"),
    }
}

/// Accepts connections until the shutdown begins.
fn accept_all(listeners: Vec<Listener>, server: &Server, runtime: &Runtime, config: &Config) {
    for listener in listeners {
        tracing::info!("listening on http://{}", listener.address);
        if !listener.is_on_loopback() && config.access.token.is_none() {
            tracing::warn!(
                "{} can be reached from other hosts and no token is asked for: whoever reaches it can run commands",
                listener.address
            );
        }
        // Detached: it ends with the shutdown.
        runtime.spawn(server.clone().accept(listener)).detach();
    }
}

/// Waits until this process is to end, and until what is open has come to an end; gives how many connections have not.
async fn until_the_end(
    mut signals: Signals,
    server: &Server,
    shutdown: &Shutdown,
    sandbox: &Sandbox,
    config: &Config,
) -> usize {
    let wait = |mut signals: Signals| blocking::unblock(move || (signals.wait(), signals));
    let mut signal = signals.wait();
    // Dropped unfinished when the drain is over: the wait for a signal ends with the process.
    let mut again = wait(signals);
    let mut drain_timeout = config.drain_timeout;
    if signal == RETIRED {
        let open = server.open_connections();
        tracing::info!("another worker has taken over; {open} connections are still served");
        let left = async {
            server.drained(config.upgrade_drain).await;
            None
        };
        match async { Some((&mut again).await) }.or(left).await {
            Some((told, signals)) => (signal, again) = (told, wait(signals)),
            // What is left is told that it ends.
            None => drain_timeout = drain_timeout.min(RETIRED_DRAIN),
        }
    }
    if signal != RETIRED {
        tracing::info!("{signal} received, going away");
    }
    shutdown.begin();
    let in_haste = async {
        let (signal, _) = again.await;
        tracing::info!("{signal} received again, leaving at once");
        sandbox.end_startup(Duration::ZERO).await;
        server.open_connections()
    };
    let drained = async {
        let all_open = server.drained(drain_timeout);
        // Its end is another worker's when this one has retired.
        let startup = async {
            if signal != RETIRED {
                sandbox.end_startup(drain_timeout).await;
            }
        };
        let (left, ()) = futures_lite::future::zip(all_open, startup).await;
        // A look at `/proc` or two: bounded by itself.
        sandbox.signalling().settled().await;
        left
    };
    drained.or(in_haste).await
}

/// Says what a daemon with these settings would use here: the text, and whether nothing important is missing. It sets itself
/// up like one for that.
pub fn doctor(config: &Config) -> (String, bool) {
    descriptors::raise_limit();
    if !config.control_groups {
        process::without_groups();
    }
    // Whether that was allowed is in the report.
    oom::protect_daemon().ok();
    let keeper =
        if config.processes == Processes::KeeperAndWorker { Keeper::Planned } else { Keeper::Unwanted };
    let report = Report::build(&config.log_dir, keeper);
    (report.text(), report.is_well())
}
