//! `Release`: a program that is downloaded, within limits, and checked if a checksum is given.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::filesystem::Staging;
use crate::own_calls;

/// The largest program. boxd is a twentieth of it.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The longest version that is asked for.
const VERSION_BYTES_MAX: usize = 128;

/// Time to connect, and for everything together, attempts and pauses included: the known server's.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const TOTAL_MAX: Duration = Duration::from_mins(5);

/// Attempts, and the pause after the first, which doubles: the known server's.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);

/// How the known server names itself to where releases are.
const USER_AGENT: &str = "blaxel-sandbox-api/1.0";

/// How the files begin into which programs are downloaded.
const PREFIX: &str = "boxd-upgrade-";

/// Where a program is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    url: String,
    sha256: Option<[u8; 32]>,
}

/// An attempt that failed.
struct Failure {
    why: String,
    /// Another attempt may do better.
    is_passing: bool,
}

impl Release {
    /// The release of a version, `latest` when absent, by the known server's layout.
    pub(crate) fn new(base_url: &str, version: Option<&str>, sha256: Option<String>) -> Result<Self> {
        let invalid = |why| Error::InvalidUpgrade { why };
        if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
            return Err(invalid("baseUrl is no http or https URL"));
        }
        let version = version.unwrap_or("latest");
        if !super::fits(base_url) || version.len() > VERSION_BYTES_MAX {
            return Err(invalid("baseUrl or version is too long"));
        }
        if !version.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
            || version.starts_with('.')
        {
            return Err(invalid("version is none"));
        }
        let place =
            if version == "latest" { "latest/download".to_owned() } else { format!("download/{version}") };
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let url = format!("{}/{place}/sandbox-api-linux-{arch}", base_url.trim_end_matches('/'));
        let sha256 =
            sha256.map(|text| digest(&text).ok_or_else(|| invalid("sha256 is not 64 hexadecimal digits")));
        Ok(Self { url, sha256: sha256.transpose()? })
    }

    /// Where it is, without what may be a secret: health is told to everybody.
    pub(super) fn shown_url(&self) -> String {
        own_calls::shown(&self.url)
    }

    /// Downloads it into a file of its own that can be executed; gives its path and its size. Blocks.
    #[expect(
        clippy::disallowed_methods,
        reason = "a server that is busy has no event for that it is not, and this thread may block"
    )]
    pub(crate) fn download(&self) -> Result<(PathBuf, u64), String> {
        let deadline = Instant::now() + TOTAL_MAX;
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(deadline) {
                Ok(done) => return Ok(done),
                Err(Failure { is_passing: true, why })
                    if attempt < ATTEMPTS && Instant::now() + pause < deadline =>
                {
                    tracing::warn!("{why}; trying again");
                    // So that many do not come back at once.
                    std::thread::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
                    pause *= 2;
                }
                Err(Failure { why, .. }) => return Err(why),
            }
        }
        Err("no attempt is left".to_owned())
    }

    fn attempt(&self, deadline: Instant) -> Result<(PathBuf, u64), Failure> {
        let failed = |is_passing, why: String| Failure {
            why: format!("Failed to download release from {}: {why}", self.shown_url()),
            is_passing,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let settings = own_calls::settings(&self.url)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(left))
            .user_agent(USER_AGENT);
        let agent: ureq::Agent = settings.build().into();
        let answer = agent.get(&self.url).header("accept", "application/octet-stream").call();
        let mut answer = answer.map_err(|error| failed(true, error.to_string()))?;
        let status = answer.status();
        if !status.is_success() {
            let is_passing = matches!(status.as_u16(), 403 | 429 | 500..);
            let reason = status.canonical_reason().unwrap_or_default();
            return Err(failed(is_passing, format!("HTTP {}: {reason}", status.as_u16())));
        }
        let here = |error: io::Error| failed(false, error.to_string());
        let folder = std::env::temp_dir();
        let opened =
            rustix::fs::open(&folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let in_folder = opened.map_err(|errno| here(errno.into()))?;
        // Its owner's alone, and nothing of it stays when this worker dies.
        let staging = Staging::in_folder(&in_folder, Mode::RWXU);
        let mut staging = staging.map_err(|errno| here(errno.into()))?;
        let (bytes, sum) = match store(answer.body_mut().as_reader(), &mut staging.file) {
            Ok(stored) => stored,
            // A server that went in the middle may be there again.
            Err(Broken::There(error)) => return Err(failed(true, error.to_string())),
            Err(Broken::Here(error)) => return Err(here(error)),
        };
        if self.sha256.is_some_and(|wanted| wanted != sum) {
            return Err(failed(false, "its SHA-256 is another one".to_owned()));
        }
        let name = format!("{PREFIX}{:016x}", fastrand::u64(..));
        staging.create(&in_folder, name.as_ref()).map_err(|errno| here(errno.into()))?;
        Ok((folder.join(name), bytes))
    }
}

/// Whether this is the path of a program that was downloaded.
pub(super) fn is_download(path: &Path) -> bool {
    let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX));
    let is_number = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    path.parent() == Some(&std::env::temp_dir()) && number.is_some_and(is_number)
}

/// On which side something went wrong.
enum Broken {
    There(io::Error),
    Here(io::Error),
}

/// Copies everything, within the limit; gives how much that was and its SHA-256.
fn store(mut from: impl Read, to: &mut File) -> Result<(u64, [u8; 32]), Broken> {
    let (mut sum, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let n = from.read(&mut buffer).map_err(Broken::There)?;
        if n == 0 {
            return Ok((bytes, sum.finalize().into()));
        }
        bytes += n as u64;
        if bytes > BYTES_MAX {
            return Err(Broken::Here(io::Error::other(format!("it is larger than {BYTES_MAX} bytes"))));
        }
        sum.update(&buffer[..n]);
        to.write_all(&buffer[..n]).map_err(Broken::Here)?;
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_one_place() {
        #[track_caller]
        fn check(base: &str, version: Option<&str>, expect: Option<&str>) {
            let url = Release::new(base, version, None).ok().map(|release| release.url);
            let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
            assert_eq!(
                url,
                expect.map(|start| format!("{start}/sandbox-api-linux-{arch}")),
                "{base} {version:?}"
            );
        }
        check("http://h/r", None, Some("http://h/r/latest/download"));
        check("http://h/r/", Some("latest"), Some("http://h/r/latest/download"));
        check("https://h/r", Some("v1.2.3"), Some("https://h/r/download/v1.2.3"));
        check("https://h/r", Some("../../x"), None);
        check("https://h/r", Some(".."), None);
        check("file:///r", None, None);
    }

    #[test]
    fn a_checksum_is_64_digits() {
        assert_eq!(digest(&"0a".repeat(32)), Some([10; 32]));
        assert_eq!(digest(&"0A".repeat(32)), Some([10; 32]));
        for bad in ["", "0a", &"0g".repeat(32), &"é".repeat(32)] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }

    /// A server of one file for as many requests as there are statuses.
    fn serve(statuses: Vec<&'static str>, body: &'static [u8]) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for status in statuses {
                let (mut socket, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let read = socket.read(&mut request).unwrap();
                assert!(request[..read].starts_with(b"GET /latest/download/sandbox-api-linux-"));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                socket.write_all(head.as_bytes()).unwrap();
                socket.write_all(body).unwrap();
            }
        });
        base
    }

    #[test]
    fn what_is_downloaded_is_checked_and_only_the_owner_can_run_it() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let release = Release::new(&serve(vec!["200 OK"], b"abc"), None, Some(sum.to_owned())).unwrap();
        let (path, bytes) = release.download().unwrap();
        assert_eq!((bytes, std::fs::read(&path).unwrap()), (3, b"abc".to_vec()));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
        std::fs::remove_file(path).unwrap();
        let other = Release::new(&serve(vec!["200 OK"], b"abd"), None, Some(sum.to_owned())).unwrap();
        assert!(other.download().unwrap_err().contains("its SHA-256 is another one"));
    }

    #[test]
    fn a_server_that_goes_in_the_middle_is_asked_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for body in ["ab", "abc"] {
                let (mut socket, _) = listener.accept().unwrap();
                assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
                write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{body}").unwrap();
            }
        });
        let (path, bytes) = Release::new(&base, None, None).unwrap().download().unwrap();
        assert_eq!((bytes, std::fs::read(&path).unwrap()), (3, b"abc".to_vec()));
        assert!(is_download(&path) && !is_download(Path::new("/usr/bin/boxd")));
        std::fs::remove_file(path).unwrap();
        server.join().unwrap();
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_missing_file_is_not() {
        let release = Release::new(&serve(vec!["503 Busy", "200 OK"], b"abc"), None, None).unwrap();
        let (path, _) = release.download().unwrap();
        std::fs::remove_file(path).unwrap();
        let missing = Release::new(&serve(vec!["404 Not Found"], b""), None, None).unwrap();
        let why = missing.download().unwrap_err();
        assert!(why.ends_with("HTTP 404: Not Found"), "{why}");
    }
}
