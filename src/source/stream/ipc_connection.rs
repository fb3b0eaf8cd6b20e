//! One connection that sends Arrow IPC streams: messages, batches, the inbox.

use super::connection_context::{ConnectionContext, End, QUIET, time_is_up};
use super::row_chunk::{BatchChunk, BrokenStream, Chunk, LineChunk};
use crate::error::{Fault, Result};
use crate::format::ipc_stream::{
    CONTINUATION, HEAD_BYTES_MAX, IpcStream, body_bytes, unpacked_bytes,
};
use crate::net::connections::{Connection, Phase};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Bytes of a message, and of what it unpacks to, at most.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Bytes of messages that are on their way, in all connections of a socket.
pub const ARRIVING_BYTES_MAX: usize = 128 << 20;

/// Who waits for room among those for so long is cut off, and so is who sends nothing for so long
/// inside a message: both would hold up others.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// Why a stream goes no further.
enum Stopped {
    /// Between two messages, as it should.
    Whole,
    Ended(End),
    Broken(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Stopped {
        Stopped::Broken(fault)
    }
}

/// Takes batches until the connection ends. A stream that is broken ends it.
pub async fn take_batches(
    stream: impl AsyncRead + Unpin,
    peer: &Arc<str>,
    context: &mut ConnectionContext,
    connection: &Connection,
) -> End {
    let mut reader = MessageReader { stream, context, connection, bytes: 0, ipc: None, held: None };
    loop {
        let fault = match reader.take_message().await {
            Ok(()) => continue,
            Err(Stopped::Whole) => {
                reader.account(peer).await;
                return End::Whole;
            }
            Err(Stopped::Ended(end)) => return end,
            Err(Stopped::Broken(fault)) => fault,
        };
        let error = io::Error::other(fault.to_string());
        let (bytes, peer) = (reader.bytes, Arc::clone(peer));
        context.inbox.push(Chunk::Broken(BrokenStream { fault, bytes, peer }));
        return End::Broken(error);
    }
}

struct MessageReader<'a, S> {
    stream: S,
    context: &'a mut ConnectionContext,
    connection: &'a Connection,
    /// That arrived and are not accounted for.
    bytes: u64,
    /// What the stream has said; it is with whoever unpacks a message meanwhile.
    ipc: Option<IpcStream>,
    /// The room of its dictionaries.
    held: Option<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + Unpin> MessageReader<'_, S> {
    /// Accounts for what arrived and is no rows, such as the end of a stream.
    async fn account(&mut self, peer: &Arc<str>) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes > 0 {
            let room = self.context.inbox.room_for(0).await;
            let peer = Arc::clone(peer);
            let nothing = LineChunk::new(Vec::new(), bytes, peer, room);
            self.context.inbox.push(Chunk::Lines(nothing));
        }
    }

    /// One message of a stream, or its end; another stream may follow.
    async fn take_message(&mut self) -> Result<(), Stopped> {
        let mut length = [0; 4];
        self.fill(&mut length, true).await?;
        if length == CONTINUATION {
            self.fill(&mut length, false).await?;
        }
        let length = u32::from_le_bytes(length) as usize;
        if length == 0 {
            (self.ipc, self.held) = (None, None);
            return Ok(());
        }
        if length > HEAD_BYTES_MAX {
            return Err(Fault::unreadable("no message of Arrow IPC").into());
        }
        let mut room = self.room(length).await?;
        let mut head = vec![0; length];
        self.fill(&mut head, false).await?;
        let length = body_bytes(&head, MESSAGE_BYTES_MAX)?;
        room.merge(self.room(length).await?);
        let mut body = vec![0; length];
        self.fill(&mut body, false).await?;
        let unpacked = unpacked_bytes(&head, &body)?.min(MESSAGE_BYTES_MAX);
        room.merge(self.room(unpacked.saturating_sub(length)).await?);
        self.unpack(head, body, room).await
    }

    /// Makes rows of a message and hands them over. What is no rows is kept for those that are.
    async fn unpack(
        &mut self,
        head: Vec<u8>,
        body: Vec<u8>,
        room: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let mut ipc = self.ipc.take().unwrap_or_default();
        let unpacking = spawn_blocking(move || {
            let batch = ipc.take(&head, body, MESSAGE_BYTES_MAX);
            (ipc, batch)
        });
        let (ipc, batch) = unpacking.await.map_err(|error| Fault::unreadable(error.to_string()))?;
        let kept = ipc.dictionary_bytes();
        self.ipc = Some(ipc);
        let Some(batch) = batch? else {
            self.hold(room, kept);
            return Ok(());
        };
        self.connection.set_phase(Phase::Working);
        let bytes = std::mem::take(&mut self.bytes);
        let own = tokio::select! {
            biased;
            room = self.context.inbox.room_for(batch.get_array_memory_size()) => room,
            () = time_is_up(&mut self.context.deadline) => return Err(Stopped::Ended(End::CutOff)),
        };
        self.context.inbox.push(Chunk::Batch(BatchChunk { batch, bytes, room: own }));
        self.connection.idle();
        Ok(())
    }

    /// Keeps as much room as dictionaries take, of which one may have taken another's place.
    fn hold(&mut self, mut room: OwnedSemaphorePermit, kept: usize) {
        if let Some(held) = self.held.take() {
            room.merge(held);
        }
        drop(room.split(room.num_permits().saturating_sub(kept)));
        self.held = Some(room);
    }

    /// Room for so many bytes more among those that arrive.
    async fn room(&mut self, bytes: usize) -> Result<OwnedSemaphorePermit, Stopped> {
        let permits = bytes.min(ARRIVING_BYTES_MAX) as u32;
        let room = Arc::clone(&self.context.arriving).acquire_many_owned(permits);
        match timeout(ARRIVES_WITHIN, room).await {
            Ok(room) => Ok(room.expect("it is never closed")),
            Err(_) => Err(Stopped::Ended(End::CutOff)),
        }
    }

    /// Reads as many bytes as there is room for. Only between messages may the stream end.
    async fn fill(&mut self, bytes: &mut [u8], is_between: bool) -> Result<(), Stopped> {
        let mut filled = 0;
        while filled < bytes.len() {
            let deadline = *self.context.deadline.borrow_and_update();
            let is_between = is_between && filled == 0;
            let patience = match (is_between, deadline) {
                (true, None) => None,
                (true, Some(_)) => Some(QUIET),
                (false, _) => Some(ARRIVES_WITHIN),
            };
            let read = tokio::select! {
                biased;
                () = self.connection.gives_way() => return Err(Stopped::Ended(End::CutOff)),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Err(Stopped::Ended(End::CutOff));
                }
                Ok(()) = self.context.deadline.changed() => continue,
                read = self.stream.read(&mut bytes[filled..]) => read,
                () = sleep(patience.unwrap_or_default()), if patience.is_some() => {
                    let end = if is_between { Stopped::Whole } else { Stopped::Ended(End::CutOff) };
                    return Err(end);
                }
            };
            match read {
                Ok(0) if is_between => return Err(Stopped::Whole),
                Ok(0) => return Err(Fault::incomplete("it ends inside a message").into()),
                Ok(read) => {
                    filled += read;
                    self.bytes += read as u64;
                }
                // Of TLS: the client closed the connection without saying so before.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && is_between => {
                    return Err(Stopped::Whole);
                }
                Err(error) => return Err(Stopped::Ended(End::Broken(error))),
            }
        }
        Ok(())
    }
}
