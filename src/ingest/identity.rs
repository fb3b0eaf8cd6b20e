//! Stat and content hash of a file.

use crate::error::{Error, Result};
use crate::position::{Identity, Stat};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// Bytes per read while hashing.
const READ_BYTES: usize = 1 << 20;

pub fn stat(metadata: &Metadata) -> Stat {
    Stat {
        dev: metadata.dev(),
        ino: metadata.ino(),
        size: metadata.size(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Since 1970; file systems can hold times that 64 bits of nanoseconds cannot.
fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Hashes the whole content. `path` is only for the error.
pub fn identify(file: &File, path: &Path, size: u64, partition: String) -> Result<Identity> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; READ_BYTES.min(size as usize).max(1)];
    let mut offset = 0;
    while offset < size {
        let wanted = buffer.len().min((size - offset) as usize);
        // Positioned reads: a memory map would turn a truncation into a fatal signal.
        file.read_exact_at(&mut buffer[..wanted], offset)
            .map_err(|error| Error::io("read", path, &error))?;
        hash.update(&buffer[..wanted]);
        offset += wanted as u64;
    }
    Ok(Identity { content: hash.digest128(), size, partition })
}
