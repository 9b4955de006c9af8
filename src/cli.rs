//! The command line and the environment, turned into a `Config`.
//!
//! Each setting has a flag and a variable `BOXD_…`; where the known server has a variable for it, that one counts too, after
//! ours. The known server's own command line (no subcommand, `-port N`) is understood as well.

mod host;
mod known;
mod serve_args;
mod units;

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use serve_args::ServeArgs;

/// What the binary was asked to do.
#[derive(Debug)]
pub enum Action {
    /// Run the daemon.
    Serve(Box<Config>),
    /// Prove that this program can take over from another, which has put its state on standard input.
    Prove,
    /// Say what a daemon with these settings could use here.
    Doctor(Box<Config>),
    /// Print this and leave.
    Print(String),
}

/// A command line that cannot be obeyed, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUsage(String);

#[derive(Debug, Parser)]
#[command(
    name = "boxd",
    version,
    about = "A sandbox daemon: processes, their streams and their logs over HTTP",
    long_about = "A sandbox daemon: runs commands for agents and developers and streams what they print, over the Sandbox API \
                  that the official Blaxel SDKs speak.\n\nStart it with `boxd serve` and try:\n\n  \
                  curl -N http://127.0.0.1:8080/process -H 'Accept: text/event-stream' -d '{\"command\":\"echo hello\"}'"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground
    Serve(Box<ServeArgs>),
    /// Read the state of a running daemon from standard input and say whether this program can take over
    #[command(hide = true)]
    Prove,
    /// Say which mechanisms a daemon would use here, and what is missing; takes the flags of serve
    Doctor(Box<ServeArgs>),
}

/// Reads the arguments (the program's name first) and the environment.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Action, BadUsage> {
    let is_empty = |name: &std::ffi::OsStr| name.to_str().and_then(env).is_some_and(|value| value.is_empty());
    // An empty variable counts as not set, as everywhere else in a shell's world.
    let command = Cli::command().mut_subcommands(|sub| {
        sub.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg })
    });
    let matches = command.try_get_matches_from(known_spelling(args));
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(Cli { command: Command::Serve(args) }) => {
            args.into_config(env).map(|config| Action::Serve(Box::new(config))).map_err(BadUsage)
        }
        Ok(Cli { command: Command::Prove }) => Ok(Action::Prove),
        Ok(Cli { command: Command::Doctor(args) }) => {
            args.into_config(env).map(|config| Action::Doctor(Box::new(config))).map_err(BadUsage)
        }
        Err(error) if !error.use_stderr() => Ok(Action::Print(error.render().ansi().to_string())),
        Err(error) => Err(BadUsage(one_line(&error.render().to_string()))),
    }
}

/// The known server's spelling made ours: flags without a subcommand, and flags of any length with one dash or two.
fn known_spelling(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    const LONG: [&str; 5] = ["port", "disable-telemetry", "listen", "user", "command"];
    const SHORT: [(&str, &str); 2] = [("p", "port"), ("c", "command")];
    let mut args: Vec<OsString> = args.into_iter().collect();
    let first = args.get(1).and_then(|a| a.to_str()).unwrap_or("-p");
    let is_flag_of_ours = matches!(first, "-h" | "--help" | "-V" | "--version");
    if (first.starts_with('-') && !is_flag_of_ours && args.len() > 1) || args.len() == 1 {
        args.insert(1, "serve".into());
    }
    let mut is_value = false;
    for arg in args.iter_mut().skip(1) {
        let Some(text) = arg.to_str().filter(|_| !is_value).map(str::to_owned) else {
            is_value = false;
            continue;
        };
        if text == "--" {
            break;
        }
        let name = text.strip_prefix("--").or(text.strip_prefix('-')).unwrap_or_default();
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        let long = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        if LONG.contains(&long) {
            *arg = value.map_or_else(|| format!("--{long}"), |value| format!("--{long}={value}")).into();
        }
        // A command may look like a flag.
        is_value = long == "command" && value.is_none();
    }
    args
}

/// The first sentence of an error, without the usage that follows it.
fn one_line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let arguments: Vec<&str> =
        text.lines().skip(1).take_while(|l| l.starts_with("  ")).map(str::trim).collect();
    let joined = [&[first], &arguments[..]].concat().join(" ");
    format!("{joined} (see `boxd serve --help`)")
}

#[cfg(test)]
mod tests;
