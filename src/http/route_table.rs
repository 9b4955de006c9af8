//! `RouteTable`: every route in one list, so that what is *not* a route can be answered like the known server does.
//!
//! An unknown path and a known path with another method are both `404 page not found` in plain text, by which clients tell
//! an old server from a missing process. A path that is a route but for its last slash is redirected.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_lite::FutureExt;
use tide::http::Method;

use super::context::Context;
use super::refusal::Refusal;
use super::respond;

/// The segment of a pattern that stands for the path of a file.
const FILE: &str = ":file";

/// The routes of the application.
#[derive(Debug, Default, Clone)]
pub(crate) struct RouteTable {
    routes: Vec<(Method, Vec<&'static str>)>,
}

/// A route's place in the table, beside the answer of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteNumber(pub(crate) usize);

/// What to do with a request that no route took.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Send the client to this path.
    Redirect(String),
    /// There is nothing.
    NotFound,
}

impl RouteTable {
    /// Registers an endpoint.
    pub(crate) fn route<F, Fut>(
        &mut self,
        app: &mut tide::Server<Context>,
        method: Method,
        pattern: &'static str,
        endpoint: F,
    ) where
        F: Fn(tide::Request<Context>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<tide::Response, Refusal>> + Send + 'static,
    {
        let number = RouteNumber(self.routes.len());
        self.routes.push((method, pattern.split('/').collect()));
        app.at(pattern).method(method, move |request: tide::Request<Context>| {
            let endpoint = endpoint.clone();
            async move {
                // Here, so that the answer is that of a route.
                let answer = AssertUnwindSafe(endpoint(request)).catch_unwind().await;
                let answer = answer.unwrap_or(Err(Refusal::Panic));
                let mut response = answer.unwrap_or_else(|refusal| respond::refusal(&refusal));
                response.insert_ext(number);
                Ok(response)
            }
        });
    }

    /// The method and the pattern of each route by its number, parameters in braces.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Method, String)> {
        self.routes.iter().map(|(method, pattern)| {
            let segments = pattern.iter().map(|segment| match segment.strip_prefix(':') {
                Some(name) => format!("{{{name}}}"),
                None => (*segment).to_owned(),
            });
            (*method, segments.collect::<Vec<_>>().join("/"))
        })
    }

    /// A table without endpoints.
    #[cfg(test)]
    pub(crate) fn of(routes: &[(&str, &'static str)]) -> Self {
        let routes = routes
            .iter()
            .map(|(method, pattern)| (method.parse().expect("a method"), pattern.split('/').collect()));
        Self { routes: routes.collect() }
    }

    /// Closes HEAD to the GET routes that have none of their own: the router would answer it like GET.
    pub(crate) fn close_head(&self, app: &mut tide::Server<Context>) {
        let has_head =
            |pattern: &Vec<&str>| self.routes.iter().any(|(m, p)| *m == Method::Head && p == pattern);
        for (_, pattern) in self.routes.iter().filter(|(m, p)| *m == Method::Get && !has_head(p)) {
            // An answer that is not marked as ours is one of no route.
            app.at(&pattern.join("/")).head(|_| async { Ok(tide::Response::new(404)) });
        }
    }

    /// What to answer to a request that no route took.
    pub(crate) fn fallback(&self, method: Method, path: &str, query: Option<&str>) -> Fallback {
        let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
        // Of all routes that take the path of a file, these are nothing without their slash.
        let needs_slash = matches!(other.as_str(), "/filesystem/" | "/filesystem-multipart/initiate/");
        // A page of the known server's, and not a folder.
        let is_page = other == "/swagger";
        if other.is_empty() || needs_slash || is_page || !self.has(method, &other) {
            return Fallback::NotFound;
        }
        Fallback::Redirect(query.map_or_else(|| other.clone(), |query| format!("{other}?{query}")))
    }

    fn has(&self, method: Method, path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &[&str]| {
            pattern.len() == segments.len()
                && pattern.iter().zip(&segments).all(|(p, s)| match *p {
                    // The path of a file may be nothing.
                    FILE => true,
                    p if p.starts_with(':') => !s.is_empty(),
                    p => p == *s,
                })
        };
        self.routes.iter().any(|(m, pattern)| *m == method && fits(pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slash_too_many_is_redirected() {
        let routes = RouteTable::of(&[("GET", "/process"), ("POST", "/process"), ("DELETE", "/process/:id")]);
        #[track_caller]
        fn check(routes: &RouteTable, method: Method, path: &str, expect: Option<&str>) {
            let expect = expect.map_or(Fallback::NotFound, |to| Fallback::Redirect(to.to_owned()));
            assert_eq!(routes.fallback(method, path, None), expect, "{method} {path}");
        }
        check(&routes, Method::Get, "/process/", Some("/process"));
        check(&routes, Method::Post, "/process/", Some("/process"));
        check(&routes, Method::Put, "/process/", None);
        check(&routes, Method::Delete, "/process/x/", Some("/process/x"));
        check(&routes, Method::Get, "/nope/", None);
        check(&routes, Method::Get, "/", None);
        check(&routes, Method::Get, "//process", None);
        assert_eq!(
            routes.fallback(Method::Get, "/process/", Some("a=1")),
            Fallback::Redirect("/process?a=1".to_owned())
        );
    }
}
