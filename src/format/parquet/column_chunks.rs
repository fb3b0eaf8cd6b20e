//! One column of one row group, decoded as if nothing else were in the file.
//!
//! The decoder looks at every column of the schema that it is given, each time it reads one; files
//! have up to tens of thousands. So it is given a schema of one column, made in the task that
//! reads it and dropped there.

use super::chunk::ChunkBytes;
use super::footer::decode_error;
use super::packed::{LeafPages, packed_blocks};
use crate::error::{Fault, Result};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use ::parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::column::page::{PageIterator, PageReader};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::{SchemaDescriptor, Type};
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
    /// The column as `field` says, so many rows at a time.
    pub fn padded(&self, field: &FieldRef, batch_rows: usize) -> Result<Blocks<'static>, Fault> {
        let batch_rows = batch_rows.min(self.num_rows());
        let reader = self.levels(field).and_then(|levels| {
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, self, batch_rows, None)
        });
        let reader = reader.map_err(|error| decode_error(&error))?;
        Ok(Box::new(reader.map(|batch| match batch {
            Ok(batch) => Ok(Block::new(Arc::clone(batch.column(0)))),
            Err(ArrowError::ParquetError(message)) => Err(Fault::unreadable(message)),
            Err(error) => Err(Fault::unreadable(error.to_string())),
        })))
    }

    /// How the column's values are nested, in a schema that has no other column.
    fn levels(&self, field: &FieldRef) -> ParquetResult<FieldLevels> {
        let root = self.metadata.file_metadata().schema();
        let column = root.get_fields().get(self.column);
        let column = column.ok_or_else(|| ParquetError::General("no such column".into()))?;
        let alone = Type::group_type_builder(root.name()).with_fields(vec![Arc::clone(column)]);
        let alone = SchemaDescriptor::new(Arc::new(alone.build()?));
        let hint = Fields::from(vec![Arc::clone(field)]);
        parquet_to_arrow_field_levels(&alone, ProjectionMask::all(), Some(&hint))
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
