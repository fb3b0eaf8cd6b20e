//! The values of a dictionary of numbers, decoded as if they were the rows of a column.

use super::column_schema::single;
use super::one_chunk::{OneChunk, OnePage};
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use ::parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageIterator};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::schema::types::TypePtr;
use arrow_array::ArrayRef;
use arrow_schema::{FieldRef, Fields};
use bytes::Bytes;
use std::sync::Arc;

/// The dictionary of a column.
pub struct DictionaryValues<'a> {
    pub metadata: &'a ParquetMetaData,
    pub group: &'a RowGroupMetaData,
    /// As they are stored, one after the other.
    pub values: Bytes,
    /// How many there are.
    pub rows: u32,
    /// Whether rows may be without a value; those of a dictionary are not.
    pub is_optional: bool,
}

impl DictionaryValues<'_> {
    /// The values as `field` says, of a column of type `column`.
    pub fn decode(&self, field: &FieldRef, column: &TypePtr) -> Result<ArrayRef> {
        let hint = Fields::from(vec![Arc::clone(field)]);
        let schema = single(column)?;
        let levels = parquet_to_arrow_field_levels(&schema, ProjectionMask::all(), Some(&hint))?;
        let rows = self.num_rows();
        let mut batches =
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, self, rows, None)?;
        match batches.next().transpose()? {
            Some(batch) if batch.num_rows() == rows => Ok(Arc::clone(batch.column(0))),
            _ => Err(ParquetError::General("a dictionary has fewer values than it says".into())),
        }
    }

    /// They are plain values, after levels that say of each that it is there.
    fn page(&self) -> Page {
        let mut bytes = if self.is_optional { run_of_ones(self.rows) } else { Vec::new() };
        let def_levels_byte_len = bytes.len() as u32;
        bytes.extend_from_slice(&self.values);
        Page::DataPageV2 {
            buf: bytes.into(),
            num_values: self.rows,
            encoding: Encoding::PLAIN,
            num_nulls: 0,
            num_rows: self.rows,
            def_levels_byte_len,
            rep_levels_byte_len: 0,
            is_compressed: false,
            statistics: None,
        }
    }
}

/// So many levels of 1: the length of the run as a varint, with a 0 below it, and the level.
/// Format: Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
fn run_of_ones(length: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = u64::from(length) << 1;
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.extend([rest as u8, 1]);
    bytes
}

impl RowGroups for DictionaryValues<'_> {
    fn num_rows(&self) -> usize {
        self.rows as usize
    }

    fn column_chunks(&self, _leaf: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(OneChunk(Some(Box::new(OnePage(Some(self.page())))))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}
