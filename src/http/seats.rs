//! `Seats`: the connections that are open, and how many may be.
//!
//! ```text
//! open < max            a seat
//! open < max + 32       standing: one short request; what would wait is refused, so that it is over soon
//! more                  nobody: the kernel's backlog holds who comes
//! ```
//! Who comes when all seats are taken gets the seat of the connection that has been without a request for the longest time. Thus
//! connections that are held for nothing keep nobody out, and where all of them are at work, health checks and stops still get through.
//! A client that has left without asking for anything has no seat, even if its connection has not had its turn to find that out.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use event_listener::{Event, EventListener};
use futures_lite::FutureExt;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::presence::Presence;

/// Connections that are served beyond the bound, one short request each.
const STANDING: usize = 32;

/// The pause before accepting again when the process is out of descriptors; a connection that closes ends it early.
const ACCEPT_AFTER: Duration = Duration::from_millis(100);

/// How long a connection that was asked to go is waited for. It goes at once, unless a request has just come on it.
const GOING: Duration = Duration::from_millis(20);

/// When all places are taken and no connection closes, connections that have become idle are looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The connections.
#[derive(Debug)]
pub(crate) struct Seats {
    max: usize,
    next: AtomicU64,
    /// Held for a few lines, or for one look at each connection.
    taken: Mutex<BTreeMap<u64, Arc<Occupant>>>,
    /// One has closed.
    closed: Event,
}

#[derive(Debug)]
struct Occupant {
    presence: Arc<Presence>,
    /// It is closed after the seat was given back, so who sees the one finds the other.
    socket: Arc<Async<TcpStream>>,
    /// It is asked to go.
    go: Event,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    occupant: Arc<Occupant>,
    /// It came when all seats were taken: it gets one answer, and none that has to be waited for.
    pub(crate) is_standing: bool,
}

/// Where there is room.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    Seat,
    Standing,
    None,
}

impl Room {
    fn of(open: usize, max: usize) -> Self {
        if open < max {
            Self::Seat
        } else if open < max.saturating_add(STANDING) {
            Self::Standing
        } else {
            Self::None
        }
    }
}

impl Seats {
    /// No connections, and `max` at most.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, next: AtomicU64::new(0), taken: Mutex::default(), closed: Event::new() })
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().len()
    }

    /// How many may be open, those beside that get one short request each not counted.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// How many are open and have a request, or had one a moment ago; and how many have none.
    pub(crate) fn busy_and_idle(&self) -> (u64, u64) {
        let taken = self.lock();
        let idle = taken.values().filter(|occupant| occupant.presence.idle_since().is_some()).count();
        ((taken.len() - idle) as u64, idle as u64)
    }

    /// Waits until accepting may be tried again. A connection that was gone before it was accepted is no reason to wait, or to say
    /// anything; running out of descriptors is, until a connection gives its own back. Other descriptors come back without an event, so that
    /// is not waited for long.
    pub(crate) async fn after_refusal(&self, error: &io::Error) {
        if !matches!(error.raw_os_error(), Some(libc::ECONNABORTED | libc::EINTR)) {
            tracing::warn!(%error, "a connection could not be accepted");
            or_after(self.closed(), ACCEPT_AFTER).await;
        }
    }

    /// A connection that has no seat here has given its descriptors back.
    pub(crate) fn elsewhere_closed(&self) {
        self.closed.notify(usize::MAX);
    }

    /// Completes when a connection has closed since the call.
    pub(crate) fn closed(&self) -> EventListener {
        self.closed.listen()
    }

    /// Completes when one more connection can be served at all.
    pub(crate) async fn room(&self) {
        loop {
            let closed = self.closed();
            if Room::of(self.open(), self.max) != Room::None {
                return;
            }
            self.ask_idlest();
            or_after(closed, LOOK_AGAIN).await;
        }
    }

    /// Counts a connection. `settle` says which place it has.
    pub(crate) fn enter(self: &Arc<Self>, presence: Arc<Presence>, socket: Arc<Async<TcpStream>>) -> Seat {
        let occupant = Arc::new(Occupant { presence, socket, go: Event::new() });
        let mut taken = self.lock();
        // Under the lock, so that the numbers are in the order in which they came.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        taken.insert(number, occupant.clone());
        drop(taken);
        Seat { seats: self.clone(), number, occupant, is_standing: false }
    }

    /// Asks the connection to go that has been without a request for the longest time; false when all have one.
    fn ask_idlest(&self) -> bool {
        let taken = self.lock();
        let idlest = longest(taken.values().map(|occupant| (occupant.presence.idle_since(), occupant)));
        let Some(occupant) = idlest.cloned() else { return false };
        drop(taken);
        occupant.go.notify(usize::MAX);
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Occupant>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupant {
    /// Whether its client has closed its side without the beginning of a request.
    fn has_left(&self) -> bool {
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        self.presence.is_idle()
            && match rustix::net::recv(&self.socket, &mut [0_u8; 1], look) {
                Ok((_, bytes)) => bytes == 0,
                Err(error) => !matches!(error, Errno::AGAIN | Errno::INTR),
            }
    }
}

impl Seat {
    /// Finds out which place this is: a seat, if need be that of the connection which has been idle for the longest time.
    pub(crate) async fn settle(&mut self) {
        if self.comes_too_late() {
            let closed = self.seats.closed();
            if self.seats.ask_idlest() {
                or_after(closed, GOING).await;
            }
            self.is_standing = self.comes_too_late();
        }
    }

    /// Whether those that came before have all seats. Who has left is looked for only where that decides it.
    fn comes_too_late(&self) -> bool {
        let (taken, max) = (self.seats.lock(), self.seats.max);
        if taken.len() <= max {
            return false;
        }
        let before = || taken.range(..self.number).map(|(_, occupant)| occupant);
        let Some(beyond) = before().count().checked_sub(max) else { return false };
        before().filter(|occupant| occupant.has_left()).take(beyond + 1).count() <= beyond
    }

    /// Completes when the connection is asked to go since the call.
    pub(crate) fn asked(&self) -> EventListener {
        self.occupant.go.listen()
    }

    /// Whether the connection was asked to go and does. One that has a request by then stays.
    pub(crate) fn gives_way(&self, cx: &mut Context<'_>, asked: &mut EventListener) -> bool {
        while Pin::new(&mut *asked).poll(cx).is_ready() {
            *asked = self.asked();
            if self.occupant.presence.idle_since().is_some() {
                return true;
            }
        }
        false
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.number);
        self.seats.closed.notify(usize::MAX);
    }
}

/// Of those that have been idle since some time, the one whose time is the earliest.
fn longest<T>(all: impl Iterator<Item = (Option<Instant>, T)>) -> Option<T> {
    all.filter_map(|(since, item)| Some((since?, item))).min_by_key(|(since, _)| *since).map(|(_, item)| item)
}

async fn or_after(event: EventListener, time: Duration) {
    let time_up = async {
        Timer::after(time).await;
    };
    event.or(time_up).await;
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn there_are_seats_and_then_some_standing_places() {
        assert_eq!(Room::of(0, 1), Room::Seat);
        assert_eq!(Room::of(1, 1), Room::Standing);
        assert_eq!(Room::of(STANDING, 1), Room::Standing);
        assert_eq!(Room::of(STANDING + 1, 1), Room::None);
        assert_eq!(Room::of(usize::MAX - 1, usize::MAX), Room::Seat);
    }

    #[test]
    fn the_longest_idle_goes_first_and_the_busy_stay() {
        let at = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        assert_eq!(
            longest([(at(3), "b"), (None, "busy"), (at(1), "a"), (at(2), "c")].into_iter()),
            Some("a")
        );
        assert_eq!(longest([(None, "busy")].into_iter()), None);
    }

    /// A connection, with the client's end.
    fn connect() -> (TcpStream, Arc<Async<TcpStream>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, Arc::new(Async::new(listener.accept().unwrap().0).unwrap()))
    }

    /// A connection of its own, at its place, and its client.
    fn come(seats: &Arc<Seats>, presence: Presence) -> (Seat, TcpStream) {
        let (client, socket) = connect();
        let mut seat = seats.enter(Arc::new(presence), socket);
        block_on(seat.settle());
        (seat, client)
    }

    fn busy() -> Presence {
        let presence = Presence::new();
        presence.begin();
        presence
    }

    fn idle() -> Presence {
        let presence = busy();
        presence.settle();
        presence.flushed();
        presence
    }

    #[test]
    fn who_comes_when_all_are_busy_stands_and_room_comes_with_the_end_of_one() {
        let seats = Seats::new(1);
        let first = come(&seats, busy());
        let mut others: Vec<_> = (0..STANDING).map(|_| come(&seats, busy())).collect();
        assert!(!first.0.is_standing && others.iter().all(|(seat, _)| seat.is_standing));
        let mut room = Box::pin(seats.room());
        assert!(block_on(poll_once(&mut room)).is_none(), "nobody else is accepted");
        others.pop();
        block_on(room);
        drop(first);
        others.clear();
        assert!(!come(&seats, busy()).0.is_standing);
        assert_eq!(seats.open(), 0);
    }

    #[test]
    fn those_who_come_at_once_keep_their_order_and_do_not_drive_each_other_out() {
        let seats = Seats::new(1);
        let clients = [connect(), connect()];
        let mut both =
            clients.each_ref().map(|(_, socket)| seats.enter(Arc::new(Presence::new()), socket.clone()));
        let asked = both.each_ref().map(Seat::asked);
        for seat in &mut both {
            block_on(seat.settle());
        }
        assert_eq!(both.each_ref().map(|seat| seat.is_standing), [false, true]);
        assert!(asked.into_iter().all(|asked| block_on(poll_once(asked)).is_none()));
    }

    #[test]
    fn an_idle_connection_is_asked_to_go_for_a_new_one() {
        let seats = Seats::new(1);
        let (kept, _client) = come(&seats, idle());
        let goes = kept.asked();
        let leaves = std::thread::spawn(move || {
            block_on(goes);
            drop(kept);
        });
        // Whether it is gone in time is the machine's business; that it was asked is not.
        let _next = come(&seats, Presence::new());
        leaves.join().unwrap();
    }

    #[test]
    fn who_has_left_before_asking_for_anything_keeps_nobody_out() {
        let seats = Seats::new(2);
        let (_busy, _client) = come(&seats, busy());
        // Nothing polls the connection, which is how it is where the next comes at once.
        let (gone, client) = come(&seats, Presence::new());
        drop(client);
        block_on(gone.occupant.socket.readable()).unwrap();
        let (next, mut client) = come(&seats, Presence::new());
        assert!(!next.is_standing);
        // What has come is the beginning of a request.
        io::Write::write_all(&mut client, b"G").unwrap();
        drop(client);
        block_on(next.occupant.socket.readable()).unwrap();
        assert!(come(&seats, Presence::new()).0.is_standing);
    }
}
