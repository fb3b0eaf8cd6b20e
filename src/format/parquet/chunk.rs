//! The encoded bytes of one column of one row group.

use crate::error::{Fault, FaultKind, Result};
use crate::format::extent_hashes::ExtentHashes;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::{Buf, Bytes};
use rustix::buffer::spare_capacity;
use std::fs::File;

/// Offset and length of a column chunk in its file.
pub fn chunk_range(chunk: &ColumnChunkMetaData) -> Result<(u64, u64), Fault> {
    // Where the decoder starts, whichever is first.
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    match (u64::try_from(start), u64::try_from(chunk.compressed_size())) {
        (Ok(start), Ok(length)) => Ok((start, length)),
        _ => Err(Fault::unreadable("a column chunk lies before the file")),
    }
}

/// The encoded bytes of one top-level column of one row group.
pub struct ChunkBytes {
    /// Offset in the file, and the bytes from there.
    parts: Vec<(u64, Bytes)>,
    file_size: u64,
}

/// Reads into memory that is not zeroed first.
fn read_range(file: &File, start: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = start + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            // The room can be larger than what was asked for.
            Ok(1..) => bytes.truncate(length),
            Ok(0) => return Err(Fault::new(FaultKind::Io, "the file became shorter")),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let message = format!("cannot read a column chunk: {error}");
                return Err(Fault::new(FaultKind::Io, message));
            }
        }
    }
    Ok(bytes)
}

impl ChunkBytes {
    /// Reads the chunks of a column's leaves, and notes their hashes where these are wanted.
    pub fn fetch(
        (file, file_size): (&File, u64),
        leaves: &[ColumnChunkMetaData],
        hashes: Option<&ExtentHashes>,
    ) -> Result<ChunkBytes, Fault> {
        let mut parts = Vec::new();
        for leaf in leaves {
            let (start, length) = chunk_range(leaf)?;
            // Before allocating: a forged footer must not ask for more than there is.
            if start.checked_add(length).is_none_or(|end| end > file_size) {
                return Err(Fault::unreadable("a column chunk lies beyond the end of the file"));
            }
            let bytes = read_range(file, start, length as usize)?;
            if let Some(hashes) = hashes {
                hashes.note(start, &bytes);
            }
            parts.push((start, Bytes::from(bytes)));
        }
        Ok(ChunkBytes { parts, file_size })
    }

    /// The bytes of the chunks of the leaves, in their order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|(_, bytes)| bytes.as_ref())
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
