//! CSV: a header with the names, and records of as many fields.

use super::row_lines::{QuotedName, RowLines};
use super::{BodyContext, BodyFault};
use crate::telemetry::RejectReason;
use csv::{ByteRecord, ReaderBuilder};

/// What may stand between two fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub fn is_csv(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    matches!(name, "text/csv" | "application/csv" | "text/tab-separated-values")
}

/// The delimiter of a header: the one that is most often in it.
pub fn delimiter(header: &[u8]) -> u8 {
    let line = header.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let often = |own: &u8| line.iter().filter(|byte| *byte == own).count();
    // Of several the first, a comma where there is none.
    DELIMITERS.into_iter().rev().max_by_key(often).unwrap_or(b',')
}

/// Each record is a row.
pub fn rows(body: &[u8], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let fault = |error: csv::Error| BodyFault::Malformed(error.to_string());
    let mut reader = ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter(body));
    let mut reader = reader.from_reader(body);
    let mut record = ByteRecord::new();
    let has_header = !context.content_type.contains("header=absent");
    let names = match has_header {
        false if context.names.is_empty() => {
            let text = "CSV without a header; give names with the source's key names";
            return Err(BodyFault::Malformed(text.to_owned()));
        }
        false => context.names.clone(),
        true if !reader.read_byte_record(&mut record).map_err(fault)? => {
            return Err(BodyFault::Malformed("CSV without a header".to_owned()));
        }
        true => header(&record)?,
    };
    let names = QuotedName::all(names);
    let mut rows = RowLines::new(context);
    rows.are_texts = true;
    while reader.read_byte_record(&mut record).map_err(fault)? {
        push(&mut rows, &names, &record)?;
    }
    Ok(rows)
}

/// The names of a header, each once.
fn header(record: &ByteRecord) -> Result<Vec<String>, BodyFault> {
    let names = record.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned());
    let names: Vec<String> = names.collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BodyFault::Malformed(format!("the column {:?} comes twice", pair[0]))),
        None => Ok(names),
    }
}

fn push(rows: &mut RowLines, names: &[QuotedName], record: &ByteRecord) -> Result<(), BodyFault> {
    if record.len() != names.len() {
        rows.reject(RejectReason::WrongShape, record.as_slice());
        return Ok(());
    }
    let texts: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
    match texts {
        Ok(texts) => rows.push_texts(names, &texts),
        Err(_) => {
            rows.reject(RejectReason::NotUtf8, record.as_slice());
            Ok(())
        }
    }
}
