//! What is bounded, and what surely arrives, whatever a viewer sends.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use super::*;

const MIB: usize = 1024 * 1024;

/// Both ends of a connection.
async fn pair() -> (TcpStream, WebSocketStream<Upgraded>, Arc<Async<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let upgraded = Upgraded::new(Arc::new(Async::new(listener.accept().unwrap().0).unwrap()), Vec::new());
    let raw = upgraded.socket();
    (client, WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config())).await, raw)
}

/// A frame of a client, whose mask is zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[0x80 | opcode, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

#[test]
fn pings_of_who_never_reads_are_not_all_kept() {
    smol::block_on(async {
        let (mut client, socket, raw) = pair().await;
        let (mut sender, mut receiver) = socket.split();
        let flood = 32 * MIB / 131;
        let peer = thread::spawn(move || {
            let pings = frame(9, &[b'x'; 125]).repeat(1000);
            for _ in 0..flood / 1000 {
                client.write_all(&pings).unwrap();
            }
            client.write_all(&frame(1, b"through")).unwrap();
            client
        });
        while !matches!(receiver.next().await.unwrap().unwrap(), Message::Text(_)) {}
        let mut client = peer.join().unwrap();
        let reads = thread::spawn(move || {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).unwrap();
            bytes
        });
        // It takes the place of the latest answer.
        sender.send(Message::Pong("last".into())).await.unwrap();
        drop((sender, receiver, raw));
        let bytes = reads.join().unwrap();
        assert!(bytes.ends_with(b"last"), "it goes on once it reads");
        // What the network holds comes on top.
        assert!(bytes.len() < UNSENT_BYTES_MAX + 12 * MIB, "{}", bytes.len());
    });
}

#[test]
fn the_largest_message_of_output_finds_room() {
    let largest = terminal::output(&vec![0x1b; 100 * 1024 + 4]);
    assert!(largest.len() < UNSENT_BYTES_MAX / 2, "{}", largest.len());
}

#[test]
fn the_last_word_reaches_who_still_sends() {
    smol::block_on(async {
        let (mut client, socket, raw) = pair().await;
        let (mut sender, mut receiver) = socket.split();
        let peer = thread::spawn(move || {
            let len = u64::try_from(16 * MIB).unwrap();
            client.write_all(&[&[0x81, 0xff], &len.to_be_bytes()[..], &[0; 4]].concat()).unwrap();
            client.write_all(&vec![b'x'; 16 * MIB]).unwrap();
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let error = receiver.next().await.unwrap().unwrap_err();
        let farewell = Farewell::of_bad_message(&error).unwrap();
        farewell.say(&mut sender, &mut receiver, &raw).await;
        drop((sender, receiver, raw));
        let bytes = peer.join().unwrap();
        assert_eq!(bytes[0], 0x88);
        assert_eq!(bytes[2..4], 1009_u16.to_be_bytes());
    });
}
