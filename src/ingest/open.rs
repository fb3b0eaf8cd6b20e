//! Opening one file for counting, and noticing when it changed underneath.

use super::footer::check_ends;
use super::identity::stat;
use super::parquet::ParquetTable;
use super::partition::{PartitionValue, partition_label, partition_time, partition_values};
use crate::error::{Error, ErrorKind, Result};
use crate::monitor::table::guarded;
use crate::position::{Identity, Stat};
use crate::time::Timestamp;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// A file that is written to its end.
pub struct OpenFile {
    pub path: PathBuf,
    pub stat: Stat,
    /// When its rows happened, as far as the path tells.
    pub partition_time: Option<Timestamp>,
    file: Arc<File>,
    partition: Vec<PartitionValue>,
}

impl OpenFile {
    /// Fails with [`ErrorKind::Incomplete`] while the file is being written. Folders below `root`
    /// can hold partition values.
    pub fn open(root: &Path, path: &Path) -> Result<OpenFile> {
        let io = |tried| move |error: std::io::Error| Error::io(tried, path, &error);
        let file = File::open(path).map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("stat"))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Io, format!("{} is not a file", path.display())));
        }
        let stat = stat(&metadata);
        check_ends(&file, stat.size, path)?;
        let partition = partition_values(root, path);
        let partition_time = partition_time(root, path);
        let (path, file) = (path.to_owned(), Arc::new(file));
        Ok(OpenFile { path, stat, partition_time, file, partition })
    }

    /// The identity of the file that `table` was made from. Reads what has not been read of it.
    pub fn identity(&self, table: &ParquetTable) -> Result<Identity> {
        let content = table.content()?;
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
        Ok(Identity { content, size: self.stat.size, partition })
    }

    /// The file as a table. A footer that makes the decoder panic is a footer that cannot be read.
    pub fn table(&self) -> Result<ParquetTable> {
        let open = || ParquetTable::open(Arc::clone(&self.file), self.stat.size, &self.partition);
        guarded(open)
    }

    /// Fails when the content may have changed since it was identified; what was counted of it
    /// must then be thrown away.
    pub fn check_untouched(&self) -> Result<()> {
        let metadata = self.file.metadata().map_err(|e| Error::io("stat", &self.path, &e))?;
        // A rename or a new hard link changes ctime and nothing that was read.
        let now = stat(&metadata);
        if (now.size, now.mtime_ns) != (self.stat.size, self.stat.mtime_ns) {
            return Err(Error::new(ErrorKind::Incomplete, "changed while it was read"));
        }
        Ok(())
    }
}
