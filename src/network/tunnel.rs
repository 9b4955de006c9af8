//! `Tunnel`: at most one tunnel (`WireGuard`), whose packets go through a TUN device and a thread of ours.
//!
//! ```text
//! commands ─> routes ─> TUN device ─> thread: Tunn (boringtun) ─> UDP socket ─> peer
//! ```
//! A new tunnel is checked before the old one goes, and the old one comes back when the new one cannot be set up. The device goes with
//! its descriptor, and its routes with the device; so whatever becomes of the daemon, the host is as it was but for the route to
//! the peer, which says no more than the default route does.

mod pump;
mod routes;
pub(crate) mod settings;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use smol::lock::Mutex;

use crate::custody::Custody;
use crate::error::{Error, Result, words};
use crate::sys::bell::Bell;
use crate::sys::tun::Tun;
use pump::Pump;
use routes::Routes;

pub(crate) use settings::{Settings, Wanted, from_base64};

/// The kind of this record in the journal.
pub(crate) const KIND: u8 = 4;

/// What of the tunnel must outlive the worker: the configuration as it was given, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TunnelRecord {
    pub(crate) config: Option<String>,
}

/// The handle. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    custody: Custody,
    /// Held while a tunnel is set up or taken down, so that one comes after the other; waited for without a thread.
    running: Arc<Mutex<Option<Running>>>,
    /// What was noted last.
    noted: Arc<std::sync::Mutex<Option<TunnelRecord>>>,
}

/// A tunnel that is up.
#[derive(Debug)]
struct Running {
    settings: Settings,
    stop: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// None yet.
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody, running: Arc::default(), noted: Arc::default() }
    }

    /// Sets a tunnel up in place of the one that is there. `config` is noted for the next worker.
    pub(crate) async fn replace(&self, settings: Settings, config: String) -> Result<()> {
        let failed = |why| Error::TunnelFailed { why };
        settings
            .endpoint()
            .map_err(|why| failed(format!("failed to configure WireGuard device: IPC error -22: {why}")))?;
        let mut running = self.running.clone().lock_arc().await;
        let this = self.clone();
        // Done whole, whoever still waits for it.
        blocking::unblock(move || {
            let old = running.take().map(Running::stop);
            match Running::start(settings) {
                Ok(new) => {
                    *running = Some(new);
                    this.note(TunnelRecord { config: Some(config) });
                    Ok(())
                }
                Err(why) => {
                    *running = old.and_then(|settings| {
                        let back = Running::start(settings);
                        back.inspect_err(|why| {
                            tracing::error!("the tunnel before cannot be set up again: {why}");
                        })
                        .ok()
                    });
                    Err(Error::TunnelFailed { why })
                }
            }
        })
        .await
    }

    /// Takes the tunnel down.
    pub(crate) async fn stop(&self) -> Result<()> {
        let this = self.clone();
        self.take_down(move || this.note(TunnelRecord { config: None })).await
    }

    /// Takes it down for another worker, which sets it up again, or because the daemon ends.
    pub(crate) async fn retire(&self) {
        // That there is none is as well.
        self.take_down(|| {}).await.ok();
    }

    async fn take_down(&self, note: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut running = self.running.clone().lock_arc().await;
        // Done whole, whoever still waits for it.
        blocking::unblock(move || {
            let old = running.take().ok_or(Error::NoTunnel)?;
            note();
            old.stop();
            Ok(())
        })
        .await
    }

    /// Notes what there is.
    pub(crate) fn tell(&self) {
        let noted = self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(record) = &*noted {
            self.custody.note(KIND, record);
        }
    }

    fn note(&self, record: TunnelRecord) {
        let mut noted = self.noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Under the lock, so that records keep the order of the changes.
        self.custody.note(KIND, &record);
        *noted = Some(record);
    }
}

impl Running {
    /// Sets it up; the error is a sentence. What was done before a failure is undone.
    fn start(settings: Settings) -> std::result::Result<Self, String> {
        let endpoint = settings.endpoint()?;
        let tun = Tun::create(&settings.interface)
            .map_err(|error| format!("failed to create TUN device: {}", words(&error)))?;
        let socket = listen(endpoint, settings.listen_port).map_err(|error| {
            format!("failed to listen on UDP port {}: {}", settings.listen_port, words(&error))
        })?;
        let routes = Routes::set_up(&settings, endpoint)?;
        let stop = Bell::new().map(Arc::new).map_err(|error| words(&error))?;
        let pump = Pump::new(&settings, tun, socket, endpoint);
        let told = stop.clone();
        let run = move || {
            let pump = pump.run(&told);
            // The device first: what went through it goes the old way from then on.
            drop(pump);
            drop(routes);
        };
        let thread = std::thread::Builder::new().name("boxd-tunnel".to_owned()).spawn(run);
        let thread = thread.map_err(|error| format!("failed to start a thread: {}", words(&error)))?;
        tracing::info!(interface = settings.interface, "the tunnel is up");
        Ok(Self { settings, stop, thread: Some(thread) })
    }

    /// Takes it down, and waits until that is done: the thread waits for nothing.
    fn stop(mut self) -> Settings {
        self.stop.ring();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the tunnel panicked");
        }
        tracing::info!(interface = self.settings.interface, "the tunnel is down");
        self.settings
    }
}

/// A UDP socket of the peer's family.
fn listen(endpoint: SocketAddr, port: u16) -> io::Result<UdpSocket> {
    let any: SocketAddr = match endpoint {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
