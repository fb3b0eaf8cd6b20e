//! One column of one row group, decoded as if nothing else were in the file.
//!
//! The decoder looks at every column of the schema that it is given, each time it reads one; files
//! have up to tens of thousands. So it is given a schema of one column, made in the task that
//! reads it and dropped there.

use super::checked_pages::CheckedPages;
use super::chunk::ChunkBytes;
use super::column_schema::single;
use super::dictionary_values::DictionaryValues;
use super::footer::decode_error;
use super::key_pages::{self, keyed_blocks};
use super::one_chunk::OneChunk;
use super::packed::{LeafPages, packed_blocks};
use super::page_headers::{PageLimits, PageSizes, check_pages};
use super::presence;
use crate::error::{Fault, Result};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use crate::profile::column::has_nans;
use crate::schema::kinds::is_counted_as_number;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use ::parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::basic::{Encoding, Type as PhysicalType};
use ::parquet::column::page::{Page, PageIterator, PageReader};
use ::parquet::errors::Result as ParquetResult;
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::{Type, TypePtr};
use arrow_schema::{ArrowError, FieldRef, Fields};
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are made room for with each value that a page says to have: two lengths, or levels
/// and a place.
const VALUE_BYTES: u64 = 8;

/// The chunks of one top-level column.
pub struct ColumnChunks<'a> {
    pub metadata: &'a ParquetMetaData,
    pub row_group: usize,
    /// Which of the top-level columns.
    pub column: usize,
    pub leaves: Range<usize>,
    pub bytes: Arc<ChunkBytes>,
    pub page_bytes_max: u64,
}

impl ColumnChunks<'_> {
    /// Reads what all pages say of themselves; an error when one of them may not be unpacked.
    pub fn check_pages(&self) -> Result<PageSizes, Fault> {
        let mut all = PageSizes::default();
        for (leaf, chunk) in self.leaves.clone().zip(self.bytes.chunks()) {
            let limits = PageLimits::of(self.group().column(leaf), self.page_bytes_max);
            let sizes = check_pages(chunk, limits)?;
            all.prefixed_max = all.prefixed_max.max(sizes.prefixed_max);
            all.value_mean_max = all.value_mean_max.max(sizes.value_mean_max);
            all.is_mixed |= sizes.is_mixed;
            all.dictionary_values = sizes.dictionary_values;
        }
        Ok(all)
    }

    /// Bytes of the longest text in the dictionary of the column's first leaf.
    pub fn longest_in_dictionary(&self) -> Result<u64, Fault> {
        let mut pages = self.pages(self.leaves.start).map_err(|error| decode_error(&error))?;
        let first = pages.get_next_page().map_err(|error| decode_error(&error))?;
        let Some(Page::DictionaryPage { buf, .. }) = first else { return Ok(0) };
        let (mut longest, mut rest): (u32, &[u8]) = (0, &buf);
        // Each after its length; whatever else there is, the decoder tells.
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length);
            longest = longest.max(length);
            rest = after.get(length as usize..).unwrap_or_default();
        }
        Ok(longest.into())
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
    pub fn presence(&self, batch_rows: usize) -> Result<Blocks<'static>, Fault> {
        let root = self.metadata.file_metadata().schema();
        let is_optional = root.get_fields()[self.column].is_optional();
        let size = |leaf: &usize| self.group().column(*leaf).uncompressed_size();
        let Some(leaf) = self.leaves.clone().min_by_key(size) else {
            return Ok(presence::all_present(self.num_rows()));
        };
        let pages = self.pages(leaf).map_err(|error| decode_error(&error))?;
        let leaf = self.metadata.file_metadata().schema_descr().column(leaf);
        let pages = LeafPages { leaf, pages: Box::new(pages), rows: self.num_rows() };
        Ok(presence::presence_blocks(pages, is_optional, batch_rows))
    }

    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.row_group)
    }

    /// The same without its nulls, where the column holds numbers as they are stored.
    pub fn packed(&self, field: &FieldRef) -> Result<Option<Blocks<'static>>, Fault> {
        let leaf = self.metadata.file_metadata().schema_descr().column(self.leaves.start);
        let pages = self.pages(self.leaves.start);
        let pages = Box::new(pages.map_err(|error| decode_error(&error))?);
        let pages = LeafPages { leaf, pages, rows: self.num_rows() };
        Ok(packed_blocks(pages, field.data_type()))
    }

    /// The same by the keys of its dictionary, where few numbers stand in many rows.
    pub fn keyed(
        &self,
        field: &FieldRef,
        column: &TypePtr,
        sizes: &PageSizes,
    ) -> Result<Option<Blocks<'static>>, Fault> {
        let are_few = key_pages::are_few(sizes.dictionary_values, self.num_rows());
        let leaf = self.metadata.file_metadata().schema_descr().column(self.leaves.start);
        let is_flat = leaf.max_rep_level() == 0 && leaf.path().parts().len() == 1;
        if !are_few || !is_flat || !is_counted_as_number(field.data_type()) {
            return Ok(None);
        }
        let read = || -> ParquetResult<Option<Blocks<'static>>> {
            let first = self.pages(self.leaves.start)?.get_next_page()?;
            let Some(Page::DictionaryPage { buf, num_values, encoding, .. }) = first else {
                return Ok(None);
            };
            let is_plain = matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY);
            if !is_plain || !key_pages::are_few(num_values.into(), self.num_rows()) {
                return Ok(None);
            }
            let (group, rows) = (self.group(), num_values);
            let is_optional = column.is_optional();
            let metadata = self.metadata;
            let values = DictionaryValues { metadata, group, values: buf, rows, is_optional };
            let dictionary = values.decode(field, column)?;
            if has_nans(&*dictionary) {
                return Ok(None);
            }
            let keys = Type::primitive_type_builder(column.name(), PhysicalType::INT32)
                .with_repetition(column.get_basic_info().repetition())
                .build()?;
            let keys = single(&Arc::new(keys))?.column(0);
            let pages = self.pages(self.leaves.start)?;
            Ok(Some(keyed_blocks(keys, pages, self.num_rows(), dictionary)))
        };
        read().map_err(|error| decode_error(&error))
    }

    fn pages(&self, leaf: usize) -> ParquetResult<CheckedPages> {
        let chunk = self.group().column(leaf);
        let pages =
            SerializedPageReader::new(Arc::clone(&self.bytes), chunk, self.num_rows(), None)?;
        let leaf = self.metadata.file_metadata().schema_descr().column(leaf);
        Ok(CheckedPages { pages, leaf, values_max: self.page_bytes_max / VALUE_BYTES })
    }
}

impl RowGroups for ColumnChunks<'_> {
    fn num_rows(&self) -> usize {
        self.group().num_rows() as usize
    }

    fn column_chunks(&self, leaf: usize) -> ParquetResult<Box<dyn PageIterator>> {
        Ok(Box::new(OneChunk(Some(Box::new(self.pages(self.leaves.start + leaf)?)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}
