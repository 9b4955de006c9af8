//! Audit lines: who did what to commands and terminals, for a platform whose gateway says who asks.
//!
//! The names are the known server's. A request without a subject has no line: then nobody has authenticated it, and the request log
//! says the rest.

use tide::Request;

use super::context::Context;
use super::request::header;

/// Bytes of a text of the client's in a line.
const TEXT_BYTES_MAX: usize = 1024;

/// Who asks, as the gateway says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    id: String,
    kind: String,
    auth_method: String,
    request_id: String,
}

impl Subject {
    /// The subject of a request, if the gateway names one.
    pub(crate) fn of(request: &Request<Context>) -> Option<Self> {
        Self::read(|name| header(request, name))
    }

    fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let one_of =
            |name, other| header(name).or_else(|| header(other)).filter(|text| !text.is_empty()).map(cut);
        let text = |name| header(name).map(cut).unwrap_or_default();
        Some(Self {
            id: one_of("x-blaxel-subject-id", "x-subject-id")?,
            kind: one_of("x-blaxel-subject-type", "x-subject-type").unwrap_or_default(),
            auth_method: text("x-blaxel-auth-method"),
            request_id: text("x-request-id"),
        })
    }

    /// Writes the line. `what` is said of the deed, such as `command="ls"`.
    pub(crate) fn did(&self, action: &'static str, what: &str) {
        let Self { id, kind, auth_method, request_id } = self;
        tracing::info!(
            source = "audit",
            action,
            "sub-id" = id,
            "sub-type" = kind,
            "auth-method" = auth_method,
            rid = request_id,
            "type={action} sub-id={id} rid={request_id} {what}"
        );
    }

    /// The same for a command that was started.
    pub(crate) fn started(&self, is_streamed: bool, command: &str, folder: &str, stdin: bool) {
        let action = if is_streamed { "process_exec_stream" } else { "process_exec" };
        let what = format!("command={:?} working-dir={:?} stdin={stdin}", cut(command), cut(folder));
        self.did(action, &what);
    }

    /// The same for so many bytes that a process was given.
    pub(crate) fn wrote(&self, identifier: &str, bytes: usize) {
        self.did("process_stdin_write", &format!("identifier={:?} bytes={bytes}", cut(identifier)));
    }

    /// The same for a process that was looked at or ended.
    pub(crate) fn touched(&self, action: &'static str, identifier: &str) {
        self.did(action, &format!("identifier={:?}", cut(identifier)));
    }
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_who_the_gateway_says() {
        let read = |headers: &[(&str, &'static str)]| {
            Subject::read(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
        };
        assert_eq!(read(&[("x-request-id", "1")]), None);
        assert_eq!(read(&[("x-subject-id", "")]), None);
        let subject =
            read(&[("x-subject-id", "old"), ("x-blaxel-subject-id", "me"), ("x-request-id", "1")]).unwrap();
        assert_eq!(
            (subject.id.as_str(), subject.request_id.as_str(), subject.kind.as_str()),
            ("me", "1", "")
        );
        assert_eq!(cut(&"ä".repeat(1000)).len(), 1024);
        assert_eq!(cut(&format!("x{}", "ä".repeat(1000))).len(), 1023);
    }
}
