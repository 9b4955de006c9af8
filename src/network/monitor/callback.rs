//! One call of a callback.
//!
//! The time and the bytes of a call are bounded, a redirect is not followed, and of the answer only the status is read: whoever
//! is called can do no more than be told, or not.

use std::time::Duration;

use serde::Serialize;

use crate::own_calls;

/// A call may take so long, looking its host up included.
const CALL_MAX: Duration = Duration::from_secs(5);

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How the daemon calls itself.
const USER_AGENT: &str = concat!("boxd/", env!("CARGO_PKG_VERSION"));

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken.
    Taken,
    /// It was not.
    Failed {
        /// It makes sense to try again.
        is_passing: bool,
        /// For the log.
        why: String,
    },
}

#[derive(Debug, Serialize)]
struct Body {
    pid: i64,
    port: u16,
}

/// Tells of a port. Blocks.
pub(super) fn post(url: &str, pid: i64, port: u16) -> Answer {
    let settings = own_calls::settings(url)
        .timeout_global(Some(CALL_MAX))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEAD_BYTES_MAX)
        .max_idle_connections(0)
        .user_agent(USER_AGENT);
    let agent: ureq::Agent = settings.build().into();
    let body = serde_json::to_vec(&Body { pid, port }).expect("numbers make JSON");
    match agent.post(url).header("content-type", "application/json").send(&body) {
        Ok(answer) => judge(answer.status().as_u16()),
        Err(error) => {
            let is_passing = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_));
            Answer::Failed { is_passing, why: error.to_string() }
        }
    }
}

/// What a status says: whoever answers at all was told, but for those who say that they were not.
fn judge(status: u16) -> Answer {
    match status {
        200..300 => Answer::Taken,
        408 | 425 | 429 | 500.. => Answer::Failed { is_passing: true, why: format!("HTTP {status}") },
        _ => Answer::Failed { is_passing: false, why: format!("HTTP {status}") },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one call with these bytes; gives what was asked.
    fn serve(answer: &'static [u8]) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cb?x=1", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 1024];
                let read = socket.read(&mut piece).unwrap();
                assert!(read > 0, "cut");
                request.extend_from_slice(&piece[..read]);
            }
            socket.write_all(answer).ok();
            String::from_utf8(request).unwrap()
        });
        (url, asked)
    }

    #[test]
    fn who_is_called_learns_the_pid_and_the_port() {
        let (url, asked) = serve(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(post(&url, 22417, 7005), Answer::Taken);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /cb?x=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("content-type: application/json\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{\"pid\":22417,\"port\":7005}"), "{asked}");
    }

    #[test]
    fn what_is_no_success_is_tried_again_only_if_it_may_pass() {
        #[track_caller]
        fn check(answer: &'static [u8], again: bool) {
            let (url, asked) = serve(answer);
            match post(&url, 1, 2) {
                Answer::Failed { is_passing, .. } => assert_eq!(is_passing, again),
                Answer::Taken => panic!("taken"),
            }
            asked.join().unwrap();
        }
        check(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", true);
        check(b"HTTP/1.1 429 Busy\r\ncontent-length: 0\r\n\r\n", true);
        check(b"HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n", false);
        // To itself, for ever.
        check(b"HTTP/1.1 307 Again\r\nlocation: /cb\r\ncontent-length: 0\r\n\r\n", false);
        check(b"", true);
        for nonsense in ["x", "", "ftp://localhost/", "http://", "file:///etc/passwd"] {
            let failed = post(nonsense, 1, 2);
            assert!(matches!(failed, Answer::Failed { is_passing: false, .. }), "{nonsense} {failed:?}");
        }
    }
}
