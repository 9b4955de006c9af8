//! What only a development environment has.

use tide::{Request, Response};

use crate::http::context::Context;
use crate::http::refusal::Refusal;

/// Makes a mistake, to show that it costs one request.
pub(crate) async fn panic(_request: Request<Context>) -> Result<Response, Refusal> {
    panic!("somebody asked for it")
}
