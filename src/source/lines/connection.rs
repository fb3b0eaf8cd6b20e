//! One connection: bytes, whole lines, the inbox.

use super::gate::{Entered, Gate};
use super::inbox::{Chunk, Inbox};
use super::line_buffer::{LineBuffer, Lines};
use crate::net::connections::{Connection, Phase};
use crate::telemetry::ErrorReason;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

/// While the daemon stops, a connection that sends nothing for so long has sent all. One that is
/// inside a line is waited for.
const QUIET: Duration = Duration::from_secs(1);

/// What a connection needs; one per socket, cloned per connection.
#[derive(Clone)]
pub struct ConnectionContext {
    pub inbox: Arc<Inbox>,
    /// Where the socket listens.
    pub address: Arc<str>,
    /// May change while the connection is open.
    pub line_bytes_max: Arc<AtomicUsize>,
    /// May change for connections that come later.
    pub gate: Arc<RwLock<Arc<Gate>>>,
    /// Until when connections may go on, once their socket is to be closed.
    pub deadline: watch::Receiver<Option<Instant>>,
}

/// How a connection went.
enum End {
    /// All that it sent was taken.
    Whole,
    Broken(io::Error),
    /// It had to give way, or the time was up.
    CutOff,
    /// It was not let in.
    Refused,
}

/// Reads one connection to its end. False when it was cut off.
pub async fn read(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: String,
    mut context: ConnectionContext,
    connection: Connection,
) -> bool {
    let peer = Arc::<str>::from(peer);
    let mut buffer = LineBuffer::default();
    let mut end = match enter(stream, &peer, &mut context, &connection).await {
        Ok(mut stream) => {
            take_all(&mut stream, &mut buffer, &peer, &mut context, &connection).await
        }
        Err(end) => end,
    };
    // A client may end its last line with the connection; of one that was cut off it is half a
    // line.
    if !matches!(end, End::CutOff)
        && let Some(lines) = buffer.finish()
        && !hand_over(lines, &peer, &mut context, &connection).await
    {
        end = End::CutOff;
    }
    match &end {
        End::Whole => {}
        End::Broken(error) => {
            context.inbox.note_error(ErrorReason::Connection);
            debug!(%peer, %error, "a connection broke");
        }
        End::Refused => context.inbox.note_error(ErrorReason::Refused),
        End::CutOff => {
            context.inbox.note_error(ErrorReason::CutOff);
            debug!(%peer, "a connection was closed before its end");
        }
    }
    !matches!(end, End::CutOff)
}

/// Has the gate let a connection in.
async fn enter(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: &str,
    context: &mut ConnectionContext,
    connection: &Connection,
) -> Result<Entered, End> {
    let gate = Arc::clone(&context.gate.read().unwrap_or_else(PoisonError::into_inner));
    connection.entering();
    let entered = tokio::select! {
        biased;
        () = connection.gives_way() => return Err(End::CutOff),
        () = time_is_up(&mut context.deadline) => return Err(End::CutOff),
        entered = gate.enter(stream) => entered,
    };
    match entered {
        Ok(entered) => {
            connection.idle();
            Ok(entered)
        }
        // It came and went without a word, as whoever looks whether somebody listens does.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(End::Whole),
        Err(error) => {
            gate.tell_refused(&context.address, peer, &error);
            Err(End::Refused)
        }
    }
}

async fn take_all(
    stream: &mut Entered,
    buffer: &mut LineBuffer,
    peer: &Arc<str>,
    context: &mut ConnectionContext,
    connection: &Connection,
) -> End {
    loop {
        let deadline = *context.deadline.borrow_and_update();
        let is_quiet_the_end = deadline.is_some() && !buffer.is_inside_line();
        let read = tokio::select! {
            biased;
            () = connection.gives_way() => return End::CutOff,
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return End::CutOff;
            }
            // The socket is to be closed.
            Ok(()) = context.deadline.changed() => continue,
            read = stream.read_buf(buffer.space()) => read,
            () = sleep(QUIET), if is_quiet_the_end => return End::Whole,
        };
        match read {
            Ok(0) => return End::Whole,
            Ok(read) => {
                if let Some(lines) = buffer.take(read, context.line_bytes_max.load(Relaxed))
                    && !hand_over(lines, peer, context, connection).await
                {
                    return End::CutOff;
                }
            }
            // Of TLS: the client closed the connection without saying so before, as many do.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Whole,
            Err(error) => return End::Broken(error),
        }
    }
}

/// Waits until there is room for the lines. False when the time is up before.
async fn hand_over(
    lines: Lines,
    peer: &Arc<str>,
    context: &mut ConnectionContext,
    connection: &Connection,
) -> bool {
    // It waits for its model now, not the other way round.
    connection.set_phase(Phase::Working);
    let Lines { lines, bytes, too_long } = lines;
    let room = tokio::select! {
        biased;
        room = context.inbox.room_for(&lines) => room,
        () = time_is_up(&mut context.deadline) => return false,
    };
    let peer = Arc::clone(peer);
    context.inbox.push(Chunk { lines, read: 0, bytes, too_long, peer, room });
    connection.idle();
    true
}

/// Waits for the deadline, once there is one.
pub async fn time_is_up(deadline: &mut watch::Receiver<Option<Instant>>) {
    match deadline.wait_for(Option::is_some).await.map(|deadline| *deadline) {
        Ok(Some(deadline)) => sleep_until(deadline).await,
        // Nobody is there any more who could set one.
        _ => std::future::pending().await,
    }
}
