//! The forward proxy over sockets, before a stand-in for the proxy beyond.

use std::io::{Read, Write};
use std::net::Shutdown as Half;
use std::sync::mpsc;

use super::*;
use crate::credential_proxy::upstream;

/// A proxy beyond that lets in who has the password, says what it was asked, and answers `CONNECT` by saying everything back.
fn beyond(password: &'static str) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (teller, asks) = mpsc::channel();
    let login = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{password}"));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if socket.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let is_known = head.contains(&format!("proxy-authorization: Basic {login}\r\n"));
            let is_tunnel = head.starts_with("CONNECT ");
            teller.send(head).unwrap();
            let answer: &[u8] = match (is_known, is_tunnel) {
                (false, _) => b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n",
                (true, true) => b"HTTP/1.1 200 OK\r\n\r\n",
                (true, false) => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfar!",
            };
            socket.write_all(answer).unwrap();
            if is_known && is_tunnel {
                let mut said = Vec::new();
                socket.read_to_end(&mut said).unwrap();
                socket.write_all(&said).unwrap();
            }
        }
    });
    (port, asks)
}

/// A proxy of ours before it, whose token is in a file.
fn ours(port: u16, token: &std::path::Path) -> (SocketAddr, Arc<Shutdown>, Arc<Upstream>) {
    let beyond = upstream(&format!("http://me:{{{{file({})}}}}@127.0.0.1:{port}", token.display()));
    let listener = credential_proxy::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy =
        CredentialProxy { for_connect: beyond.clone(), for_plain: beyond.clone(), listeners: vec![listener] };
    let shutdown = Arc::new(Shutdown::default());
    ForwardProxy::begin(proxy, Runtime::start(1).unwrap(), Seats::new(1), shutdown.clone(), Arc::default());
    (address, shutdown, beyond)
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    // Nothing here waits for ever.
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn token_file() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("boxd-forward-{:x}", fastrand::u64(..)))
}

const PLAIN: &str = "GET http://far.test/a?b HTTP/1.1\r\nHost: far.test\r\nProxy-Authorization: Basic x\r\nConnection: close\r\n\r\n";

#[test]
fn requests_get_the_login_and_a_refused_token_is_read_again() {
    let (port, asks) = beyond("new");
    let token = token_file();
    std::fs::write(&token, "new\n").unwrap();
    let (address, shutdown, upstream) = ours(port, &token);
    assert!(ask(address, PLAIN).ends_with("far!"));
    let head = asks.recv().unwrap();
    assert!(head.starts_with("GET http://far.test/a?b HTTP/1.1\r\n"), "{head}");
    assert_eq!(head.matches("proxy-authorization").count(), 1, "{head}");
    let upload = "POST http://far.test/ HTTP/1.1\r\nHost: far.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab";
    std::fs::write(&token, "old").unwrap();
    upstream.forget();
    assert!(ask(address, upload).starts_with("HTTP/1.1 407 "), "a body is not sent twice");
    std::fs::write(&token, "new").unwrap();
    assert!(ask(address, PLAIN).ends_with("far!"), "the old token is remembered, and refused");
    assert_eq!(asks.try_iter().count(), 3);
    std::fs::remove_file(&token).unwrap();
    shutdown.begin();
}

#[test]
fn a_tunnel_is_bytes_both_ways() {
    let (port, asks) = beyond("new");
    let token = token_file();
    std::fs::write(&token, "new").unwrap();
    let (address, shutdown, _) = ours(port, &token);
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\nearly").unwrap();
    socket.write_all(b" late").unwrap();
    let mut head = [0; 15];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    socket.shutdown(Half::Write).unwrap();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("\r\n\r\nearly late"), "{rest}");
    assert!(asks.recv().unwrap().starts_with("CONNECT far.test:443 HTTP/1.1\r\n"));
    std::fs::remove_file(&token).unwrap();
    shutdown.begin();
}

#[test]
fn what_cannot_be_passed_on_is_told() {
    let token = token_file();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (address, shutdown, _) = ours(nobody, &token);
    let no_uri = ask(address, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(no_uri.starts_with("HTTP/1.1 400 ") && no_uri.ends_with("sandbox proxy: absolute URI required"));
    let no_token = ask(address, PLAIN);
    assert!(
        no_token.starts_with("HTTP/1.1 502 ") && no_token.contains("\r\n\r\nsandbox proxy: "),
        "{no_token}"
    );
    std::fs::write(&token, "t").unwrap();
    assert!(ask(address, PLAIN).contains("cannot be reached"));
    let body = "x".repeat(3_000_000);
    let upload =
        format!("POST http://far.test/ HTTP/1.1\r\nHost: far.test\r\nContent-Length: 3000000\r\n\r\n{body}");
    let refused = ask(address, &upload);
    assert!(
        refused.contains("\r\nconnection: close\r\n") && refused.contains("cannot be reached"),
        "{refused}"
    );
    std::fs::remove_file(&token).unwrap();
    shutdown.begin();
}
