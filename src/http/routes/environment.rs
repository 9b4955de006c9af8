//! The variables that commands are given.

use tide::{Request, Response};

use crate::environment::Reloaded;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{request, respond};
use crate::wire::system::ReloadResponse;

/// Reads the platform's variables anew, from the file that `BL_METADATA_PATH` names.
///
/// What is started from now on has them, restarts included; what runs keeps what it has. Variables that an earlier reload has set and
/// that are no longer in the file are removed; those that the daemon was started with come back then.
#[utoipa::path(post, path = "/environment/reload", operation_id = "reloadEnvironment", tag = "system", responses(
    (status = 200, description = "All of it is applied. Names that no variable can have are passed over. The body is ignored.", body = ReloadResponse),
    (status = 404, description = "There is no such file.", body = crate::wire::system::ErrorResponse),
    (status = 500, description = "The file cannot be read, is longer than 1 MiB, or makes no sense: nothing is changed.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn reload(request: Request<Context>) -> Result<Response, Refusal> {
    let sandbox = request.state().sandbox.clone();
    let reloaded = request::while_wanted(&request, async {
        sandbox.reload_environment().await.map_err(|error| Refusal::File(Doing::Reloading, error))
    });
    let Reloaded { generation, applied, removed } = reloaded.await?;
    respond::json(200, JsonBody::value(&ReloadResponse { generation, applied, removed })).await
}
