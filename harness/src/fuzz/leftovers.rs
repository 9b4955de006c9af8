//! What a run leaves behind on a server: uploads in parts that a sequence began and did not come to abort.

use std::time::Duration;

use serde_json::Value;

use crate::{
    client::{ClientError, Connection, Deadline, Request},
    conversation::{Answer, Conversation},
    target::Target,
};

/// Aborts the uploads of files below a folder. What cannot be asked or aborted expires.
pub(super) fn abort_uploads(target: &Target, folder: &str, within: Duration) {
    let Ok(answer) = ask(target, "GET", "/filesystem-multipart", within) else { return };
    let listing = answer.view().json().unwrap_or_default();
    let uploads = listing.get("uploads").and_then(Value::as_array).into_iter().flatten();
    let text = |upload: &Value, key: &str| upload.get(key).and_then(Value::as_str).map(str::to_owned);
    for upload in uploads {
        let is_ours = text(upload, "path").is_some_and(|path| path.starts_with(folder));
        if let Some(id) = text(upload, "uploadId").filter(|_| is_ours) {
            let _aborted: bool =
                ask(target, "DELETE", &format!("/filesystem-multipart/{id}/abort"), within).is_ok();
        }
    }
}

fn ask(target: &Target, method: &str, path: &str, within: Duration) -> Result<Answer, ClientError> {
    let request = Request {
        method: method.to_owned(),
        target: format!("{}{path}", target.prefix()),
        headers: target.headers().clone(),
        body: None,
        pieces: None,
    };
    let deadline = Deadline::within(within);
    let connection = Connection::open(target, &deadline)?;
    let mut conversation = Conversation::begin(connection, &request, target, &deadline)?;
    conversation.finish(&deadline)?;
    Ok(conversation.into_answer().0)
}
