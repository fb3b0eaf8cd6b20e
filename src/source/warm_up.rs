//! A reference that nobody has made yet: the first files that arrive.

use super::directory::walk::list;
use crate::error::{Fault, Result};
use crate::format::OpenFile;
use crate::format::file_format::FileFormat;
use crate::format::parquet::ParquetTable;
use crate::monitor::table::rows;
use std::path::{Path, PathBuf};

/// How much is waited for; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmUp {
    pub rows: Option<u64>,
    pub files: Option<u64>,
}

/// The files that are there.
pub struct Gathered {
    pub files: Vec<(OpenFile, ParquetTable)>,
    pub rows: u64,
    /// As many as are waited for, and no more.
    pub is_enough: bool,
}

impl WarmUp {
    /// Takes the oldest files of `directories`, as far as they are complete and can be read, until
    /// they are enough.
    pub fn gather(&self, directories: &[PathBuf], page_bytes_max: u64) -> Result<Gathered> {
        let mut found = Vec::new();
        for root in directories {
            let files = list(root, FileFormat::Parquet)?.files;
            found.extend(files.into_iter().map(|file| (file.stat.mtime_ns, root, file.path)));
        }
        found.sort();
        let mut gathered = Gathered { files: Vec::new(), rows: 0, is_enough: false };
        for (_, root, path) in found {
            // A file that cannot be read is told of when it is its turn to be counted.
            let Ok((file, table)) = open(root, &path) else { continue };
            gathered.rows += rows(&table);
            gathered.files.push((file, table.limited(page_bytes_max)));
            let is_over = |count: u64, wanted: Option<u64>| wanted.is_some_and(|n| count >= n);
            let files = gathered.files.len() as u64;
            if is_over(gathered.rows, self.rows) || is_over(files, self.files) {
                gathered.is_enough = true;
                break;
            }
        }
        Ok(gathered)
    }
}

fn open(root: &Path, path: &Path) -> Result<(OpenFile, ParquetTable), Fault> {
    let file = OpenFile::open(root, path)?;
    let table = ParquetTable::open(&file)?.hashing();
    Ok((file, table))
}
