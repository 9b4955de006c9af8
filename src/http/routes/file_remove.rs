//! Removing files and folders: `DELETE /filesystem/{path}`.

use tide::{Request, Response};

use crate::filesystem::Removal;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::refusal::{Doing, Refusal};
use crate::http::{file_view, request, respond};
use crate::wire::file::FileMessageResponse;

/// Removes a file, a link (itself, also one that leads nowhere) or a folder.
#[utoipa::path(delete, path = "/filesystem/{path}", operation_id = "removeFile", tag = "filesystem",
    params(
        ("path" = String, Path, description = "As for reading."),
        ("recursive" = Option<bool>, Query, description = "`true`: a folder with all that is in it."),
    ),
    responses(
        (status = 200, description = "It is removed.", body = FileMessageResponse),
        (status = 404, description = "There is nothing.", body = crate::wire::system::ErrorResponse),
        (status = 422, description = "It cannot be removed: a folder that is not empty, no permission.", body = crate::wire::system::ErrorResponse),
))]
pub(crate) async fn delete(request: Request<Context>) -> Result<Response, Refusal> {
    let place = request::place(&request)?;
    let recursive = request::target(&request).parameter("recursive").as_deref() == Some("true");
    let files = &request.state().sandbox.files;
    let removed = {
        let place = place.clone();
        files.run(move |files| {
            let removal = Removal::find(files, &place)?;
            Ok((removal.leads_to_folder, removal.run(recursive)))
        })
    };
    let (is_folder, result) = removed.await.map_err(|error| Refusal::File(Doing::Deleting, error))?;
    let (message, doing) = if is_folder {
        ("Directory deleted successfully", Doing::DeletingFolder)
    } else {
        ("File deleted successfully", Doing::DeletingFile)
    };
    result.map_err(|error| Refusal::File(doing, error))?;
    let path = file_view::text(place.given.as_os_str());
    respond::json(200, JsonBody::value(&FileMessageResponse { path, message, method: None })).await
}
