//! `Settings`: a checked configuration of the tunnel. Pure; the texts of what is wrong are those of the known server.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use base64::{DecodeError, engine::DecodePaddingMode};

use crate::config::Secret;

/// What counts where nothing is said.
const MTU: i64 = 1420;
const LISTEN_PORT: i64 = 51820;
const INTERFACE: &str = "wg0";
const ALLOWED: &str = "0.0.0.0/0";
const KEEPALIVE_SECONDS: i64 = 25;

/// Smaller packets no IPv4 host has to take (RFC 791); larger ones there are none.
const MTU_MIN: i64 = 68;
const MTU_MAX: i64 = 65535;

/// Bytes of a key of Curve25519.
const KEY_BYTES: usize = 32;

/// What was asked for, before it is checked. Empty and 0 is what was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) local_ip: String,
    pub(crate) peer_endpoint: String,
    pub(crate) peer_public_key: String,
    pub(crate) private_key: String,
    pub(crate) mtu: i64,
    pub(crate) listen_port: i64,
    pub(crate) interface_name: String,
    pub(crate) allowed_ips: Vec<String>,
    pub(crate) persistent_keepalive: Option<i64>,
    pub(crate) route_all: bool,
}

/// An address and how much of it is the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// A configuration that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) local: Network,
    /// As it was given: only the start finds out whether it is an address.
    pub(crate) endpoint: String,
    pub(crate) peer_public_key: [u8; KEY_BYTES],
    /// In base64.
    pub(crate) private_key: Secret,
    pub(crate) mtu: u32,
    pub(crate) listen_port: u16,
    pub(crate) interface: String,
    pub(crate) allowed: Vec<Network>,
    /// Seconds; 0 is never.
    pub(crate) keepalive: u16,
    pub(crate) route_all: bool,
}

impl Settings {
    /// Checks it. The error is what is wrong.
    pub(crate) fn check(wanted: Wanted) -> Result<Self, String> {
        let required = |text: &str, name: &str| match text {
            "" => Err(format!("{name} is required")),
            _ => Ok(()),
        };
        required(&wanted.local_ip, "local_ip")?;
        let local = Network::parse(&wanted.local_ip)
            .map_err(|why| format!("local_ip must be in CIDR notation (e.g., 10.0.0.1/32): {why}"))?;
        required(&wanted.peer_endpoint, "peer_endpoint")?;
        split(&wanted.peer_endpoint).map_err(|why| {
            format!("peer_endpoint must be in host:port format (e.g., 1.2.3.4:51820): {why}")
        })?;
        required(&wanted.peer_public_key, "peer_public_key")?;
        let peer_public_key =
            key(&wanted.peer_public_key).map_err(|why| format!("invalid peer_public_key: {why}"))?;
        required(&wanted.private_key, "private_key")?;
        key(&wanted.private_key).map_err(|why| format!("invalid private_key: {why}"))?;
        let mut allowed_ips = wanted.allowed_ips;
        if allowed_ips.is_empty() {
            allowed_ips.push(ALLOWED.to_owned());
        }
        let parse = |text: &String| {
            Network::parse(text).map_err(|why| format!("invalid allowed_ip {}: {why}", quoted(text)))
        };
        let allowed = allowed_ips.iter().map(parse).collect::<Result<_, _>>()?;
        let or = |value: i64, default| if value == 0 { default } else { value };
        let mtu = or(wanted.mtu, MTU);
        if !(MTU_MIN..=MTU_MAX).contains(&mtu) {
            return Err(format!("mtu must be between {MTU_MIN} and {MTU_MAX}, got {mtu}"));
        }
        Ok(Self {
            local,
            endpoint: wanted.peer_endpoint,
            peer_public_key,
            private_key: Secret::new(wanted.private_key),
            mtu: u32::try_from(mtu).unwrap_or_default(),
            listen_port: small("listen_port", or(wanted.listen_port, LISTEN_PORT))?,
            interface: if wanted.interface_name.is_empty() {
                INTERFACE.to_owned()
            } else {
                wanted.interface_name
            },
            allowed,
            keepalive: small(
                "persistent_keepalive",
                wanted.persistent_keepalive.unwrap_or(KEEPALIVE_SECONDS),
            )?,
            route_all: wanted.route_all,
        })
    }

    /// The private key.
    pub(crate) fn private_key(&self) -> [u8; KEY_BYTES] {
        key(self.private_key.expose()).expect("it was checked")
    }

    /// Where the peer is. The error says that it is no address.
    pub(crate) fn endpoint(&self) -> Result<SocketAddr, String> {
        let (host, port) = split(&self.endpoint)?;
        let failed = |why: String| format!("failed to set endpoint {}: {why}", self.endpoint);
        let address =
            host.parse().map_err(|_| failed(format!("ParseAddr({}): unable to parse IP", quoted(&host))))?;
        let invalid = || failed(format!("invalid port {} parsing {}", quoted(&port), quoted(&self.endpoint)));
        let port = Some(&port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(invalid)?;
        Ok(SocketAddr::new(address, port))
    }
}

impl Network {
    /// Whether an address is in it.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or_default();
                (net.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or_default();
                (net.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }

    /// The first address of it.
    pub(crate) fn first(self) -> IpAddr {
        match self.address {
            IpAddr::V4(net) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or_default();
                IpAddr::V4((net.to_bits() & mask).into())
            }
            IpAddr::V6(net) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or_default();
                IpAddr::V6((net.to_bits() & mask).into())
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
            let prefix = prefix.parse().ok().filter(|_| digits)?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= bits).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| format!("invalid CIDR address: {text}"))
    }
}

/// Decodes base64 with padding, line breaks left out. The error is the known server's.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    let settings = PAD
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    GeneralPurpose::new(&STANDARD, settings).decode(&text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            // The last four are not whole.
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}

fn key(text: &str) -> Result<[u8; KEY_BYTES], String> {
    let bytes = from_base64(text).map_err(|why| format!("not valid base64: {why}"))?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| format!("expected {KEY_BYTES} bytes, got {found}"))
}

fn small(name: &str, value: i64) -> Result<u16, String> {
    u16::try_from(value).map_err(|_| format!("{name} must be between 0 and 65535, got {value}"))
}

/// A text as the known server quotes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// Splits `host:port` or `[host]:port`, as Go's `net.SplitHostPort` does.
fn split(text: &str) -> Result<(String, String), String> {
    let failed = |why: &str| Err(format!("address {text}: {why}"));
    let Some(colon) = text.rfind(':') else { return failed("missing port in address") };
    let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
        let Some(end) = inner.find(']') else { return failed("missing ']' in address") };
        let behind = end + 2;
        if behind != colon {
            let is_colon = text[behind..].starts_with(':');
            return failed(if is_colon { "too many colons in address" } else { "missing port in address" });
        }
        (&inner[..end], &text[behind..])
    } else {
        let host = &text[..colon];
        if host.contains(':') {
            return failed("too many colons in address");
        }
        (host, text)
    };
    if host.contains('[') || rest.contains('[') {
        return failed("unexpected '[' in address");
    }
    if rest.contains(']') {
        return failed("unexpected ']' in address");
    }
    Ok((host.to_owned(), text[colon + 1..].to_owned()))
}

#[cfg(test)]
mod tests;
