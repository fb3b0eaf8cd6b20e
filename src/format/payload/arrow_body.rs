//! Bodies that are tables: Arrow IPC, as a stream or as a file, and Parquet.

use super::{BodyFault, TableForm, TableRows};
use crate::error::{Fault, Result};
use crate::format::OpenFile;
use crate::format::arrow::RecordBatchTable;
use crate::format::ipc_stream::{self, CONTINUATION};
use crate::format::parquet::ParquetTable;
use crate::monitor::table::{Table, guarded};

/// What an Arrow file begins with; the stream follows.
const ARROW_FILE: &[u8] = b"ARROW1\0\0";

const PARQUET: &[u8] = b"PAR1";

/// Bytes of a table when it is unpacked, and of a page of Parquet.
const UNPACKED_BYTES_MAX: usize = 128 << 20;

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
                let stream = bytes.strip_prefix(ARROW_FILE).unwrap_or(&bytes);
                let batches = ipc_stream::batches(stream, UNPACKED_BYTES_MAX)?;
                Box::new(RecordBatchTable::new(batches)?)
            }
            TableForm::Parquet => {
                let table = ParquetTable::open(&OpenFile::temporary(&bytes)?)?;
                Box::new(table.limited(UNPACKED_BYTES_MAX as u64))
            }
        };
        for row_group in 0..table.row_groups().len() {
            for column in 0..table.schema().fields().len() {
                guarded(|| table.read(row_group, column)?.try_for_each(|block| block.map(drop)))?;
            }
        }
        Ok(table)
    };
    let table = read().map_err(|fault| BodyFault::Malformed(fault.to_string()))?;
    Ok(TableRows { table, form, bytes })
}
