//! The `boxd-harness` binary: asks any server of the sandbox API whether it does what the fixtures say.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use boxd_harness::helper;

/// Asks a server of the sandbox API whether it is compatible, and where not.
#[derive(Debug, Parser)]
#[command(name = "boxd-harness", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(cli::run::Run),
    List(cli::list::List),
    Coverage(cli::coverage::Cover),
    Show(cli::show::Show),
    Sse(cli::sse::Sse),
    Schema(cli::schema::Schema),
    Record(cli::record::Record),
    Review(cli::record::Review),
    Diff(cli::diff::Diff),
    Report(cli::report::Report),
    Bench(cli::bench::Measure),
    Faults(cli::faults::Faults),
    Fuzz(cli::fuzz::Fuzzer),
}

fn main() -> ExitCode {
    if let Some(code) = helper::run_if_asked() {
        return code;
    }
    let done = match Arguments::parse().command {
        Command::Run(run) => run.run(),
        Command::List(list) => list.run(),
        Command::Coverage(cover) => cover.run(),
        Command::Show(show) => show.run(),
        Command::Sse(sse) => sse.run(),
        Command::Schema(schema) => schema.run(),
        Command::Record(record) => record.run(),
        Command::Review(review) => review.run(),
        Command::Diff(diff) => diff.run(),
        Command::Report(report) => report.run(),
        Command::Bench(bench) => bench.run(),
        Command::Faults(faults) => faults.run(),
        Command::Fuzz(fuzzer) => fuzzer.run(),
    };
    done.unwrap_or_else(|sentence| {
        cli::complain(&sentence);
        ExitCode::from(2)
    })
}
