//! `Site`: what a case may use around a server that somebody else started.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, Read, Seek},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    book::Case,
    client::{Connection, Deadline, Request},
    conversation::Conversation,
    fixture::{Fixture, Need},
    probe,
    run::{Home, run},
    target::Target,
    variables::unique_name,
};

/// One request about a directory may take this long.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// How long a look waits for the next while a server starts: nothing else tells.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// A folder that the server sees, in which each case gets one of its own, made through the API.
    pub workspace: Option<String>,
    /// The server's working folder, which is empty before each case; it is each case's directory.
    pub working_folder: Option<String>,
    /// The command line of the helper program, when the server is on this machine.
    pub helper: Option<String>,
    /// A command for a shell that kills the server; somebody has to start it again.
    pub kill_command: Option<String>,
    /// Whether the server is brought back to its beginning before each case, and nobody else uses it.
    pub is_reset: bool,
    /// How long the server is waited for after it was killed or reset.
    pub patience: Duration,
}

/// A case's directory, which goes with it.
#[derive(Debug)]
pub(crate) struct Directory<'a> {
    target: &'a Target,
    path: String,
    /// It goes with the case.
    is_made: bool,
}

impl Site {
    /// Why a case cannot be run here, if so.
    pub(crate) fn lacks(&self, fixture: &Fixture) -> Option<&'static str> {
        let is_there = |need: &Need| match need {
            Need::Directory => self.workspace.is_some() || self.working_folder.is_some(),
            Need::WorkingFolder => self.working_folder.is_some(),
            Need::Machine => self.helper.is_some(),
            Need::Kill => self.kill_command.is_some(),
            Need::OwnDaemon => self.is_reset,
            _ => false,
        };
        fixture.needs().iter().find(|need| !is_there(need)).map(|need| need.sentence())
    }

    /// What a case finds around the server.
    pub(crate) fn home<'a>(&'a self, directory: Option<&'a Directory<'_>>) -> Home<'a> {
        Home {
            ground: None,
            process: None,
            directory: directory.map(|directory| directory.path.as_str()),
            helper: self.helper.as_deref(),
            kill_command: self.kill_command.as_deref(),
        }
    }

    /// What a server answers to a case, whatever is expected; or why it cannot be asked.
    ///
    /// # Errors
    /// A sentence about what the case needs and is not there.
    pub fn transcript(&self, case: &Case, target: &Target) -> Result<String, String> {
        if let Some(reason) = self.lacks(&case.fixture) {
            return Err(reason.to_owned());
        }
        if let Some(reason) = probe::missing_limit(&case.fixture, target)? {
            return Err(reason);
        }
        let directory = self.directory(&case.fixture, target)?;
        let report = run(case, target, self.home(directory.as_ref()));
        Ok(report.transcript.to_string())
    }

    /// Makes the workspace itself; it goes with what is returned.
    pub(crate) fn make_workspace<'a>(&self, target: &'a Target) -> Result<Directory<'a>, String> {
        let path = self.workspace.clone().ok_or("no workspace is named")?;
        let directory = Directory { target, path, is_made: true };
        directory.put("", &json!({ "isDirectory": true, "permissions": "0755" }))?;
        Ok(directory)
    }

    /// Makes a directory for a case that needs one, and its files.
    pub(crate) fn directory<'a>(
        &self,
        fixture: &Fixture,
        target: &'a Target,
    ) -> Result<Option<Directory<'a>>, String> {
        let needs = fixture.needs();
        if !needs.contains(&Need::Directory) && !needs.contains(&Need::WorkingFolder) {
            return Ok(None);
        }
        let directory = match (&self.working_folder, &self.workspace) {
            (Some(folder), _) => Directory { target, path: folder.clone(), is_made: false },
            (None, Some(workspace)) => {
                let path = format!("{}/{}", workspace.trim_end_matches('/'), unique_name());
                let directory = Directory { target, path, is_made: true };
                directory.put("", &json!({ "isDirectory": true, "permissions": "0755" }))?;
                directory
            }
            (None, None) => return Ok(None),
        };
        for (name, content) in &fixture.files {
            directory.put(&format!("/{name}"), &json!({ "content": content }))?;
        }
        Ok(Some(directory))
    }
}

impl Directory<'_> {
    fn put(&self, name: &str, body: &serde_json::Value) -> Result<(), String> {
        let target = format!("/filesystem/{}{name}", self.path);
        match ask(self.target, "PUT", &target, Some(body))? {
            200..=299 => Ok(()),
            status => Err(format!("PUT {target} was answered with {status}")),
        }
    }
}

impl Drop for Directory<'_> {
    fn drop(&mut self) {
        if !self.is_made {
            return;
        }
        // What stays is in the folder that was named for it.
        let _removed: bool =
            ask(self.target, "DELETE", &format!("/filesystem/{}?recursive=true", self.path), None).is_ok();
    }
}

/// Makes a request and gives the status of its answer.
fn ask(target: &Target, method: &str, path: &str, body: Option<&serde_json::Value>) -> Result<u16, String> {
    let mut headers: BTreeMap<String, String> = target.headers().clone();
    if body.is_some() {
        headers.insert("content-type".to_owned(), "application/json".to_owned());
    }
    let request = Request {
        method: method.to_owned(),
        target: format!("{}{path}", target.prefix()),
        headers,
        body: body.map(|body| body.to_string().into_bytes()),
        pieces: None,
    };
    let deadline = Deadline::within(REQUEST_WITHIN);
    let answered = Connection::open(target, &deadline)
        .and_then(|connection| Conversation::begin(connection, &request, target, &deadline))
        .and_then(|mut conversation| {
            conversation.finish(&deadline)?;
            Ok(conversation.into_answer().0)
        });
    let answer = answered.map_err(|error| error.to_string())?;
    answer.head.map(|head| head.status).ok_or_else(|| "the server closed without an answer".to_owned())
}

/// Waits until a server answers anything at all.
///
/// # Errors
/// The last failure, when it has not answered in time.
pub fn await_server(target: &Target, within: Duration) -> Result<(), String> {
    until_good("answered", within, || ask(target, "GET", "/health", None).map(drop))
}

/// Waits until a server takes a connection, and asks it nothing: it may count what it was asked.
///
/// # Errors
/// The last failure, when it has taken none in time.
pub(crate) fn await_connection(target: &Target, within: Duration) -> Result<(), String> {
    let connect = || Connection::open(target, &Deadline::within(REQUEST_WITHIN));
    until_good("taken a connection", within, || connect().map(drop).map_err(|error| error.to_string()))
}

fn until_good(what: &str, within: Duration, attempt: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let until = Instant::now() + within;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= until => {
                return Err(format!("the server has not {what} within {} s: {error}", within.as_secs()));
            }
            Err(_) => pause(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody tells when another program's server is there")]
fn pause() {
    thread::sleep(LOOK_AGAIN);
}

/// Runs a command of the person who calls the harness.
///
/// # Errors
/// A sentence when it cannot be run or fails.
pub fn shell(command: &str) -> Result<(), String> {
    Shell::run(command, [])?.good(command).map(drop)
}

/// What came of a command for the shell.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) status: ExitStatus,
    /// What it had said by its end.
    pub(crate) stdout: String,
    /// The same of stderr.
    pub(crate) stderr: String,
}

impl Shell {
    /// Runs one to its end, with some more variables. What it leaves behind in the background may hold its stdout and stderr.
    ///
    /// # Errors
    /// A sentence when there is no shell, or no room for its output.
    pub(crate) fn run<'a>(
        command: &str,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, String> {
        let run = || {
            // Not pipes: they end when the last one that holds them does.
            let (mut stdout, mut stderr) = (nameless()?, nameless()?);
            let status = Command::new("sh")
                .args(["-c", command])
                .envs(variables)
                .stdin(Stdio::null())
                .stdout(stdout.try_clone()?)
                .stderr(stderr.try_clone()?)
                .status()?;
            Ok(Self { status, stdout: whole(&mut stdout)?, stderr: whole(&mut stderr)? })
        };
        run().map_err(|error: io::Error| format!("`{command}` could not be run: {error}"))
    }

    /// What it said, when it ended well.
    ///
    /// # Errors
    /// A sentence with its own words.
    pub(crate) fn good(self, command: &str) -> Result<String, String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(format!("`{command}` ended with {}: {}", self.status, self.stderr.trim()))
    }
}

/// A file that goes when nobody holds it any more.
fn nameless() -> io::Result<File> {
    let path = env::temp_dir().join(format!("boxd-harness-{}", unique_name()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn whole(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
