//! The daemon's life: set up, serve, and go away when told.

use std::process::ExitCode;
use std::sync::Arc;

use futures_lite::FutureExt;

use crate::config::{Config, Processes};
use crate::custody::Handover;
use crate::http::{self, Listener, Shutdown};
use crate::keeper;
use crate::listen;
use crate::runtime::Runtime;
use crate::sandbox::{FromKeeper, Sandbox};
use crate::sys::descriptors;
use crate::sys::oom;
use crate::sys::packets::Packets;
use crate::sys::signals::{Orders, Signals};
use crate::telemetry::Telemetry;

/// Runs the daemon: a keeper and its worker, or all in one process without a keeper. The error is one line for the person who
/// started it.
pub fn run(config: &Config) -> Result<ExitCode, String> {
    if let Some(packets) = inherited()? {
        let handover =
            Handover::receive(&packets).map_err(|error| format!("the keeper does not answer: {error}"))?;
        return serve(
            config,
            Some(FromKeeper { packets: Arc::new(packets), orders: Orders::default(), handover }),
        );
    }
    if config.processes == Processes::KeeperAndWorker {
        return keeper::run(listen::bind_all(&config.listen)?);
    }
    serve(config, None)
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
    let orders = kept.as_ref().map(|kept| kept.orders.clone());
    let mut signals =
        Signals::take_over(orders).map_err(|error| format!("signals cannot be handled: {error}"))?;
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    let listeners = match &mut kept {
        Some(kept) => std::mem::take(&mut kept.handover.listeners),
        None => listen::bind_all(&config.listen)?,
    };
    let _telemetry = Telemetry::start(config.log_format);
    if let Err(error) = oom::protect_daemon() {
        tracing::debug!(%error, "the daemon is not protected from the out-of-memory killer");
    }
    let runtime =
        Runtime::start(config.threads).map_err(|error| format!("threads cannot be started: {error}"))?;
    if let Some(FromKeeper { handover: Handover { died: Some(died), recent_deaths, .. }, .. }) = &kept {
        tracing::error!(recent_deaths, "the last worker is gone: {died}; this one goes on where it was");
    }
    let sandbox = Sandbox::open(config, &runtime, kept)
        .map_err(|error| format!("the log folder {} cannot be used: {error}", config.log_dir.display()))?;
    let (signalling, custody) = (sandbox.signalling(), sandbox.custody().clone());
    let shutdown = Arc::new(Shutdown::default());
    let server = http::server(config, sandbox, runtime.clone(), shutdown.clone());
    for listener in listeners {
        let listener = Listener::new(listener).map_err(|error| format!("cannot listen: {error}"))?;
        tracing::info!("listening on http://{}", listener.address);
        if !listener.address.ip().is_loopback() && config.access.token.is_none() {
            tracing::warn!(
                "{} can be reached from other hosts and no token is asked for: whoever reaches it can run commands",
                listener.address
            );
        }
        // Detached: it ends with the shutdown.
        runtime.spawn(server.clone().accept(listener)).detach();
    }
    custody.serving();
    let signal = signals.wait();
    tracing::info!("{signal} received, going away");
    shutdown.begin();
    // Dropped unfinished when the drain is over: the wait for a signal ends with the process.
    let again = blocking::unblock(move || signals.wait());
    let in_haste = async {
        let signal = again.await;
        tracing::info!("{signal} received again, leaving at once");
        server.open_connections()
    };
    let drained = async {
        let left = server.drained(config.drain_timeout).await;
        // A look at `/proc` or two: bounded by itself.
        signalling.settled().await;
        left
    };
    let left = smol::block_on(drained.or(in_haste));
    if left > 0 {
        tracing::warn!("{left} connections were still open and are cut");
    }
    Ok(ExitCode::SUCCESS)
}
