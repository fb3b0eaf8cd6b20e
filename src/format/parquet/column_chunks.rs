//! One column of one row group, decoded as if nothing else were in the file.
//!
//! The decoder looks at every column of the schema that it is given, each time it reads one; files
//! have up to tens of thousands. So it is given a schema of one column, made in the task that
//! reads it and dropped there.

use super::chunk::ChunkBytes;
use super::column_schema::single;
use super::footer::decode_error;
use super::packed::{LeafPages, packed_blocks};
use super::page_headers::{PageSizes, check_pages};
use super::presence;
use crate::error::{Fault, Result};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use ::parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::column::page::{PageIterator, PageReader};
use ::parquet::errors::Result as ParquetResult;
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::TypePtr;
use arrow_schema::{ArrowError, FieldRef, Fields};
use std::ops::Range;
use std::sync::Arc;

/// The chunks of one top-level column.
pub struct ColumnChunks<'a> {
    pub metadata: &'a ParquetMetaData,
    pub row_group: usize,
    /// Which of the top-level columns.
    pub column: usize,
    pub leaves: Range<usize>,
    pub bytes: Arc<ChunkBytes>,
}

impl ColumnChunks<'_> {
    /// Reads what all pages say of themselves; an error when one of them may not be unpacked.
    pub fn check_pages(&self, page_bytes_max: u64) -> Result<PageSizes, Fault> {
        let mut largest = PageSizes::default();
        for leaf in self.leaves.clone() {
            let leaf = self.group().column(leaf);
            let chunk = self.bytes.chunk(leaf)?;
            let sizes = check_pages(chunk, leaf.compression(), page_bytes_max)?;
            largest.prefixed_max = largest.prefixed_max.max(sizes.prefixed_max);
        }
        Ok(largest)
    }

    /// The column as `field` says, decoded from a column of type `column`, so many rows at a time.
    pub fn padded(
        &self,
        field: &FieldRef,
        column: &TypePtr,
        batch_rows: usize,
    ) -> Result<Blocks<'static>, Fault> {
        let batch_rows = batch_rows.min(self.num_rows());
        let hint = Fields::from(vec![Arc::clone(field)]);
        let levels = single(column).and_then(|alone| {
            parquet_to_arrow_field_levels(&alone, ProjectionMask::all(), Some(&hint))
        });
        let reader = levels.and_then(|levels| {
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, self, batch_rows, None)
        });
        let reader = reader.map_err(|error| decode_error(&error))?;
        Ok(Box::new(reader.map(|batch| match batch {
            Ok(batch) => Ok(Block::new(Arc::clone(batch.column(0)))),
            Err(ArrowError::ParquetError(message)) => Err(Fault::unreadable(message)),
            Err(error) => Err(Fault::unreadable(error.to_string())),
        })))
    }

    /// Whether each row has a value, told by the shortest of the column's leaves.
    pub fn presence(&self) -> Result<Blocks<'static>, Fault> {
        let root = self.metadata.file_metadata().schema();
        let is_optional = root.get_fields()[self.column].is_optional();
        let size = |leaf: &usize| self.group().column(*leaf).uncompressed_size();
        let Some(leaf) = self.leaves.clone().min_by_key(size) else {
            return Ok(presence::all_present(self.num_rows()));
        };
        let pages = self.pages(self.group().column(leaf)).map_err(|error| decode_error(&error))?;
        let leaf = self.metadata.file_metadata().schema_descr().column(leaf);
        let pages = LeafPages { leaf, pages: Box::new(pages), rows: self.num_rows() };
        Ok(presence::presence_blocks(pages, is_optional))
    }

    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.row_group)
    }

    /// The same without its nulls, where the column holds numbers as they are stored.
    pub fn packed(&self, field: &FieldRef) -> Result<Option<Blocks<'static>>, Fault> {
        let leaf = self.metadata.file_metadata().schema_descr().column(self.leaves.start);
        let pages = self.pages(self.group().column(self.leaves.start));
        let pages = Box::new(pages.map_err(|error| decode_error(&error))?);
        let pages = LeafPages { leaf, pages, rows: self.num_rows() };
        Ok(packed_blocks(pages, field.data_type()))
    }

    fn pages(&self, leaf: &ColumnChunkMetaData) -> ParquetResult<SerializedPageReader<ChunkBytes>> {
        SerializedPageReader::new(Arc::clone(&self.bytes), leaf, self.num_rows(), None)
    }
}

impl RowGroups for ColumnChunks<'_> {
    fn num_rows(&self) -> usize {
        self.group().num_rows() as usize
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let leaf = self.group().column(self.leaves.start + leaf);
        Ok(Box::new(OneChunk(Some(self.pages(leaf)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

/// The pages of the one chunk that a leaf has.
struct OneChunk(Option<SerializedPageReader<ChunkBytes>>);

impl Iterator for OneChunk {
    type Item = ParquetResult<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(Ok(Box::new(self.0.take()?)))
    }
}

impl PageIterator for OneChunk {}
