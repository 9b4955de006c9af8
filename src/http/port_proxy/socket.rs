//! `Socket`: a connection to a server on this host, as hyper reads and writes it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt;
use hyper::rt::ReadBufCursor;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::trouble::Trouble;
use crate::http::receive::receive;

/// How long a server on another host may take to accept a connection.
const CONNECT_FAR_MAX: Duration = Duration::from_secs(10);

/// How long a server may take to accept a connection: on one host that is a matter of its backlog alone.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// See the module. Dropping it closes the connection.
#[derive(Debug)]
pub(in crate::http) struct Socket {
    inner: Async<TcpStream>,
    /// The server takes nothing any more: what it has said is still there to be read.
    is_deaf: bool,
}

impl Socket {
    /// Takes over a connection.
    pub(in crate::http) fn new(inner: Async<TcpStream>) -> Self {
        Self { inner, is_deaf: false }
    }

    /// The socket alone.
    pub(in crate::http) fn into_inner(self) -> Async<TcpStream> {
        self.inner
    }

    /// Connects to a port of this host, whichever of its loopback addresses a server listens on.
    pub(in crate::http) async fn connect(port: u16) -> Result<Self, Trouble> {
        let mut nobody = Trouble::NobodyListens(port);
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let time_up = async {
                Timer::after(CONNECT_MAX).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            match connect(SocketAddr::new(address, port)).or(time_up).await {
                Ok(socket) => return Ok(Self::new(socket)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Trouble::Stalled(port)),
                // A host without IPv6 has nobody there either.
                Err(error) if is_nobody(&error) => {}
                Err(error) => nobody = Trouble::Unreachable(port, error),
            }
        }
        Err(nobody)
    }

    /// Connects to the first of some addresses that takes a connection.
    pub(in crate::http) async fn connect_to(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            let time_up = async {
                Timer::after(CONNECT_FAR_MAX).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            match connect(*address).or(time_up).await {
                Ok(socket) => return Ok(Self::new(socket)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNREFUSED | Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::NETUNREACH)
    )
}

/// Connects without a turn of the reactor where the kernel can: on one host it does so at once.
async fn connect(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    let connected = rustix::net::connect(&socket, &address);
    let socket = Async::new_nonblocking(TcpStream::from(socket))?;
    match connected {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            socket.writable().await?;
            socket.get_ref().take_error()?.map_or(Ok(()), Err)?;
        }
        Err(errno) => return Err(errno.into()),
    }
    // A client of an ephemeral port that nobody listens on may get that very port, and be connected to itself.
    if socket.get_ref().local_addr()? == address {
        return Err(Errno::CONNREFUSED.into());
    }
    // Small pieces are not held back for the answer to earlier ones.
    socket.get_ref().set_nodelay(true)?;
    Ok(socket)
}

impl hyper::rt::Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match receive(&self.inner, &mut buf) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.inner.poll_readable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl hyper::rt::Write for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = || slices.iter().map(|slice| slice.len()).sum();
        loop {
            if self.is_deaf {
                return Poll::Ready(Ok(all()));
            }
            match rustix::io::writev(&self.inner, slices) {
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready!(self.inner.poll_writable(cx))?,
                // hyper would give up here. The server may have answered before it read the body, and closed over the rest: whether it
                // has is known to who reads, so that is to be asked once more.
                Err(Errno::PIPE | Errno::CONNRESET) => {
                    self.is_deaf = true;
                    cx.waker().wake_by_ref();
                }
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket that is gone already is shut.
        self.inner.get_ref().shutdown(Shutdown::Write).ok();
        Poll::Ready(Ok(()))
    }
}
