//! Which finished processes are forgotten, and when.

use super::*;

#[test]
fn the_longest_finished_are_forgotten_with_their_files() {
    let engine = Engine::remembering(2);
    let processes: Vec<_> = (0..4).map(|i| engine.run(&format!("echo {i}"))).collect();
    // Forgetting follows the announcement of the end.
    while engine.supervisor.table.all().len() > 2 {
        std::thread::yield_now();
    }
    let known: Vec<_> = engine.supervisor.table.all().iter().map(|p| p.id).collect();
    assert_eq!(known, [processes[2].id, processes[3].id]);
    assert!(engine.supervisor.table.find(&processes[0].spec.name, false).is_none());
    let files = || std::fs::read_dir(&engine.folder).unwrap().flatten();
    while files().any(|e| e.file_name().to_string_lossy().starts_with(&format!("{}.", processes[1].id))) {
        std::thread::yield_now();
    }
    assert_eq!(output(&processes[3]).0, "3\n");
}

#[test]
fn the_longest_finished_is_forgotten_though_it_is_counted_last() {
    let engine = Engine::new();
    let (first, second) = (engine.run("true"), engine.run("true"));
    let one = Memory { count_max: 1, bytes_max: usize::MAX, age: Duration::MAX };
    let table = ProcessTable::new(one, 8);
    table.insert(first.clone());
    table.insert(second.clone());
    assert!(table.finish(&second).is_empty());
    let forgotten: Vec<_> = table.finish(&first).iter().map(|process| process.id).collect();
    assert_eq!(forgotten, [first.id]);
}

#[test]
fn large_requests_of_finished_processes_are_forgotten_sooner() {
    let engine = Engine::with_memory(Memory { count_max: 100, age: Duration::MAX, bytes_max: 50_000 });
    for _ in 0..4 {
        let mut spec = spec("true");
        spec.env = vec![("LARGE".to_owned(), "x".repeat(20_000))];
        within(engine.start(spec).unwrap().over());
    }
    // Forgetting follows the announcement of the end.
    while engine.supervisor.table.all().len() > 2 {
        std::thread::yield_now();
    }
    assert_eq!(engine.supervisor.table.all().len(), 2);
}
