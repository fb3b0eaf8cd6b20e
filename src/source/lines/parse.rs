//! Lines to batches, on all cores: so many rows and values each, whatever the lines hold.

use super::inbox::Chunk;
use crate::format::ndjson::{Batch, BatchBuilder, LineSchema};
use crate::telemetry::RejectReason;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows of a batch at most.
const BATCH_ROWS: u64 = 16_384;

/// Values of a batch at most, rows times features: short lines of many features take much more
/// room than their text.
const BATCH_CELLS: u64 = 1_000_000;

/// Bytes of a batch of so many features at most, besides its texts, which are no longer than their
/// lines. Columns grow by doubling.
pub fn batch_bytes_max(features: usize) -> u64 {
    let cells = BATCH_CELLS.min(BATCH_ROWS * features as u64) + features as u64;
    cells * 2 * size_of::<f64>() as u64
}

/// A batch, and who sent the first of its lines that was rejected.
pub struct ParsedBatch {
    pub batch: Batch,
    pub rejected_peer: Option<Arc<str>>,
}

/// Lines that were taken from the inbox, in their order: the first are batches already.
#[derive(Default)]
pub struct TakenLines(VecDeque<Piece>);

enum Piece {
    Unread(Chunk),
    Parsed(ParsedBatch),
}

impl TakenLines {
    pub fn extend(&mut self, chunks: VecDeque<Chunk>) {
        self.0.extend(chunks.into_iter().map(Piece::Unread));
    }

    /// The next batch, if there are lines.
    pub fn next(&mut self, schema: &Arc<LineSchema>, line_bytes_max: usize) -> Option<ParsedBatch> {
        if let Some(Piece::Unread(_)) = self.0.front() {
            self.parse(schema, line_bytes_max);
        }
        match self.0.pop_front()? {
            Piece::Parsed(batch) => Some(batch),
            Piece::Unread(_) => unreachable!("the first lines were parsed"),
        }
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
        let batches = parts.par_iter_mut().map(|part| parse_one(part, schema, line_bytes_max));
        let batches: Vec<_> = batches.collect();
        for (batch, left) in batches.into_iter().zip(parts).rev() {
            left.into_iter().rev().for_each(|chunk| self.0.push_front(Piece::Unread(chunk)));
            self.0.push_front(Piece::Parsed(batch));
        }
    }
}

/// Parts of about the same size, in their order.
fn split(chunks: VecDeque<Chunk>, n: usize) -> Vec<VecDeque<Chunk>> {
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
    chunks: &mut VecDeque<Chunk>,
    schema: &Arc<LineSchema>,
    line_bytes_max: usize,
) -> ParsedBatch {
    let mut builder = BatchBuilder::new(Arc::clone(schema));
    let mut rejected_peer = None;
    while let Some(chunk) = chunks.front_mut() {
        // With the chunk's first lines, and not again.
        builder.add_bytes(std::mem::take(&mut chunk.bytes));
        for _ in 0..std::mem::take(&mut chunk.too_long) {
            builder.reject(RejectReason::TooLong, b"");
            rejected_peer.get_or_insert_with(|| Arc::clone(&chunk.peer));
        }
        while let Some(line) = chunk.next_line() {
            // Before white space around it is taken off: the rest of a long line is not kept.
            let read = match line.trim_ascii() {
                _ if line.len() > line_bytes_max => Err(RejectReason::TooLong),
                [] => Ok(()),
                line => builder.push(line),
            };
            if let Err(reason) = read {
                builder.reject(reason, line);
                rejected_peer.get_or_insert_with(|| Arc::clone(&chunk.peer));
            }
            if builder.rows() >= BATCH_ROWS || builder.cells() >= BATCH_CELLS {
                return ParsedBatch { batch: builder.finish(), rejected_peer };
            }
        }
        chunks.pop_front();
    }
    ParsedBatch { batch: builder.finish(), rejected_peer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Kind;
    use crate::format::ndjson::LineFeature;
    use crate::monitor::table::{Table, rows};
    use crate::schema::columns::ColumnsConfig;
    use crate::source::lines::inbox::Inbox;

    fn schema(features: usize) -> Arc<LineSchema> {
        let kind = Kind::Numeric;
        let feature = |i| LineFeature { name: format!("x{i}"), kind, declared: false };
        Arc::new(LineSchema::new((0..features).map(feature).collect(), ColumnsConfig::default()))
    }

    async fn chunk(lines: &str) -> Chunk {
        let lines = lines.as_bytes().to_vec();
        let room = Inbox::default().room_for(&Vec::new()).await;
        Chunk { bytes: lines.len() as u64, lines, read: 0, too_long: 0, peer: "a".into(), room }
    }

    async fn taken(texts: impl IntoIterator<Item = String>) -> TakenLines {
        let mut taken = TakenLines::default();
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
        while let Some(ParsedBatch { batch, .. }) = taken.next(&schema, 100) {
            assert!(rows(&batch) * 1_000 <= BATCH_CELLS, "{} rows", rows(&batch));
            let is_parsed = |piece: &&Piece| matches!(piece, Piece::Parsed(_));
            assert!(taken.0.iter().filter(is_parsed).count() <= rayon::current_num_threads());
            n_rows += rows(&batch);
            n_rejected += batch.faults.rejected.sum();
            n_bytes += batch.bytes;
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
        while let Some(ParsedBatch { batch, .. }) = taken.next(&schema, 100) {
            for block in batch.read(0, 0).unwrap() {
                seen.extend_from_slice(
                    block.unwrap().values().as_primitive::<Float64Type>().values(),
                );
            }
        }
        assert!(seen.iter().copied().eq((0..120_000).map(f64::from)));
    }
}
