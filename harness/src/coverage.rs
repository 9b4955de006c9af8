//! Coverage: which operations, statuses and media types of an OpenAPI document the cases reach.
//!
//! No server is asked: the fixtures say what is sent, and their snapshots what came back.

mod document;
mod reached;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;

pub use self::document::Document;
use self::{document::Operation, reached::Reached};
pub(crate) use self::{
    document::plain,
    route::{Route, find as find_route},
};

/// The document of boxd itself, as it was when the harness was built.
pub const OWN: &str = include_str!("../openapi/boxd.json");

/// What the cases reach of a document.
#[derive(Debug)]
pub struct Coverage {
    rows: Vec<Row>,
}

/// One operation.
#[derive(Debug)]
struct Row {
    operation: Operation,
    /// Status → media types that came with it; an answer without a body has the media type "".
    reached: BTreeMap<String, BTreeSet<String>>,
}

impl Coverage {
    /// Looks through all cases.
    pub fn of(document: Document, book: &Book) -> Self {
        let routes: Vec<_> = document
            .operations
            .iter()
            .map(|operation| Route::new(&operation.method, &operation.path))
            .collect();
        let mut rows: Vec<_> = document
            .operations
            .into_iter()
            .map(|operation| Row { operation, reached: BTreeMap::new() })
            .collect();
        for Reached { method, target, status, media_type } in book.cases.iter().flat_map(reached::reached) {
            if let Some(at) = route::find(&routes, &method, &target) {
                rows[at].reached.entry(status).or_default().insert(media_type);
            }
        }
        Self { rows }
    }

    /// Operations that no case asks for.
    pub fn without_a_case(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.reached.is_empty()).map(|row| row.operation.name()).collect()
    }

    /// Statuses, and media types of statuses, that the document promises and no case has seen.
    pub fn unseen(&self) -> Vec<String> {
        let of = |row: &Row| {
            let name = row.operation.name();
            row.unseen().into_iter().map(move |answer| format!("{name} {answer}"))
        };
        self.rows.iter().flat_map(of).collect()
    }

    /// The table, line by line, and a line that sums it up.
    pub fn lines(&self) -> Vec<String> {
        let columns = self
            .rows
            .iter()
            .map(|row| [row.operation.name(), row.seen(), row.unseen().join(" "), row.beside()]);
        let head = ["operation", "reached", "not reached", "beside the document"].map(str::to_owned);
        let table: Vec<[String; 4]> = std::iter::once(head).chain(columns).collect();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let mut lines: Vec<String> = table
            .iter()
            .map(|[a, b, c, d]| {
                let [x, y, z] = widths;
                format!("{a:x$}  {b:y$}  {c:z$}  {d}").trim_end().to_owned()
            })
            .collect();
        let promised: usize = self.rows.iter().map(|row| row.operation.statuses.len()).sum();
        let is_seen = |row: &Row, status: &String| row.reached.contains_key(status);
        let seen = |row: &Row| row.operation.statuses.keys().filter(|status| is_seen(row, status)).count();
        lines.push(format!(
            "{} operations, {} without a case; {} of {promised} statuses reached",
            self.rows.len(),
            self.without_a_case().len(),
            self.rows.iter().map(seen).sum::<usize>(),
        ));
        lines
    }
}

impl Row {
    /// Promised statuses that came.
    fn seen(&self) -> String {
        let seen = self.operation.statuses.keys().filter(|status| self.reached.contains_key(*status));
        seen.cloned().collect::<Vec<_>>().join(" ")
    }

    /// Promised statuses that never came, and promised media types of those that did: `200(text/csv)`.
    fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for (status, media_types) in &self.operation.statuses {
            let Some(reached) = self.reached.get(status) else {
                unseen.push(status.clone());
                continue;
            };
            let came = |wanted: &String| wanted == "*/*" || reached.contains(wanted);
            let missing = media_types.iter().filter(|wanted| !came(wanted));
            unseen.extend(missing.map(|media_type| format!("{status}({media_type})")));
        }
        unseen
    }

    /// Statuses that came and are not promised: who is turned away, say.
    fn beside(&self) -> String {
        let beside = self.reached.keys().filter(|status| !self.operation.statuses.contains_key(*status));
        beside.cloned().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Case;

    const DOCUMENT: &str = r##"{"paths": {
        "/process": {
            "get": {"responses": {"200": {"content": {"application/json": {}}}}},
            "post": {"responses": {
                "200": {"content": {"application/json": {}, "text/event-stream": {}}},
                "400": {"content": {"application/json": {}}},
                "503": {"description": "none"}
            }}
        },
        "/process/{id}": {"get": {"responses": {"200": {}, "404": {"$ref": "#/components/responses/Missing"}}}}
    }}"##;

    fn coverage() -> Coverage {
        let fixture = "why = \"x.\"\nsource = \"spec\"\n[[step]]\nsend = \"POST /process\"\n[[step]]\nsend = \"POST /process\"\n\
                       [[step]]\nsend = \"GET /process/{{name}}?x=1\"\n";
        let snapshot = "## 1 [spec] POST /process\n> {}\n< 400 content-type: application/json; charset=utf-8\n{}\n\n\
                        ## 2 [spec] POST /process\n< 200 content-type: text/event-stream\n\n\
                        ## 3 [spec] GET /process/{{name}}?x=1\n< 401 content-type: application/json\n";
        let case = Case::new("a/b_c", fixture.to_owned(), Some(snapshot)).unwrap();
        Coverage::of(Document::parse(DOCUMENT).unwrap(), &Book { cases: vec![case] })
    }

    #[test]
    fn what_no_case_reaches_is_listed() {
        let coverage = coverage();
        assert_eq!(coverage.without_a_case(), ["GET /process"]);
        assert_eq!(
            coverage.unseen(),
            [
                "GET /process 200",
                "POST /process 200(application/json)",
                "POST /process 503",
                "GET /process/{id} 200",
                "GET /process/{id} 404"
            ]
        );
        assert_eq!(
            coverage.lines(),
            [
                "operation          reached  not reached                beside the document",
                "GET /process                200",
                "POST /process      200 400  200(application/json) 503",
                "GET /process/{id}           200 404                    401",
                "3 operations, 1 without a case; 2 of 6 statuses reached",
            ]
        );
    }

    #[test]
    fn boxds_own_document_can_be_read() {
        let document = Document::parse(OWN).unwrap();
        assert!(document.operations.iter().any(|operation| operation.name() == "POST /process"));
    }
}
