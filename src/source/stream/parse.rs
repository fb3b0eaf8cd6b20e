//! Chunks to tables: of lines on all cores, so many rows and values each, whatever the lines hold.

use super::row_chunk::{BatchChunk, BrokenStream, Chunk, LineChunk, TableChunk};
use crate::format::arrow::RecordBatchTable;
use crate::format::line_schema::{LineFaults, LineSchema};
use crate::format::ndjson::{Batch, BatchBuilder};
use crate::monitor::table::{Table, rows};
use crate::telemetry::RejectReason;
use crate::time::Timestamp;
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows of a batch at most.
pub const BATCH_ROWS: u64 = 16_384;

/// Values of a batch at most, rows times features: short lines of many features take much more
/// room than their text.
pub const BATCH_CELLS: u64 = 1_000_000;

/// Bytes of a batch of so many features at most, besides its texts, which are no longer than their
/// lines. Columns grow by doubling.
pub fn batch_bytes_max(features: usize) -> u64 {
    let cells = BATCH_CELLS.min(BATCH_ROWS * features as u64) + features as u64;
    cells * 2 * size_of::<f64>() as u64
}

/// Rows to count, what was wrong with them, and who sent the first that was rejected.
pub struct TakenRows {
    pub table: Box<dyn Table + Send>,
    pub bytes: u64,
    pub faults: LineFaults,
    pub rejected_peer: Option<Arc<str>>,
    /// When rows happened that do not say so themselves.
    pub happened: Option<Timestamp>,
}

impl TakenRows {
    fn of(mut batch: Batch, rejected_peer: Option<Arc<str>>) -> TakenRows {
        let (bytes, faults) = (batch.bytes, std::mem::take(&mut batch.faults));
        TakenRows { table: Box::new(batch), bytes, faults, rejected_peer, happened: None }
    }
}

/// What was taken from the inbox, in its order: the first lines are tables already.
#[derive(Default)]
pub struct TakenChunks(VecDeque<Piece>);

enum Piece {
    Unread(LineChunk),
    Parsed(TakenRows),
    Batch(BatchChunk),
    Table(TableChunk),
    Broken(BrokenStream),
}

impl TakenChunks {
    pub fn extend(&mut self, chunks: VecDeque<Chunk>) {
        self.0.extend(chunks.into_iter().map(|chunk| match chunk {
            Chunk::Lines(chunk) => Piece::Unread(chunk),
            Chunk::Batch(chunk) => Piece::Batch(chunk),
            Chunk::Table(chunk) => Piece::Table(chunk),
            Chunk::Broken(stream) => Piece::Broken(stream),
        }));
    }

    /// The next rows, if there are any.
    pub fn next(&mut self, schema: &Arc<LineSchema>, line_bytes_max: usize) -> Option<TakenRows> {
        if let Some(Piece::Unread(_)) = self.0.front() {
            self.parse(schema, line_bytes_max);
        }
        Some(match self.0.pop_front()? {
            Piece::Parsed(rows) => rows,
            Piece::Batch(chunk) => self.joined(chunk, schema),
            Piece::Table(TableChunk { table, happened, bytes, .. }) => {
                let faults = schema.unknown_columns(table.schema(), rows(&*table));
                TakenRows { table, bytes, faults, rejected_peer: None, happened }
            }
            Piece::Broken(BrokenStream { fault, bytes, peer }) => {
                let mut builder = BatchBuilder::new(Arc::clone(schema));
                builder.add_bytes(bytes);
                builder.reject(RejectReason::BrokenStream, fault.to_string().as_bytes());
                TakenRows::of(builder.finish(), Some(peer))
            }
            Piece::Unread(_) => unreachable!("the first lines were parsed"),
        })
    }

    /// A batch with those that follow and have its schema, up to so many rows: whoever sends few
    /// rows at a time has them counted together.
    fn joined(&mut self, first: BatchChunk, schema: &LineSchema) -> TakenRows {
        let (own, mut rows) = (first.batch.schema(), first.batch.num_rows() as u64);
        let (mut bytes, mut chunks) = (first.bytes, vec![first]);
        while let Some(Piece::Batch(next)) = self.0.pop_front_if(|piece| match piece {
            Piece::Batch(next) => {
                rows + next.batch.num_rows() as u64 <= BATCH_ROWS && next.batch.schema() == own
            }
            _ => false,
        }) {
            rows += next.batch.num_rows() as u64;
            bytes += next.bytes;
            chunks.push(next);
        }
        let batches: Vec<RecordBatch> = chunks.into_iter().map(|chunk| chunk.batch).collect();
        let faults = schema.unknown_columns(&own, rows);
        // Dictionaries may have more values together than their keys can tell apart.
        let joined = match batches.len() {
            1 => None,
            _ => concat_batches(&own, &batches).ok(),
        };
        let batches = joined.map_or(batches, |joined| vec![joined]);
        let table = RecordBatchTable::new(batches).expect("they have one schema");
        TakenRows { table: Box::new(table), bytes, faults, rejected_peer: None, happened: None }
    }

    /// Makes batches of the first lines, on all cores where nothing that is parsed waits behind.
    fn parse(&mut self, schema: &Arc<LineSchema>, line_bytes_max: usize) {
        let mut chunks = VecDeque::new();
        while let Some(Piece::Unread(chunk)) =
            self.0.pop_front_if(|piece| matches!(piece, Piece::Unread(_)))
        {
            chunks.push_back(chunk);
        }
        let n = if self.0.is_empty() { rayon::current_num_threads() } else { 1 };
        let mut parts = split(chunks, n);
        let tables = parts.par_iter_mut().map(|part| parse_one(part, schema, line_bytes_max));
        let tables: Vec<_> = tables.collect();
        for (rows, left) in tables.into_iter().zip(parts).rev() {
            left.into_iter().rev().for_each(|chunk| self.0.push_front(Piece::Unread(chunk)));
            self.0.push_front(Piece::Parsed(rows));
        }
    }
}

/// Parts of about the same size, in their order.
fn split(chunks: VecDeque<LineChunk>, n: usize) -> Vec<VecDeque<LineChunk>> {
    let all: usize = chunks.iter().map(|chunk| chunk.unread().len()).sum();
    let mut parts = vec![VecDeque::new()];
    let mut bytes = 0;
    for chunk in chunks {
        if bytes * n >= all * parts.len() && bytes > 0 {
            parts.push(VecDeque::new());
        }
        bytes += chunk.unread().len();
        parts.last_mut().expect("there is one").push_back(chunk);
    }
    parts
}

/// One batch of the first lines; they are taken out.
fn parse_one(
    chunks: &mut VecDeque<LineChunk>,
    schema: &Arc<LineSchema>,
    line_bytes_max: usize,
) -> TakenRows {
    let mut builder = BatchBuilder::new(Arc::clone(schema));
    let mut rejected_peer = None;
    while let Some(chunk) = chunks.front_mut() {
        // With the chunk's first lines, and not again.
        builder.add_bytes(std::mem::take(&mut chunk.bytes));
        let (rejected, first) = (std::mem::take(&mut chunk.rejected), chunk.first_rejected.take());
        if builder.add_rejected(&rejected, first) {
            rejected_peer.get_or_insert_with(|| Arc::clone(&chunk.peer));
        }
        let origin = chunk.origin.clone();
        while let Some(line) = chunk.next_line() {
            // Before white space around it is taken off: the rest of a long line is not kept.
            let read = match line.trim_ascii() {
                _ if line.len() > line_bytes_max => Err(RejectReason::TooLong),
                [] => Ok(()),
                line => builder.push(line, &origin),
            };
            if let Err(reason) = read {
                builder.reject(reason, line);
                rejected_peer.get_or_insert_with(|| Arc::clone(&chunk.peer));
            }
            if builder.rows() >= BATCH_ROWS || builder.cells() >= BATCH_CELLS {
                return TakenRows::of(builder.finish(), rejected_peer);
            }
        }
        chunks.pop_front();
    }
    TakenRows::of(builder.finish(), rejected_peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Kind;
    use crate::format::line_schema::LineFeature;
    use crate::schema::columns::ColumnsConfig;
    use crate::source::stream::inbox::Inbox;

    fn schema(features: usize) -> Arc<LineSchema> {
        let kind = Kind::Numeric;
        let feature = |i| LineFeature { name: format!("x{i}"), kind, declared: false };
        Arc::new(LineSchema::new((0..features).map(feature).collect(), ColumnsConfig::default()))
    }

    async fn chunk(lines: &str) -> Chunk {
        let lines = lines.as_bytes().to_vec();
        let room = Inbox::default().room_for(0).await;
        let bytes = lines.len() as u64;
        Chunk::Lines(LineChunk::new(lines, bytes, "a".into(), room))
    }

    async fn taken(texts: impl IntoIterator<Item = String>) -> TakenChunks {
        let mut taken = TakenChunks::default();
        for lines in texts {
            taken.extend([chunk(&lines).await].into());
        }
        taken
    }

    #[tokio::test]
    async fn every_line_is_read_once_and_no_batch_is_large() {
        let lines = "{}\n".repeat(30_000) + "no\n" + &"{\"x0\":1}\n".repeat(10);
        let texts = std::iter::repeat_n(lines.clone(), 5).chain(["y".repeat(101)]);
        let mut taken = taken(texts).await;
        let schema = schema(1_000);
        let (mut n_rows, mut n_rejected, mut n_bytes) = (0, 0, 0);
        while let Some(TakenRows { table, bytes, faults, .. }) = taken.next(&schema, 100) {
            assert!(rows(&*table) * 1_000 <= BATCH_CELLS, "{} rows", rows(&*table));
            let is_parsed = |piece: &&Piece| matches!(piece, Piece::Parsed(_));
            assert!(taken.0.iter().filter(is_parsed).count() <= rayon::current_num_threads());
            n_rows += rows(&*table);
            n_rejected += faults.rejected.sum();
            n_bytes += bytes;
        }
        let all = lines.len() as u64 * 5 + 101;
        assert_eq!((n_rows, n_rejected, n_bytes), (5 * 30_010, 6, all));
    }

    #[tokio::test]
    async fn rows_stay_in_their_order() {
        use arrow_array::cast::AsArray;
        use arrow_array::types::Float64Type;
        let line = |i: u64| format!("{{\"x0\":{i}}}\n");
        let lines = |from: u64| (from..from + 40_000).map(line).collect::<String>();
        let mut taken = taken([0, 40_000, 80_000].map(lines)).await;
        let (schema, mut seen) = (schema(1), Vec::new());
        while let Some(TakenRows { table, .. }) = taken.next(&schema, 100) {
            for block in table.read(0, 0).unwrap() {
                seen.extend_from_slice(
                    block.unwrap().values().as_primitive::<Float64Type>().values(),
                );
            }
        }
        assert!(seen.iter().copied().eq((0..120_000).map(f64::from)));
    }
}
