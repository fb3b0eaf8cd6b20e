//! What is posted, and files of lines: rows that are taken can be read, and are as many.

use super::schema;
use crate::format::OpenFile;
use crate::format::file_format::{FileContext, FileFormat};
use crate::format::line_split::full_lines;
use crate::format::ndjson::{BatchBuilder, LineOrigin};
use crate::format::payload::{BodyContext, EventRows, Packing, ValueNames, events, unpack};
use crate::monitor::table::rows;
use std::sync::Arc;

/// Bytes of a body when it is unpacked, and of its rows.
const BYTES_MAX: usize = 1 << 20;

/// The first byte chooses how a body is called, the others are it.
pub fn posted_body(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let requests = ["a", "b"].map(str::to_owned).into_iter().take(usize::from(choice % 3));
    let responses = (choice / 72 % 2 == 1).then(|| vec!["p".to_owned()]);
    let names = ValueNames { requests: requests.collect(), responses };
    let mut context = BodyContext::new(&names, 1 << 16, BYTES_MAX);
    context.content_type = match choice / 3 % 3 {
        0 => String::new(),
        1 => "text/csv".to_owned(),
        _ => "text/csv; header=absent".to_owned(),
    };
    context.json_bytes = (choice / 9 % 4 == 3).then_some(body.len() / 2);
    context.time_column = (choice / 36 % 2 == 1).then(|| "t".to_owned());
    let Ok(unpacked) = unpack(body, Packing::of(body), BYTES_MAX) else { return };
    let body = unpacked.unwrap_or_else(|| body.to_vec());
    for event in events(body, &context).into_iter().flatten() {
        let (EventRows::Lines(own) | EventRows::Response(own)) = event.rows else { continue };
        let mut builder = BatchBuilder::new(schema());
        let origin = LineOrigin { are_texts: own.are_texts, happened: None };
        for line in full_lines(&own.lines) {
            builder.push(line, &origin).expect("a row that was taken can be read");
        }
        assert_eq!(builder.rows(), own.n_rows(), "rows that were taken");
    }
}

/// The first byte chooses the format of a file, the others are it.
pub fn written_file(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else { return };
    let format = FileFormat::ALL[1 + usize::from(*choice) % (FileFormat::ALL.len() - 1)];
    let file = OpenFile::temporary(text).expect("a file can be made");
    let names = ValueNames {
        requests: vec!["a".to_owned(), "b".to_owned()],
        responses: (choice / 16 % 2 == 1).then(|| vec!["p".to_owned()]),
    };
    let (lines, on_read) = (schema(), Arc::new(|| ()));
    let context = FileContext { lines, names, page_bytes_max: BYTES_MAX as u64, on_read };
    let Ok(opened) = format.open(&file, &context) else { return };
    // Columns of nulls have as many rows as they say.
    if rows(&*opened.table) > super::ROWS_MAX {
        return;
    }
    for (row_group, expected) in opened.table.row_groups().iter().enumerate() {
        for column in 0..opened.table.schema().fields().len() {
            let blocks = match opened.table.read(row_group, column) {
                Err(fault) if format.is_text() => panic!("rows that were found: {fault}"),
                Err(_) => continue,
                Ok(blocks) => blocks,
            };
            let found: usize = blocks.map(|block| block.map_or(0, |block| block.rows())).sum();
            assert_eq!(found as u64, *expected, "rows of a row group");
        }
    }
    assert!(opened.table.content().is_ok());
}
