//! The server under test: all that the harness ever knows of one is this.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::{place, wire_log::WireLog};

/// A server by its URL, and headers that go with every request to it.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port` as it stands in the URL; also the `Host` header.
    authority: String,
    /// The path of the URL without its final slash, put before every request target.
    prefix: String,
    headers: BTreeMap<String, String>,
    /// Where what goes over the wire is noted.
    log: Option<WireLog>,
    /// The process in whose network it is; `None` for our own.
    network_of: Option<i32>,
}

impl Target {
    /// Reads `http://host[:port][/prefix]`.
    ///
    /// # Errors
    /// A sentence for the person who typed the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(format!("`{url}` is no http:// URL; the harness speaks plain HTTP/1.1 only"));
        };
        let (authority, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.is_empty() || authority.contains(['@', '?', '#']) || prefix.contains(['?', '#']) {
            return Err(format!("`{url}` isn't of the form http://host:port/prefix"));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
        });
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self {
            authority,
            prefix: prefix.trim_end_matches('/').to_owned(),
            headers: BTreeMap::new(),
            log: None,
            network_of: None,
        })
    }

    /// Adds a header, given as `Name: value`, to every request.
    ///
    /// # Errors
    /// A sentence when there is no colon.
    pub fn add_header(&mut self, line: &str) -> Result<(), String> {
        let Some((name, value)) = line.split_once(':') else {
            return Err(format!("`{line}` is no header: it takes a name, a colon and a value"));
        };
        self.headers.insert(name.trim().to_lowercase(), value.trim().to_owned());
        Ok(())
    }

    /// The same server, with everything that goes over the wire noted.
    #[must_use]
    pub fn logged(&self, log: &WireLog) -> Self {
        Self { log: Some(log.clone()), ..self.clone() }
    }

    /// The same server, in the network of a process.
    #[must_use]
    pub(crate) fn in_network_of(&self, pid: i32) -> Self {
        Self { network_of: Some(pid), ..self.clone() }
    }

    /// Connects to one of its addresses.
    pub(crate) fn connect(&self, address: SocketAddr, within: Duration) -> std::io::Result<TcpStream> {
        match self.network_of {
            None => TcpStream::connect_timeout(&address, within),
            Some(pid) => place::connect(pid, address, within),
        }
    }

    pub(crate) fn log(&self) -> Option<&WireLog> {
        self.log.as_ref()
    }

    /// The URL, as the person who calls the harness has typed it, more or less.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.prefix)
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    pub(crate) fn port(&self) -> &str {
        self.authority.rsplit_once(':').map_or("80", |(_, port)| port)
    }

    /// The addresses the name stands for, in the resolver's order.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(self.authority.to_socket_addrs()?.collect())
    }
}

/// `host:port`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        #[track_caller]
        fn check(url: &str, expected: Option<(&str, &str)>) {
            let target = Target::parse(url).ok();
            let parts = target.as_ref().map(|target| (target.authority(), target.prefix()));
            assert_eq!(parts, expected);
        }
        check("http://127.0.0.1:8080", Some(("127.0.0.1:8080", "")));
        check("http://box/", Some(("box:80", "")));
        check("http://[::1]:9/sandbox/", Some(("[::1]:9", "/sandbox")));
        check("http://[::1]", Some(("[::1]:80", "")));
        check("https://box", None);
        check("box:80", None);
        check("http://box?x", None);
    }
}
