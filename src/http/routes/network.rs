//! Ports of processes.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::Refusal;
use crate::http::target::decode;
use crate::http::{request, respond, view};
use crate::wire::network::PortsResponse;

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

/// The pid in the path: any integer.
fn pid(request: &Request<Context>) -> Result<i64, Refusal> {
    decode(request::target(request).segment(2)).parse().map_err(|_| Refusal::InvalidPid)
}
