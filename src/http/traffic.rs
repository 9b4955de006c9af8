//! `Traffic`: what is counted of requests and their answers.
//!
//! Every route has its row from the beginning, by its pattern and never by a path, so that no client can make it grow. What no route took
//! has a row for each method. Counting is one look at a table and one addition.

use std::time::Duration;

use super::route_table::{RouteNumber, RouteTable};
use crate::metrics::{Counter, Histogram};

/// A command that is waited for may take a millisecond or an hour.
const EXEC_BOUNDS: [Duration; 16] = [
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

/// Statuses that are counted by themselves, ascending; what a server behind the daemon may answer besides is `other`.
const STATUSES: [(u16, &str); 35] = [
    (101, "101"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (206, "206"),
    (301, "301"),
    (302, "302"),
    (304, "304"),
    (307, "307"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (422, "422"),
    (426, "426"),
    (429, "429"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (505, "505"),
    (507, "507"),
];

/// Methods of requests that no route took; the last stands for all that there are besides.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other"];

/// The route of what no route took.
const NO_ROUTE: &str = "none";

/// The route of what is for a server behind a port.
const PORT_ROUTE: &str = "/port/{port}/{path}";

/// See the module.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Of the routes by their numbers, and behind them of `METHODS`: of what no route took, and of what is for ports.
    rows: Vec<Row>,
    routes: usize,
    /// From a `POST /process` that waits for the end to its answer.
    pub(crate) exec: Histogram,
    /// Bytes of requests' bodies that were read.
    pub(crate) received: Counter,
    /// Bytes of answers' bodies that were handed to connections.
    pub(crate) sent: Counter,
}

#[derive(Debug)]
struct Row {
    method: &'static str,
    route: String,
    /// Of `STATUSES`, and behind them of all others.
    answers: [Counter; STATUSES.len() + 1],
}

impl Row {
    fn new(method: &'static str, route: String) -> Self {
        Self { method, route, answers: std::array::from_fn(|_| Counter::default()) }
    }
}

/// Who took a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A route of the application.
    By(RouteNumber),
    /// It is for a server behind a port.
    ForPort,
    /// Nobody.
    Not,
}

/// So many requests of one kind were answered alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answers<'a> {
    pub(crate) method: &'static str,
    /// Its pattern, or `none`.
    pub(crate) route: &'a str,
    pub(crate) status: &'static str,
    pub(crate) count: u64,
}

impl Traffic {
    /// Nothing was answered yet.
    pub(crate) fn new(routes: &RouteTable) -> Self {
        let mut rows: Vec<_> =
            routes.all().map(|(method, route)| Row::new(METHODS[number(method.as_ref())], route)).collect();
        let routes = rows.len();
        for route in [NO_ROUTE, PORT_ROUTE] {
            rows.extend(METHODS.map(|method| Row::new(method, route.to_owned())));
        }
        Self {
            rows,
            routes,
            exec: Histogram::new(&EXEC_BOUNDS),
            received: Counter::default(),
            sent: Counter::default(),
        }
    }

    /// A request was answered with this status.
    pub(crate) fn count(&self, taken: Taken, method: &str, status: u16) {
        let row = match taken {
            Taken::By(RouteNumber(number)) => number,
            Taken::Not => self.routes + number(method),
            Taken::ForPort => self.routes + METHODS.len() + number(method),
        };
        let answer = STATUSES.binary_search_by_key(&status, |(known, _)| *known).unwrap_or(STATUSES.len());
        if let Some(row) = self.rows.get(row) {
            row.answers[answer].count();
        }
    }

    /// What was answered so far, in the order of the routes.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answers<'_>> {
        let names = || STATUSES.iter().map(|(_, name)| *name).chain(["other"]);
        let all = self.rows.iter().flat_map(move |row| {
            names().zip(&row.answers).map(|(status, count)| Answers {
                method: row.method,
                route: &row.route,
                status,
                count: count.get(),
            })
        });
        all.filter(|answers| answers.count > 0)
    }
}

/// A method's place in `METHODS`.
fn number(method: &str) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_never_by_path() {
        assert!(STATUSES.is_sorted());
        assert!(STATUSES.iter().all(|(status, name)| status.to_string() == *name));
        let routes = RouteTable::of(&[("GET", "/process/:id"), ("PUT", "/filesystem/:file")]);
        let traffic = Traffic::new(&routes);
        traffic.count(Taken::By(RouteNumber(0)), "GET", 200);
        traffic.count(Taken::By(RouteNumber(0)), "GET", 200);
        traffic.count(Taken::By(RouteNumber(1)), "PUT", 418);
        traffic.count(Taken::Not, "BREW", 404);
        traffic.count(Taken::Not, "GET", 301);
        traffic.count(Taken::By(RouteNumber(99)), "GET", 200);
        traffic.count(Taken::ForPort, "GET", 502);
        let lines: Vec<_> = traffic
            .answers()
            .map(|Answers { method, route, status, count }| format!("{method} {route} {status} {count}"))
            .collect();
        assert_eq!(
            lines,
            [
                "GET /process/{id} 200 2",
                "PUT /filesystem/{file} other 1",
                "GET none 301 1",
                "other none 404 1",
                "GET /port/{port}/{path} 502 1"
            ]
        );
    }
}
