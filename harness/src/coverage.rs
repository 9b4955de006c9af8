//! Coverage: which operations, statuses and media types of an OpenAPI document the cases reach.
//!
//! No server is asked: the fixtures say what is sent, and their snapshots what came back.

mod document;
mod never;
mod reached;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;

pub use self::document::Document;
use self::{document::Operation, never::Never, reached::Reached};
pub(crate) use self::{
    document::plain,
    route::{Route, find as find_route},
};

/// The document of boxd itself, as it was when the harness was built.
pub const OWN: &str = include_str!("../openapi/boxd.json");

/// Answers that other documents promise and boxd never gives, with the reasons.
const NEVER: &str = include_str!("../openapi/never.toml");

/// What the cases reach of a document.
#[derive(Debug)]
pub struct Coverage {
    rows: Vec<Row>,
    never: Never,
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
    ///
    /// # Errors
    /// A sentence when the file of answers that are never given is malformed.
    pub fn of(document: Document, book: &Book) -> Result<Self, String> {
        let never = Never::parse(NEVER).map_err(|error| format!("never.toml: {error}"))?;
        Ok(Self::with(document, book, never))
    }

    fn with(document: Document, book: &Book, never: Never) -> Self {
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
        Self { rows, never }
    }

    /// Operations that no case asks for.
    pub fn without_a_case(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.reached.is_empty()).map(|row| row.operation.name()).collect()
    }

    /// Statuses, and media types of statuses, that the document promises and no case has seen, without those that are never given.
    pub fn unseen(&self) -> Vec<String> {
        let of = |row: &Row| {
            let name = row.operation.name();
            row.unseen(&self.never).into_iter().map(move |answer| format!("{name} {answer}"))
        };
        self.rows.iter().flat_map(of).collect()
    }

    /// What the document promises and is never given: operation, answer, reason.
    pub fn never_given(&self) -> Vec<[String; 3]> {
        let of = |row: &Row| {
            let name = row.operation.name();
            let promised = row.unseen(&Never::default()).into_iter();
            promised.filter_map(move |answer| {
                let why = self.never.why(&name, &answer)?.to_owned();
                Some([name.clone(), answer, why])
            })
        };
        self.rows.iter().flat_map(of).collect()
    }

    /// What is stated to be never given, and a case has seen.
    pub fn given_after_all(&self) -> Vec<String> {
        let is_given = |(operation, answer): &(&str, &str)| {
            let row = self.rows.iter().find(|row| row.operation.name() == *operation);
            row.is_some_and(|row| row.has_seen(answer))
        };
        let answers = self.never.answers().filter(is_given);
        answers.map(|(operation, answer)| format!("{operation} {answer}")).collect()
    }

    /// The table, line by line, and a line that sums it up.
    pub fn lines(&self) -> Vec<String> {
        let columns = self
            .rows
            .iter()
            .map(|row| [row.operation.name(), row.seen(), row.unseen(&self.never).join(" "), row.beside()]);
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
        let never = self.never_given();
        let never_statuses = never.iter().filter(|[_, answer, _]| !answer.contains('(')).count();
        lines.push(format!(
            "{} operations, {} without a case; {} of {promised} statuses reached{}",
            self.rows.len(),
            self.without_a_case().len(),
            self.rows.iter().map(seen).sum::<usize>(),
            if never_statuses > 0 { format!(", {never_statuses} never given") } else { String::new() },
        ));
        lines.extend(
            never.iter().map(|[operation, answer, why]| format!("never: {operation} {answer}: {why}")),
        );
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
    fn unseen(&self, never: &Never) -> Vec<String> {
        let name = self.operation.name();
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
        unseen.retain(|answer| never.why(&name, answer).is_none());
        unseen
    }

    /// Whether an answer, `404` or `404(text/plain)`, came.
    fn has_seen(&self, answer: &str) -> bool {
        match answer.strip_suffix(')').and_then(|answer| answer.split_once('(')) {
            None => self.reached.contains_key(answer),
            Some((status, media_type)) => {
                self.reached.get(status).is_some_and(|media_types| media_types.contains(media_type))
            }
        }
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

    fn case() -> Case {
        let fixture = "why = \"x.\"\nsource = \"spec\"\n[[step]]\nsend = \"POST /process\"\n[[step]]\nsend = \"POST /process\"\n\
                       [[step]]\nsend = \"GET /process/{{name}}?x=1\"\n";
        let snapshot = "## 1 [spec] POST /process\n> {}\n< 400 content-type: application/json; charset=utf-8\n{}\n\n\
                        ## 2 [spec] POST /process\n< 200 content-type: text/event-stream\n\n\
                        ## 3 [spec] GET /process/{{name}}?x=1\n< 401 content-type: application/json\n";
        Case::new("a/b_c", fixture.to_owned(), Some(snapshot)).unwrap()
    }

    fn with(case: Case, never: &str) -> Coverage {
        Coverage::with(
            Document::parse(DOCUMENT).unwrap(),
            &Book { cases: vec![case] },
            Never::parse(never).unwrap(),
        )
    }

    #[test]
    fn what_no_case_reaches_is_listed() {
        let coverage = with(case(), "");
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
    fn what_is_never_given_is_told_apart() {
        let never = "[[never]]\noperations = [\"POST /process\"]\nanswers = [\"503\", \"400\", \"200(application/json)\"]\nwhy = \"so\"\n";
        let coverage = with(case(), never);
        assert_eq!(coverage.unseen(), ["GET /process 200", "GET /process/{id} 200", "GET /process/{id} 404"]);
        let never =
            ["200(application/json)", "503"].map(|answer| ["POST /process", answer, "so"].map(str::to_owned));
        assert_eq!(coverage.never_given(), never);
        assert_eq!(coverage.given_after_all(), ["POST /process 400"]);
        let lines = coverage.lines();
        assert_eq!(lines[4], "3 operations, 1 without a case; 2 of 6 statuses reached, 1 never given");
        assert_eq!(lines[6], "never: POST /process 503: so");
    }

    #[test]
    fn boxds_own_document_is_reached_and_nothing_of_it_is_never_given() {
        let document = Document::parse(OWN).unwrap();
        assert!(document.operations.iter().any(|operation| operation.name() == "POST /process"));
        let coverage = Coverage::of(document, &Book::embedded().unwrap()).unwrap();
        assert!(coverage.never_given().is_empty(), "{:?}", coverage.never_given());
        assert_eq!(coverage.given_after_all(), [""; 0]);
        assert_eq!(coverage.unseen(), [""; 0]);
        for (operation, answer) in coverage.never.answers() {
            let row = coverage.rows.iter().find(|row| row.operation.name() == operation);
            let row = row.unwrap_or_else(|| panic!("{operation} is no operation"));
            let (status, media_type) = answer.split_once('(').unwrap_or((answer, ""));
            let promised = row.operation.statuses.get(status);
            let is_promised = promised.is_some_and(|types| {
                media_type.is_empty() || types.contains(media_type.trim_end_matches(')'))
            });
            assert!(!is_promised, "{operation} {answer}");
        }
    }
}
