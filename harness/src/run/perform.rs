//! Requests made from plans, and sent.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{ClientError, Connection, Deadline, Request},
    conversation::{Answer, Conversation},
    fixture::{Body, Plan},
    target::Target,
    variables::Variables,
};

/// Fills in a plan: the target's own headers first, the step's over them.
pub(super) fn request(plan: &Plan, target: &Target, variables: &Variables) -> Result<Request, String> {
    let mut headers = target.headers().clone();
    if matches!(plan.body, Body::Json(_)) {
        headers.insert("content-type".to_owned(), "application/json".to_owned());
    }
    for (name, value) in &plan.headers {
        headers.insert(name.to_lowercase(), variables.fill(value)?);
    }
    let pieces = match &plan.body {
        Body::Chunked(pieces) => Some(
            pieces
                .iter()
                .map(|piece| variables.fill(piece).map(|piece| piece.len()))
                .collect::<Result<_, _>>()?,
        ),
        _ => None,
    };
    let body = match (&plan.body, &variables.commands_run_in) {
        (Body::Json(start), Some(folder)) if plan.method == "POST" && plan.target == "/process" => {
            Body::Json(started_in(start, folder)).fill(variables)?
        }
        (body, _) => body.fill(variables)?,
    };
    Ok(Request {
        method: plan.method.clone(),
        target: format!("{}{}", target.prefix(), variables.fill(&plan.target)?),
        headers,
        body,
        pieces,
    })
}

/// A start in a folder, unless it names one itself: a case's files are where its commands look for them.
fn started_in(start: &Value, folder: &str) -> Value {
    let mut start = start.clone();
    if let Value::Object(fields) = &mut start
        && !fields.keys().any(|key| key.eq_ignore_ascii_case("workingDir"))
    {
        fields.insert("workingDir".to_owned(), folder.into());
    }
    start
}

/// Sends a request on a new connection and reads the whole answer.
pub(super) fn whole(request: &Request, target: &Target, within: Duration) -> Result<Answer, ClientError> {
    let deadline = Deadline::within(within);
    let connection = Connection::open(target, &deadline)?;
    let mut conversation = Conversation::begin(connection, request, target, &deadline)?;
    conversation.finish(&deadline)?;
    Ok(conversation.into_answer().0)
}

/// Sends many requests, `parallel` at a time, and gives their answers in no order that means anything.
pub(super) fn many(
    requests: &[Request],
    parallel: usize,
    target: &Target,
    within: Duration,
) -> Vec<Result<Answer, ClientError>> {
    let share = requests.len().div_ceil(parallel);
    thread::scope(|scope| {
        let workers: Vec<_> = requests
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    share.iter().map(|request| whole(request, target, within)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker has no way to panic but a bug of the harness"))
            .collect()
    })
}

/// A port nobody listens on, outside the range from which the kernel gives ports to connections.
pub(super) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or_default();
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}
