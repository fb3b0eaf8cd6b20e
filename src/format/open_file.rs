//! One file that is open, what its path says of it, and noticing when it changed underneath.

use super::partition::{PartitionValue, partition_label, partition_time, partition_values};
use crate::error::{Fault, FaultKind, Result};
use crate::identity::{Identity, Stat};
use crate::time::Timestamp;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// What the operating system says of a file.
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

/// A file that is open for reading.
#[derive(Debug)]
pub struct OpenFile {
    pub path: PathBuf,
    pub stat: Stat,
    /// When its rows happened, as far as the path tells.
    pub partition_time: Option<Timestamp>,
    pub file: Arc<File>,
    pub partition: Vec<PartitionValue>,
    /// Size and time of writing, as the file had them when it was opened.
    at_open: (u64, i64),
}

impl OpenFile {
    /// Folders below `root` can hold partition values.
    pub fn open(root: &Path, path: &Path) -> Result<OpenFile, Fault> {
        let io = |tried| move |error: std::io::Error| Fault::io(tried, path, &error);
        let file = File::open(path).map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("stat"))?;
        if !metadata.is_file() {
            return Err(Fault::new(FaultKind::Io, format!("{} is not a file", path.display())));
        }
        let stat = stat(&metadata);
        let partition = partition_values(root, path);
        let partition_time = partition_time(root, path);
        let (path, file, at_open) = (path.to_owned(), Arc::new(file), (stat.size, stat.mtime_ns));
        Ok(OpenFile { path, stat, partition_time, file, partition, at_open })
    }

    /// A file that holds what was fetched from `path`, where it is known by `stat`.
    pub fn fetched(root: &Path, path: PathBuf, stat: Stat, file: File) -> Result<OpenFile, Fault> {
        let metadata = file.metadata().map_err(|error| Fault::io("stat", &path, &error))?;
        let own = self::stat(&metadata);
        let (partition, partition_time) =
            (partition_values(root, &path), partition_time(root, &path));
        let (file, at_open) = (Arc::new(file), (own.size, own.mtime_ns));
        Ok(OpenFile { path, stat, partition_time, file, partition, at_open })
    }

    /// A file of these bytes that has no name, and is gone when it is closed.
    pub fn temporary(bytes: &[u8]) -> Result<OpenFile, Fault> {
        let path = Path::new("a temporary file");
        let io = |tried| move |error: std::io::Error| Fault::io(tried, path, &error);
        let mut file = tempfile::tempfile().map_err(io("make"))?;
        file.write_all(bytes).map_err(io("write"))?;
        let stat = stat(&file.metadata().map_err(io("stat"))?);
        OpenFile::fetched(path, path.to_owned(), stat, file)
    }

    /// The identity of the file, whose bytes have this hash.
    pub fn identity(&self, content: u128) -> Identity {
        // Folders such as 2026/01/31 are a partition too, if one without names.
        let partition = match self.partition_time {
            Some(time) if self.partition.is_empty() => time.to_string(),
            _ => partition_label(&self.partition),
        };
        // The same bytes in another partition are other rows, wherever only the hash is looked at.
        let content = match partition.as_str() {
            "" => content,
            partition => xxh3_128(partition.as_bytes()) ^ content,
        };
        Identity { content, size: self.stat.size, partition }
    }

    /// Fails when the content may have changed since it was identified; what was counted of it
    /// must then be thrown away.
    pub fn check_untouched(&self) -> Result<(), Fault> {
        let metadata = self.file.metadata().map_err(|e| Fault::io("stat", &self.path, &e))?;
        // A rename or a new hard link changes ctime and nothing that was read.
        let now = stat(&metadata);
        if (now.size, now.mtime_ns) != self.at_open {
            return Err(Fault::incomplete("changed while it was read"));
        }
        Ok(())
    }
}
