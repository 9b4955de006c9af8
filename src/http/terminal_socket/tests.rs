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
