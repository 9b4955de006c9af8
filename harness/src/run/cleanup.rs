//! What a case leaves running, and its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Connection, Deadline, Request},
    conversation::{Conversation, View},
    target::Target,
};

/// A server that doesn't answer a kill at the end of a case isn't waited for any longer.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// The pids that were last seen running, and the headers that the server wants.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    running: BTreeSet<String>,
    credentials: BTreeMap<String, String>,
}

impl Cleanup {
    /// Looks at an answer for processes that run, or no longer do.
    pub(super) fn note(&mut self, request: &Request, answer: View<'_>) {
        let credentials = request.headers.iter().filter(|(name, _)| is_credential(name));
        self.credentials.extend(credentials.map(|(name, value)| (name.clone(), value.clone())));
        let Some(Value::Object(process)) = answer.json() else { return };
        let (Some(Value::String(pid)), status) = (process.get("pid"), process.get("status")) else { return };
        // The first event of a stream has no status: its process has just been started.
        if status.is_none_or(|status| status == "running") {
            self.running.insert(pid.clone());
        } else {
            self.running.remove(pid);
        }
    }

    /// Kills what is left. Errors are no failures of the case: the process may have ended meanwhile.
    pub(super) fn run(self, target: &Target) {
        for pid in self.running {
            let mut headers = target.headers().clone();
            headers.extend(self.credentials.clone());
            let request = Request {
                method: "DELETE".to_owned(),
                target: format!("{}/process/{pid}/kill", target.prefix()),
                headers,
                body: None,
                pieces: None,
            };
            let deadline = Deadline::within(KILL_WITHIN);
            let done = Connection::open(target, &deadline)
                .and_then(|connection| Conversation::begin(connection, &request, target, &deadline))
                .and_then(|mut conversation| conversation.finish(&deadline));
            if done.is_err() {
                break;
            }
        }
    }
}

fn is_credential(name: &str) -> bool {
    matches!(name, "authorization" | "x-blaxel-authorization" | "x-blaxel-preview-token")
}
