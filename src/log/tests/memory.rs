//! What is kept in memory while the disk takes nothing.

use std::collections::HashSet;

use super::*;
use crate::custody::{Journal, Outbox};
use crate::keeper::protocol::{FromWorker, Key, decode};
use crate::sys::packets::Packets;

const MIB: usize = 1 << 20;

/// A bench whose folder takes nothing: a file stands in its place.
fn refused(memory_bytes_max: u64) -> Bench {
    refused_with(memory_bytes_max, 1 << 10, Custody::none())
}

fn refused_with(memory_bytes_max: u64, memory_files_max: u64, custody: Custody) -> Bench {
    let (file_bytes_max, total_bytes_max) = (1 << 30, 1 << 30);
    let limits = LogLimits { file_bytes_max, total_bytes_max, memory_bytes_max, memory_files_max };
    let bench = Bench::with(limits, custody);
    fs::remove_dir_all(&bench.folder).unwrap();
    fs::write(&bench.folder, "in the way").unwrap();
    bench
}

impl Bench {
    fn follower(&self) -> Follower {
        Follower::attach(self.log.clone(), Position::default())
    }

    fn put_mib(&mut self, n: usize) {
        self.put(Stdout, &vec![b'z'; n * MIB]);
    }
}

/// The bytes of each gap, and how many bytes were met.
fn gaps(met: &[Met]) -> (Vec<u64>, usize) {
    let gaps = met.iter().filter_map(|m| if let Met::Gap(_, bytes) = m { Some(*bytes) } else { None });
    let bytes = met.iter().filter_map(|m| if let Met::Out(_, bytes) = m { Some(bytes.len()) } else { None });
    (gaps.collect(), bytes.sum())
}

#[test]
fn a_folder_that_cannot_be_written_costs_no_byte() {
    let mut bench = refused(1 << 20);
    bench.put(Stdout, b"kept in memory");
    bench.log.seal();
    assert_eq!(drain(&mut bench.follower()), [out(Stdout, "kept in memory")]);
}

#[test]
fn memory_is_bounded_while_the_disk_refuses() {
    let mut bench = refused(64 << 20);
    bench.put_mib(4);
    let met = drain(&mut bench.follower());
    let [Met::Gap(Stdout, lost), Met::Out(Stdout, rest)] = &met[..] else { panic!("{:?}", shape(&met)) };
    assert_eq!(lost + rest.len() as u64, 4 << 20);
    assert!(rest.len() <= MIB, "{}", rest.len());
}

#[test]
fn what_a_follower_has_yet_to_read_stays_in_memory_until_it_leaves() {
    let mut bench = refused(64 << 20);
    let mut reads = bench.follower();
    bench.put_mib(4);
    assert_eq!(gaps(&drain(&mut reads)), (vec![], 4 * MIB));
    bench.put_mib(4);
    assert_eq!(bench.log.protected_bytes(), 3 << 20);
    drop(reads);
    // It is also done by the thread that the follower's leaving started; whoever comes first takes it out of the account.
    bench.log.trim();
    assert_eq!(bench.log.protected_bytes(), 0);
    assert_eq!(gaps(&drain(&mut bench.follower())), (vec![7 << 20], MIB));
}

#[test]
fn a_follower_that_is_lapped_meets_one_gap_and_has_room_again() {
    let mut bench = refused(64 << 20);
    let mut follower = bench.follower();
    bench.put_mib(9);
    let Some(Ok(Item::Gap { bytes, .. })) = smol::block_on(follower.next()) else { panic!() };
    assert!(bytes <= 8 << 20, "{bytes}");
    bench.put_mib(6);
    let rest = 15 * MIB - usize::try_from(bytes).unwrap();
    assert_eq!(gaps(&drain(&mut follower)), (vec![], rest));
}

#[test]
fn who_never_reads_costs_nobody_else_a_byte() {
    let mut bench = refused(64 << 20);
    let (stuck, mut reads) = (bench.follower(), bench.follower());
    let mut met = Vec::new();
    for _ in 0..8 {
        bench.put_mib(5);
        met.extend(drain(&mut reads));
    }
    assert_eq!(gaps(&met), (vec![], 40 * MIB));
    drop(stuck);
}

#[test]
fn the_oldest_that_are_over_make_room_for_those_that_go_on() {
    let mut bench = refused(8 << 20);
    let mut over = Vec::new();
    for _ in 0..12 {
        bench.put_mib(1);
        bench.log.seal();
        over.push(bench.next());
        let in_memory = bench.dir.stored_in_memory();
        assert!(in_memory <= 8 << 20, "{in_memory}");
    }
    let mut follower = bench.follower();
    bench.put_mib(1);
    assert_eq!(gaps(&drain(&mut follower)), (vec![], MIB));
    let met = |log: &Arc<Log>| gaps(&drain(&mut Follower::attach(log.clone(), Position::default())));
    assert_eq!(met(&over[0]), (vec![1 << 20], 0));
    assert_eq!(met(&over[11]), (vec![], MIB));
}

#[test]
fn a_thousand_commands_that_go_on_share_the_memory() {
    let mut bench = refused(1 << 20);
    let mut logs = Vec::new();
    for _ in 0..1000 {
        bench.put(Stdout, &[b'z'; 8192]);
        logs.push(bench.next());
        let in_memory = bench.dir.stored_in_memory();
        assert!(in_memory <= 1 << 20, "{in_memory}");
    }
    bench.log = logs.swap_remove(0);
    bench.put(Stdout, b"goes on");
    assert_eq!(drain(&mut bench.follower()), [Met::Gap(Stdout, 8192), out(Stdout, "goes on")]);
}

#[test]
fn small_outputs_do_not_take_all_descriptors() {
    let mut bench = refused_with(64 << 20, 64, Custody::none());
    let mut over = Vec::new();
    for _ in 0..100 {
        bench.put(Stdout, b"out");
        bench.put(Stderr, b"err");
        bench.log.seal();
        over.push(bench.next());
        assert!(bench.dir.memory_files() <= 64, "{}", bench.dir.memory_files());
    }
    let met = |log: &Arc<Log>| drain(&mut Follower::attach(log.clone(), Position::default()));
    assert_eq!(met(&over[0]), [Met::Gap(Stdout, 3), Met::Gap(Stderr, 3)]);
    assert_eq!(met(&over[99]), [out(Stdout, "out"), out(Stderr, "err")]);
    drop(over);
    assert_eq!((bench.dir.memory_files(), bench.dir.stored()), (0, 0));
}

/// Reads what the keeper was told, and which entries it holds then.
fn hear(keeper: &Packets, held: &mut HashSet<Key>) {
    while let Ok(Some(packet)) = keeper.receive() {
        match decode(&packet.bytes).unwrap() {
            FromWorker::Hold { key, .. } => assert!(held.insert(key)),
            FromWorker::Drop { key } => assert!(held.remove(&key)),
            _ => {}
        }
    }
}

#[test]
fn the_keeper_lets_go_of_what_is_dropped() {
    let (ours, keeper) = Packets::pair().unwrap();
    let custody = Custody::new(Outbox::new(Arc::new(ours), None), Journal::new().unwrap(), false).unwrap();
    let mut bench = refused_with(64 << 20, 8, custody);
    let (mut over, mut held) = (Vec::new(), HashSet::new());
    for _ in 0..20 {
        bench.put(Stdout, b"out");
        bench.log.seal();
        over.push(bench.next());
        hear(&keeper, &mut held);
        assert_eq!(held.len() as u64, bench.dir.memory_files());
    }
    bench.put_mib(2);
    hear(&keeper, &mut held);
    assert_eq!(held.len() as u64, bench.dir.memory_files());
}
