//! One pass over a file of lines, CSV or captured requests: where its rows are, which are none, and
//! the hash of its bytes.
//!
//! Lines of JSON stay where they are. Whatever is packed or written otherwise is written again, as
//! lines of JSON, to a file without a name.

use super::line_schema::LineSchema;
use super::line_split::full_lines;
use super::payload::{
    BodyContext, BodyFault, CsvRows, Packing, RowLines, ValueNames, captured, events, explanation,
    lines_of, logged,
};
use crate::error::{Fault, FaultKind, Result};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use flate2::read::MultiGzDecoder;
use memchr::{memchr_iter, memrchr};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Bytes of lines that are looked at by one core at a time, and rows of a part at most.
const PART_BYTES: usize = 4 << 20;
const PART_ROWS: usize = 65_536;

/// Values of a part, at most: short lines of many features take much more room than their text.
const PART_CELLS: usize = 4_000_000;

/// Bytes of a row, at most, and of the rows of one request as lines.
pub const LINE_BYTES_MAX: usize = 16 << 20;
const LINES_BYTES_MAX: usize = 256 << 20;

/// Bytes that a file unpacks to, at most, and that a document which is read whole has.
const UNPACKED_BYTES_MAX: u64 = 16 << 30;
const DOCUMENT_BYTES_MAX: usize = 256 << 20;

/// A power of two: what zstd looks back on, 128 MB.
const WINDOW_LOG_MAX: u32 = 27;

/// How rows are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Objects of JSON, each on a line.
    Ndjson,
    Csv,
    /// One document of JSON, whatever dress it wears.
    Json,
    /// What SageMaker captured.
    Sagemaker,
    /// Records of KServe's log store.
    Kserve,
}

/// Some rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub offset: u64,
    pub bytes: usize,
    pub rows: u64,
    /// Every value is a string, as in CSV.
    pub are_texts: bool,
}

/// A file whose rows are found.
#[derive(Debug)]
pub struct ScannedLines {
    /// That or another file, where the parts are.
    pub file: Arc<File>,
    /// That file, in which lines may be that are none.
    pub is_own: bool,
    pub parts: Vec<Part>,
    pub rejected: Rejected,
    /// Why the first of them is none, and how it begins.
    pub first_rejected: Option<(RejectReason, String)>,
    /// XXH3 of the file's bytes, 128 bits.
    pub content: u128,
}

/// Finds the rows of a file. `lines` is what they are read for; `on_read` is called with each
/// part.
pub fn scan(
    file: &Arc<File>,
    format: RowFormat,
    names: &ValueNames,
    lines: &LineSchema,
    on_read: &dyn Fn(),
) -> Result<ScannedLines, Fault> {
    scan_within(LINES_BYTES_MAX, file, format, (names, lines), on_read)
}

/// The same, with so many bytes of lines in memory at a time.
fn scan_within(
    lines_bytes_max: usize,
    file: &Arc<File>,
    format: RowFormat,
    (names, lines): (&ValueNames, &LineSchema),
    on_read: &dyn Fn(),
) -> Result<ScannedLines, Fault> {
    let mut context = BodyContext::new(names, LINE_BYTES_MAX, lines_bytes_max);
    context.time_column = lines.time().map(str::to_owned);
    let features = lines.features().len();
    let mut start = [0; 4];
    let n = file.read_at(&mut start, 0).map_err(io_fault)?;
    let mut input = HashingReader { file, offset: 0, hash: Xxh3::new(), on_read };
    let packing = Packing::of(&start[..n]);
    let mut scanner = Scanner::new(file, format, packing, context);
    scanner.part_rows = (PART_CELLS / features.max(1)).clamp(1, PART_ROWS);
    match packing {
        Packing::Plain => scanner.read(&mut input)?,
        Packing::Gzip => {
            scanner.read_packed(MultiGzDecoder::new(&mut input))?;
        }
        Packing::Zstd => {
            let mut unpacked = zstd::Decoder::new(&mut input).map_err(io_fault)?;
            unpacked.window_log_max(WINDOW_LOG_MAX).map_err(io_fault)?;
            scanner.read_packed(unpacked)?;
        }
    }
    // What follows what is packed.
    io::copy(&mut input, &mut io::sink()).map_err(io_fault)?;
    scanner.finish(input.hash.digest128())
}

/// What was read is not what it should be, unless the disk failed.
fn io_fault(error: io::Error) -> Fault {
    match error.raw_os_error() {
        Some(_) => Fault::new(FaultKind::Io, error.to_string()),
        None => Fault::unreadable(error.to_string()),
    }
}

struct HashingReader<'a> {
    file: &'a File,
    offset: u64,
    hash: Xxh3,
    on_read: &'a dyn Fn(),
}

impl Read for HashingReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(bytes, self.offset)?;
        self.offset += n as u64;
        self.hash.update(&bytes[..n]);
        (self.on_read)();
        Ok(n)
    }
}

struct Scanner<'a> {
    format: RowFormat,
    context: BodyContext,
    /// Where lines stay; none where they are written again.
    own: Option<&'a Arc<File>>,
    written: Option<File>,
    offset: u64,
    /// Rows of a part, at most.
    part_rows: usize,
    parts: Vec<Part>,
    rejected: Rejected,
    first_rejected: Option<(RejectReason, String)>,
}

impl<'a> Scanner<'a> {
    fn new(
        file: &'a Arc<File>,
        format: RowFormat,
        packing: Packing,
        context: BodyContext,
    ) -> Scanner<'a> {
        let stays = format == RowFormat::Ndjson && packing == Packing::Plain;
        Scanner {
            format,
            context,
            own: stays.then_some(file),
            written: None,
            offset: 0,
            part_rows: PART_ROWS,
            parts: Vec::new(),
            rejected: Rejected::default(),
            first_rejected: None,
        }
    }

    /// Reads what is packed, as far as it may unpack to.
    fn read_packed(&mut self, unpacked: impl Read) -> Result<(), Fault> {
        let mut unpacked = unpacked.take(UNPACKED_BYTES_MAX);
        self.read(&mut unpacked)?;
        match unpacked.limit() {
            0 => {
                Err(Fault::unreadable(format!("it unpacks to {UNPACKED_BYTES_MAX} bytes or more")))
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, input: &mut dyn Read) -> Result<(), Fault> {
        match self.format {
            RowFormat::Ndjson => self.read_lines(input, |own, text| {
                let mut rows = RowLines::new(&own.context.renewed());
                for line in full_lines(text) {
                    match own.own {
                        Some(_) => rows.push_unkept(line),
                        None => rows.push(line)?,
                    }
                }
                Ok(vec![rows])
            }),
            RowFormat::Sagemaker => self.read_lines(input, |own, text| {
                full_lines(text).map(|line| captured(line, &own.context.renewed())).collect()
            }),
            RowFormat::Csv => self.read_csv(input),
            RowFormat::Json | RowFormat::Kserve => self.read_document(input),
        }
    }

    /// Reads whole lines, as many as all cores are busy with.
    fn read_lines(
        &mut self,
        input: &mut dyn Read,
        read: impl Fn(&Scanner<'_>, &[u8]) -> Result<Vec<RowLines>, BodyFault> + Sync,
    ) -> Result<(), Fault> {
        let most = PART_BYTES * rayon::current_num_threads();
        let (mut text, mut at_end) = (Vec::new(), false);
        while !at_end {
            let n = (&mut *input).take(most as u64).read_to_end(&mut text).map_err(io_fault)?;
            at_end = n == 0;
            let whole = match memrchr(b'\n', &text) {
                _ if at_end => text.len(),
                Some(end) => end + 1,
                // A line may be so long; one that is longer is none, and so is what is cut off.
                None if text.len() <= LINE_BYTES_MAX + most => continue,
                None => text.len(),
            };
            let pieces = pieces(&text[..whole], self.part_rows);
            let own = &*self;
            let all: Vec<_> = pieces.par_iter().map(|piece| read(own, piece)).collect();
            for (piece, rows) in pieces.iter().zip(all) {
                self.add(piece.len(), rows.map_err(fault)?)?;
            }
            text.drain(..whole);
        }
        Ok(())
    }

    fn read_csv(&mut self, input: &mut dyn Read) -> Result<(), Fault> {
        let context = self.context.clone();
        let input = BufReader::with_capacity(1 << 16, input);
        let mut reader = CsvRows::new(input, &context).map_err(fault)?;
        loop {
            // What may be in memory at a time, and not what a file may have.
            let rows = reader.read(&context.renewed(), self.part_rows, PART_BYTES);
            let rows = rows.map_err(fault)?;
            if rows.n_rows() + rows.n_rejected.sum() == 0 {
                return Ok(());
            }
            self.add(0, vec![rows])?;
        }
    }

    fn read_document(&mut self, input: &mut dyn Read) -> Result<(), Fault> {
        let mut text = Vec::new();
        input.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(io_fault)?;
        if text.len() > DOCUMENT_BYTES_MAX {
            return Err(Fault::unreadable(format!(
                "a document of more than {DOCUMENT_BYTES_MAX} bytes; write a row on each line"
            )));
        }
        let own = &self.context;
        let all = match self.format {
            RowFormat::Kserve => logged(text, own),
            _ => events(text, own).and_then(|events| Ok(vec![lines_of(events, own)?])),
        };
        self.add(0, all.map_err(fault)?)
    }

    /// Adds rows that follow, found in so many bytes.
    fn add(&mut self, bytes: usize, all: Vec<RowLines>) -> Result<(), Fault> {
        for mut rows in all {
            self.first_rejected = self.first_rejected.take().or(rows.first_rejected.take());
            rows.n_rejected.iter().for_each(|(reason, n)| self.rejected.add(reason, n));
            if self.own.is_none() {
                self.write(&rows)?;
            } else if rows.n_rows() > 0 {
                let (offset, rows) = (self.offset, rows.n_rows());
                self.parts.push(Part { offset, bytes, rows, are_texts: false });
            }
        }
        self.offset += if self.own.is_some() { bytes as u64 } else { 0 };
        Ok(())
    }

    /// Writes rows in parts of so many rows and bytes.
    fn write(&mut self, rows: &RowLines) -> Result<(), Fault> {
        if rows.n_rows() == 0 {
            return Ok(());
        }
        let file = match &mut self.written {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(io_fault)?),
        };
        file.write_all(&rows.lines).map_err(io_fault)?;
        let mut begun = 0;
        for end in &rows.ends {
            let (bytes, are_texts) = (end - begun, rows.are_texts);
            match self.parts.last_mut() {
                Some(last)
                    if last.are_texts == are_texts
                        && last.bytes + bytes <= PART_BYTES
                        && last.rows < self.part_rows as u64 =>
                {
                    last.bytes += bytes;
                    last.rows += 1;
                }
                _ => self.parts.push(Part { offset: self.offset, bytes, rows: 1, are_texts }),
            }
            self.offset += bytes as u64;
            begun = *end;
        }
        match self.offset <= UNPACKED_BYTES_MAX {
            true => Ok(()),
            false => Err(Fault::unreadable(format!(
                "its rows take more than {UNPACKED_BYTES_MAX} bytes as lines"
            ))),
        }
    }

    fn finish(self, content: u128) -> Result<ScannedLines, Fault> {
        let Scanner { own, written, parts, rejected, first_rejected, .. } = self;
        if let (true, Some((reason, text))) = (parts.is_empty(), &first_rejected) {
            let reason = explanation(*reason);
            return Err(Fault::unreadable(format!("no row in it; the first is {reason}: {text}")));
        }
        let is_own = own.is_some();
        let file = match (own, written) {
            (Some(own), _) => Arc::clone(own),
            (None, Some(written)) => Arc::new(written),
            (None, None) => Arc::new(tempfile::tempfile().map_err(io_fault)?),
        };
        Ok(ScannedLines { file, is_own, parts, rejected, first_rejected, content })
    }
}

fn fault(fault: BodyFault) -> Fault {
    Fault::unreadable(fault.text())
}

/// Whole lines in pieces of the bytes and lines of a part.
fn pieces(text: &[u8], part_rows: usize) -> Vec<&[u8]> {
    let (mut pieces, mut begun, mut lines) = (Vec::new(), 0, 0);
    for at in memchr_iter(b'\n', text) {
        lines += 1;
        if lines == part_rows || at + 1 - begun >= PART_BYTES {
            pieces.push(&text[begun..=at]);
            (begun, lines) = (at + 1, 0);
        }
    }
    if begun < text.len() {
        pieces.push(&text[begun..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::ColumnsConfig;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// A file may have more rows than fit into memory.
    #[test]
    fn a_file_may_be_larger_than_what_is_read_at_a_time() {
        const ROWS: usize = 300_000;
        let lines: String = (0..ROWS).map(|n| format!("{{\"x\":{n}}}\n")).collect();
        let csv: String = (0..ROWS).map(|n| format!("{n}\n")).collect();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(lines.as_bytes()).unwrap();
        let files = [
            (lines.clone().into_bytes(), RowFormat::Ndjson),
            (packed.finish().unwrap(), RowFormat::Ndjson),
            (format!("x\n{csv}").into_bytes(), RowFormat::Csv),
        ];
        let schema = LineSchema::new(Vec::new(), ColumnsConfig::default());
        for (bytes, format) in files {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            // All lines have more.
            let most = lines.len() - 1;
            let scanned = scan_within(
                most,
                &Arc::new(file),
                format,
                (&ValueNames::default(), &schema),
                &|| (),
            );
            let scanned = scanned.unwrap();
            let rows: u64 = scanned.parts.iter().map(|part| part.rows).sum();
            assert_eq!((rows, scanned.rejected.sum()), (ROWS as u64, 0), "{format:?}");
            assert_eq!(scanned.content, xxhash_rust::xxh3::xxh3_128(&bytes), "{format:?}");
            assert!(scanned.parts.iter().all(|part| part.rows <= PART_ROWS as u64), "{format:?}");
        }
    }
}
