//! A file of Arrow IPC, as a stream or in the form with a footer (Feather's second version); each
//! record batch is a row group, unpacked when its columns are counted.

use super::FileTable;
use super::ipc_stream::{CONTINUATION, HEAD_BYTES_MAX, IpcStream, body_bytes, rows_of};
use super::row_group_cache::RowGroupCache;
use crate::error::{Fault, FaultKind, Result};
use crate::monitor::table::{Blocks, Table};
use crate::profile::block::Block;
use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// What the form with a footer begins with, eight bytes with its padding, and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";

/// Where the first message begins at the latest.
const PADDED_MAX: u64 = 64;

/// Bytes that are read at a time for the hash.
const READ_BYTES: usize = 1 << 20;

/// The record batches of a file.
#[derive(Debug)]
pub struct ArrowFile {
    file: Arc<File>,
    size: u64,
    schema: Schema,
    batches: Vec<BatchPlace>,
    rows: Vec<u64>,
    unpacked: RowGroupCache<RecordBatch>,
    message_bytes_max: usize,
}

/// Where a batch is, and what was said before it.
#[derive(Debug)]
struct BatchPlace {
    head: Vec<u8>,
    offset: u64,
    bytes: usize,
    before: Arc<IpcStream>,
}

impl ArrowFile {
    /// Finds the batches of a file of so many bytes, whose messages and what they unpack to have so
    /// many at most. One that has no end yet is incomplete.
    pub fn open(file: &Arc<File>, size: u64, message_bytes_max: usize) -> Result<ArrowFile, Fault> {
        let mut reader = MessageReader { file, size, offset: 0 };
        if reader.bytes(MAGIC.len())? == MAGIC {
            let mut end = [0; MAGIC.len()];
            let at = size.saturating_sub(end.len() as u64);
            file.read_exact_at(&mut end, at).map_err(|error| read_fault(&error))?;
            if end != *MAGIC {
                return Err(Fault::incomplete("it does not end as a file of Arrow does"));
            }
            reader.skip_padding()?;
        } else {
            reader.offset = 0;
        }
        let (mut stream, mut batches, mut rows) =
            (Arc::<IpcStream>::default(), Vec::new(), Vec::new());
        while let Some(head) = reader.head()? {
            let bytes = body_bytes(&head, message_bytes_max)?;
            let offset = reader.offset;
            if let Some(own) = rows_of(&head)? {
                reader.skip(bytes)?;
                rows.push(own);
                batches.push(BatchPlace { head, offset, bytes, before: Arc::clone(&stream) });
            } else {
                let body = reader.bytes(bytes)?;
                let mut next = (*stream).clone();
                next.take(&head, body, message_bytes_max)?;
                stream = Arc::new(next);
            }
        }
        let schema = stream.schema().ok_or_else(|| Fault::unreadable("no schema"))?;
        let (file, schema) = (Arc::clone(file), schema.as_ref().clone());
        let unpacked = RowGroupCache::new(0);
        Ok(ArrowFile { file, size, schema, batches, rows, unpacked, message_bytes_max })
    }

    fn unpack(&self, row_group: usize) -> Result<RecordBatch, Fault> {
        let BatchPlace { head, offset, bytes, before } = &self.batches[row_group];
        let mut body = vec![0; *bytes];
        self.file.read_exact_at(&mut body, *offset).map_err(|error| read_fault(&error))?;
        before.batch_of(head, body, self.message_bytes_max)
    }
}

fn read_fault(error: &std::io::Error) -> Fault {
    Fault::new(FaultKind::Io, format!("cannot read a message: {error}"))
}

struct MessageReader<'a> {
    file: &'a File,
    size: u64,
    offset: u64,
}

impl MessageReader<'_> {
    /// The description of the next message; none at the end.
    fn head(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut length = self.bytes(4)?;
        if length == CONTINUATION {
            length = self.bytes(4)?;
        }
        let length = length.try_into().map(u32::from_le_bytes).expect("four were asked for");
        match length as usize {
            0 => Ok(None),
            length if length <= HEAD_BYTES_MAX => self.bytes(length).map(Some),
            _ => Err(Fault::unreadable("no message of Arrow IPC")),
        }
    }

    /// What stands between what a file begins with and its first message, which writers fill up to
    /// eight bytes or to sixty-four.
    fn skip_padding(&mut self) -> Result<(), Fault> {
        self.offset = 8;
        while self.offset < PADDED_MAX && self.bytes(4)? == [0; 4] {}
        self.offset = if self.offset < PADDED_MAX { self.offset - 4 } else { PADDED_MAX };
        Ok(())
    }

    fn bytes(&mut self, n: usize) -> Result<Vec<u8>, Fault> {
        let begin = self.offset;
        self.skip(n)?;
        let mut bytes = vec![0; n];
        self.file.read_exact_at(&mut bytes, begin).map_err(|error| read_fault(&error))?;
        Ok(bytes)
    }

    fn skip(&mut self, n: usize) -> Result<(), Fault> {
        let end = self.offset.checked_add(n as u64).filter(|end| *end <= self.size);
        self.offset = end.ok_or_else(|| Fault::incomplete("it ends before its last message"))?;
        Ok(())
    }
}

impl FileTable for ArrowFile {
    fn content(&self) -> Result<u128, Fault> {
        let (mut hash, mut bytes, mut offset) = (Xxh3::new(), vec![0; READ_BYTES], 0);
        while offset < self.size {
            let n = bytes.len().min((self.size - offset) as usize);
            let part = &mut bytes[..n];
            self.file.read_exact_at(part, offset).map_err(|error| read_fault(&error))?;
            hash.update(part);
            offset += n as u64;
        }
        Ok(hash.digest128())
    }
}

impl Table for ArrowFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn row_groups(&self) -> &[u64] {
        &self.rows
    }

    fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        self.batches.iter().for_each(|batch| hash.update(&batch.head));
        hash.digest()
    }

    fn weight(&self, row_group: usize, _column: usize) -> u64 {
        self.batches[row_group].bytes as u64
    }

    fn is_read_by_row_group(&self) -> bool {
        true
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        let batch = self.unpacked.get(row_group, || self.unpack(row_group))?;
        let values = batch.column(column).slice(0, batch.num_rows());
        Ok(Box::new(std::iter::once(Ok(Block::new(values)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::table::rows;
    use arrow_array::{ArrayRef, Float64Array};
    use arrow_ipc::writer::{FileWriter, StreamWriter};
    use std::io::Write;

    fn batch(begin: u32, rows: u32) -> RecordBatch {
        let own: ArrayRef =
            Arc::new(Float64Array::from_iter_values((begin..begin + rows).map(f64::from)));
        RecordBatch::try_from_iter([("x", own)]).unwrap()
    }

    fn file(bytes: &[u8]) -> (Arc<File>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (Arc::new(file), bytes.len() as u64)
    }

    #[test]
    fn both_forms_have_their_batches_and_no_part_of_them_does() {
        let (all, schema) = ([batch(0, 5), batch(5, 3)], batch(0, 1).schema());
        let mut stream = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        let mut whole = FileWriter::try_new(Vec::new(), &schema).unwrap();
        for own in &all {
            stream.write(own).unwrap();
            whole.write(own).unwrap();
        }
        for bytes in [stream.into_inner().unwrap(), whole.into_inner().unwrap()] {
            let (own, size) = file(&bytes);
            let table = ArrowFile::open(&own, size, 1 << 20).unwrap();
            assert_eq!((table.row_groups(), rows(&table)), (&[5, 3][..], 8));
            let block = table.read(1, 0).unwrap().next().unwrap().unwrap();
            assert_eq!(&block.values(), all[1].column(0));
            for cut in 1..bytes.len() {
                let (own, size) = file(&bytes[..cut]);
                // A stream may lack no more than what follows its end.
                let fault = ArrowFile::open(&own, size, 1 << 20).map(|_| cut).err();
                assert!(fault.is_some_and(|own| own.kind() == FaultKind::Incomplete), "{cut}");
            }
        }
    }
}
