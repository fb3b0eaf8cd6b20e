//! One connection: bytes, whole lines, the inbox.

use super::inbox::{Chunk, Inbox};
use super::line_buffer::{LineBuffer, Lines};
use crate::net::connections::{Connection, Phase};
use crate::telemetry::ErrorReason;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
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
    /// May change while the connection is open.
    pub line_bytes_max: Arc<AtomicUsize>,
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
}

/// Reads one connection to its end. False when it was cut off.
pub async fn read(
    mut stream: impl AsyncRead + Unpin,
    peer: String,
    mut context: ConnectionContext,
    connection: Connection,
) -> bool {
    let peer = Arc::<str>::from(peer);
    let mut buffer = LineBuffer::default();
    let mut end = take_all(&mut stream, &mut buffer, &peer, &mut context, &connection).await;
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
        End::CutOff => {
            context.inbox.note_error(ErrorReason::CutOff);
            debug!(%peer, "a connection was closed before its end");
        }
    }
    !matches!(end, End::CutOff)
}

async fn take_all(
    stream: &mut (impl AsyncRead + Unpin),
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
