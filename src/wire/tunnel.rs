//! The configuration of the tunnel as it stands in its JSON.

use super::decode::{self, DecodeError, Field, Record};

/// What is asked for; nothing is checked beyond the types. Empty and 0 is what was not said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WireGuardConfig {
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

impl WireGuardConfig {
    /// Reads it.
    pub(crate) fn decode(json: &[u8]) -> Result<Self, DecodeError> {
        decode::decode(json)
    }
}

impl Record for WireGuardConfig {
    const TYPE: &'static str = "network.WireGuardConfig";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("local_ip", &mut self.local_ip);
        field.read("peer_endpoint", &mut self.peer_endpoint);
        field.read("peer_public_key", &mut self.peer_public_key);
        field.read("private_key", &mut self.private_key);
        field.read("mtu", &mut self.mtu);
        field.read("listen_port", &mut self.listen_port);
        field.read("interface_name", &mut self.interface_name);
        field.read("allowed_ips", &mut self.allowed_ips);
        field.read("persistent_keepalive", &mut self.persistent_keepalive);
        field.read("route_all", &mut self.route_all);
    }
}
