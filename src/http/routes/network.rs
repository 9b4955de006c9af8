//! Ports of processes, and who is told of new ones.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::target::decode;
use crate::http::{request, respond, view};
use crate::wire::network::{PortMonitorRequest, PortsResponse, SuccessResponse};

/// A request for a monitor is a URL.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// Shows the ports of a process.
#[utoipa::path(get, path = "/network/process/{pid}/ports", operation_id = "getProcessPorts", tag = "network",
    params(("pid" = i64, Path, description = "The pid of a process that was started here, in whichever run it is, or of any process of the host. Of what is none there are no ports.")),
    responses(
        (status = 200, description = "The local ports that the process and its descendants have open, in whatever state.", body = PortsResponse),
        (status = 400, description = "The pid is not an integer.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "The kernel lets the daemon look at no sockets.", body = crate::wire::system::ErrorResponse),
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

/// The pid in the path: any integer.
fn pid(request: &Request<Context>) -> Result<i64, Refusal> {
    decode(request::target(request).segment(2)).parse().map_err(|_| Refusal::InvalidPid)
}
