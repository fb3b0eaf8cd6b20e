//! A Parquet file as a table: metadata once, column chunks by range, decoded by whoever counts.
//!
//! Files are read with positioned reads, never mapped and never slurped. Strings are asked for as
//! dictionaries, so that a text is looked up once per page and not once per row.

use super::identity::ExtentHashes;
use super::partition::PartitionValue;
use crate::error::{Error, ErrorKind, Result};
use crate::monitor::table::{Blocks, Table, guarded};
use crate::profile::column::Block;
use crate::schema::kinds::{is_string, partition_field};
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{ArrowError, DataType, FieldRef, Schema};
use bytes::{Buf, Bytes};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Rows decoded at a time: some 100 KB of doubles, which stay in the second cache.
const BATCH_ROWS: usize = 16_384;

/// Rows and bytes of texts that are decoded at a time.
const TEXT_BATCH_ROWS: usize = 1 << 18;
const TEXT_BATCH_BYTES: usize = 4 << 20;

/// Levels of nesting that a schema may have.
const SCHEMA_DEPTH_MAX: usize = 100;

/// Stack for parsing a footer. A level of the schema takes eight bytes of it at least, and a frame
/// of the parser about a kilobyte, several in a debug build; what is not used is never touched.
const STACK_MIN: usize = 16 << 20;
const STACK_PER_FOOTER_BYTE: usize = 1_024;
const STACK_MAX: usize = 1 << 30;

/// Rows that a footer may claim for one row group; beyond, it is forged.
const ROW_GROUP_ROWS_MAX: i64 = 1 << 40;

/// An opened Parquet file.
pub struct ParquetTable {
    file: Arc<File>,
    size: u64,
    metadata: ArrowReaderMetadata,
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
}

impl ParquetTable {
    /// Reads the footer. A partition value becomes a column where the file has none of that name.
    pub fn open(file: Arc<File>, size: u64, partition: &[PartitionValue]) -> Result<ParquetTable> {
        let range = FileRange { file: Arc::clone(&file), size };
        let metadata = read_metadata(&range)?;
        let row_groups = metadata.metadata().row_groups().iter().map(|group| {
            let rows = group.num_rows();
            let valid = (0..=ROW_GROUP_ROWS_MAX).contains(&rows);
            valid.then_some(rows as u64).ok_or_else(|| {
                Error::decode(format!("the footer claims {rows} rows in a row group"))
            })
        });
        let row_groups = row_groups.collect::<Result<Vec<_>>>()?;
        let (rows, total) =
            (metadata.metadata().file_metadata().num_rows(), row_groups.iter().sum());
        // The decoder believes the first figure, and would leave out rows.
        if u64::try_from(rows) != Ok(total) {
            return Err(Error::decode(format!(
                "the footer claims {rows} rows, and its row groups hold {total}"
            )));
        }
        let mut fields: Vec<FieldRef> = metadata.schema().fields().iter().cloned().collect();
        let own = |key: &str| metadata.schema().column_with_name(key).is_some();
        let partition: Vec<_> = partition.iter().filter(|p| !own(&p.key)).cloned().collect();
        fields.extend(partition.iter().map(|p| Arc::new(partition_field(&p.key))));
        let schema = Schema::new(fields);
        let fingerprint = range.fingerprint()?;
        let leaves = leaves(metadata.parquet_schema(), metadata.schema().fields().len());
        Ok(ParquetTable {
            file,
            size,
            schema,
            metadata,
            partition,
            row_groups,
            fingerprint,
            leaves,
            hashes: None,
        })
    }

    /// The same table, which hashes what is read of it.
    #[must_use]
    pub fn hashing(self) -> ParquetTable {
        ParquetTable { hashes: Some(ExtentHashes::default()), ..self }
    }

    /// The hash of the whole file. Cheap when every column was read by a table that is
    /// [`hashing`](Self::hashing).
    pub fn content(&self) -> Result<u128> {
        let groups = self.metadata.metadata().row_groups().iter();
        let chunks = groups.flat_map(RowGroupMetaData::columns);
        let bounds = chunks.filter_map(|chunk| chunk_range(chunk).ok());
        let bounds = bounds.flat_map(|(start, length)| [start, start.saturating_add(length)]);
        let none = ExtentHashes::default();
        let hashes = self.hashes.as_ref().unwrap_or(&none);
        hashes.content(&self.file, self.size, bounds.collect())
    }

    /// Rows to decode at a time. The values of a dictionary are looked up once per batch, so texts
    /// come in large ones, as far as their bytes allow.
    fn batch_rows(&self, row_group: usize, column: usize) -> usize {
        let is_text = matches!(self.schema.field(column).data_type(), DataType::Dictionary(..));
        if !is_text {
            return BATCH_ROWS;
        }
        let bytes_per_row = self.weight(row_group, column) / self.row_groups[row_group].max(1);
        let rows = TEXT_BATCH_BYTES / usize::try_from(bytes_per_row).unwrap_or(usize::MAX).max(1);
        rows.clamp(BATCH_ROWS, TEXT_BATCH_ROWS)
    }

    fn n_file_columns(&self) -> usize {
        self.metadata.schema().fields().len()
    }
}

/// The decoder's words, without the names of its own layers before them.
fn decode_error(error: &ParquetError) -> Error {
    match error {
        ParquetError::General(message)
        | ParquetError::EOF(message)
        | ParquetError::NYI(message)
        | ParquetError::ArrowError(message) => Error::decode(message),
        // The disk's fault, not the file's.
        ParquetError::External(source) if source.is::<std::io::Error>() => {
            Error::new(ErrorKind::Io, source.to_string())
        }
        other => Error::decode(other.to_string()),
    }
}

/// The footer, with strings asked for as dictionaries where the file allows it.
fn read_metadata(file: &FileRange) -> Result<ArrowReaderMetadata> {
    let footer = Arc::new(read_footer(file)?);
    let plain = ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new())
        .map_err(|error| decode_error(&error))?;
    let fields: Vec<FieldRef> = plain.schema().fields().iter().map(dictionary_field).collect();
    let schema = Schema::new_with_metadata(fields, plain.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let with_dictionaries = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options);
    Ok(with_dictionaries.unwrap_or(plain))
}

fn dictionary_field(field: &FieldRef) -> FieldRef {
    let is_text = match field.data_type() {
        DataType::Dictionary(_, values) => is_string(values),
        data_type => is_string(data_type),
    };
    if !is_text {
        return Arc::clone(field);
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(field.as_ref().clone().with_data_type(dictionary))
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
        let group = self.metadata.metadata().row_group(row_group);
        let leaves = self.leaves.get(column).cloned().unwrap_or_default();
        leaves.map(|leaf| group.column(leaf).uncompressed_size().max(0) as u64).sum()
    }

    fn prefetch(&self, row_group: usize, column: usize) {
        let group = self.metadata.metadata().row_group(row_group);
        for leaf in self.leaves.get(column).cloned().unwrap_or_default() {
            let Ok((start, length)) = chunk_range(group.column(leaf)) else { continue };
            let length = NonZeroU64::new(length);
            // A hint that fails costs nothing but the wait that it would have saved.
            let _ = fadvise(&*self.file, start, length, Advice::WillNeed);
        }
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>> {
        if let Some(value) = column.checked_sub(self.n_file_columns()) {
            return Ok(constant_blocks(&self.partition[value], self.row_groups[row_group]));
        }
        // An empty row group has no pages, and its offsets point nowhere.
        if self.row_groups[row_group] == 0 {
            return Ok(Box::new(std::iter::empty()));
        }
        let chunks = ChunkBytes::fetch(self, row_group, column)?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), [column]);
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, self.metadata.clone())
                .with_row_groups(vec![row_group])
                .with_projection(mask)
                .with_batch_size(self.batch_rows(row_group, column))
                .build()
                .map_err(|error| decode_error(&error))?;
        Ok(Box::new(reader.map(|batch| match batch {
            Ok(batch) => Ok(Block::new(Arc::clone(batch.column(0)))),
            Err(ArrowError::ParquetError(message)) => Err(Error::decode(message)),
            Err(error) => Err(Error::decode(error.to_string())),
        })))
    }
}

/// Parses the footer. The parser calls itself for every level of the schema, and a stack that
/// overflows ends the process; so it gets a stack that no footer of this size can fill, and a
/// schema that is too deep for everybody after it is refused and dropped there.
fn read_footer(file: &FileRange) -> Result<ParquetMetaData> {
    let footer_bytes = usize::try_from(file.footer_bytes()?).unwrap_or(usize::MAX);
    let stack = footer_bytes.saturating_mul(STACK_PER_FOOTER_BYTE).saturating_add(STACK_MIN);
    let mut stack = stack.min(STACK_MAX);
    let parse = || {
        let footer = ParquetMetaDataReader::new()
            .parse_and_finish(file)
            .map_err(|error| decode_error(&error))?;
        match depth(footer.file_metadata().schema_descr().root_schema()) {
            0..=SCHEMA_DEPTH_MAX => Ok(footer),
            depth => Err(Error::decode(format!(
                "its schema is nested {depth} deep; {SCHEMA_DEPTH_MAX} is the limit"
            ))),
        }
    };
    std::thread::scope(|scope| {
        // A small machine may refuse what a long but flat footer does not need.
        loop {
            let builder = std::thread::Builder::new().stack_size(stack);
            match builder.spawn_scoped(scope, || guarded(parse)) {
                Ok(thread) => return thread.join().expect("a guarded thread does not panic"),
                Err(_) if stack > STACK_MIN => stack /= 2,
                Err(error) => {
                    let message = format!("no room to read the footer: {error}");
                    return Err(Error::new(ErrorKind::Io, message));
                }
            }
        }
    })
}

/// Levels of a schema.
fn depth(root: &Type) -> usize {
    let mut level = vec![root];
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        let groups = level.into_iter().filter(|own| own.is_group());
        level = groups.flat_map(|group| group.get_fields().iter().map(AsRef::as_ref)).collect();
    }
    depth
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

/// Offset and length of a column chunk in its file.
fn chunk_range(chunk: &ColumnChunkMetaData) -> Result<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = start.min(chunk.data_page_offset());
    match (u64::try_from(start), u64::try_from(chunk.compressed_size())) {
        (Ok(start), Ok(length)) => Ok((start, length)),
        _ => Err(Error::decode("a column chunk lies before the file")),
    }
}

/// The encoded bytes of one top-level column of one row group.
struct ChunkBytes {
    /// Offset in the file, and the bytes from there.
    parts: Vec<(u64, Bytes)>,
    file_size: u64,
}

/// Reads into memory that is not zeroed first.
fn read_range(file: &File, start: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = start + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            // The room can be larger than what was asked for.
            Ok(1..) => bytes.truncate(length),
            Ok(0) => return Err(Error::new(ErrorKind::Io, "the file became shorter")),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let message = format!("cannot read a column chunk: {error}");
                return Err(Error::new(ErrorKind::Io, message));
            }
        }
    }
    Ok(bytes)
}

impl ChunkBytes {
    fn fetch(table: &ParquetTable, row_group: usize, column: usize) -> Result<ChunkBytes> {
        let metadata = table.file.metadata();
        let file_size = metadata.map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?.len();
        let group = table.metadata.metadata().row_group(row_group);
        let mut parts = Vec::new();
        for leaf in table.leaves[column].clone() {
            let (start, length) = chunk_range(group.column(leaf))?;
            // Before allocating: a forged footer must not ask for more than there is.
            if start.checked_add(length).is_none_or(|end| end > file_size) {
                return Err(Error::decode("a column chunk lies beyond the end of the file"));
            }
            let bytes = read_range(&table.file, start, length as usize)?;
            if let Some(hashes) = &table.hashes {
                hashes.note(start, &bytes);
            }
            parts.push((start, Bytes::from(bytes)));
        }
        Ok(ChunkBytes { parts, file_size })
    }

    fn tail(&self, start: u64) -> std::result::Result<Bytes, ParquetError> {
        self.parts
            .iter()
            .find(|(from, bytes)| (*from..from + bytes.len() as u64).contains(&start))
            .map(|(from, bytes)| bytes.slice((start - from) as usize..))
            .ok_or_else(|| ParquetError::EOF(format!("offset {start} is outside its column chunk")))
    }
}

impl Length for ChunkBytes {
    fn len(&self) -> u64 {
        self.file_size
    }
}

impl ChunkReader for ChunkBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        Ok(self.tail(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let tail = self.tail(start)?;
        if tail.len() < length {
            return Err(ParquetError::EOF("a page lies beyond its column chunk".into()));
        }
        Ok(tail.slice(..length))
    }
}

/// The whole file, for the footer.
struct FileRange {
    file: Arc<File>,
    size: u64,
}

impl FileRange {
    /// Length of the footer, as the last eight bytes tell.
    fn footer_bytes(&self) -> Result<u64> {
        let mut tail = [0; 8];
        let start = self.size.saturating_sub(8);
        self.file.read_exact_at(&mut tail, start).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot read the end of the file: {error}"))
        })?;
        let [a, b, c, d, ..] = tail;
        Ok(u32::from_le_bytes([a, b, c, d]).into())
    }
}

impl FileRange {
    fn fingerprint(&self) -> Result<u64> {
        let length = (self.footer_bytes()? + 8).min(self.size);
        let footer = self.get_bytes(self.size - length, length as usize);
        Ok(xxh3_64(&footer.map_err(|error| decode_error(&error))?))
    }
}

impl Length for FileRange {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for FileRange {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        let length = self.size.saturating_sub(start) as usize;
        Ok(self.get_bytes(start, length)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.size) {
            return Err(ParquetError::EOF("the footer points beyond the end of the file".into()));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Whether the bytes at both ends are those of a finished Parquet file.
pub fn check_ends(file: &File, size: u64, path: &Path) -> Result<()> {
    let read = |offset: u64, bytes: &mut [u8]| {
        file.read_exact_at(bytes, offset).map_err(|error| Error::io("read", path, &error))
    };
    let mut head = [0; 4];
    let mut tail = [0; 8];
    if size >= 4 {
        read(0, &mut head)?;
        // Zeros may be the room that a writer reserved.
        if !matches!(&head, b"PAR1" | b"PARE" | b"\0\0\0\0") {
            return Err(Error::decode("not a Parquet file: it does not start with PAR1"));
        }
    }
    let incomplete = |what: &str| Err(Error::new(ErrorKind::Incomplete, what));
    if size < 12 {
        return incomplete("shorter than any Parquet file");
    }
    read(size - 8, &mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PARE" => {
            return Err(Error::decode("an encrypted Parquet file, which driftd cannot read"));
        }
        b"PAR1" => {}
        _ => return incomplete("no footer at its end: truncated, or still being written"),
    }
    if u64::from(u32::from_le_bytes([a, b, c, d])) + 12 > size {
        return Err(Error::decode("the footer is longer than the file"));
    }
    Ok(())
}
