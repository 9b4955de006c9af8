//! `Pump`: the thread of a tunnel. It carries packets between the TUN device and the peer, and waits for nothing but them and the
//! clock of `WireGuard`.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::settings::{Network, Settings};
use crate::sys::bell::Bell;
use crate::sys::tun::Tun;

/// What boringtun asks for: its timers are looked at four times a second.
const TICK: Duration = Duration::from_millis(250);

/// Packets that are taken from one side before the other has its turn.
const TURN: usize = 64;

/// The largest packet, and what `WireGuard` puts around it.
const PACKET_BYTES_MAX: usize = 65536;
const AROUND_BYTES: usize = 256;

/// The number that the peer's packets carry; with one peer any will do.
const INDEX: u32 = 1;

/// A tunnel's packets.
pub(super) struct Pump {
    tunn: Tunn,
    tun: Tun,
    socket: UdpSocket,
    /// Where the peer was last heard.
    endpoint: SocketAddr,
    allowed: Vec<Network>,
    packet: Vec<u8>,
    wrapped: Vec<u8>,
}

/// What becomes of what `Tunn` gives.
enum Step {
    /// Nothing more.
    Done,
    /// It may have more to say.
    Again,
}

impl Pump {
    /// A tunnel of these settings through this device and socket.
    pub(super) fn new(settings: &Settings, tun: Tun, socket: UdpSocket, endpoint: SocketAddr) -> Self {
        let keepalive = Some(settings.keepalive).filter(|seconds| *seconds > 0);
        let private = StaticSecret::from(settings.private_key());
        let public = PublicKey::from(settings.peer_public_key);
        Self {
            tunn: Tunn::new(private, public, None, keepalive, INDEX, None),
            tun,
            socket,
            endpoint,
            allowed: settings.allowed.clone(),
            packet: vec![0; PACKET_BYTES_MAX],
            wrapped: vec![0; PACKET_BYTES_MAX + AROUND_BYTES],
        }
    }

    /// Carries packets until the bell rings.
    pub(super) fn run(mut self, stop: &Bell) -> Self {
        let mut tick = Instant::now();
        loop {
            let left = tick.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            let mut sources = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(&self.tun, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            if let Err(errno) = poll(&mut sources, Some(&timeout))
                && errno != rustix::io::Errno::INTR
            {
                tracing::error!(%errno, "the tunnel cannot wait for packets and ends");
                return self;
            }
            let [told, from_tun, from_peer] = sources.map(|source| source.revents());
            if !told.is_empty() {
                return self;
            }
            // Somebody has taken the device away.
            if from_tun.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
                tracing::error!("the device of the tunnel is gone, and so is the tunnel");
                return self;
            }
            if !from_tun.is_empty() {
                self.send();
            }
            if !from_peer.is_empty() {
                self.receive();
            }
            if Instant::now() >= tick {
                self.tick();
                tick = Instant::now() + TICK;
            }
        }
    }

    /// What commands send goes to the peer.
    fn send(&mut self) {
        for _ in 0..TURN {
            let Ok(length) = self.tun.read(&mut self.packet) else { return };
            let packet = &self.packet[..length];
            if Tunn::dst_address(packet).is_some_and(|address| is_allowed(&self.allowed, address))
                && let TunnResult::WriteToNetwork(wrapped) = self.tunn.encapsulate(packet, &mut self.wrapped)
            {
                transmit(&self.socket, wrapped, self.endpoint);
            }
        }
    }

    /// What the peer sends goes to the commands.
    fn receive(&mut self) {
        for _ in 0..TURN {
            let (length, from) = match self.socket.recv_from(&mut self.packet) {
                Ok(received) => received,
                // Word of an earlier packet that did not arrive.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            let mut result =
                self.tunn.decapsulate(Some(from.ip()), &self.packet[..length], &mut self.wrapped);
            // What only the peer can have sent says where it is; anything else is answered to whoever sent it.
            if matches!(
                result,
                TunnResult::Done | TunnResult::WriteToTunnelV4(..) | TunnResult::WriteToTunnelV6(..)
            ) {
                self.endpoint = from;
            }
            while let Step::Again = handle(&result, &self.tun, &self.socket, &self.allowed, from) {
                result = self.tunn.decapsulate(None, &[], &mut self.wrapped);
            }
        }
    }

    fn tick(&mut self) {
        if let TunnResult::WriteToNetwork(packet) = self.tunn.update_timers(&mut self.wrapped) {
            transmit(&self.socket, packet, self.endpoint);
        }
    }
}

fn handle(
    result: &TunnResult<'_>,
    tun: &Tun,
    socket: &UdpSocket,
    allowed: &[Network],
    from: SocketAddr,
) -> Step {
    match result {
        TunnResult::WriteToNetwork(packet) => {
            transmit(socket, packet, from);
            return Step::Again;
        }
        TunnResult::WriteToTunnelV4(packet, address) if is_allowed(allowed, (*address).into()) => {
            pass(tun, packet);
        }
        TunnResult::WriteToTunnelV6(packet, address) if is_allowed(allowed, (*address).into()) => {
            pass(tun, packet);
        }
        _ => {}
    }
    Step::Done
}

fn is_allowed(allowed: &[Network], address: IpAddr) -> bool {
    allowed.iter().any(|network| network.contains(address))
}

/// Packets may be lost: whoever sent them notices, and sends them again if it matters.
fn transmit(socket: &UdpSocket, packet: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(packet, to) {
        tracing::trace!(%error, "a packet of the tunnel was not sent");
    }
}

fn pass(tun: &Tun, packet: &[u8]) {
    if let Err(error) = tun.write(packet) {
        tracing::trace!(%error, "a packet of the tunnel was not taken");
    }
}
