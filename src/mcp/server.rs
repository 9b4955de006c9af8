//! `Mcp`: answers messages. Cheap to clone.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::call::{Call, Change, Failure, Outcome};
use super::message::{Messages, Method, Request};
use super::room::{Answer, Room};
use super::schema::check_arguments;
use super::tools::{self, Tool};
use crate::codegen::Codegen;
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::wire::escape::escape_into;
use crate::wire::json;

/// The versions of the protocol, the newest first.
pub(crate) const VERSIONS: [&str; 5] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What is offered to a client that wants none of them: the known server's choice.
const VERSION_OFFERED: &str = "2025-11-25";

/// JSON-RPC: the parameters make no sense.
const INVALID_PARAMS: i32 = -32602;

/// Completes when the daemon begins to go away.
pub(crate) type Leaving = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What of the daemon's settings concerns tools.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// `keepAlive` is refused.
    pub(crate) keep_alive_disabled: bool,
    /// Bytes of each stream shown with a process.
    pub(crate) inline_bytes_max: u64,
    /// Bytes of each stream shown as the logs of one.
    pub(crate) response_bytes_max: u64,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Mcp {
    pub(super) sandbox: Sandbox,
    pub(super) codegen: Codegen,
    pub(super) settings: Settings,
    pub(super) leaving: Leaving,
    runtime: Runtime,
    held: Arc<AtomicU64>,
}

impl std::fmt::Debug for Mcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mcp").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a request comes to: a result, as JSON, or a JSON-RPC error.
type Reply = Result<(Vec<u8>, Option<Room>), String>;

impl Mcp {
    /// Above a sandbox.
    pub(crate) fn new(
        sandbox: Sandbox,
        codegen: Codegen,
        runtime: Runtime,
        settings: Settings,
        leaving: Leaving,
    ) -> Self {
        Self { sandbox, codegen, settings, leaving, runtime, held: Arc::default() }
    }

    /// Answers all messages of a body; `None` when there is nothing to answer. Those of a batch are done side by side. When it is dropped
    /// nothing is waited for any more; what was started goes on. `change` is held until all changes are made.
    pub(crate) async fn answer(&self, messages: Messages, change: Option<Change>) -> Option<Answer> {
        let Messages { mut requests, is_batch } = messages;
        if requests.is_empty() {
            return None;
        }
        if !is_batch && requests.len() == 1 {
            let (bytes, room) = self.message(requests.remove(0), change).await;
            return Some(Answer { bytes, rooms: room.into_iter().collect() });
        }
        let done: Vec<_> = requests.iter().map(|_| Arc::new(Mutex::new(None))).collect();
        let tasks: Vec<_> = requests
            .into_iter()
            .zip(&done)
            .map(|(request, slot)| {
                let (this, slot, change) = (self.clone(), slot.clone(), change.clone());
                self.runtime.spawn(async move {
                    let message = this.message(request, change).await;
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
                })
            })
            .collect();
        drop(change);
        let mut answer = Answer { bytes: b"[".to_vec(), rooms: Vec::new() };
        for (task, slot) in tasks.into_iter().zip(done) {
            task.await;
            // One that panicked has none.
            let message = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((bytes, room)) = message else { continue };
            if answer.bytes.len() > 1 {
                answer.bytes.push(b',');
            }
            answer.bytes.extend_from_slice(&bytes);
            answer.rooms.extend(room);
        }
        answer.bytes.push(b']');
        Some(answer)
    }

    async fn message(&self, request: Request, change: Option<Change>) -> (Vec<u8>, Option<Room>) {
        let Request { id, method, params } = request;
        let reply = match params {
            Some(params) => self.reply(method, params, change).await,
            None => Err("invalid params".to_owned()),
        };
        let mut out = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
        out.extend_from_slice(&json::to_vec(&id));
        let room = match reply {
            Ok((result, room)) => {
                out.extend_from_slice(b",\"result\":");
                out.extend_from_slice(&result);
                room
            }
            Err(message) => {
                out.extend_from_slice(
                    format!(",\"error\":{{\"code\":{INVALID_PARAMS},\"message\":").as_bytes(),
                );
                out.extend_from_slice(&json::to_vec(&message));
                out.push(b'}');
                None
            }
        };
        out.push(b'}');
        (out, room)
    }

    async fn reply(&self, method: Method, params: Map<String, Value>, change: Option<Change>) -> Reply {
        let list = |name: &str| {
            if params.get("cursor").is_some_and(|cursor| !cursor.is_null()) {
                // Everything is on the first page.
                return Err("invalid params".to_owned());
            }
            Ok((format!("{{\"ttlMs\":0,\"cacheScope\":\"public\",{name}}}").into_bytes(), None))
        };
        match method {
            Method::Initialize => Ok((initialize(&params), None)),
            Method::Ping | Method::SetLevel => Ok((b"{}".to_vec(), None)),
            Method::ListResources => list("\"resources\":[]"),
            Method::ListTemplates => list("\"resourceTemplates\":[]"),
            Method::ListPrompts => list("\"prompts\":[]"),
            Method::ListTools => list(&format!("\"tools\":{}", tools::list(self.codegen.is_configured()))),
            Method::CallTool => self.call(params, change).await,
        }
    }

    async fn call(&self, mut params: Map<String, Value>, change: Option<Change>) -> Reply {
        let Some(Value::String(name)) = params.remove("name") else {
            return Err("invalid params".to_owned());
        };
        let tool = tools::find(&name, self.codegen.is_configured());
        let Some(tool) = tool else { return Err(format!("unknown tool {}", Value::from(name))) };
        let arguments = match params.remove("arguments") {
            None | Some(Value::Null) => Value::Object(Map::new()),
            Some(arguments) => arguments,
        };
        let outcome = self.work(tool, arguments, change).await;
        Ok(match outcome {
            Ok(output) => (output.result, Some(output.room)),
            Err(Failure(text)) => (failure(&text), None),
        })
    }

    async fn work(&self, tool: &Tool, arguments: Value, change: Option<Change>) -> Outcome {
        check_arguments(&tool.input, &arguments).map_err(Failure)?;
        let Value::Object(arguments) = arguments else { return Err(Failure(String::new())) };
        let room = Room::new(&self.held);
        let call = Call { mcp: self.clone(), arguments: Arguments(arguments), room, change };
        (tool.run)(call).await
    }
}

fn initialize(params: &Map<String, Value>) -> Vec<u8> {
    let wanted = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
    let version = VERSIONS.into_iter().find(|version| *version == wanted).unwrap_or(VERSION_OFFERED);
    format!(
        "{{\"capabilities\":{{\"logging\":{{}},\"tools\":{{\"listChanged\":true}}}},\"protocolVersion\":\"{version}\",\
         \"serverInfo\":{{\"name\":\"Sandbox API Server\",\"version\":\"1.0.0\"}}}}"
    )
    .into_bytes()
}

fn failure(text: &str) -> Vec<u8> {
    let mut out = b"{\"content\":[{\"type\":\"text\",\"text\":\"".to_vec();
    escape_into(&mut out, text);
    out.extend_from_slice(b"\"}],\"isError\":true}");
    out
}
