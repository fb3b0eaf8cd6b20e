//! A file of rows as lines of JSON, parsed part by part where it is counted.

use super::FileTable;
use super::line_scan::{LINE_BYTES_MAX, Part, ScannedLines};
use super::line_schema::LineSchema;
use super::line_split::full_lines;
use super::ndjson::{Batch, BatchBuilder, LineOrigin};
use super::row_group_cache::RowGroupCache;
use crate::error::{Fault, FaultKind, Result};
use crate::monitor::table::{Blocks, Table};
use arrow_schema::Schema;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Values of parsed row groups that are kept, about 128 MB of numbers, and bytes of their lines: a
/// file of no more is parsed once, although its times are read before its features.
const KEPT_CELLS: u64 = 16_000_000;
const KEPT_BYTES: usize = 256 << 20;

/// The rows of a file; each part of it is a row group.
#[derive(Debug)]
pub struct LineFile {
    file: Arc<File>,
    /// Lines of it may be none.
    is_own: bool,
    parts: Vec<Part>,
    rows: Vec<u64>,
    schema: Schema,
    lines: Arc<LineSchema>,
    content: u128,
    parsed: RowGroupCache<Batch>,
}

impl LineFile {
    pub fn new(scanned: ScannedLines, lines: Arc<LineSchema>) -> LineFile {
        let ScannedLines { file, is_own, parts, content, .. } = scanned;
        let rows: Vec<u64> = parts.iter().map(|part| part.rows).collect();
        let schema = BatchBuilder::new(Arc::clone(&lines)).finish().schema().clone();
        let largest = rows.iter().max().copied().unwrap_or(0) * lines.features().len() as u64;
        let longest = parts.iter().map(|part| part.bytes).max().unwrap_or(0);
        let kept = (KEPT_CELLS / largest.max(1)) as usize;
        let parsed = RowGroupCache::new(kept.min(KEPT_BYTES / longest.max(1)));
        LineFile { file, is_own, parts, rows, schema, lines, content, parsed }
    }

    fn parse(&self, row_group: usize) -> Result<Batch, Fault> {
        let Part { offset, bytes, rows, are_texts } = self.parts[row_group];
        let mut text = vec![0; bytes];
        self.file.read_exact_at(&mut text, offset).map_err(|error| {
            Fault::new(FaultKind::Io, format!("cannot read its lines: {error}"))
        })?;
        let mut builder = BatchBuilder::new(Arc::clone(&self.lines));
        let origin = LineOrigin { are_texts, happened: None };
        for line in full_lines(&text) {
            // Those that are no rows were counted when it was scanned.
            if (line.len() <= LINE_BYTES_MAX || !self.is_own)
                && let Err(reason) = builder.push(line, &origin)
            {
                builder.reject(reason, line);
            }
        }
        match builder.rows() == rows {
            true => Ok(builder.finish()),
            false => Err(Fault::incomplete("changed while it was read")),
        }
    }
}

impl FileTable for LineFile {
    fn content(&self) -> Result<u128, Fault> {
        Ok(self.content)
    }
}

impl Table for LineFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn row_groups(&self) -> &[u64] {
        &self.rows
    }

    fn fingerprint(&self) -> u64 {
        self.content as u64
    }

    fn weight(&self, row_group: usize, _column: usize) -> u64 {
        self.parts[row_group].bytes as u64
    }

    fn has_training_names(&self) -> bool {
        true
    }

    fn is_read_by_row_group(&self) -> bool {
        true
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        let parsed = self.parsed.get(row_group, || self.parse(row_group))?;
        let block = parsed.column(column).clone();
        Ok(Box::new(std::iter::once(Ok(block))))
    }
}
