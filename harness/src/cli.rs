//! The subcommands, one file each. Each takes its own arguments and gives an exit code, or a sentence for the person who
//! typed something that can't be done.

pub(crate) mod bench;
pub(crate) mod coverage;
pub(crate) mod diff;
pub(crate) mod faults;
pub(crate) mod fuzz;
pub(crate) mod list;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod show;
pub(crate) mod sse;

use std::io::{self, Write};

/// Writes a line to stdout. Who closed it (`| head`) wants no more lines, and that is no error.
pub(crate) fn say(line: &str) {
    let _written: bool = writeln!(io::stdout(), "{line}").is_ok();
}

/// Writes a line to stderr.
pub(crate) fn complain(line: &str) {
    let _written: bool = writeln!(io::stderr(), "boxd-harness: {line}").is_ok();
}
