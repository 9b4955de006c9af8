//! `Context`: what every endpoint can reach, and `Client`: what is known of the connection a request came on.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use event_listener::{Event, EventListener};

use super::port_proxy::Kept;
use super::presence::Presence;
use super::refusal::Refusal;
use super::route_table::RouteTable;
use super::seats::Seats;
use super::traffic::Traffic;
use super::upgraded::ThenSlot;
use crate::codegen::Codegen;
use crate::config::{Access, RequestLimits, Streams};
use crate::mcp::Mcp;
use crate::metrics::{Counted, Gauge};
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::underway::Piece;
use crate::upgrade::Upgrader;

/// The state of the application. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    shared: Arc<Shared>,
}

/// See `Context`.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The core.
    pub(crate) sandbox: Sandbox,
    /// Models of providers.
    pub(crate) codegen: Codegen,
    /// Tools for agents.
    pub(crate) mcp: Mcp,
    /// For work that outlives its request.
    pub(crate) runtime: Runtime,
    /// Replaces the worker.
    pub(crate) upgrader: Arc<Upgrader>,
    /// Who may come in.
    pub(crate) access: Access,
    /// Limits of requests.
    pub(crate) limits: RequestLimits,
    /// Answers about logs and streams.
    pub(crate) streams: Streams,
    /// `keepAlive` requests are refused.
    pub(crate) keep_alive_disabled: bool,
    /// The `Server-Timing` header on each answer.
    pub(crate) server_timing: bool,
    /// Every route that was registered.
    pub(crate) routes: RouteTable,
    /// Bytes of request bodies held now.
    pub(crate) bodies: AtomicU64,
    /// Streams that may be followed at one time.
    pub(crate) followers_max: usize,
    /// Streams that are followed now.
    pub(crate) followers: AtomicUsize,
    /// Those of them that are about a folder.
    pub(crate) watches: Gauge,
    /// What is counted of requests.
    pub(crate) traffic: Arc<Traffic>,
    /// The connections.
    pub(crate) seats: Arc<Seats>,
    /// Fires when the daemon begins to go away.
    pub(crate) shutdown: Arc<Shutdown>,
}

impl Context {
    /// Wraps it.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }
}

impl std::ops::Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// Room taken for the bytes of a request's body, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct BodyRoom {
    context: Context,
    bytes: u64,
}

impl BodyRoom {
    /// No room yet.
    pub(crate) fn new(context: Context) -> Self {
        Self { context, bytes: 0 }
    }

    /// Takes room for more bytes; false when all bodies together would be too large.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let held = self.context.bodies.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        held <= self.context.limits.bodies_bytes_max
    }
}

impl Drop for BodyRoom {
    fn drop(&mut self) {
        self.context.bodies.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A place among those who follow a stream, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct FollowerRoom {
    context: Context,
    /// It is about a folder.
    watch: Option<Counted>,
}

impl FollowerRoom {
    /// Takes a place, or refuses it.
    pub(crate) fn take(context: &Context) -> Result<Self, Refusal> {
        // Counted first, and given back by the drop: two that come at once cannot both have the last place.
        let room = Self { context: context.clone(), watch: None };
        let before = context.followers.fetch_add(1, Ordering::Relaxed);
        if before < context.followers_max {
            Ok(room)
        } else {
            Err(Refusal::TooManyFollowers(context.followers_max))
        }
    }

    /// The same for a stream about a folder.
    pub(crate) fn take_for_watch(context: &Context) -> Result<Self, Refusal> {
        let mut room = Self::take(context)?;
        room.watch = Some(context.watches.enter());
        Ok(room)
    }
}

impl Drop for FollowerRoom {
    fn drop(&mut self) {
        self.context.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Whether the listener is bound to a loopback address.
    pub(crate) on_loopback: bool,
    /// Where it comes from.
    pub(crate) peer: Option<IpAddr>,
    /// It came when all seats were taken: what would have to wait is refused.
    pub(crate) is_standing: bool,
    /// What the connection is doing.
    pub(crate) presence: Arc<Presence>,
    /// The connection to a server behind a port that waits for the client's next request.
    pub(crate) kept: Kept,
    /// Who goes on with the connection when the answer is 101.
    pub(crate) then: ThenSlot,
}

/// A request that may change something, until the change is made.
#[derive(Debug, Clone)]
pub(crate) struct Change(#[expect(dead_code, reason = "it counts while it lives")] pub(crate) Arc<Piece>);

/// Tells everybody that something begins: that the daemon goes away, or that another worker takes over.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    begun: std::sync::atomic::AtomicBool,
    event: Event,
}

impl Shutdown {
    /// Begins.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Takes it back.
    pub(crate) fn cancel(&self) {
        self.begun.store(false, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Completes when it is not under way, or has been taken back.
    pub(crate) async fn cancelled(&self) {
        loop {
            let changed = self.event.listen();
            if !self.has_begun() {
                return;
            }
            changed.await;
        }
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Completes when the shutdown begins, at once if it has begun.
    pub(crate) fn listen(&self) -> EventListener {
        let listener = self.event.listen();
        if self.has_begun() {
            self.event.notify(usize::MAX);
        }
        listener
    }
}
