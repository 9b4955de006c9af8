//! A shell for an image that has none: as much of `sh -c` as `packaging/test` needs, in one static program.
//!
//! Commands stand between semicolons: `echo WORD…`, `pwd`, `cat` (counts what comes), `sleep SECONDS`, `orphan` (leaves a child that
//! ends at once to whoever adopts it), `exit CODE`.

use std::io::{Read, Write};
use std::process::{Command, exit};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [shell, flag, text] = &arguments[..] else { panic!("usage: sh -c TEXT") };
    assert_eq!(flag, "-c");
    for command in text.split(';') {
        let words: Vec<&str> = command.split_whitespace().collect();
        let mut out = std::io::stdout();
        match words[..] {
            ["echo", ..] => writeln!(out, "{}", words[1..].join(" ")).unwrap(),
            ["pwd"] => writeln!(out, "{}", std::env::current_dir().unwrap().display()).unwrap(),
            ["cat"] => {
                let mut input = Vec::new();
                std::io::stdin().read_to_end(&mut input).unwrap();
                writeln!(out, "{} bytes", input.len()).unwrap();
            }
            ["sleep", seconds] => std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap())),
            // The child's child outlives it by a moment.
            ["orphan"] => {
                Command::new(shell).args(["-c", "child"]).status().unwrap();
            }
            ["child"] => {
                let child = Command::new(shell).args(["-c", "sleep 0.2"]).spawn().unwrap();
                writeln!(out, "orphan {}", child.id()).unwrap();
            }
            ["exit", code] => exit(code.parse().unwrap()),
            _ => panic!("no command: {command}"),
        }
        out.flush().unwrap();
    }
}
