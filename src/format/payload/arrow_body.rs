//! Bodies that are tables: Arrow IPC, as a stream or as a file, and Parquet.

use super::{BodyFault, TableForm, TableRows};
use crate::error::{Fault, FaultKind, Result};
use crate::format::OpenFile;
use crate::format::arrow::RecordBatchTable;
use crate::format::ipc_stream::{self, CONTINUATION};
use crate::format::parquet::ParquetTable;
use crate::monitor::table::{Table, guarded, rows};

/// What an Arrow file begins with; the stream follows, padded to eight bytes or to sixty-four.
const ARROW_FILE: &[u8] = b"ARROW1\0\0";

const PARQUET: &[u8] = b"PAR1";

/// Bytes of a table when it is unpacked, and of a page of Parquet.
const UNPACKED_BYTES_MAX: usize = 128 << 20;

/// Values of a table, at most: where all are one, hardly any bytes say how many there are.
const CELLS_MAX: u64 = 100_000_000;

/// What a file that is held open is worth in bytes, of which so many may wait.
const FILE_SIZE: usize = 1 << 20;

/// What a table takes before it is opened.
pub fn least(form: TableForm) -> usize {
    match form {
        TableForm::Arrow => 0,
        TableForm::Parquet => FILE_SIZE,
    }
}

/// Bytes of the batches of a table.
fn memory(table: &dyn Table) -> usize {
    let columns = 0..table.schema().fields().len();
    // Columns of one message share its bytes, and each would count them all.
    let largest = |group| columns.clone().map(|column| table.weight(group, column)).max();
    (0..table.row_groups().len()).filter_map(largest).sum::<u64>() as usize
}

/// What a body is by its first bytes; none of what is no table.
pub fn form(body: &[u8]) -> Option<TableForm> {
    match () {
        () if body.starts_with(&CONTINUATION) || body.starts_with(ARROW_FILE) => {
            Some(TableForm::Arrow)
        }
        () if body.starts_with(PARQUET) => Some(TableForm::Parquet),
        () => None,
    }
}

/// The rows of a body in this form. All of it is read once: what is broken is refused here, and
/// not when it is counted.
pub fn table(form: TableForm, bytes: Vec<u8>) -> std::result::Result<TableRows, BodyFault> {
    let read = || -> Result<Box<dyn Table + Send>, Fault> {
        let table: Box<dyn Table + Send> = match form {
            TableForm::Arrow => {
                let stream = match bytes.strip_prefix(ARROW_FILE) {
                    Some(padded) => {
                        let begin = padded.iter().position(|byte| *byte != 0).unwrap_or(0);
                        &padded[begin..]
                    }
                    None => &bytes,
                };
                let batches = ipc_stream::batches(stream, UNPACKED_BYTES_MAX)?;
                Box::new(RecordBatchTable::new(batches)?)
            }
            TableForm::Parquet => {
                let table = ParquetTable::open(&OpenFile::temporary(&bytes)?)?;
                Box::new(table.limited(UNPACKED_BYTES_MAX as u64))
            }
        };
        let (n_rows, columns) = (rows(&*table), table.schema().fields().len() as u64);
        if n_rows.saturating_mul(columns.max(1)) > CELLS_MAX {
            let text =
                format!("{n_rows} rows of {columns} columns; {CELLS_MAX} values are the most");
            return Err(Fault::unreadable(text));
        }
        for row_group in 0..table.row_groups().len() {
            for column in 0..table.schema().fields().len() {
                guarded(|| table.read(row_group, column)?.try_for_each(|block| block.map(drop)))?;
            }
        }
        Ok(table)
    };
    let table = read().map_err(|fault| match fault.kind() {
        FaultKind::Io => BodyFault::Disk(fault.to_string()),
        _ => BodyFault::Malformed(fault.to_string()),
    })?;
    let size = match form {
        TableForm::Arrow => bytes.len().max(memory(&*table)),
        // It lies in a file that is held open.
        TableForm::Parquet => bytes.len().max(FILE_SIZE),
    };
    Ok(TableRows { table, form, bytes, size })
}
