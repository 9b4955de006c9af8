//! A viewer of a terminal at the other end of a WebSocket.
//!
//! Two halves go on side by side, so that a key reaches a shell whose output waits for a slow network: one reads messages, the other sends what
//! the viewer is shown. A message waits for the program that is to read it, and nothing else is read from this viewer meanwhile.
//! The first half that ends ends both.

use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use async_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as SocketError, Message};
use async_tungstenite::{WebSocketReceiver, WebSocketSender, WebSocketStream};
use futures_lite::future::zip;
use futures_lite::{FutureExt, StreamExt, io};

use super::attendance::Attendance;
use super::audit::Subject;
use super::context::Context;
use super::upgraded::Upgraded;
use crate::error::Error;
use crate::sys::pty::Size;
use crate::terminal::{Ending, Shown, Viewer, Wanted};
use crate::wire::terminal::{self, ViewerMessage};

/// A message of a viewer: what is pasted comes in one.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Read at a time of a viewer: most of it are single keys.
const READ_BYTES: usize = 4 * 1024;

/// Written and not yet taken by the network: one message of output, as large as it is when each byte of the past is escaped, and pongs. When
/// there is no room, only the latest ping is answered, as RFC 6455 (5.5.3) has it.
const UNSENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How often a viewer is asked whether it is there, and how long it may say nothing. Every client answers by itself.
const PING_EVERY: Duration = Duration::from_secs(30);
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// How long the last word may take, and the other side's answer to it.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// The bytes that a close frame has for its reason.
const REASON_BYTES_MAX: usize = 123;

/// When a viewer was heard last.
struct Heard {
    at: Mutex<Instant>,
}

/// Why it is over, in the words of a close frame.
struct Farewell {
    code: CloseCode,
    reason: String,
}

/// Shows a terminal until one side has enough.
pub(crate) async fn serve(
    upgraded: Upgraded,
    context: Context,
    (name, wanted): (String, Wanted),
    subject: Option<Subject>,
) {
    let raw = upgraded.socket();
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config())).await;
    let (mut sender, mut receiver) = socket.split();
    let farewell = match context.sandbox.view_terminal(&name, wanted).await {
        Ok(viewer) => {
            let session = viewer.session.clone();
            let heard = Heard { at: Mutex::new(Instant::now()) };
            let attendance = Attendance::begin(subject, &name);
            let hear = hear(&mut receiver, &session, &heard, attendance);
            let show = show(&mut sender, viewer, &heard);
            let going = async {
                context.shutdown.listen().await;
                Some(Farewell { code: CloseCode::Away, reason: "the daemon is going away".to_owned() })
            };
            hear.or(show).or(going).await
        }
        Err(error) => {
            let told = sender.send(Message::text(terminal::error(&error.to_string()))).await;
            told.is_ok().then(|| Farewell::of_error(&error))
        }
    };
    if let Some(farewell) = farewell {
        farewell.say(&mut sender, &mut receiver, &raw).await;
    }
}

fn config() -> WebSocketConfig {
    // All that is sent is sent whole at once: a buffer that waits for more would only be a second copy.
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// Takes what the viewer says, until it has enough. `None`: it has closed, or is gone.
async fn hear(
    receiver: &mut WebSocketReceiver<Upgraded>,
    session: &crate::terminal::Session,
    heard: &Heard,
    mut attendance: Option<Attendance>,
) -> Option<Farewell> {
    loop {
        let message = match receiver.next().await? {
            Ok(Message::Text(text)) => ViewerMessage::parse(text.as_bytes()),
            Ok(Message::Binary(bytes)) => ViewerMessage::parse(&bytes),
            // Pings are answered where they are read.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => None,
            Ok(Message::Close(_)) => {
                // The answer to it is sent where the next message is read for.
                let answered = async { while receiver.next().await.is_some() {} };
                within(FAREWELL_MAX, answered).await;
                return None;
            }
            Err(error) => return Farewell::of_bad_message(&error),
        };
        heard.now();
        match message {
            Some(ViewerMessage::Input(text)) => {
                if let Some(attendance) = &mut attendance {
                    attendance.types(&text, session);
                }
                heard.while_busy(session.type_in(text.as_bytes())).await;
            }
            Some(ViewerMessage::Resize { cols, rows }) => session.resize(Size { cols, rows }),
            None => {}
        }
    }
}

/// Sends what the viewer is shown, and asks now and then whether it is there.
async fn show(sender: &mut WebSocketSender<Upgraded>, mut viewer: Viewer, heard: &Heard) -> Option<Farewell> {
    let silence = async {
        loop {
            let silent_since = heard.last();
            if silent_since.elapsed() >= SILENCE_MAX {
                return Some(Farewell {
                    code: CloseCode::Policy,
                    reason: "it says nothing any more".to_owned(),
                });
            }
            Timer::at(silent_since + SILENCE_MAX).await;
        }
    };
    let send = async {
        let mut ping = Timer::interval(PING_EVERY);
        loop {
            let shown = async { Some(viewer.next().await) };
            let due = async {
                ping.next().await;
                None
            };
            let message = match shown.or(due).await {
                Some(Shown::Output(bytes)) => Message::text(terminal::output(&bytes)),
                Some(Shown::Over(ending)) => return Some(Farewell::of_ending(ending)),
                None => Message::Ping(Vec::new().into()),
            };
            sender.send(message).await.ok()?;
        }
    };
    send.or(silence).await
}

impl Heard {
    fn now(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is not listened to cannot be heard: a program that does not take its input is no silence of the viewer's.
    async fn while_busy(&self, what: impl Future<Output = ()>) {
        let count = async {
            loop {
                Timer::after(PING_EVERY).await;
                self.now();
            }
        };
        what.or(count).await;
        self.now();
    }
}

impl Farewell {
    fn of_ending(ending: Ending) -> Self {
        let code = if ending == Ending::Moved { CloseCode::Restart } else { CloseCode::Normal };
        Self { code, reason: ending.to_string() }
    }

    fn of_error(error: &Error) -> Self {
        let code = match error {
            Error::TooManyTerminals { .. } | Error::TooManyViewers { .. } | Error::Descriptors => {
                CloseCode::Again
            }
            Error::HandedOver | Error::ShuttingDown => CloseCode::Restart,
            _ => CloseCode::Error,
        };
        Self { code, reason: error.to_string() }
    }

    /// `None`: nobody is there to be told.
    fn of_bad_message(error: &SocketError) -> Option<Self> {
        let (code, reason) = match error {
            SocketError::Capacity(_) => {
                (CloseCode::Size, format!("a message has {MESSAGE_BYTES_MAX} bytes at most"))
            }
            SocketError::Utf8(_) => (CloseCode::Invalid, "a text that is no UTF-8".to_owned()),
            SocketError::Protocol(error) => (CloseCode::Protocol, error.to_string()),
            _ => return None,
        };
        Some(Self { code, reason })
    }

    /// Says it, and reads on until the other side closes, for a while: a connection that is closed over unread bytes takes back what was sent.
    async fn say(
        self,
        sender: &mut WebSocketSender<Upgraded>,
        receiver: &mut WebSocketReceiver<Upgraded>,
        mut raw: &Async<TcpStream>,
    ) {
        let mut reason = self.reason;
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        let frame = CloseFrame { code: self.code, reason: Utf8Bytes::from(reason) };
        let say = async {
            sender.send(Message::Close(Some(frame))).await.ok();
            // Who is gone has closed already.
            raw.get_ref().shutdown(Shutdown::Write).ok();
        };
        // At once: who sends something long may read nothing before it is through.
        let hear = async {
            // Whatever comes is the answer, or was sent before it was known that it is over.
            while let Some(Ok(_)) = receiver.next().await {}
            // Behind something that was no message there are no messages any more.
            io::copy(&mut raw, &mut io::sink()).await.ok();
        };
        let said = async {
            zip(say, hear).await;
        };
        within(FAREWELL_MAX, said).await;
    }
}

async fn within(time: Duration, what: impl Future<Output = ()>) {
    let time_up = async {
        Timer::after(time).await;
    };
    what.or(time_up).await;
}

#[cfg(test)]
mod tests;
