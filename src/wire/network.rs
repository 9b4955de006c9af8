//! Ports, monitors and the tunnel.

use serde::Serialize;
use utoipa::ToSchema;

use super::decode::{self, DecodeError, Field, Record};

/// The ports of a process and its descendants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PortsResponse {
    /// As asked for.
    #[schema(examples(22346))]
    pub(crate) pid: i64,
    /// One for each local port, by number.
    pub(crate) ports: Vec<PortResponse>,
}

/// A local port that is in use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortResponse {
    /// Which process has it.
    #[schema(examples(22347))]
    pub(crate) pid: u32,
    /// `tcp` or `udp`.
    #[schema(examples("tcp"))]
    pub(crate) protocol: &'static str,
    /// The local address; `*` is all of IPv6 and IPv4.
    #[schema(examples("0.0.0.0"))]
    pub(crate) local_addr: String,
    /// The local port.
    #[schema(examples(8080))]
    pub(crate) local_port: u16,
    /// Whom it is connected to; empty when nobody.
    #[schema(examples(""))]
    pub(crate) remote_addr: String,
    /// The port there; 0 when nobody.
    #[schema(examples(0))]
    pub(crate) remote_port: u16,
    /// `LISTEN`, `UNCONN` (UDP), `ESTAB` and the other states of TCP, as `ss` prints them.
    #[schema(examples("LISTEN"))]
    pub(crate) state: &'static str,
    /// The name of that process.
    #[schema(examples("nc"))]
    pub(crate) process_name: String,
}

/// It was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuccessResponse {
    /// Always empty.
    pub(crate) path: &'static str,
    /// What was done.
    #[schema(examples("Port monitoring started"))]
    pub(crate) message: &'static str,
}

impl SuccessResponse {
    /// Says what was done.
    pub(crate) fn new(message: &'static str) -> Self {
        Self { path: "", message }
    }
}

/// Whom to tell of new ports.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
pub(crate) struct PortMonitorRequest {
    /// An `http` or `https` URL that gets a POST with `{"pid":…,"port":…}` for each new port. Nobody is told when it is empty.
    #[schema(required = false, examples("http://127.0.0.1:7900/ports"))]
    pub(crate) callback: String,
}

impl PortMonitorRequest {
    /// Reads a request body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        decode::decode(body)
    }
}

impl Record for PortMonitorRequest {
    const TYPE: &'static str = "handler.PortMonitorRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("callback", &mut self.callback);
    }
}

/// The tunnel to be.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
pub(crate) struct TunnelConfigRequest {
    /// The configuration: JSON in base64.
    #[schema(examples("eyJsb2NhbF9pcCI6IjEwLjAuMC4xLzMyIn0="))]
    pub(crate) config: String,
}

impl TunnelConfigRequest {
    /// Reads a request body.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        decode::decode(body)
    }
}

impl Record for TunnelConfigRequest {
    const TYPE: &'static str = "handler.TunnelConfigRequest";

    fn read(&mut self, field: &mut Field<'_>) {
        field.read("config", &mut self.config);
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        vec![("Config", !self.config.is_empty())]
    }
}
