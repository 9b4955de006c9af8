//! `boxd-harness bench`: the table of figures.

use std::{env, fs, path::PathBuf, process::ExitCode};

use boxd_harness::{
    bench::{Bench, Side, Subject},
    target::Target,
};
use clap::Args;

/// Measure how fast and how small a server is, beside what the machine does without one.
#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// The daemon to start for each figure [default: `boxd` beside this program].
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    bin: Option<PathBuf>,
    /// A server that runs already, on this machine unless --against is given, like `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Another server, anywhere: both are asked in turn what can be measured over HTTP alone, and stand side by side.
    #[arg(long, value_name = "URL", requires = "target")]
    against: Option<String>,
    /// A header that goes with every request to the other server. May be given several times.
    #[arg(long, value_name = "NAME: VALUE", requires = "against")]
    against_header: Vec<String>,
    /// An argument for the daemon, like '--daemon-arg=--no-request-log'. May be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, conflicts_with = "target")]
    daemon_arg: Vec<String>,
    /// A header that goes with every request to the target.
    #[arg(long, value_name = "NAME: VALUE", requires = "target")]
    header: Vec<String>,
    /// Only these figures, separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = names())]
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
        if let (Some(first), Some(second)) = (&self.target, &self.against) {
            return self.side_by_side(first, second);
        }
        if let Some(name) = self.only.iter().find(|name| !Bench::names().contains(&name.as_str())) {
            return Err(format!("`{name}` is measured of two servers, with --against"));
        }
        let subject = match &self.target {
            Some(url) => Subject::Running(server(url, &self.header)?),
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

    fn side_by_side(&self, first: &str, second: &str) -> Result<ExitCode, String> {
        let servers = vec![
            (first.to_owned(), server(first, &self.header)?),
            (second.to_owned(), server(second, &self.against_header)?),
        ];
        let side = Side::new(servers, self.rounds);
        let table = side.run(&self.only, &|name| super::complain(&format!("measuring {name}")))?;
        super::say(table.to_string().trim_end());
        if let Some(path) = &self.json {
            fs::write(path, table.json()).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        // What one of them lacks is told; that nothing can be compared is a failure.
        Ok(if table.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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

fn server(url: &str, headers: &[String]) -> Result<Target, String> {
    let mut target = Target::parse(url)?;
    headers.iter().try_for_each(|header| target.add_header(header))?;
    Ok(target)
}

/// What can be measured, of one server or of two.
fn names() -> Vec<&'static str> {
    let mut names = Bench::names();
    names.extend(Side::names().into_iter().filter(|name| !Bench::names().contains(name)));
    names
}
