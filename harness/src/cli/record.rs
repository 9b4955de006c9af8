//! `boxd-harness record` and `review`: new snapshots of a server, and looking at them.

use std::{
    fs,
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
};

use boxd_harness::{book, snapshot};
use clap::Args;
use similar::TextDiff;

use super::server::{Choice, Server};

/// What a proposed snapshot's name ends with, as insta has it.
const PROPOSED: &str = "snap.new";

/// Run the cases against a server and write what it answers as proposed snapshots (`.snap.new`), for `review`.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The server, like `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    target: String,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    server: Server,
    /// The folder that holds `snapshots`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

impl Record {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let (target, site) = (self.server.target(&self.target)?, self.server.site(false)?);
        let (mut written, mut same, mut skipped) = (0, 0, 0);
        for case in self.choice.chosen()? {
            let found = match site.transcript(&case, &target) {
                Ok(found) => found,
                Err(reason) => {
                    skipped += 1;
                    super::say(&format!("skipped  {}: {reason}", case.name));
                    continue;
                }
            };
            let path = self.into.join("snapshots").join(format!("{}.snap", case.name));
            let there = fs::read_to_string(&path).unwrap_or_default();
            if snapshot::content(&there) == found.trim_end() {
                same += 1;
                continue;
            }
            let proposed = path.with_extension(PROPOSED);
            boxd_harness::report::write(&proposed, &snapshot::file(&case.name, &found))?;
            written += 1;
            super::say(&format!("proposed {}", proposed.display()));
        }
        super::say(&format!("\n{written} proposed, {same} as they are, {skipped} skipped"));
        Ok(ExitCode::SUCCESS)
    }
}

/// Look at proposed snapshots one by one, and take them over or throw them away.
#[derive(Debug, Args)]
pub(crate) struct Review {
    /// The folder that holds `snapshots`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    /// Take all of them over without asking. Read the difference afterwards.
    #[arg(long)]
    accept: bool,
    /// Throw all of them away.
    #[arg(long, conflicts_with = "accept")]
    reject: bool,
}

/// What is done with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choosing {
    Accept,
    Reject,
    Skip,
    Quit,
}

impl Review {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let snapshots = self.into.join("snapshots");
        let proposals = book::files(&snapshots, "new")?;
        if proposals.is_empty() {
            super::say("nothing is proposed");
            return Ok(ExitCode::SUCCESS);
        }
        let mut answers = io::stdin().lock().lines();
        for (number, proposed) in proposals.iter().enumerate() {
            let path = proposed.with_extension("");
            let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
            let (there, new) = (read(&path), read(proposed));
            let (there, content) = (snapshot::content(&there), snapshot::content(&new));
            let diff = TextDiff::from_lines(there, content).unified_diff().context_radius(4).to_string();
            super::say(&format!("[{}/{}] {}\n{diff}", number + 1, proposals.len(), path.display()));
            let done = match self.choosing(&mut answers) {
                Choosing::Accept => fs::rename(proposed, &path),
                Choosing::Reject => fs::remove_file(proposed),
                Choosing::Skip => Ok(()),
                Choosing::Quit => break,
            };
            done.map_err(|error| format!("{}: {error}", proposed.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn choosing(&self, answers: &mut impl Iterator<Item = io::Result<String>>) -> Choosing {
        if self.accept {
            return Choosing::Accept;
        }
        if self.reject {
            return Choosing::Reject;
        }
        loop {
            // Who closed it sees nothing, and will answer nothing.
            let _asked: bool = write!(io::stdout(), "(a)ccept, (r)eject, (s)kip, (q)uit? ").is_ok();
            let _flushed: bool = io::stdout().flush().is_ok();
            let Some(Ok(answer)) = answers.next() else { return Choosing::Quit };
            if let Some(choosing) = understood(&answer) {
                return choosing;
            }
        }
    }
}

fn understood(answer: &str) -> Option<Choosing> {
    Some(match answer.trim().to_lowercase().as_str() {
        "a" | "accept" => Choosing::Accept,
        "r" | "reject" => Choosing::Reject,
        "s" | "skip" => Choosing::Skip,
        "q" | "quit" => Choosing::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_word_or_its_first_letter() {
        assert_eq!(understood(" A\n"), Some(Choosing::Accept));
        assert_eq!(understood("quit"), Some(Choosing::Quit));
        assert_eq!(understood(""), None);
    }
}
