//! `boxd-harness bench`: the table of figures.

use std::{env, fs, path::PathBuf, process::ExitCode};

use boxd_harness::{
    bench::{Bench, Subject},
    target::Target,
};
use clap::Args;

/// Measure how fast and how small a server is, beside what the machine does without one.
#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// The daemon to start for each figure [default: `boxd` beside this program].
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    bin: Option<PathBuf>,
    /// A server that runs already, on this machine, like `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// An argument for the daemon, like '--daemon-arg=--no-request-log'. May be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, conflicts_with = "target")]
    daemon_arg: Vec<String>,
    /// A header that goes with every request to the target.
    #[arg(long, value_name = "NAME: VALUE", requires = "target")]
    header: Vec<String>,
    /// Only these figures, separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = Bench::names())]
    only: Vec<String>,
    /// How often floor and server are measured in turn.
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
    /// Write the figures to a file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Measure {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let subject = match &self.target {
            Some(url) => {
                let mut target = Target::parse(url)?;
                self.header.iter().try_for_each(|header| target.add_header(header))?;
                Subject::Running(target)
            }
            None => Subject::Program { path: self.program()?, arguments: self.daemon_arg },
        };
        let bench = Bench::new(subject, self.rounds);
        let report = bench.run(&self.only, &|name| super::complain(&format!("measuring {name}")));
        super::say(report.to_string().trim_end());
        if let Some(path) = &self.json {
            fs::write(path, report.json()).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn program(&self) -> Result<PathBuf, String> {
        let beside = || env::current_exe().map(|own| own.with_file_name("boxd"));
        let program = self.bin.clone().map_or_else(beside, Ok).map_err(|error| error.to_string())?;
        if program.is_file() {
            // The daemon is started in a folder of its own.
            return program.canonicalize().map_err(|error| format!("{}: {error}", program.display()));
        }
        Err(format!("{} isn't there; --bin names the daemon to measure", program.display()))
    }
}
