//! `Route`: an operation's path as something that request targets fit or don't.

/// A method, and the segments of a path.
#[derive(Debug)]
pub(crate) struct Route {
    method: String,
    segments: Vec<Segment>,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Plain(String),
    /// One segment that is not empty.
    One,
    /// All that follows, slashes included, or nothing: the path of a file.
    Rest,
}

impl Route {
    /// `{x}` is one segment; at the end, when its name ends with `path`, it is everything.
    pub(crate) fn new(method: &str, template: &str) -> Self {
        let names: Vec<&str> = template.split('/').collect();
        let segments = names.iter().enumerate().map(|(at, name)| {
            match name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if at + 1 == names.len() && name.to_ascii_lowercase().ends_with("path") => {
                    Segment::Rest
                }
                Some(_) => Segment::One,
                None => Segment::Plain((*name).to_owned()),
            }
        });
        Self { method: method.to_owned(), segments: segments.collect() }
    }

    fn fits(&self, method: &str, path: &[&str]) -> bool {
        let rest = usize::from(self.segments.last() == Some(&Segment::Rest));
        let fixed = self.segments.len() - rest;
        let is_as_long = if rest == 1 { path.len() > fixed } else { path.len() == fixed };
        let mut pairs = self.segments.iter().zip(path);
        self.method == method
            && is_as_long
            && pairs.all(|(segment, given)| match segment {
                Segment::Plain(name) => name == given,
                Segment::One => !given.is_empty(),
                Segment::Rest => true,
            })
    }

    /// How much of it is said plainly, from the beginning.
    fn precision(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| matches!(segment, Segment::Plain(_))).collect()
    }
}

/// The place of the route that a request fits best.
pub(crate) fn find(routes: &[Route], method: &str, target: &str) -> Option<usize> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path: Vec<&str> = path.split('/').collect();
    let fitting = routes.iter().enumerate().filter(|(_, route)| route.fits(method, &path));
    fitting.max_by_key(|(_, route)| route.precision()).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_find_their_routes() {
        let templates = [
            "/",
            "/process",
            "/process/{id}",
            "/process/{id}/logs",
            "/filesystem/{path}",
            "/filesystem/tree/{path}",
            "/drives/mount/{mountPath}",
        ];
        let routes: Vec<_> = templates.iter().map(|template| Route::new("GET", template)).collect();
        #[track_caller]
        fn check(routes: &[Route], target: &str, expect: Option<usize>) {
            assert_eq!(find(routes, "GET", target), expect, "{target}");
        }
        check(&routes, "/", Some(0));
        check(&routes, "/process?a=/b", Some(1));
        check(&routes, "/process/{{name}}", Some(2));
        check(&routes, "/process/", None);
        check(&routes, "/process/a/b", None);
        check(&routes, "/process/a%2Fb/logs?x", Some(3));
        check(&routes, "/filesystem", None);
        check(&routes, "/filesystem/", Some(4));
        check(&routes, "/filesystem/{{dir}}/a//b", Some(4));
        check(&routes, "/filesystem/treefoo", Some(4));
        check(&routes, "/filesystem/tree/a", Some(5));
        check(&routes, "/drives/mount/mnt/x", Some(6));
        assert_eq!(find(&routes, "POST", "/process"), None);
    }
}
