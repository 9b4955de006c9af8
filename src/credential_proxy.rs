//! Outgoing requests of commands get the credentials of a proxy without seeing them.
//!
//! ```text
//! HTTP_PROXY=http://user:{{file(/run/token)}}@proxy:3128      as the daemon was started
//! HTTP_PROXY=http://localhost:49152                           what commands see
//! command ─> 127.0.0.1:49152 or [::1]:49152 (http/forward_proxy) ── Proxy-Authorization ─> proxy:3128
//! ```
//! A token that changes in its file is taken from there; commands that run long need not know. What is decided here is decided
//! once, before the first thread; the rest is HTTP's. Each worker makes it anew from the environment that the keeper was started
//! with, so there is no state to keep. Where there can be no proxy, commands are given the tokens themselves (`refresh`).

mod directive;
mod refresh;
mod token;

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::sys::environment;
use directive::{Directive, has_directive};
pub(crate) use refresh::Refresh;
pub(crate) use token::Upstream;

/// A proxy, of the value of a variable.
#[cfg(test)]
pub(crate) fn upstream(value: &str) -> Arc<Upstream> {
    Arc::new(Upstream::new(Directive::parse(value).expect("a test knows what it writes")))
}

/// Where the proxy listens when nothing else is said: the known server's.
const PORT: u16 = 49152;

/// The variables that may name a proxy, those for HTTPS first.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// What never goes to a proxy.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// The proxy of this host.
#[derive(Debug)]
pub(crate) struct CredentialProxy {
    /// Where `CONNECT` goes to.
    pub(crate) for_connect: Arc<Upstream>,
    /// Where plain requests go to.
    pub(crate) for_plain: Arc<Upstream>,
    /// Where it listens, not yet looked after.
    pub(crate) listeners: Vec<TcpListener>,
}

/// What came of it, to be told when there is somebody to tell it to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// No variable asks for it.
    Unwanted,
    /// It is there.
    Ready(CredentialProxy),
    /// It cannot be, for this reason; commands get the tokens themselves, which follow their files from now on.
    Resolved { why: String, refresh: Refresh },
}

/// Sets it up, and the variables that commands see. Only while the process has one thread.
pub(crate) fn set_up() -> Outcome {
    let read = |name: &str| std::env::var_os(name).filter(|value| has_directive(&value.to_string_lossy()));
    let wanted: Vec<(&'static str, String)> = VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, read(name)?.to_string_lossy().into_owned())))
        .collect();
    if wanted.is_empty() {
        return Outcome::Unwanted;
    }
    match begin(&wanted) {
        Ok(proxy) => Outcome::Ready(proxy),
        Err(why) => {
            let mut refresh = Refresh::new(&wanted);
            let (resolved, mut troubles) = refresh.look();
            troubles.extend(set(&resolved).err());
            let why = [why].into_iter().chain(troubles).collect::<Vec<_>>().join("; ");
            Outcome::Resolved { why, refresh }
        }
    }
}

fn begin(wanted: &[(&str, String)]) -> Result<CredentialProxy, String> {
    let mut upstreams = Vec::new();
    for (name, value) in wanted {
        let directive = Directive::parse(value).map_err(|why| format!("{name}: {why}"))?;
        upstreams.push((name.to_ascii_uppercase(), Arc::new(Upstream::new(directive))));
    }
    let named = |wanted: &str| upstreams.iter().find(|(name, _)| name == wanted).or(upstreams.first());
    let of = |name| named(name).map(|(_, upstream)| upstream.clone()).ok_or("no proxy is named");
    let port = match std::env::var("SANDBOX_LOCAL_PROXY_PORT") {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| format!("SANDBOX_LOCAL_PROXY_PORT is `{text}`, which is no port"))?
        }
        _ => PORT,
    };
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = bind(here).map_err(|error| format!("{here} cannot be listened on: {error}"))?;
    let port = listener.local_addr().map_or(port, |address| address.port());
    // A host without IPv6 does without.
    let too = bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).ok();
    let address = format!("http://localhost:{port}");
    let mut variables: Vec<(&str, OsString)> =
        wanted.iter().map(|(name, _)| (*name, address.clone().into())).collect();
    for name in ["NO_PROXY", "no_proxy"] {
        let given = std::env::var(name).or_else(|_| std::env::var("NO_PROXY"));
        variables.push((name, spare_local(&given.unwrap_or_default()).into()));
    }
    set(&variables)?;
    let listeners = [Some(listener), too].into_iter().flatten().collect();
    Ok(CredentialProxy { for_connect: of("HTTPS_PROXY")?, for_plain: of("HTTP_PROXY")?, listeners })
}

fn set(variables: &[(&str, OsString)]) -> Result<(), String> {
    let variables = variables.iter().map(|(name, value)| (OsStr::new(*name), value.as_os_str()));
    environment::set_before_threads(variables).map_err(|error| format!("variables cannot be set: {error}"))
}

/// A list of hosts that are not asked for through a proxy, with the local ones in it.
fn spare_local(list: &str) -> String {
    let mut hosts: Vec<&str> = list.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    for local in LOCAL {
        if !hosts.iter().any(|host| host.eq_ignore_ascii_case(local)) {
            hosts.push(local);
        }
    }
    hosts.join(",")
}

/// Listens beside another worker that is about to leave, but not beside another program.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_spared_once() {
        assert_eq!(spare_local(""), "localhost,127.0.0.1,::1");
        assert_eq!(spare_local("a.test, LOCALHOST,"), "a.test,LOCALHOST,127.0.0.1,::1");
    }
}
