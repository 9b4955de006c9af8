//! The end of a connection whose client may still be sending.

use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt;

/// How long a client that is still sending is listened to after its last answer, so that it can read the answer: a socket
/// that is closed over unread bytes takes back what was sent.
const LINGER: Duration = Duration::from_secs(5);

/// Reads and drops what a client still sends, until it closes its side or the time is up.
pub(super) async fn linger(socket: &Async<TcpStream>) {
    // Either is an error when the client is gone, and then there is nothing to wait for.
    if socket.get_ref().shutdown(Shutdown::Write).is_err() {
        return;
    }
    let drop_rest = async {
        let mut reader = socket;
        futures_lite::io::copy(&mut reader, &mut futures_lite::io::sink()).await.ok();
    };
    let time_up = async {
        Timer::after(LINGER).await;
    };
    drop_rest.or(time_up).await;
}
