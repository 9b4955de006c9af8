//! The daemon's life: set up, serve, and go away when told.

use std::sync::Arc;

use futures_lite::FutureExt;

use crate::config::Config;
use crate::http::{self, Listener, Shutdown};
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::sys::descriptors;
use crate::sys::oom;
use crate::sys::signals::Signals;
use crate::telemetry::Telemetry;

/// Runs the daemon until SIGTERM or SIGINT; a second one cuts short what the first one began, which is as clean an end as the
/// drain timeout's. The error is one line for the person who started it.
pub fn run(config: &Config) -> Result<(), String> {
    let mut signals = Signals::take_over().map_err(|error| format!("signals cannot be handled: {error}"))?;
    descriptors::keep_to_ourselves();
    descriptors::raise_limit();
    let listeners =
        config.listen.iter().map(|listen| Listener::bind(*listen)).collect::<Result<Vec<_>, _>>()?;
    let _telemetry = Telemetry::start(config.log_format);
    if let Err(error) = oom::protect_daemon() {
        tracing::debug!(%error, "the daemon is not protected from the out-of-memory killer");
    }
    let runtime =
        Runtime::start(config.threads).map_err(|error| format!("threads cannot be started: {error}"))?;
    let sandbox = Sandbox::open(config, &runtime)
        .map_err(|error| format!("the log folder {} cannot be used: {error}", config.log_dir.display()))?;
    let signalling = sandbox.signalling();
    let shutdown = Arc::new(Shutdown::default());
    let server = http::server(config, sandbox, runtime.clone(), shutdown.clone());
    for listener in listeners {
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
    Ok(())
}
