//! What a server's host can do: asked before a case that would harm the machine where it cannot.

use serde_json::Value;

use crate::{
    client::{Connection, Deadline, Exchange, Request},
    fixture::Fixture,
    target::Target,
};

/// The answer may take this long: the server may try things out.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Why a case must not be run against this server, if so: it needs a limit that is not enforced there.
///
/// # Errors
/// A sentence when the server does not answer.
pub fn missing_limit(fixture: &Fixture, target: &Target) -> Result<Option<String>, String> {
    if fixture.needs_limits.is_empty() {
        return Ok(None);
    }
    let limits = capabilities(target)?;
    let held = |name: &str| {
        let limits = limits["limits"].as_array().into_iter().flatten();
        limits.clone().any(|limit| limit["name"] == name && limit["enforced"] == true)
    };
    let missing = fixture.needs_limits.iter().find(|name| !held(name));
    Ok(missing.map(|name| format!("the server cannot enforce the limit {name}")))
}

fn capabilities(target: &Target) -> Result<Value, String> {
    let request = Request {
        method: "GET".to_owned(),
        target: "/capabilities".to_owned(),
        headers: std::collections::BTreeMap::new(),
        body: None,
        pieces: None,
    };
    let deadline = Deadline::within(ANSWER_WITHIN);
    let mut connection = Connection::open(target, &deadline).map_err(|error| error.to_string())?;
    connection.write(&request.bytes(target.authority()), &deadline).map_err(|error| error.to_string())?;
    let mut exchange = Exchange::new(connection, "GET");
    while exchange.read_body("the answer", &deadline).map_err(|error| error.to_string())? {}
    // A server without this route enforces nothing that is known.
    Ok(serde_json::from_slice(&exchange.body).unwrap_or_default())
}
