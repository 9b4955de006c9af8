//! `Script`: a command whose every byte, and whose end, is known before it runs.
//!
//! The harness itself plays it (`boxd-harness-helper chatter …`), so that both sides have one idea of what was written. The
//! bytes look random: a byte that is lost, repeated or moved makes everything behind it differ.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Signal, getpid, kill_process};

use crate::random::Random;
use crate::{bench::server::pause, helper};

/// The helper's word for it.
pub(crate) const WORD: &str = "chatter";

/// What a command writes and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// Decides the bytes.
    pub(super) seed: u64,
    /// Bytes of stdout and stderr.
    pub(super) bytes: [usize; 2],
    /// Bytes of one write.
    pub(super) lot: usize,
    /// The pause after each write.
    pub(super) pause_ms: u64,
    /// A pause before the end, in which nothing is written.
    pub(super) silence_ms: u64,
    /// How it ends.
    pub(super) end: End,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By this code.
    Code(u8),
    /// By killing itself.
    Killed,
}

impl Script {
    /// A short one: some lines to both streams, a code.
    pub(super) fn short(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let bytes = [1000 + random.below(3000), random.below(2000)].map(size);
        let code = u8::try_from(random.below(100)).unwrap_or_default();
        Self { seed, bytes, lot: 700, pause_ms: 1, silence_ms: 0, end: End::Code(code) }
    }

    /// What it writes to each stream.
    pub(super) fn output(&self) -> [Vec<u8>; 2] {
        [0, 1].map(|stream| content(self.seed, stream, self.bytes[stream]))
    }

    /// The exit code that clients are to see.
    pub(super) fn exit_code(&self) -> i64 {
        match self.end {
            End::Code(code) => i64::from(code),
            End::Killed => -1,
        }
    }

    /// The shell command that plays it. It notes its start and its end in files of the folder under this name.
    pub(super) fn command(&self, folder: &Path, name: &str) -> io::Result<String> {
        let end = match self.end {
            End::Code(code) => code.to_string(),
            End::Killed => "killed".to_owned(),
        };
        let marks = folder.join(name);
        let Self { seed, bytes: [out, err], lot, pause_ms, silence_ms, .. } = self;
        Ok(format!(
            "exec {} {WORD} {seed} {out} {err} {lot} {pause_ms} {silence_ms} {end} '{}'",
            helper::command_line()?,
            marks.display()
        ))
    }

    fn from_words(words: &[&str]) -> Option<Self> {
        let [seed, out, err, lot, pause, silence, end] = *words else { return None };
        let end = if end == "killed" { End::Killed } else { End::Code(end.parse().ok()?) };
        Some(Self {
            seed: seed.parse().ok()?,
            bytes: [out.parse().ok()?, err.parse().ok()?],
            lot: lot.parse().ok()?,
            pause_ms: pause.parse().ok()?,
            silence_ms: silence.parse().ok()?,
            end,
        })
    }

    /// Writes everything, in lots, to both streams in turn.
    fn play(&self) -> io::Result<()> {
        let output = self.output();
        let mut lots = [0, 1].map(|stream| output[stream].chunks(self.lot.max(1)));
        loop {
            let (out, err) = (lots[0].next(), lots[1].next());
            if let Some(lot) = out {
                io::stdout().write_all(lot)?;
                io::stdout().flush()?;
            }
            if let Some(lot) = err {
                io::stderr().write_all(lot)?;
            }
            if out.is_none() && err.is_none() {
                return Ok(());
            }
            if self.pause_ms > 0 {
                pause(Duration::from_millis(self.pause_ms));
            }
        }
    }
}

/// Plays a script: the helper's side.
pub(crate) fn run(words: &[&str]) -> io::Result<()> {
    let usage = || io::Error::other("usage: chatter SEED OUT ERR LOT PAUSE SILENCE CODE MARKS");
    let (marks, words) = words.split_last().ok_or_else(usage)?;
    let script = Script::from_words(words).ok_or_else(usage)?;
    note(marks, "start", u128::from(process::id()))?;
    script.play()?;
    pause(Duration::from_millis(script.silence_ms));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    note(marks, "end", now.as_millis())?;
    match script.end {
        #[expect(clippy::exit, reason = "the code is what the script is about")]
        End::Code(code) => process::exit(i32::from(code)),
        End::Killed => Ok(kill_process(getpid(), Signal::KILL)?),
    }
}

/// One write, so that two processes that note at once keep their lines whole.
fn note(marks: &str, what: &str, value: u128) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(format!("{marks}.{what}"))?;
    file.write_all(format!("{value}\n").as_bytes())
}

/// The notes that a script of this name has made: pids at its starts, or milliseconds since 1970 at its ends.
pub(super) fn notes(folder: &Path, name: &str, what: &str) -> Vec<u64> {
    let text = fs::read_to_string(folder.join(format!("{name}.{what}"))).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Bytes of a stream. Of three seeds one gives lines of text, one characters of several bytes, one bytes of any kind.
fn content(seed: u64, stream: usize, length: usize) -> Vec<u8> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789 ";
    const SIGNS: [&str; 8] = ["ä", "ß", "€", "漢", "𝄞", "\u{2028}", "x", "\n"];
    let mut random = Random::fork(seed, stream as u64 + 1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        let number = random.next();
        match seed % 3 {
            0 if number.is_multiple_of(61) => bytes.push(b'\n'),
            0 => bytes.push(LETTERS[size(number % LETTERS.len() as u64)]),
            1 => bytes.extend(SIGNS[size(number % 8)].bytes()),
            _ => bytes.extend(number.to_le_bytes()),
        }
    }
    bytes.truncate(length);
    bytes
}

/// A number that is small enough for a size.
pub(super) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_survives_its_command_line() {
        let script = Script { end: End::Killed, silence_ms: 9, ..Script::short(7) };
        let command = script.command(Path::new("/tmp/x"), "n").unwrap();
        let (_, words) = command.split_once(&format!("{WORD} ")).unwrap();
        let words: Vec<_> = words.split(' ').collect();
        let (marks, words) = words.split_last().unwrap();
        assert_eq!((Script::from_words(words), *marks), (Some(script), "'/tmp/x/n'"));
    }

    #[test]
    fn content_is_of_its_length_and_of_its_seed() {
        for seed in 0..3 {
            let [out, err] = Script { bytes: [5000, 5001], ..Script::short(seed) }.output();
            assert_eq!((out.len(), err.len()), (5000, 5001));
            assert_ne!(out[..1000], err[..1000]);
            assert_eq!(content(seed, 0, 900), out[..900]);
        }
    }
}
