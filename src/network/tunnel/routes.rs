//! `Routes`: the address and the routes of a tunnel's device, set up by netlink (rtnetlink(7)) and gone with the device.
//!
//! All traffic goes through the tunnel without touching the default route: two routes to half of all addresses each are nearer than
//! it, and no other default route that somebody adds is nearer than they. So nothing has to be watched or restored, also not
//! when the daemon is killed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use super::settings::{Network, Settings};
use crate::error::words;
use crate::sys::netlink::{CREATE, Netlink, REPLACE, attributes, number, push_attribute};

/// Kinds of messages (linux/rtnetlink.h).
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

/// Attributes of links, addresses and routes.
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DESTINATION: u16 = 1;
const RTA_INTERFACE: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// Families by their numbers.
const INET: u8 = 2;
const INET6: u8 = 10;

/// Numbers in a route: the main table, set up by an administrator, to another host or to one on the same link, and one for packets to
/// others.
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
/// A number of nobody's: by it a route to the peer is known that a killed worker has left behind.
const PROTOCOL_OURS: u8 = 0xb0;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const TYPE_UNICAST: u8 = 1;

/// Where the protocol stands in `struct rtmsg`.
const PROTOCOL_AT: usize = 5;

/// `IFF_UP`.
const UP: u32 = 1;

/// What was changed on the host besides the device.
#[derive(Debug)]
pub(super) struct Routes {
    /// The route to the peer, as it was added.
    to_peer: Option<Vec<u8>>,
}

impl Routes {
    /// Sets the device up; the error is a sentence.
    pub(super) fn set_up(settings: &Settings, endpoint: SocketAddr) -> Result<Self, String> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("failed to {what}: {}", words(&error))
        };
        let mut netlink = Netlink::open(None).map_err(failed("open netlink"))?;
        let device = index(&settings.interface).map_err(failed("find the interface"))?;
        netlink
            .change(NEW_ADDRESS, CREATE, &address(settings.local, device))
            .map_err(failed("assign the IP address"))?;
        netlink.change(SET_LINK, 0, &link(device, settings.mtu)).map_err(failed("bring up the interface"))?;
        let mut routes = Self { to_peer: None };
        let networks = networks(settings);
        // Asked before any route leads into the tunnel.
        if networks.iter().any(|network| network.contains(endpoint.ip())) {
            routes.to_peer = pin(&mut netlink, endpoint.ip()).map_err(failed("add a route to the peer"))?;
        }
        for network in networks {
            netlink
                .change(NEW_ROUTE, REPLACE, &route(network, device, None))
                .map_err(failed("add a route"))?;
        }
        Ok(routes)
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        let Some(route) = self.to_peer.take() else { return };
        let deleted = Netlink::open(None).and_then(|mut netlink| netlink.change(DELETE_ROUTE, 0, &route));
        if let Err(error) = deleted {
            tracing::warn!(%error, "the route to the tunnel's peer could not be taken back");
        }
    }
}

/// What goes into the tunnel. All addresses only when that was asked for by name.
fn networks(settings: &Settings) -> Vec<Network> {
    let mut networks: Vec<Network> = settings.allowed.iter().copied().filter(|net| net.prefix > 0).collect();
    let all = settings.allowed.iter().filter(|network| network.prefix == 0);
    for family in all.map(|network| network.address.is_ipv4()).chain([settings.local.address.is_ipv4()]) {
        let (low, high): (IpAddr, IpAddr) = if family {
            (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(128, 0, 0, 0).into())
        } else {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0).into())
        };
        for address in [low, high] {
            let half = Network { address, prefix: 1 };
            if settings.route_all && !networks.contains(&half) {
                networks.push(half);
            }
        }
    }
    networks
}

/// Lets packets to the peer go the way that they go now; gives the route, if one had to be added for that.
fn pin(netlink: &mut Netlink, peer: IpAddr) -> io::Result<Option<Vec<u8>>> {
    let mut question = route_head(peer, bits(peer), [0; 4]);
    push_attribute(&mut question, RTA_DESTINATION, &octets(peer));
    let (mut interface, mut gateway, mut kind) = (None, None, 0);
    let asked = netlink.ask(GET_ROUTE, &question, |_, answer| {
        kind = answer.get(7).copied().unwrap_or_default();
        for (attribute, value) in attributes(answer.get(12..).unwrap_or_default()) {
            match attribute {
                RTA_INTERFACE => interface = Some(number(value, 0)),
                RTA_GATEWAY => gateway = Some(value.to_vec()),
                _ => {}
            }
        }
    });
    // Where there is no way now, there is none to keep; and what is on this host needs no other.
    let (Ok(()), Some(interface), TYPE_UNICAST) = (asked, interface, kind) else { return Ok(None) };
    let mut found = route(Network { address: peer, prefix: bits(peer) }, interface, gateway.as_deref());
    found[PROTOCOL_AT] = PROTOCOL_OURS;
    // Only ours is taken away by this; as a rule there is none.
    netlink.change(DELETE_ROUTE, 0, &found).ok();
    match netlink.change(NEW_ROUTE, CREATE, &found) {
        Ok(()) => Ok(Some(found)),
        // Somebody else's, and his to take back.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// `struct ifinfomsg` and what is to become of the device.
fn link(device: u32, mtu: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&device.to_ne_bytes());
    body.extend_from_slice(&UP.to_ne_bytes());
    body.extend_from_slice(&UP.to_ne_bytes());
    push_attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
    body
}

/// `struct ifaddrmsg` and the address.
fn address(local: Network, device: u32) -> Vec<u8> {
    let mut body = vec![family(local.address), local.prefix, 0, 0];
    body.extend_from_slice(&device.to_ne_bytes());
    push_attribute(&mut body, IFA_LOCAL, &octets(local.address));
    push_attribute(&mut body, IFA_ADDRESS, &octets(local.address));
    body
}

/// A route through a device.
fn route(to: Network, device: u32, gateway: Option<&[u8]>) -> Vec<u8> {
    let scope = if gateway.is_some() || to.address.is_ipv6() { SCOPE_UNIVERSE } else { SCOPE_LINK };
    let mut body = route_head(to.address, to.prefix, [TABLE_MAIN, PROTOCOL_STATIC, scope, TYPE_UNICAST]);
    push_attribute(&mut body, RTA_DESTINATION, &octets(to.first()));
    push_attribute(&mut body, RTA_INTERFACE, &device.to_ne_bytes());
    if let Some(gateway) = gateway {
        push_attribute(&mut body, RTA_GATEWAY, gateway);
    }
    body
}

/// `struct rtmsg`.
fn route_head(to: IpAddr, prefix: u8, numbers: [u8; 4]) -> Vec<u8> {
    let mut body = vec![family(to), prefix, 0, 0];
    body.extend_from_slice(&numbers);
    body.extend_from_slice(&[0; 4]);
    body
}

fn index(name: &str) -> io::Result<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(name_to_index(any, name)?)
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { INET } else { INET6 }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
