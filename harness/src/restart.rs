//! `Restarted`: a server that a command of the caller's starts anew for a case, as the case wants it, on this machine.
//!
//! The command gets the case in its environment, so that a shell script needs no parser:
//!
//! ```text
//! CASE_ASK       start; or, when the case is over, stop
//! CASE_NAME      process/exec_waited
//! CASE_URL       where the server has to be
//! CASE_DIR       its working folder: fresh, with the case's files
//! CASE_FLAGS     words behind `boxd serve`, each quoted for a shell
//! CASE_ENV       the same of its variables, each a word NAME=VALUE
//! CASE_PLACE     the name of the namespaces that it has to be in, or nothing
//! CASE_BEFORE    words to put before the program, which make that place
//! CASE_NEEDS     names of what the case needs besides a server
//! CASE_KILLED    with `stop`: yes, when the case has killed the process that was named
//! ```
//! It says `pid=N` on its stdout when it knows the server's process, and ends with 77 when it cannot start what the case wants.

use rustix::process::Pid;

use crate::{
    book::Case,
    fixture::{Fixture, Need},
    ground::Ground,
    place::Place,
    process::Process,
    run::Home,
    site::{Shell, Site, await_connection},
    target::Target,
};

/// What a test ends with that cannot be made here, as with automake.
const CANNOT: i32 = 77;

/// See the module. The caller has to stop it.
#[derive(Debug)]
pub(crate) struct Restarted<'a> {
    command: &'a str,
    target: Target,
    /// What the command gets to start and to stop it.
    told: Vec<(&'static str, String)>,
    process: Option<Process>,
    ground: Ground,
}

/// Why there is no server for a case.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The command cannot give what the case needs.
    Cannot(String),
    /// It failed, or no server came up.
    Failed(String),
}

impl<'a> Restarted<'a> {
    /// Has the server started.
    pub(crate) fn start(
        command: &'a str,
        case: &Case,
        target: &Target,
        site: &Site,
    ) -> Result<Self, NotStarted> {
        let ground = Ground::new(&case.fixture).map_err(NotStarted::Failed)?;
        let told = told(case, target, &ground);
        let mut server = Self { command, target: target.clone(), told, process: None, ground };
        let shell = server.ask("start").map_err(NotStarted::Failed)?;
        if shell.status.code() == Some(CANNOT) {
            let said = shell.stderr.trim();
            let said = if said.is_empty() { "the reset command cannot start what it wants" } else { said };
            return Err(NotStarted::Cannot(said.to_owned()));
        }
        let said = shell.good(command).map_err(NotStarted::Failed)?;
        match server.hold(&said, &case.fixture, site) {
            Ok(()) => Ok(server),
            Err(error) => {
                // Why there is no server is told; that it is ended, too, is not.
                let _stopped: bool = server.stop().is_ok();
                Err(error)
            }
        }
    }

    /// Takes hold of the process that the command names, and waits for the server.
    fn hold(&mut self, said: &str, fixture: &Fixture, site: &Site) -> Result<(), NotStarted> {
        if let Some(text) = said.lines().find_map(|line| line.strip_prefix("pid=")) {
            let pid = text.trim().parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| NotStarted::Failed(format!("`pid={text}` names no process")))?;
            let held = Process::hold(pid);
            let held = held.map_err(|error| NotStarted::Failed(format!("the process {text}: {error}")))?;
            self.process = Some(held);
            if fixture.place == Some(Place::Network) {
                self.target = self.target.in_network_of(pid.as_raw_pid());
            }
        } else if needs_process(fixture, site) {
            return Err(NotStarted::Cannot(
                "needs the server's process (the reset command says `pid=N`)".to_owned(),
            ));
        }
        await_connection(&self.target, site.patience).map_err(NotStarted::Failed)
    }

    /// Where it is.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// What its case finds around it.
    pub(crate) fn home(&'a self, site: &'a Site) -> Home<'a> {
        let home = Home::on(&self.ground, self.process.as_ref(), site.helper.as_deref());
        Home { kill_command: site.kill_command.as_deref(), ..home }
    }

    /// Has it ended.
    ///
    /// # Errors
    /// A sentence with the command's own words, when it fails: the server has not ended as it should.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        if self.process.as_ref().is_some_and(Process::is_killed) {
            self.told.push(("CASE_KILLED", "yes".to_owned()));
        }
        self.ask("stop")?.good(self.command).map(drop)
    }

    fn ask(&self, what: &str) -> Result<Shell, String> {
        let ask = [("CASE_ASK", what)];
        let told = self.told.iter().map(|(name, value)| (*name, value.as_str()));
        Shell::run(self.command, ask.into_iter().chain(told))
    }
}

fn told(case: &Case, target: &Target, ground: &Ground) -> Vec<(&'static str, String)> {
    let place = case.fixture.place;
    let variables = ground.variables.iter().map(|(name, value)| format!("{name}={value}"));
    let needs: Vec<_> = case.fixture.needs().into_iter().map(Need::name).collect();
    vec![
        ("CASE_NAME", case.name.clone()),
        ("CASE_URL", target.url()),
        ("CASE_DIR", ground.directory().to_owned()),
        ("CASE_FLAGS", words(ground.flags.iter())),
        ("CASE_ENV", words(variables)),
        ("CASE_PLACE", place.map(Place::name).unwrap_or_default().to_owned()),
        ("CASE_BEFORE", words(place.map(Place::words).unwrap_or_default())),
        ("CASE_NEEDS", needs.join(" ")),
    ]
}

/// Whether something is done to the process itself.
fn needs_process(fixture: &Fixture, site: &Site) -> bool {
    let of_process = |need: &Need| match need {
        Need::Terminate | Need::KillKeeper => true,
        Need::Kill => site.kill_command.is_none(),
        _ => false,
    };
    fixture.place == Some(Place::Network) || fixture.needs().iter().any(of_process)
}

/// Words as a shell reads them back with `eval`, byte for byte.
fn words(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted = words.into_iter().map(|word| quoted(word.as_ref()));
    quoted.collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it back, whatever is in it.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_words_back_byte_for_byte() {
        let odd = ["", " a  b ", "it's", "$HOME `id` \\ \"x\" *", "two\nlines\n", "-n", "é\u{7f}\t"];
        let script = "eval \"set -- $WORDS\"; printf '%s\\0' \"$@\"";
        let shell = Shell::run(script, [("WORDS", words(odd).as_str())]).unwrap();
        let read: Vec<_> = shell.stdout.split_terminator('\0').collect();
        assert_eq!(read, odd, "{}", shell.stderr);
    }
}
