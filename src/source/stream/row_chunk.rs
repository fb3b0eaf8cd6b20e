//! What one connection or request has sent, on its way to a model.

use crate::error::Fault;
use crate::format::ndjson::LineOrigin;
use crate::monitor::table::{Table, rows};
use crate::telemetry::RejectReason;
use crate::time::Timestamp;
use crate::totals::Rejected;
use arrow_array::RecordBatch;
use memchr::memchr;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// What one connection or request has sent.
pub enum Chunk {
    Lines(LineChunk),
    Batch(BatchChunk),
    Table(TableChunk),
    Broken(BrokenStream),
}

/// Rows of an Arrow stream.
pub struct BatchChunk {
    pub batch: RecordBatch,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Its room in the inbox.
    pub room: OwnedSemaphorePermit,
}

/// Rows that came as a table of their own.
pub struct TableChunk {
    pub table: Box<dyn Table + Send>,
    /// When its rows happened that do not say so themselves.
    pub happened: Option<Timestamp>,
    /// Bytes that it takes.
    pub size: usize,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Its room in the inbox.
    pub room: OwnedSemaphorePermit,
}

/// An Arrow stream that could not be read further.
pub struct BrokenStream {
    pub fault: Fault,
    /// Bytes that arrived and are no rows.
    pub bytes: u64,
    pub peer: Arc<str>,
}

/// Whole lines of one connection or request.
pub struct LineChunk {
    /// Lines with their line feeds, the last maybe without.
    pub lines: Vec<u8>,
    /// What their values are, and when they happened.
    pub origin: LineOrigin,
    /// Bytes of them that were read.
    pub read: usize,
    /// Bytes that arrived, those of lines that were not kept included.
    pub bytes: u64,
    /// Lines that were not kept.
    pub rejected: Rejected,
    /// How the first of them begins, as far as that is known.
    pub first_rejected: Option<(RejectReason, String)>,
    pub peer: Arc<str>,
    /// Its room in the inbox.
    pub room: OwnedSemaphorePermit,
}

impl Chunk {
    /// Bytes that wait.
    pub fn size(&self) -> usize {
        match self {
            Chunk::Lines(chunk) => chunk.lines.len(),
            Chunk::Batch(chunk) => chunk.batch.get_array_memory_size(),
            Chunk::Table(chunk) => chunk.size,
            Chunk::Broken(_) => 0,
        }
    }

    /// Whether it holds nothing but what was rejected.
    pub fn is_bare(&self) -> bool {
        matches!(self, Chunk::Lines(chunk) if chunk.lines.is_empty())
    }

    /// Bytes that arrived.
    pub fn bytes(&self) -> u64 {
        match self {
            Chunk::Lines(LineChunk { bytes, .. })
            | Chunk::Batch(BatchChunk { bytes, .. })
            | Chunk::Table(TableChunk { bytes, .. })
            | Chunk::Broken(BrokenStream { bytes, .. }) => *bytes,
        }
    }

    /// Lines or rows that were not read, those that were not kept included.
    pub fn n_rows(&self) -> u64 {
        match self {
            Chunk::Lines(chunk) => chunk.n_lines(),
            Chunk::Batch(chunk) => chunk.batch.num_rows() as u64,
            Chunk::Table(chunk) => rows(&*chunk.table),
            Chunk::Broken(_) => 0,
        }
    }
}

impl LineChunk {
    /// Lines, and how many bytes arrived for them.
    pub fn new(
        lines: Vec<u8>,
        bytes: u64,
        peer: Arc<str>,
        room: OwnedSemaphorePermit,
    ) -> LineChunk {
        LineChunk {
            lines,
            origin: LineOrigin::default(),
            read: 0,
            bytes,
            rejected: Rejected::default(),
            first_rejected: None,
            peer,
            room,
        }
    }

    pub fn unread(&self) -> &[u8] {
        &self.lines[self.read..]
    }

    /// Lines that were not read, those that were not kept included.
    fn n_lines(&self) -> u64 {
        let rest = self.unread();
        let ends = rest.iter().filter(|byte| **byte == b'\n').count() as u64;
        ends + u64::from(!rest.is_empty() && !rest.ends_with(b"\n")) + self.rejected.sum()
    }

    /// The next line, without what ends it.
    pub fn next_line(&mut self) -> Option<&[u8]> {
        let begun = self.read;
        let rest = &self.lines[begun..];
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        self.read = (begun + end + 1).min(self.lines.len());
        let line = &self.lines[begun..begun + end];
        (begun < self.lines.len()).then(|| line.strip_suffix(b"\r").unwrap_or(line))
    }
}
