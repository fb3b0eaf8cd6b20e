//! A Parquet file as a table: metadata once, column chunks by range, decoded by whoever counts.
//!
//! Files are read with positioned reads, never mapped and never slurped. Texts come as dictionaries
//! of bytes, so that each is looked at once per page and not once per row.

use super::chunk::{ChunkBytes, chunk_range};
use super::column_chunks::ColumnChunks;
use super::column_schema::{ColumnSchema, Decoding, column_schemas};
use super::footer::{FileRange, check_ends, read_metadata};
use super::page_headers::PageSizes;
use crate::error::{Fault, Result};
use crate::format::extent_hashes::ExtentHashes;
use crate::format::partition::PartitionValue;
use crate::format::{FileTable, OpenFile};
use crate::monitor::table::{Blocks, Table, guarded};
use crate::profile::block::Block;
use crate::schema::kinds::partition_field;
use ::parquet::basic::Type as PhysicalType;
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

/// Rows of padded values decoded at a time: some 100 KB, which stay in the second cache.
const BATCH_ROWS: usize = 16_384;

/// Rows and bytes of texts that are decoded at a time.
const TEXT_BATCH_ROWS: u64 = 1 << 18;
const TEXT_BATCH_BYTES: u64 = 4 << 20;

/// Bytes that are decoded at a time where a page of few bytes can have many long values.
const LONG_BATCH_BYTES: u64 = 64 << 20;

/// Bytes that a page may unpack to where nothing else is set, and how that is written.
pub const PAGE_BYTES_MAX: u64 = 256 << 20;
pub const PAGE_BYTES_MAX_TEXT: &str = "256MB";

/// Smaller chunks come with what is read before them.
const PREFETCH_BYTES_MIN: u64 = 64 << 10;

/// Rows that a footer may claim for one row group; beyond, it is forged.
const ROW_GROUP_ROWS_MAX: i64 = 1 << 40;

/// An opened Parquet file.
pub struct ParquetTable {
    file: Arc<File>,
    size: u64,
    metadata: ParquetMetaData,
    columns: Vec<ColumnSchema>,
    /// The file's columns, then those of its path.
    schema: Schema,
    partition: Vec<PartitionValue>,
    row_groups: Vec<u64>,
    /// Of the footer, which names the sizes and ranges of all that is in the file.
    fingerprint: u64,
    /// By top-level column, its leaves.
    leaves: Vec<Range<usize>>,
    /// None where nobody will ask for the content's hash.
    hashes: Option<ExtentHashes>,
    page_bytes_max: u64,
}

impl ParquetTable {
    /// Reads the footer. A partition value becomes a column where the file has none of that name.
    /// Fails as incomplete while the file is being written. A footer that makes the decoder panic
    /// is a footer that cannot be read.
    pub fn open(file: &OpenFile) -> Result<ParquetTable, Fault> {
        check_ends(&file.file, file.stat.size, &file.path)?;
        guarded(|| {
            ParquetTable::read_footer(Arc::clone(&file.file), file.stat.size, &file.partition)
        })
    }

    fn read_footer(
        file: Arc<File>,
        size: u64,
        partition: &[PartitionValue],
    ) -> Result<ParquetTable, Fault> {
        let range = FileRange { file: Arc::clone(&file), size };
        let metadata = read_metadata(&range)?;
        let row_groups = metadata.row_groups().iter().map(|group| {
            let rows = group.num_rows();
            let valid = (0..=ROW_GROUP_ROWS_MAX).contains(&rows);
            valid.then_some(rows as u64).ok_or_else(|| {
                Fault::unreadable(format!("the footer claims {rows} rows in a row group"))
            })
        });
        let row_groups = row_groups.collect::<Result<Vec<_>, Fault>>()?;
        let (rows, total) = (metadata.file_metadata().num_rows(), row_groups.iter().sum());
        // The decoder believes the first figure, and would leave out rows.
        if u64::try_from(rows) != Ok(total) {
            return Err(Fault::unreadable(format!(
                "the footer claims {rows} rows, and its row groups hold {total}"
            )));
        }
        let columns = column_schemas(&metadata)?;
        let mut fields: Vec<FieldRef> =
            columns.iter().map(|column| Arc::clone(&column.field)).collect();
        let own = |key: &str| columns.iter().any(|column| column.field.name() == key);
        let partition: Vec<_> = partition.iter().filter(|p| !own(&p.key)).cloned().collect();
        fields.extend(partition.iter().map(|p| Arc::new(partition_field(&p.key))));
        let schema = Schema::new(fields);
        let fingerprint = range.fingerprint()?;
        let leaves = leaves(metadata.file_metadata().schema_descr(), columns.len());
        Ok(ParquetTable {
            file,
            size,
            schema,
            metadata,
            columns,
            partition,
            row_groups,
            fingerprint,
            leaves,
            hashes: None,
            page_bytes_max: PAGE_BYTES_MAX,
        })
    }

    /// The same table, which hashes what is read of it.
    #[must_use]
    pub fn hashing(self) -> ParquetTable {
        ParquetTable { hashes: Some(ExtentHashes::default()), ..self }
    }

    /// The same table, whose pages may unpack to so many bytes.
    #[must_use]
    pub fn limited(self, page_bytes_max: u64) -> ParquetTable {
        ParquetTable { page_bytes_max, ..self }
    }

    /// Rows to decode at a time. The values of a dictionary are looked up once per batch, so texts
    /// come in large ones, as far as their bytes allow.
    fn batch_rows(
        &self,
        column: usize,
        chunks: &ColumnChunks<'_>,
        pages: &PageSizes,
    ) -> Result<usize, Fault> {
        let within = |bytes: u64, most: u64| (LONG_BATCH_BYTES / bytes.max(1)).clamp(1, most);
        let (most, fixed, is_text) = match &self.columns[column].decoding {
            Decoding::Values(field, stored) if is_dictionary(field) => {
                let rows = TEXT_BATCH_BYTES / pages.value_mean_max.max(1);
                (rows.clamp(1, TEXT_BATCH_ROWS), fixed_bytes(stored), true)
            }
            Decoding::Values(_, stored) => (BATCH_ROWS as u64, fixed_bytes(stored), false),
            Decoding::Presence => (BATCH_ROWS as u64, 0, false),
        };
        let longest = match is_text && pages.is_mixed {
            true => chunks.longest_in_dictionary()?,
            false => 0,
        };
        Ok(within(longest.max(pages.prefixed_max).max(fixed), most) as usize)
    }

    /// A column of the file as the record-batch reader hands it over, nulls padded: what decoding
    /// costs without us.
    pub fn read_padded(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        let field = &self.columns[column].field;
        let stored = &self.metadata.file_metadata().schema().get_fields()[column];
        let chunks = self.chunks(row_group, column)?;
        chunks.padded(field, stored, self.batch_rows(column, &chunks, &chunks.check_pages()?)?)
    }

    fn chunks(&self, row_group: usize, column: usize) -> Result<ColumnChunks<'_>, Fault> {
        let group = self.metadata.row_group(row_group);
        let leaves = self.leaves[column].clone();
        let file = (&*self.file, self.size);
        let bytes = ChunkBytes::fetch(file, &group.columns()[leaves.clone()], self.hashes.as_ref());
        let (metadata, bytes) = (&self.metadata, Arc::new(bytes?));
        let page_bytes_max = self.page_bytes_max;
        Ok(ColumnChunks { metadata, row_group, column, leaves, bytes, page_bytes_max })
    }

    fn n_file_columns(&self) -> usize {
        self.columns.len()
    }
}

impl FileTable for ParquetTable {
    /// Cheap when every column was read by a table that is
    /// [`hashing`](Self::hashing).
    fn content(&self) -> Result<u128, Fault> {
        let groups = self.metadata.row_groups().iter();
        let chunks = groups.flat_map(RowGroupMetaData::columns);
        let bounds = chunks.filter_map(|chunk| chunk_range(chunk).ok());
        let bounds = bounds.flat_map(|(start, length)| [start, start.saturating_add(length)]);
        let none = ExtentHashes::default();
        let hashes = self.hashes.as_ref().unwrap_or(&none);
        hashes.content(&self.file, self.size, bounds.collect())
    }
}

impl Table for ParquetTable {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn row_groups(&self) -> &[u64] {
        &self.row_groups
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn weight(&self, row_group: usize, column: usize) -> u64 {
        let group = self.metadata.row_group(row_group);
        let leaves = self.leaves.get(column).cloned().unwrap_or_default();
        leaves.map(|leaf| group.column(leaf).uncompressed_size().max(0) as u64).sum()
    }

    fn prefetch(&self, row_group: usize, column: usize) {
        let group = self.metadata.row_group(row_group);
        for leaf in self.leaves.get(column).cloned().unwrap_or_default() {
            let Ok((start, length)) = chunk_range(group.column(leaf)) else { continue };
            if length < PREFETCH_BYTES_MIN {
                continue;
            }
            let length = NonZeroU64::new(length);
            // A hint that fails costs nothing but the wait that it would have saved.
            let _ = fadvise(&*self.file, start, length, Advice::WillNeed);
        }
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        if let Some(value) = column.checked_sub(self.n_file_columns()) {
            return Ok(constant_blocks(&self.partition[value], self.row_groups[row_group]));
        }
        // An empty row group has no pages, and its offsets point nowhere.
        if self.row_groups[row_group] == 0 {
            return Ok(Box::new(std::iter::empty()));
        }
        let chunks = self.chunks(row_group, column)?;
        let pages = chunks.check_pages()?;
        let batch_rows = self.batch_rows(column, &chunks, &pages)?;
        let Decoding::Values(field, stored) = &self.columns[column].decoding else {
            return chunks.presence(batch_rows);
        };
        if let Some(blocks) = chunks.keyed(field, stored, &pages)? {
            return Ok(blocks);
        }
        match chunks.packed(field)? {
            Some(blocks) => Ok(blocks),
            None => chunks.padded(field, stored, batch_rows),
        }
    }
}

/// Bytes of each value of a column whose values are all as long as its type says; 0 of others.
fn fixed_bytes(column: &Type) -> u64 {
    match column {
        Type::PrimitiveType { physical_type, type_length, .. }
            if *physical_type == PhysicalType::FIXED_LEN_BYTE_ARRAY =>
        {
            u64::try_from(*type_length).unwrap_or(0)
        }
        _ => 0,
    }
}

fn is_dictionary(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Dictionary(..))
}

/// A value of the path, for every row.
fn constant(value: Option<&str>, rows: usize) -> ArrayRef {
    Arc::new(std::iter::repeat_n(value, rows).collect::<StringArray>())
}

fn constant_blocks(value: &PartitionValue, rows: u64) -> Blocks<'_> {
    let batch = BATCH_ROWS as u64;
    let sizes = (0..rows.div_ceil(batch)).map(move |i| (rows - i * batch).min(batch) as usize);
    Box::new(sizes.map(|rows| Ok(Block::new(constant(value.value.as_deref(), rows)))))
}

/// The leaf columns of each of `n_columns` top-level columns, which lie side by side.
fn leaves(schema: &SchemaDescriptor, n_columns: usize) -> Vec<Range<usize>> {
    let mut leaves = vec![0..0; n_columns];
    for leaf in 0..schema.num_columns() {
        let range = &mut leaves[schema.get_column_root_idx(leaf)];
        let first = if range.end == 0 { leaf } else { range.start };
        *range = first..leaf + 1;
    }
    leaves
}
