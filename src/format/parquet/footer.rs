//! The footer of a Parquet file: found, parsed on a stack of its own, and checked.

use super::thrift::has_endless_lists;
use crate::error::{Fault, FaultKind, Result};
use crate::monitor::table::guarded;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::schema::types::Type;
use bytes::{Buf, Bytes};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Levels of nesting that a schema may have.
const SCHEMA_DEPTH_MAX: usize = 100;

/// Stack for parsing a footer. A level of the schema takes eight bytes of it at least, and a frame
/// of the parser about a kilobyte, several in a debug build; what is not used is never touched.
const STACK_MIN: usize = 16 << 20;
const STACK_PER_FOOTER_BYTE: usize = 1_024;
const STACK_MAX: usize = 1 << 30;

/// The decoder's words, without the names of its own layers before them.
pub fn decode_error(error: &ParquetError) -> Fault {
    match error {
        ParquetError::General(message)
        | ParquetError::EOF(message)
        | ParquetError::NYI(message)
        | ParquetError::ArrowError(message) => Fault::unreadable(message),
        // The disk's fault, not the file's.
        ParquetError::External(source) if source.is::<std::io::Error>() => {
            Fault::new(FaultKind::Io, source.to_string())
        }
        other => Fault::unreadable(other.to_string()),
    }
}

/// Parses the footer. The parser calls itself for every level of the schema, and a stack that
/// overflows ends the process; so it gets a stack that no footer of this size can fill, and a
/// schema that is too deep for everybody after it is refused and dropped there.
pub fn read_metadata(file: &FileRange) -> Result<ParquetMetaData, Fault> {
    let footer_bytes = usize::try_from(file.footer_bytes()?).unwrap_or(usize::MAX);
    if has_endless_lists(&file.footer()?) {
        return Err(Fault::unreadable("its footer says that it has more than its bytes can hold"));
    }
    let stack = footer_bytes.saturating_mul(STACK_PER_FOOTER_BYTE).saturating_add(STACK_MIN);
    let mut stack = stack.min(STACK_MAX);
    let parse = || {
        let footer = ParquetMetaDataReader::new()
            .parse_and_finish(file)
            .map_err(|error| decode_error(&error))?;
        match depth(footer.file_metadata().schema_descr().root_schema()) {
            0..=SCHEMA_DEPTH_MAX => Ok(footer),
            depth => Err(Fault::unreadable(format!(
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
                    return Err(Fault::new(FaultKind::Io, message));
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

/// The whole file, for the footer.
pub struct FileRange {
    pub file: Arc<File>,
    pub size: u64,
}

impl FileRange {
    /// Of the footer, with its length.
    pub fn fingerprint(&self) -> Result<u64, Fault> {
        Ok(xxh3_64(&self.footer()?))
    }

    /// The footer, and its length after it.
    fn footer(&self) -> Result<Bytes, Fault> {
        let length = (self.footer_bytes()? + 8).min(self.size);
        let footer = self.get_bytes(self.size - length, length as usize);
        footer.map_err(|error| decode_error(&error))
    }

    /// Length of the footer, as the last eight bytes tell.
    fn footer_bytes(&self) -> Result<u64, Fault> {
        let mut tail = [0; 8];
        let start = self.size.saturating_sub(8);
        self.file.read_exact_at(&mut tail, start).map_err(|error| {
            Fault::new(FaultKind::Io, format!("cannot read the end of the file: {error}"))
        })?;
        let [a, b, c, d, ..] = tail;
        Ok(u32::from_le_bytes([a, b, c, d]).into())
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
pub fn check_ends(file: &File, size: u64, path: &Path) -> Result<(), Fault> {
    let read = |offset: u64, bytes: &mut [u8]| {
        file.read_exact_at(bytes, offset).map_err(|error| Fault::io("read", path, &error))
    };
    let mut head = [0; 4];
    let mut tail = [0; 8];
    if size >= 4 {
        read(0, &mut head)?;
        // Zeros may be the room that a writer reserved.
        if !matches!(&head, b"PAR1" | b"PARE" | b"\0\0\0\0") {
            return Err(Fault::unreadable("not a Parquet file: it does not start with PAR1"));
        }
    }
    let incomplete = |what: &str| Err(Fault::incomplete(what));
    if size < 12 {
        return incomplete("shorter than any Parquet file");
    }
    read(size - 8, &mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PARE" => {
            return Err(Fault::unreadable("an encrypted Parquet file, which driftd cannot read"));
        }
        b"PAR1" => {}
        _ => return incomplete("no footer at its end: truncated, or still being written"),
    }
    if u64::from(u32::from_le_bytes([a, b, c, d])) + 12 > size {
        return Err(Fault::unreadable("the footer is longer than the file"));
    }
    Ok(())
}
