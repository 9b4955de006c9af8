//! The `boxd` binary: arguments in, an exit code out.

use std::io::Write;
use std::process::ExitCode;

use boxd::cli::{self, Action};

/// The exit code for a command line that cannot be obeyed, as is usual.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    for trouble in boxd::load_environment() {
        writeln!(std::io::stderr(), "boxd: {trouble}").ok();
    }
    let (code, text) = match cli::parse(std::env::args_os(), &|name| std::env::var_os(name)) {
        Ok(Action::Print(text)) => {
            // Whoever closed the pipe does not want to read it.
            std::io::stdout().write_all(text.as_bytes()).ok();
            return ExitCode::SUCCESS;
        }
        Ok(Action::Prove) => match boxd::prove(std::io::stdin().lock(), std::io::stdout().lock()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(text) => (ExitCode::FAILURE, text),
        },
        Ok(Action::Doctor(config)) => {
            let (text, is_well) = boxd::daemon::doctor(&config);
            std::io::stdout().write_all(text.as_bytes()).ok();
            return if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Ok(Action::Serve(config)) => match boxd::daemon::run(&config) {
            Ok(code) => return code,
            Err(text) => (ExitCode::FAILURE, text),
        },
        Err(bad) => (ExitCode::from(BAD_USAGE), bad.to_string()),
    };
    writeln!(std::io::stderr(), "boxd: {text}").ok();
    code
}
