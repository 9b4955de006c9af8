//! The log through its door: bytes into a pipe on one side, a follower on the other.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::StreamExt;
use proptest::prelude::*;

use super::OutputStream::{Stderr, Stdout};
use super::*;
use crate::custody::Custody;
use crate::id::IdSource;
use crate::sys::pipe::{self, Taken};

mod memory;

/// A log in a folder of its own, fed by hand.
struct Bench {
    folder: PathBuf,
    ids: IdSource,
    dir: Arc<LogDir>,
    log: Arc<Log>,
    read: [OwnedFd; 2],
    write: [File; 2],
}

impl Bench {
    fn new(file_bytes_max: u64, total_bytes_max: u64) -> Self {
        Self::with(
            LogLimits {
                file_bytes_max,
                total_bytes_max,
                memory_bytes_max: 1 << 20,
                memory_files_max: 1 << 10,
            },
            Custody::none(),
        )
    }

    fn with(limits: LogLimits, custody: Custody) -> Self {
        let folder = std::env::temp_dir().join(format!("boxd-log-{:016x}", fastrand::u64(..)));
        let ids = IdSource::new();
        let dir = LogDir::open(&folder, ids.boot(), limits, Duration::MAX, custody).unwrap();
        let (r1, w1) = pipe::output_pipe().unwrap();
        let (r2, w2) = pipe::output_pipe().unwrap();
        let log = Log::new(&dir, ids.next(), "bench".to_owned());
        Self { folder, ids, dir, log, read: [r1, r2], write: [File::from(w1), File::from(w2)] }
    }

    fn put(&mut self, stream: OutputStream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(4096));
            self.write[stream as usize].write_all(now).unwrap();
            while let Taken::Bytes(_) = self.log.take(stream, &self.read[stream as usize], 1 << 20).unwrap() {
                self.log.settle(stream);
            }
            bytes = later;
        }
    }

    /// Nobody writes to a stream any more: what its pipe holds is taken, and then its end.
    fn hang_up(&mut self, stream: OutputStream) {
        self.write[stream as usize] = File::open("/dev/null").unwrap();
        while self.log.take(stream, &self.read[stream as usize], 1 << 20).unwrap() != Taken::End {}
    }

    /// Goes on with the log of another process, and gives the one before.
    fn next(&mut self) -> Arc<Log> {
        std::mem::replace(&mut self.log, Log::new(&self.dir, self.ids.next(), "bench".to_owned()))
    }

    fn bytes_on_disk(&self) -> u64 {
        let bytes = |name: &String| fs::symlink_metadata(self.folder.join(name)).unwrap().len();
        self.files().iter().filter(|name| name.contains("std")).map(bytes).sum()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|n| !n.contains(".lock"));
        names.sort();
        names
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A file may stand in its place.
        fs::remove_dir_all(&self.folder).or_else(|_| fs::remove_file(&self.folder)).ok();
    }
}

/// What a follower met, bytes of one stream in a row joined.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Out(OutputStream, Vec<u8>),
    Gap(OutputStream, u64),
    Restart(u32),
}

/// Everything a follower meets without waiting.
fn drain(follower: &mut Follower) -> Vec<Met> {
    let mut met: Vec<Met> = Vec::new();
    while let Some(Some(item)) = smol::block_on(futures_lite::future::poll_once(follower.next())) {
        match item.unwrap() {
            Item::Output(Output { stream, bytes, .. }) => match met.last_mut() {
                Some(Met::Out(last, joined)) if *last == stream => joined.extend(bytes),
                _ => met.push(Met::Out(stream, bytes)),
            },
            Item::Gap { stream, bytes } => met.push(Met::Gap(stream, bytes)),
            Item::Restart(boundary) => met.push(Met::Restart(boundary.attempt)),
        }
    }
    met
}

/// What was met, without the bytes.
fn shape(met: &[Met]) -> Vec<String> {
    let name = |m: &Met| match m {
        Met::Out(stream, bytes) => format!("{stream:?} {}", bytes.len()),
        other => format!("{other:?}"),
    };
    met.iter().map(name).collect()
}

fn out(stream: OutputStream, text: &str) -> Met {
    Met::Out(stream, text.as_bytes().to_vec())
}

#[test]
fn a_silent_command_leaves_no_file() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    bench.write = [File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap()];
    for stream in OutputStream::BOTH {
        assert_eq!(bench.log.take(stream, &bench.read[stream as usize], 4096).unwrap(), Taken::End);
    }
    bench.log.seal();
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn bytes_come_in_the_order_of_reading_and_once() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    assert_eq!(drain(&mut follower), []);
    bench.put(Stdout, b"one ");
    bench.put(Stderr, b"two ");
    bench.put(Stdout, b"three");
    assert_eq!(drain(&mut follower), [out(Stdout, "one "), out(Stderr, "two "), out(Stdout, "three")]);
    assert_eq!(drain(&mut follower), []);
    bench.log.seal();
    assert!(smol::block_on(follower.next()).is_none());
    let mut later =
        Follower::attach(bench.log.clone(), Position { run: 0, offsets: Offsets { stdout: 6, stderr: 0 } });
    assert_eq!(drain(&mut later), [out(Stderr, "two "), out(Stdout, "ree")]);
    let links = bench.files();
    assert!(
        links.contains(&"bench.stdout.log".to_owned()) && links.iter().any(|n| n.contains(".order")),
        "{links:?}"
    );
    assert_eq!(fs::read(bench.folder.join("bench.stdout.log")).unwrap(), b"one three");
    bench.log.remove();
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn a_follower_sleeps_until_a_byte_comes() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    let log = bench.log.clone();
    let waiting =
        std::thread::spawn(move || smol::block_on(Follower::attach(log, Position::default()).next()));
    bench.put(Stderr, b"x");
    let item = waiting.join().unwrap();
    assert!(matches!(item, Some(Ok(Item::Output(Output { stream: Stderr, is_end: true, .. })))), "{item:?}");
}

#[test]
fn a_stream_that_is_over_or_calm_keeps_no_pipe_of_its_own() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    for stream in OutputStream::BOTH {
        bench.put(stream, b"first");
        bench.log.set_busy(stream, &bench.read[stream as usize]);
        bench.put(stream, &[b'a'; 8192]);
        assert!(bench.log.is_busy(stream));
    }
    bench.hang_up(Stdout);
    assert!(!bench.log.is_busy(Stdout));
    for _ in 0..16 {
        bench.put(Stderr, b"now and then\n");
    }
    assert!(!bench.log.is_busy(Stderr));
    assert_eq!(bench.log.ends(), Offsets { stdout: 8197, stderr: 5 + 8192 + 16 * 13 });
}

#[test]
fn a_move_between_two_pipes_that_fails_loses_nothing() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    bench.put(Stdout, b"first ");
    bench.log.set_busy(Stdout, &bench.read[Stdout as usize]);
    bench.log.break_staging(Stdout);
    bench.put(Stdout, b"second");
    assert!(!bench.log.is_busy(Stdout));
    assert_eq!(
        drain(&mut Follower::attach(bench.log.clone(), Position::default())),
        [out(Stdout, "first second")]
    );
}

#[test]
fn a_restart_stands_between_the_runs() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    bench.put(Stdout, b"first");
    bench.put(Stderr, b"oops");
    bench.log.end_run(0, 1, 2, 1000);
    bench.put(Stdout, b"second");
    bench.log.end_run(1, 2, 2, 1000);
    bench.log.seal();
    let all =
        [out(Stdout, "first"), out(Stderr, "oops"), Met::Restart(1), out(Stdout, "second"), Met::Restart(2)];
    assert_eq!(drain(&mut Follower::attach(bench.log.clone(), Position::default())), all);
    let resumed = Position { run: 1, offsets: Offsets { stdout: 5, stderr: 4 } };
    assert!(bench.log.reaches(resumed) && bench.log.reaches(Position { run: 2, ..resumed }));
    assert!(!bench.log.reaches(Position { run: 3, ..resumed }));
    let beyond = Offsets { stdout: 12, stderr: 4 };
    assert!(!bench.log.reaches(Position { run: 0, offsets: beyond }));
    assert_eq!(drain(&mut Follower::attach(bench.log.clone(), resumed)), all[3..]);
}

#[test]
fn output_after_the_end_is_for_those_who_come_later() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    let mut live = Follower::attach(bench.log.clone(), Position::default());
    bench.put(Stdout, b"own");
    bench.log.seal();
    bench.put(Stdout, b" orphan");
    assert_eq!(drain(&mut live), [out(Stdout, "own")]);
    assert!(smol::block_on(live.next()).is_none());
    assert_eq!(
        drain(&mut Follower::attach(bench.log.clone(), Position::default())),
        [out(Stdout, "own orphan")]
    );
}

#[test]
fn what_retention_drops_is_said() {
    let mut bench = Bench::new(64 * 1024, 1 << 30);
    let text: Vec<u8> = (0..300_000u32).map(|i| b'a' + u8::try_from(i % 26).unwrap()).collect();
    bench.put(Stdout, &text);
    bench.log.seal();
    let met = drain(&mut Follower::attach(bench.log.clone(), Position::default()));
    let [Met::Gap(Stdout, lost), Met::Out(Stdout, rest)] = &met[..] else { panic!("{:?}", shape(&met)) };
    let lost = usize::try_from(*lost).unwrap();
    assert_eq!(rest, &text[lost..]);
    assert!((64 * 1024..=80 * 1024).contains(&rest.len()), "{}", rest.len());
    assert!(bench.bytes_on_disk() < 100 * 1024, "{}", bench.bytes_on_disk());
    let newest = fs::read(bench.folder.join("bench.stdout.log")).unwrap();
    assert!(text.ends_with(&newest) && !newest.is_empty());
}

#[test]
fn what_was_kept_for_a_follower_goes_with_it() {
    let mut bench = Bench::new(64 * 1024, 1 << 30);
    let follower = Follower::attach(bench.log.clone(), Position::default());
    bench.put(Stdout, &vec![b'a'; 512 * 1024]);
    assert_eq!(bench.log.starts().stdout, 0);
    drop(follower);
    // The files go on the blocking pool.
    while bench.log.starts().stdout == 0 {
        std::thread::yield_now();
    }
    assert!(bench.log.ends().stdout - bench.log.starts().stdout < 80 * 1024);
}

#[test]
fn a_reader_of_a_dropped_segment_comes_to_its_end() {
    let mut bench = Bench::new(64 * 1024, 1 << 30);
    bench.put(Stdout, &vec![b'a'; 8 * 1024]);
    let mut slow =
        Follower::read(bench.log.clone(), Position::default(), Offsets { stdout: 8 * 1024, stderr: 0 });
    // It has its segment open; now the segment goes.
    let first = smol::block_on(slow.next());
    assert!(matches!(first, Some(Ok(Item::Output(_)))));
    bench.put(Stdout, &vec![b'b'; 300 * 1024]);
    assert_eq!(drain(&mut slow), []);
}

#[test]
fn output_of_a_forgotten_process_goes_nowhere() {
    for printed in [&b""[..], b"own"] {
        let mut bench = Bench::new(64 * 1024, 1 << 30);
        bench.put(Stdout, printed);
        bench.log.seal();
        bench.log.remove();
        for stream in OutputStream::BOTH {
            bench.put(stream, &vec![b'x'; 300 * 1024]);
            bench.hang_up(stream);
        }
        assert_eq!(bench.files(), [""; 0]);
        assert_eq!(bench.dir.stored(), 0);
        let end = printed.len() as u64 + 300 * 1024;
        assert_eq!(bench.log.starts(), Offsets { stdout: end, stderr: 300 * 1024 });
    }
}

#[test]
fn who_reads_a_forgotten_process_gets_all_of_it() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    let text = vec![b'a'; 700 * 1024];
    bench.put(Stdout, &text);
    bench.put(Stderr, b"oops");
    bench.log.seal();
    bench.log.close();
    let all = [Met::Out(Stdout, text), out(Stderr, "oops")];
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    let mut reader = Follower::read(bench.log.clone(), Position::default(), bench.log.ends());
    bench.log.remove();
    bench.put(Stdout, b"a descendant");
    assert_eq!(drain(&mut follower), all);
    drop(follower);
    assert_eq!(drain(&mut reader), all);
    drop(reader);
    // The files go on the blocking pool.
    while !bench.files().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(bench.dir.stored(), 0);
}

#[test]
fn files_that_somebody_deletes_are_a_gap() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    bench.put(Stdout, b"gone");
    bench.log.seal();
    bench.log.close();
    fs::remove_dir_all(&bench.folder).unwrap();
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    assert_eq!(drain(&mut follower), [Met::Gap(Stdout, 4)]);
    assert!(smol::block_on(follower.next()).is_none());
}

#[test]
fn a_file_that_somebody_empties_is_a_gap() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    bench.put(Stdout, b"gone");
    File::options().write(true).truncate(true).open(bench.folder.join("bench.stdout.log")).unwrap();
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    assert_eq!(drain(&mut follower), [Met::Gap(Stdout, 4)]);
    bench.put(Stdout, b"here");
    assert_eq!(drain(&mut follower), [out(Stdout, "here")]);
}

#[test]
fn an_attached_follower_is_spared_until_the_budget_is_spent() {
    let mut bench = Bench::new(64 * 1024, 1 << 20);
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    let text = vec![b'x'; 512 * 1024];
    bench.put(Stdout, &text);
    assert_eq!(drain(&mut follower), [Met::Out(Stdout, text)]);
    bench.put(Stdout, &vec![b'y'; 3 << 20]);
    let met = drain(&mut follower);
    let [Met::Gap(Stdout, lost), Met::Out(Stdout, rest)] = &met[..] else { panic!("{:?}", shape(&met)) };
    assert_eq!(lost + rest.len() as u64, 3 << 20);
}

#[test]
fn the_budget_is_kept_at_the_cost_of_the_oldest_finished() {
    let mut bench = Bench::new(32 << 20, 1 << 20);
    let (small, text) = (b"small".to_vec(), vec![b'x'; 30 << 10]);
    let print = |bench: &mut Bench, bytes: &[u8]| {
        bench.put(Stdout, bytes);
        bench.log.seal();
        bench.log.close();
        bench.next()
    };
    let first = print(&mut bench, &small);
    let logs: Vec<_> = (0..60).map(|_| print(&mut bench, &text)).collect();
    let stored = bench.dir.stored();
    assert!((900 << 10..=1 << 20).contains(&stored), "{stored}");
    assert!(bench.bytes_on_disk() <= 1 << 20, "{}", bench.bytes_on_disk());
    let met = |log: &Arc<Log>| drain(&mut Follower::attach(log.clone(), Position::default()));
    assert_eq!(met(&logs[0]), [Met::Gap(Stdout, 30 << 10)]);
    assert_eq!(met(&logs[59]), [Met::Out(Stdout, text)]);
    assert_eq!(met(&first), [Met::Out(Stdout, small)], "what is small gains nothing");
}

#[test]
fn the_budget_is_kept_while_many_commands_write() {
    let mut bench = Bench::new(32 << 20, 1 << 20);
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    let text = vec![b'x'; 30 << 10];
    let mut logs = Vec::new();
    for _ in 0..60 {
        bench.put(Stdout, &text);
        logs.push(bench.next());
        assert!(bench.bytes_on_disk() <= 1 << 20, "{}", bench.bytes_on_disk());
    }
    assert_eq!(drain(&mut follower), [Met::Out(Stdout, text)], "its follower was about to read it");
    bench.log = logs.swap_remove(1);
    bench.put(Stdout, b"goes on");
    let met = drain(&mut Follower::attach(bench.log.clone(), Position::default()));
    assert_eq!(met, [Met::Gap(Stdout, 30 << 10), out(Stdout, "goes on")]);
}

#[test]
fn a_held_tail_comes_again_before_the_next_bytes() {
    let mut bench = Bench::new(1 << 20, 1 << 30);
    let mut follower = Follower::attach(bench.log.clone(), Position::default());
    bench.put(Stdout, "a\u{20ac}".as_bytes().split_at(3).0);
    let Some(Ok(Item::Output(Output { bytes, .. }))) = smol::block_on(follower.next()) else { panic!() };
    follower.hold(Stdout, &bytes[1..]);
    assert_eq!(follower.position().offsets.stdout, 1);
    bench.put(Stderr, b"between");
    bench.put(Stdout, "a\u{20ac}".as_bytes().split_at(3).1);
    assert_eq!(drain(&mut follower), [out(Stderr, "between"), out(Stdout, "\u{20ac}")]);
    assert_eq!(follower.position().offsets.stdout, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// A log against a plain model: whatever is written in whatever pieces, a follower that reads now and then, cut and
    /// resumed at will, gets each stream's bytes once and in order.
    #[test]
    fn resumed_followers_lose_and_repeat_nothing(
        steps in proptest::collection::vec((any::<bool>(), 1usize..9000, 0u8..4), 1..40),
    ) {
        let mut bench = Bench::new(1 << 30, 1 << 30);
        let mut follower = Follower::attach(bench.log.clone(), Position::default());
        let (mut model, mut seen, mut runs) = ([Vec::<u8>::new(), Vec::new()], [Vec::new(), Vec::new()], 0);
        let absorb = |met: Vec<Met>, seen: &mut [Vec<u8>; 2]| for m in met {
            match m {
                Met::Out(stream, bytes) => seen[stream as usize].extend(bytes),
                Met::Gap(..) => panic!("nothing was dropped"),
                Met::Restart(_) => {}
            }
        };
        for (i, (err, len, action)) in steps.iter().enumerate() {
            let stream = if *err { Stderr } else { Stdout };
            let bytes: Vec<u8> = (0..*len).map(|n| u8::try_from((n * 7 + i) % 256).unwrap()).collect();
            model[stream as usize].extend(&bytes);
            bench.put(stream, &bytes);
            match action {
                0 => absorb(drain(&mut follower), &mut seen),
                1 => {
                    let at = follower.position();
                    follower = Follower::attach(bench.log.clone(), at);
                }
                2 => {
                    bench.log.end_run(runs, runs + 1, 1, 0);
                    runs += 1;
                }
                _ => {}
            }
        }
        bench.log.seal();
        bench.log.close();
        absorb(drain(&mut follower), &mut seen);
        prop_assert_eq!(seen, model);
    }
}
