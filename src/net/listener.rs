//! What connections come from: TCP and Unix sockets behind one trait.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// A silent peer is asked whether it is still there after this time.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Pause after a failed accept, such as for want of file descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections.
pub trait Listener: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and who it is, for a log line.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, String)>> + Send;

    /// Has the system keep nobody waiting who comes from now on; who has come already can be
    /// accepted.
    fn turn_away(&self);

    /// Tells whether its address still leads to it.
    fn reachability(&self) -> impl Fn() -> bool + Send + Sync + 'static;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, String)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // A peer that vanished must not keep its place for ever.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            debug!(%error, "no keepalive");
        }
        Ok((stream, peer.to_string()))
    }

    fn turn_away(&self) {
        turn_away(self.as_fd());
    }

    fn reachability(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        || true
    }
}

/// Has the system keep nobody waiting who has not come yet.
pub fn turn_away(socket: BorrowedFd<'_>) {
    // A socket that refuses to do so takes a few more; those are refused when it is closed.
    if let Err(error) = SockRef::from(&socket).listen(0) {
        debug!(%error, "the queue of a socket was not shortened");
    }
}
