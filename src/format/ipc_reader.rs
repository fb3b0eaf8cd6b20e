//! A stream of Arrow IPC out of a pipe: its record batches, as many at a time as fit into memory.

use super::arrow::RecordBatchTable;
use super::ipc_stream::{
    CONTINUATION, HEAD_BYTES_MAX, IpcStream, body_bytes, rows_of, unpacked_bytes,
};
use crate::error::{Fault, FaultKind, Result};
use arrow_array::RecordBatch;
use std::io::{ErrorKind, Read};

/// Bytes of record batches that are held at a time, about.
const BYTES_MAX: usize = 256 << 20;

/// Bytes of one message, and of all dictionaries.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// A batch, and its bytes without compression.
type ReadBatch = (RecordBatch, usize);

/// Reads a stream to its end.
pub struct IpcReader<R> {
    input: R,
    stream: IpcStream,
    has_ended: bool,
}

impl<R: Read> IpcReader<R> {
    pub fn new(input: R) -> IpcReader<R> {
        IpcReader { input, stream: IpcStream::default(), has_ended: false }
    }

    /// The next record batches, each a row group; none at the end. A stream without rows has one
    /// batch without.
    pub fn table(&mut self) -> Result<Option<RecordBatchTable>, Fault> {
        let is_first = self.stream.schema().is_none();
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while bytes < BYTES_MAX {
            let Some((batch, own)) = self.batch()? else { break };
            bytes += own;
            batches.push(batch);
        }
        if let Some(schema) = self.stream.schema().filter(|_| is_first && batches.is_empty()) {
            batches.push(RecordBatch::new_empty(schema.clone()));
        }
        match batches.is_empty() {
            true => Ok(None),
            false => RecordBatchTable::new(batches).map(Some),
        }
    }

    fn batch(&mut self) -> Result<Option<ReadBatch>, Fault> {
        while !self.has_ended {
            let Some(head) = self.head()? else { break };
            let length = body_bytes(&head, MESSAGE_BYTES_MAX)?;
            // What is announced and never comes takes no room.
            let mut body = Vec::new();
            let read = self.input.by_ref().take(length as u64).read_to_end(&mut body);
            if read.map_err(read_fault)? < length {
                return Err(cut());
            }
            let is_rows = rows_of(&head)?.is_some();
            let unpacked = unpacked_bytes(&head, &body)?;
            let batch = self.stream.take(&head, body, MESSAGE_BYTES_MAX)?;
            if is_rows {
                return Ok(batch.map(|batch| (batch, unpacked)));
            }
        }
        Ok(None)
    }

    /// The description of the next message; none at the end, which has to be said.
    fn head(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut length = self.four_bytes()?;
        if length == CONTINUATION {
            length = self.four_bytes()?;
        }
        if length == *b"PAR1" {
            let text = "Parquet cannot be read from a pipe; name the file, or send Arrow IPC";
            return Err(Fault::unreadable(text));
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > HEAD_BYTES_MAX {
            return Err(Fault::unreadable("no stream of Arrow IPC"));
        }
        self.has_ended = length == 0;
        let mut head = vec![0; length];
        self.input.read_exact(&mut head).map_err(read_fault)?;
        Ok((length > 0).then_some(head))
    }

    fn four_bytes(&mut self) -> Result<[u8; 4], Fault> {
        let mut bytes = [0; 4];
        self.input.read_exact(&mut bytes).map_err(read_fault)?;
        Ok(bytes)
    }
}

fn cut() -> Fault {
    Fault::incomplete("it ends before the stream says so: whoever sent it was cut off")
}

fn read_fault(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::UnexpectedEof => cut(),
        _ => Fault::new(FaultKind::Io, format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::table::Table;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_ipc::writer::StreamWriter;
    use std::sync::Arc;

    fn batch(rows: usize) -> RecordBatch {
        let own: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|n| n as i64)));
        RecordBatch::try_from_iter([("x", own)]).unwrap()
    }

    fn written(rows: &[usize]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
        rows.iter().for_each(|rows| writer.write(&batch(*rows)).unwrap());
        writer.into_inner().unwrap()
    }

    fn row_groups(bytes: &[u8]) -> Result<Vec<u64>, Fault> {
        let mut reader = IpcReader::new(bytes);
        let mut rows = Vec::new();
        while let Some(table) = reader.table()? {
            rows.extend(table.row_groups());
        }
        Ok(rows)
    }

    #[test]
    fn batches_are_row_groups() {
        assert_eq!(row_groups(&written(&[5, 0, 300])).unwrap(), [5, 0, 300]);
        assert_eq!(row_groups(&written(&[])).unwrap(), [0]);
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_said() {
        let bytes = written(&[5, 7]);
        for length in 0..bytes.len() {
            let fault = row_groups(&bytes[..length]).unwrap_err();
            assert_eq!(fault.kind(), FaultKind::Incomplete, "{length}: {fault}");
        }
        let said = |bytes: &[u8]| row_groups(bytes).unwrap_err().to_string();
        assert!(said(b"PAR1\x15\x04").contains("Parquet"));
        assert!(said(b"a,b\n1,2\n").contains("no stream of Arrow IPC"));
    }
}
