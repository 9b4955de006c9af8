//! Ports of processes, who is told of new ones, and the tunnel.

use tide::{Request, Response};

use crate::error::Error;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::target::decode;
use crate::http::tunnel_config;
use crate::http::{request, respond, view};
use crate::wire::network::{PortMonitorRequest, PortsResponse, SuccessResponse, TunnelConfigRequest};

/// A request for a monitor is a URL.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// A configuration is some hundred bytes, and a list of networks.
const TUNNEL_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Shows the ports of a process.
#[utoipa::path(get, path = "/network/process/{pid}/ports", operation_id = "getProcessPorts", tag = "network",
    params(("pid" = i64, Path, description = "The pid of a process that was started here, in whichever run it is, or of any process of the host. Of what is none there are no ports.")),
    responses(
        (status = 200, description = "The local ports that the process and its descendants have open, in whatever state.", body = PortsResponse),
        (status = 400, description = "The pid is not an integer.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn ports(request: Request<Context>) -> Result<Response, Refusal> {
    let pid = pid(&request)?;
    let ports = request.state().sandbox.ports(pid).await?;
    let ports = ports.into_iter().map(view::port).collect();
    respond::json(200, JsonBody::value(&PortsResponse { pid, ports })).await
}

/// Calls a URL for each port that a process opens.
///
/// The callback gets `POST` with `{"pid":…,"port":…}` for each port on which the process or a descendant takes connections or
/// datagrams: those that are open now, and each that is opened later. A call that fails is tried again, six times at most, with pauses that
/// grow from 0.5 s; one takes 5 s at most, redirects are not followed, and no answer but its status is read. A monitor ends when
/// it is stopped, or by itself when the process is gone. Several callbacks may be told of one process.
#[utoipa::path(post, path = "/network/process/{pid}/monitor", operation_id = "startPortMonitor", tag = "network",
    params(("pid" = i64, Path, description = "The pid of a process that was started here, or of any process of the host. It is not checked: what is gone has no new ports.")),
    request_body = PortMonitorRequest,
    responses(
        (status = 200, description = "It has begun.", body = SuccessResponse),
        (status = 400, description = "The pid is not an integer, or the body is not a request.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is larger than 16 KiB.", body = crate::wire::system::ErrorResponse),
        (status = 503, description = "There are 256 monitors.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn start_monitor(mut request: Request<Context>) -> Result<Response, Refusal> {
    let pid = pid(&request)?;
    let body = request::body(&mut request, BODY_BYTES_MAX).await?;
    let asked = PortMonitorRequest::decode(&body.bytes)?;
    request.state().sandbox.start_monitor(pid, &asked.callback)?;
    respond::json(200, JsonBody::value(&SuccessResponse::new("Port monitoring started"))).await
}

/// Stops all monitors of a process.
#[utoipa::path(delete, path = "/network/process/{pid}/monitor", operation_id = "stopPortMonitor", tag = "network",
    params(("pid" = i64, Path, description = "As it was given to start them.")),
    responses(
        (status = 200, description = "There is none any more, if there was one.", body = SuccessResponse),
        (status = 400, description = "The pid is not an integer.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn stop_monitor(request: Request<Context>) -> Result<Response, Refusal> {
    request.state().sandbox.stop_monitor(pid(&request)?)?;
    respond::json(200, JsonBody::value(&SuccessResponse::new("Port monitoring stopped"))).await
}

/// Sets up a tunnel (`WireGuard`), in place of the one that is there.
///
/// The configuration is JSON in base64: `local_ip` (CIDR), `peer_endpoint` (address and port), `peer_public_key` and `private_key`
/// (base64) are needed; `mtu` (1420), `listen_port` (51820), `interface_name` (`wg0`), `allowed_ips` (`["0.0.0.0/0"]`),
/// `persistent_keepalive` (25; 0 is off) and `route_all` (false) have defaults. Networks in `allowed_ips` are routed through the tunnel;
/// all addresses only with `route_all`. When it cannot be set up, the tunnel before goes on. It cannot be read again.
#[utoipa::path(put, path = "/network/tunnel/config", operation_id = "putTunnelConfig", tag = "network",
    request_body = TunnelConfigRequest,
    responses(
        (status = 200, description = "The tunnel is up. Whether the peer answers is not known.", body = SuccessResponse),
        (status = 400, description = "The body is not a request.", body = crate::wire::system::ErrorResponse),
        (status = 413, description = "The body is larger than 64 KiB.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The configuration makes no sense.", body = crate::wire::system::ErrorResponse),
        (status = 500, description = "It cannot be set up: there is no TUN device, or the daemon may not.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn put_tunnel(mut request: Request<Context>) -> Result<Response, Refusal> {
    let body = request::body(&mut request, TUNNEL_BODY_BYTES_MAX).await?;
    let config = TunnelConfigRequest::decode(&body.bytes)?.config;
    let settings = tunnel_config::settings(&config).map_err(|why| Error::InvalidTunnel { why })?;
    request.state().sandbox.replace_tunnel(settings, config).await?;
    respond::json(200, JsonBody::value(&SuccessResponse::new("Tunnel configuration updated successfully")))
        .await
}

/// Takes the tunnel down.
#[utoipa::path(delete, path = "/network/tunnel", operation_id = "deleteTunnel", tag = "network", responses(
    (status = 200, description = "There is none any more.", body = SuccessResponse),
    (status = 400, description = "There was none.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn delete_tunnel(request: Request<Context>) -> Result<Response, Refusal> {
    request.state().sandbox.stop_tunnel().await?;
    respond::json(200, JsonBody::value(&SuccessResponse::new("Tunnel disconnected"))).await
}

/// The pid in the path: any integer.
fn pid(request: &Request<Context>) -> Result<i64, Refusal> {
    decode(request::target(request).segment(2)).parse().map_err(|_| Refusal::InvalidPid)
}
