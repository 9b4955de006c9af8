//! The book by itself, and a monitor of a real process that tells a real server.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

fn nobody() -> Arc<Family> {
    Arc::new(|_: &Census| Some(Vec::new()))
}

fn take(book: &mut Book, now: Instant) -> Option<(i64, u16)> {
    book.take(true, now).ok().map(|call| (call.pid, call.port))
}

#[test]
fn each_port_is_told_once_until_it_closes() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.add(7, "a", nobody(), Told::default());
    let mut records = Vec::new();
    book.found(7, Some(&[80, 81]), |_| {});
    for expect in [80, 81] {
        let call = book.take(true, now).unwrap();
        assert_eq!(call.port, expect);
        // One call at a time for each.
        assert!(book.take(true, now).is_err());
        assert!(!book.settle(&call, Outcome::Told, now, |record| records.push(format!("{record:?}"))));
    }
    book.found(7, Some(&[80, 81]), |_| {});
    assert_eq!(take(&mut book, now), None);
    book.found(7, Some(&[81]), |record| records.push(format!("{record:?}")));
    book.found(7, Some(&[80, 81]), |_| {});
    assert_eq!(take(&mut book, now), Some((7, 80)));
    assert_eq!(records.len(), 3, "{records:?}");
}

#[test]
fn a_failure_is_tried_again_later_and_given_up_at_last() {
    let (mut book, mut now) = (Book::default(), Instant::now());
    book.add(7, "a", nobody(), Told::default());
    book.found(7, Some(&[80]), |_| {});
    let mut pauses = Vec::new();
    loop {
        let call = book.take(true, now).unwrap();
        if book.settle(&call, Outcome::Failed { is_passing: true }, now, |_| {}) {
            break;
        }
        let due = book.take(true, now).unwrap_err().unwrap();
        pauses.push((due - now).as_millis());
        now = due;
    }
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000]);
    // It counts as told: nobody would be the wiser.
    book.found(7, Some(&[80]), |_| {});
    assert_eq!(take(&mut book, now), None);
    // What makes no sense is not tried again.
    book.found(7, Some(&[80, 81]), |_| {});
    let call = book.take(true, now).unwrap();
    assert!(book.settle(&call, Outcome::Failed { is_passing: false }, now, |_| {}));
}

#[test]
fn who_does_not_answer_is_left_to_those_who_call_all() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.add(7, "hangs", nobody(), Told::default());
    book.add(8, "answers", nobody(), Told::default());
    book.found(7, Some(&[80]), |_| {});
    let call = book.take(false, now).unwrap();
    book.settle(&call, Outcome::Failed { is_passing: true }, now, |_| {});
    let later = now + Duration::from_mins(1);
    assert!(book.take(false, later).is_err());
    book.found(8, Some(&[90]), |_| {});
    assert_eq!(book.take(false, later).unwrap().pid, 8);
    assert_eq!(book.take(true, later).unwrap().pid, 7);
}

#[test]
fn a_monitor_ends_when_all_is_told_of_a_process_that_is_gone() {
    let (mut book, now) = (Book::default(), Instant::now());
    book.add(7, "a", nobody(), Told::default());
    book.found(7, Some(&[80]), |_| {});
    book.found(7, None, |_| {});
    assert!(book.targets().is_empty());
    assert_eq!(book.len(), 1);
    let call = book.take(true, now).unwrap();
    let mut records = Vec::new();
    book.settle(&call, Outcome::Told, now, |record| records.push(format!("{record:?}")));
    assert_eq!(book.len(), 0);
    assert_eq!(records.last().unwrap(), "Stopped { pid: 7 }");
    // Stopped in the middle of a call.
    book.add(9, "a", nobody(), Told::default());
    book.found(9, Some(&[80]), |_| {});
    let call = book.take(true, now).unwrap();
    assert!(book.remove(9) && !book.remove(9));
    assert!(!book.settle(&call, Outcome::Failed { is_passing: false }, now, |_| {}));
}

#[test]
fn a_line_has_an_end() {
    let mut book = Book::default();
    book.add(7, "a", nobody(), Told::default());
    let ports: Vec<u16> = (1..=5000).collect();
    book.found(7, Some(&ports), |_| {});
    let now = Instant::now();
    let mut told = 0;
    while let Ok(call) = book.take(true, now) {
        book.settle(&call, Outcome::Told, now, |_| {});
        told += 1;
    }
    assert_eq!(told, 1024);
    // What was left out then is told when there is room.
    book.found(7, Some(&ports), |_| {});
    assert!(book.take(true, now).is_ok());
}

#[test]
fn a_real_listener_is_told_to_a_real_server() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let callback = format!("http://{}/", server.local_addr().unwrap());
    let own = server.local_addr().unwrap().port();
    let monitors = Monitors::new(Custody::none());
    let me = std::process::id();
    let family: Arc<Family> = Arc::new(move |_: &Census| Some(vec![me]));
    monitors.start(me.into(), "", family.clone()).unwrap();
    monitors.start(me.into(), &callback, family.clone()).unwrap();
    monitors.start(me.into(), &callback, family).unwrap();
    let wanted = format!("{{\"pid\":{me},\"port\":{own}}}");
    let serve = blocking::unblock(move || {
        for socket in server.incoming() {
            let (mut socket, mut request) = (socket.unwrap(), Vec::new());
            while !request.ends_with(b"}") {
                let mut piece = [0; 1024];
                let read = socket.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            if String::from_utf8_lossy(&request).ends_with(&wanted) {
                return;
            }
        }
    });
    smol::block_on(serve.or(monitors.clone().watch()).or(monitors.clone().deliver(1)));
    monitors.stop(me.into());
    assert_eq!(monitors.lock().len(), 0);
}
