//! One connection: bytes, whole lines or batches, the inbox.

use super::connection_context::{ConnectionContext, End, QUIET, time_is_up};
use super::gate::Entered;
use super::ipc_connection::take_batches;
use super::line_buffer::{LineBuffer, Lines};
use super::row_chunk::{Chunk, LineChunk};
use crate::format::ipc_stream::CONTINUATION;
use crate::net::connections::{Connection, Phase};
use crate::telemetry::{ErrorReason, RejectReason};
use std::io::{self, Cursor};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

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
    let mut is_first = true;
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
            Ok(_) if is_first && buffer.begins_with(&CONTINUATION[..1]) => {
                // No text in UTF-8 begins so.
                let begun = Cursor::new(buffer.take_begun());
                return take_batches(begun.chain(stream), peer, context, connection).await;
            }
            Ok(read) => {
                is_first = false;
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
        room = context.inbox.room_for(lines.capacity()) => room,
        () = time_is_up(&mut context.deadline) => return false,
    };
    let peer = Arc::clone(peer);
    let mut chunk = LineChunk::new(lines, bytes, peer, room);
    chunk.rejected.add(RejectReason::TooLong, too_long);
    context.inbox.push(Chunk::Lines(chunk));
    connection.idle();
    true
}
