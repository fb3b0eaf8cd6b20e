//! What connections have read and no model has taken yet: so many bytes at most.
//!
//! It belongs to the socket and not to the model, so that what was sent while a model is stopped
//! and started anew waits for it.

use super::row_chunk::{Chunk, LineChunk};
use crate::telemetry::{ErrorReason, SourceTelemetry};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Bytes that wait at most, of a socket. While there are so many, no byte is taken from any
/// connection.
pub const INBOX_BYTES_MAX: usize = 8 << 20;

/// What a chunk takes besides what it holds, at most.
const CHUNK_BYTES: usize = 256;

/// Bytes that are worth a batch: enough rows for a task per column.
const BATCH_BYTES: usize = 1 << 20;

/// After this time a batch is made of what there is.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// What came to one socket.
pub struct Inbox {
    bytes_max: usize,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// When the oldest came.
    since: Option<Instant>,
    /// All connections have ended, and there will be no other.
    has_ended: bool,
    connections: usize,
    errors: Vec<ErrorReason>,
    reader: Option<Reader>,
    /// That there ever were.
    readers: u64,
}

/// The model that takes the chunks.
struct Reader {
    number: u64,
    wake: Arc<Notify>,
    telemetry: Arc<SourceTelemetry>,
}

/// What was sent and is not counted, since there is no model that could.
#[derive(Debug, Default)]
pub struct Abandoned {
    pub lines: u64,
    pub bytes: u64,
    pub errors: Vec<ErrorReason>,
}

/// What there is to take.
pub enum Taken {
    Chunks(VecDeque<Chunk>),
    /// Nothing for so long, unless the reader is woken.
    In(Duration),
    Nothing,
    /// Nothing any more.
    Ended,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox::of(INBOX_BYTES_MAX)
    }
}

impl Inbox {
    /// One where so many bytes wait at most.
    pub fn of(bytes_max: usize) -> Inbox {
        let room = Arc::new(Semaphore::new(bytes_max));
        Inbox { bytes_max, room, waiting: Mutex::default() }
    }

    /// Waits until there is room for a chunk of so many bytes; where it is larger than the inbox,
    /// all of it.
    pub async fn room_for(&self, bytes: usize) -> OwnedSemaphorePermit {
        let permits = bytes.saturating_add(CHUNK_BYTES).min(self.bytes_max) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        room.expect("the inbox is never closed")
    }

    /// Takes a chunk for whoever reads.
    pub fn push(&self, chunk: Chunk) {
        self.waiting().push(chunk);
    }

    /// Takes chunks for whoever reads, all of them. False when there will be nobody to read them.
    pub fn push_all(&self, chunks: Vec<Chunk>) -> bool {
        let mut waiting = self.waiting();
        if waiting.has_ended {
            return false;
        }
        chunks.into_iter().for_each(|chunk| waiting.push(chunk));
        true
    }

    /// Counts rows that are none and take no room: with those that wait already, where nothing
    /// came after them.
    pub fn push_rejected(&self, own: LineChunk) {
        let mut waiting = self.waiting();
        if let Some(Chunk::Lines(last)) = waiting.chunks.back_mut().filter(|last| last.is_bare()) {
            own.rejected.iter().for_each(|(reason, rows)| last.rejected.add(reason, rows));
            last.first_rejected = last.first_rejected.take().or(own.first_rejected);
            last.bytes += own.bytes;
        } else if !waiting.has_ended {
            waiting.push(Chunk::Lines(own));
        }
    }

    /// Has whoever reads look for what came elsewhere.
    pub fn wake(&self) {
        self.waiting().wake();
    }

    /// The chunks, once they are worth a batch or have waited long enough.
    pub fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        let Some(since) = waiting.since else {
            return if waiting.has_ended { Taken::Ended } else { Taken::Nothing };
        };
        let age = since.elapsed();
        if waiting.bytes < BATCH_BYTES && age < BATCH_TIME && !waiting.has_ended {
            return Taken::In(BATCH_TIME - age);
        }
        waiting.since = None;
        waiting.bytes = 0;
        Taken::Chunks(std::mem::take(&mut waiting.chunks))
    }

    /// From now on this model takes the chunks, until it detaches by this number.
    pub fn attach(&self, wake: Arc<Notify>, telemetry: Arc<SourceTelemetry>) -> u64 {
        let mut waiting = self.waiting();
        telemetry.connections.set(waiting.connections as i64);
        waiting.readers += 1;
        let number = waiting.readers;
        waiting.reader = Some(Reader { number, wake, telemetry });
        waiting.wake();
        number
    }

    /// Bytes of the chunks that wait.
    pub fn bytes(&self) -> usize {
        self.waiting().bytes
    }

    pub fn set_connections(&self, connections: usize) {
        let mut waiting = self.waiting();
        waiting.connections = connections;
        if let Some(reader) = &waiting.reader {
            reader.telemetry.connections.set(connections as i64);
        }
    }

    /// Counts an error for the model that reads, now or next.
    pub fn note_error(&self, reason: ErrorReason) {
        self.waiting().errors.push(reason);
    }

    /// Errors since the last time that this was asked.
    pub fn take_errors(&self) -> Vec<ErrorReason> {
        std::mem::take(&mut self.waiting().errors)
    }

    /// The model takes no more chunks; another may come.
    pub fn detach(&self, number: u64) {
        self.waiting().reader.take_if(|reader| reader.number == number);
    }

    /// What nobody is going to take: the chunks that wait although their model is gone, once all
    /// connections have ended.
    pub fn abandoned(&self) -> Option<Abandoned> {
        let mut waiting = self.waiting();
        if !waiting.has_ended || waiting.reader.is_some() {
            return None;
        }
        let chunks = std::mem::take(&mut waiting.chunks);
        (waiting.bytes, waiting.since) = (0, None);
        let errors = std::mem::take(&mut waiting.errors);
        Some(Abandoned {
            bytes: chunks.iter().map(Chunk::bytes).sum(),
            lines: chunks.iter().map(Chunk::n_rows).sum(),
            errors,
        })
    }

    /// All connections have ended, and there will be no other.
    pub fn end(&self) {
        let mut waiting = self.waiting();
        waiting.has_ended = true;
        waiting.wake();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, chunk: Chunk) {
        let before = self.bytes;
        self.bytes += chunk.size();
        let is_first = self.chunks.is_empty();
        self.chunks.push_back(chunk);
        self.since.get_or_insert_with(Instant::now);
        let is_due = before < BATCH_BYTES && self.bytes >= BATCH_BYTES;
        if is_first || is_due {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.wake.notify_one();
        }
    }
}
