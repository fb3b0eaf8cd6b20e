//! CSV: a header with the names, and records of as many fields.

use super::row_lines::{QuotedName, RowLines};
use super::{BodyContext, BodyFault};
use crate::telemetry::RejectReason;
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::io::{self, BufRead, Read};

/// What may stand between two fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a content type says where there is no header; see RFC 4180.
const HEADER_ABSENT: &str = "header=absent";

pub fn is_csv(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    matches!(name, "text/csv" | "application/csv" | "text/tab-separated-values")
}

/// The delimiter of a header: the one that is most often in it.
fn delimiter(header: &[u8]) -> u8 {
    let line = header.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let often = |own: &u8| line.iter().filter(|byte| *byte == own).count();
    // Of several the first, a comma where there is none.
    DELIMITERS.into_iter().rev().max_by_key(often).unwrap_or(b',')
}

/// Each record is a row.
pub fn rows(body: &[u8], context: &BodyContext) -> Result<RowLines, BodyFault> {
    CsvRows::new(body, context)?.read(context, usize::MAX, usize::MAX)
}

/// Bytes of a record, at most: a quote that nobody closes would take all that follows.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// Gives so many bytes until it is allowed more.
struct Limited<R> {
    input: R,
    left: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("a record is too long; is a quote not closed?"));
        }
        let most = bytes.len().min(self.left);
        let n = self.input.read(&mut bytes[..most])?;
        self.left -= n;
        Ok(n)
    }
}

/// The rows of CSV, as many at a time as are asked for.
pub struct CsvRows<R> {
    reader: Reader<Limited<R>>,
    names: Vec<QuotedName>,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header.
    pub fn new(mut input: R, context: &BodyContext) -> Result<CsvRows<R>, BodyFault> {
        let begin = input.fill_buf().map_err(|error| BodyFault::Malformed(error.to_string()))?;
        let delimiter = delimiter(begin);
        let mut reader = ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter);
        let mut reader = reader.from_reader(Limited { input, left: RECORD_BYTES_MAX });
        let mut record = ByteRecord::new();
        let names = match !context.content_type.contains(HEADER_ABSENT) {
            false if context.names.is_empty() => {
                let key = if context.is_response { "response_names" } else { "names" };
                let text = format!("CSV without a header; give names with the source's key {key}");
                return Err(BodyFault::Malformed(text));
            }
            false => context.names.to_vec(),
            true if !reader.read_byte_record(&mut record).map_err(fault)? => {
                return Err(BodyFault::Malformed("CSV without a header".to_owned()));
            }
            true => header(&record)?,
        };
        Ok(CsvRows { reader, names: QuotedName::all(names) })
    }

    /// The next rows, until there are so many or they have so many bytes.
    pub fn read(
        &mut self,
        context: &BodyContext,
        rows_max: usize,
        bytes_max: usize,
    ) -> Result<RowLines, BodyFault> {
        let mut rows = RowLines::new(context);
        rows.are_texts = true;
        let mut record = ByteRecord::new();
        while rows.ends.len() < rows_max && rows.lines.len() < bytes_max {
            self.reader.get_mut().left = RECORD_BYTES_MAX;
            if !self.reader.read_byte_record(&mut record).map_err(fault)? {
                break;
            }
            push(&mut rows, &self.names, &record)?;
        }
        Ok(rows)
    }
}

fn fault(error: csv::Error) -> BodyFault {
    BodyFault::Malformed(error.to_string())
}

/// The names of a header, each once.
fn header(record: &ByteRecord) -> Result<Vec<String>, BodyFault> {
    let names = record.iter().map(|name| {
        let name = name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name);
        String::from_utf8_lossy(name).trim().trim_matches('"').to_owned()
    });
    let names: Vec<String> = names.collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BodyFault::Malformed(format!("the column {:?} comes twice", pair[0]))),
        None => Ok(names),
    }
}

/// A record as it may have stood there.
fn as_line(record: &ByteRecord) -> Vec<u8> {
    record.iter().collect::<Vec<_>>().join(&b',')
}

fn push(rows: &mut RowLines, names: &[QuotedName], record: &ByteRecord) -> Result<(), BodyFault> {
    if record.len() != names.len() {
        rows.reject(RejectReason::WrongShape, &as_line(record));
        return Ok(());
    }
    let texts: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
    match texts {
        Ok(texts) => rows.push_texts(names, &texts),
        Err(_) => {
            rows.reject(RejectReason::NotUtf8, &as_line(record));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_what_a_header_has_most() {
        for (header, expected) in [
            ("a,b;c,d", b','),
            ("a;b;c", b';'),
            ("a\tb", b'\t'),
            ("a|b|c\n,,,,", b'|'),
            ("a", b','),
        ] {
            assert_eq!(delimiter(header.as_bytes()), expected, "{header}");
        }
    }
}
