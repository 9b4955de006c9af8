//! `Upstream`: the proxy beyond this host, and its token, which is in a file and may change there.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::directive::{Directive, split};

/// How long a token that was read is used without another look.
const FRESH: Duration = Duration::from_secs(1);

/// The longest token.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Upstream {
    directive: Directive,
    /// When it was read, and what. Held for a few lines, and while a small file is read.
    token: Mutex<Option<(Instant, String)>>,
}

impl Upstream {
    /// Of a directive. Nothing is read yet.
    pub(crate) fn new(directive: Directive) -> Self {
        Self { directive, token: Mutex::default() }
    }

    /// Where it is: a name or an address, and a port.
    pub(crate) fn address(&self) -> (&str, u16) {
        (&self.directive.host, self.directive.port)
    }

    /// The token that was read is as old as it may be.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The value of `Proxy-Authorization`. With `anew` the file is read whatever is remembered. Blocks as long as the file does.
    pub(crate) fn authorization(&self, anew: bool) -> Result<String, String> {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.as_ref().is_some_and(|(at, _)| at.elapsed() < FRESH);
        if anew || !is_fresh {
            *known = Some((Instant::now(), read(&self.directive.file)?));
        }
        let token = known.as_ref().map(|(_, token)| token.as_str()).unwrap_or_default();
        let login = match &self.directive.user {
            Some(user) => format!("{user}:{token}"),
            None => format!("{token}:"),
        };
        Ok(format!("Basic {}", STANDARD.encode(login)))
    }
}

/// A variable's value with the token in it, as it is now.
pub(super) fn resolved(value: &str) -> Result<String, String> {
    let (before, path, after) = split(value)?;
    let token = read(Path::new(path))?;
    Ok(format!("{before}{}{after}", utf8_percent_encode(&token, NON_ALPHANUMERIC)))
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let token = text.trim();
    if token.is_empty() { Err(failed(&"it is empty")) } else { Ok(token.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_when_it_is_old_or_was_refused() {
        let path = std::env::temp_dir().join(format!("boxd-token-{:x}", fastrand::u64(..)));
        std::fs::write(&path, "one\n").unwrap();
        let value = format!("http://me:{{{{file({})}}}}@h:1", path.display());
        let upstream = Upstream::new(Directive::parse(&value).unwrap());
        let basic = |login: &str| Ok(format!("Basic {}", STANDARD.encode(login)));
        assert_eq!(upstream.authorization(false), basic("me:one"));
        std::fs::write(&path, "t/w o").unwrap();
        assert_eq!(upstream.authorization(false), basic("me:one"));
        assert_eq!(upstream.authorization(true), basic("me:t/w o"));
        std::fs::write(&path, "three").unwrap();
        upstream.forget();
        assert_eq!(upstream.authorization(false), basic("me:three"));
        std::fs::write(&path, "t/w o").unwrap();
        assert_eq!(resolved(&value), Ok("http://me:t%2Fw%20o@h:1".to_owned()));
        std::fs::remove_file(&path).unwrap();
        assert!(upstream.authorization(true).unwrap_err().contains("cannot be read"));
    }
}
