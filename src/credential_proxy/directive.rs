//! `Directive`: a proxy's URL in which one part of the login stands in a file. Pure.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

const BEGIN: &str = "{{file(";
const END: &str = ")}}";

/// Whether a value has a directive in it, a broken one included.
pub(super) fn has_directive(value: &str) -> bool {
    value.contains(BEGIN)
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// Where the token is.
    pub(super) file: PathBuf,
    /// The user whose password the token is; `None` when it is the user itself.
    pub(super) user: Option<String>,
    /// The proxy.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Directive {
    /// Reads a variable's value.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let (before, path, after) = split(value)?;
        let login = before.strip_prefix("http://").ok_or("only proxies of http:// are spoken to")?;
        let user = match login.strip_suffix(':') {
            Some(user) if !user.contains([':', '@', '/']) => {
                Some(percent_decode_str(user).decode_utf8_lossy().into_owned())
            }
            None if login.is_empty() => None,
            _ => return Err("{{file(…)}} stands for a whole user or password only".to_owned()),
        };
        let behind = if user.is_none() { after.strip_prefix(':').unwrap_or(after) } else { after };
        let authority =
            behind.strip_prefix('@').ok_or("{{file(…)}} stands for a whole user or password only")?;
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) =
            host_and_port(authority).ok_or_else(|| format!("`{authority}` is no host and port"))?;
        Ok(Self { file: path.into(), user, host, port })
    }
}

/// What stands before the directive, the path in it, and what stands behind it.
pub(super) fn split(value: &str) -> Result<(&str, &str, &str), String> {
    let (before, rest) = value.split_once(BEGIN).ok_or("there is no {{file(…)}} in it")?;
    let (path, after) = rest.split_once(END).ok_or("its {{file(…)}} has no end")?;
    if has_directive(after) {
        return Err("there is more than one {{file(…)}} in it".to_owned());
    }
    if !path.starts_with('/') {
        return Err(format!("the path `{path}` is not absolute"));
    }
    Ok((before, path, after))
}

/// `host`, `host:port`, `[address]:port`; a port that is not named is 80.
fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("80"))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_token_is_a_password_or_a_user() {
        #[track_caller]
        fn check(value: &str, user: Option<&str>, host: &str, port: u16) {
            let read = Directive::parse(value).unwrap();
            assert_eq!(read.file.to_str(), Some("/run/token"));
            assert_eq!((read.user.as_deref(), read.host.as_str(), read.port), (user, host, port));
        }
        check("http://me:{{file(/run/token)}}@proxy.test:3128", Some("me"), "proxy.test", 3128);
        check("http://m%40e:{{file(/run/token)}}@proxy.test/", Some("m@e"), "proxy.test", 80);
        check("http://{{file(/run/token)}}@[::1]:3128", None, "::1", 3128);
        check("http://{{file(/run/token)}}:@[::1]", None, "::1", 80);
        check("http://:{{file(/run/token)}}@h", Some(""), "h", 80);
    }

    #[test]
    fn anything_else_is_none() {
        for bad in [
            "http://proxy.test",
            "http://me:{{file(/t)}}@{{file(/t)}}:1",
            "http://me:{{file(t)}}@h",
            "http://me:{{file(/t)}@h",
            "https://me:{{file(/t)}}@h",
            "http://me:x{{file(/t)}}@h",
            "http://me:{{file(/t)}}x@h",
            "http://me:{{file(/t)}}",
            "http://me:{{file(/t)}}@",
            "http://me:{{file(/t)}}@h:0",
            "http://me:{{file(/t)}}@h:99999",
            "http://{{file(/t)}}",
        ] {
            assert!(Directive::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(value in "(http://|\\{\\{file\\(|\\)\\}\\}|/t|[@:/?#%a-z0-9é]){0,14}") {
            if let Ok(directive) = Directive::parse(&value) {
                prop_assert!(directive.file.is_absolute() && !directive.host.is_empty());
            }
        }
    }
}
