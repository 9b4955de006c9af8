//! `boxd-harness faults`: the table of faults and losses.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use boxd_harness::faults::{Scale, Suite};
use clap::Args;

/// Break a daemon on purpose, many times, and count what is lost.
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// The daemon to mistreat [default: `boxd` beside this program].
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// A debug build of it, whose clock can be moved [default: `../debug/boxd`, seen from the daemon].
    #[arg(long, value_name = "PATH")]
    debug_bin: Option<PathBuf>,
    /// Try each fault a few times: some minutes in all.
    #[arg(long, conflicts_with = "long")]
    short: bool,
    /// Try each fault several times as often as usual.
    #[arg(long)]
    long: bool,
    /// Only these faults, separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = Suite::names())]
    only: Vec<String>,
    /// Make the random choices of an earlier run again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl Faults {
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let beside = || env::current_exe().map(|own| own.with_file_name("boxd"));
        let program = self.bin.map_or_else(beside, Ok).map_err(|error| error.to_string())?;
        let program = program
            .canonicalize()
            .map_err(|_| format!("{} isn't there; --bin names the daemon", program.display()))?;
        let sibling = || program.parent().and_then(Path::parent).map(|folder| folder.join("debug/boxd"));
        let debug_program = self.debug_bin.or_else(sibling).and_then(|path| path.canonicalize().ok());
        let scale = match (self.short, self.long) {
            (true, _) => Scale::Short,
            (_, true) => Scale::Long,
            _ => Scale::Full,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = self
            .seed
            .unwrap_or_else(|| u64::from(now.subsec_micros()) << 16 | u64::from(std::process::id() & 0xffff));
        super::complain(&format!("the seed is {seed}"));
        let report =
            Suite { program, debug_program, scale, seed }.run(&self.only, &|what| super::complain(what));
        super::say(report.to_string().trim_end());
        Ok(if report.has_losses() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
