//! Which files of a place are data.
//!
//! Writers leave much beside their data: temporary folders, markers, checksums. Their conventions
//! are those of Hadoop, Spark and Feast; the rule for underscores is Spark's (SPARK-16975): `_x` is
//! hidden unless it is a `key=value` folder, such as Feast's `__log_date=2026-01-01`.

use crate::error::Error;
use crate::format::file_format::FileFormat;
use crate::identity::Stat;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// Folders of table formats, whose listing is not the table: it holds replaced files as well.
pub const TABLE_FORMATS: [(&str, &str); 3] =
    [("_delta_log", "Delta Lake"), (".hoodie", "Hudi"), ("_spark_metadata", "Spark streaming")];

/// The folder of a table of Iceberg, as far as a file in it ends so.
pub const ICEBERG: (&str, &str) = ("metadata", "Iceberg");
pub const ICEBERG_ENDING: &str = ".metadata.json";

/// One data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub path: PathBuf,
    pub stat: Stat,
}

/// Names that are remembered of files that are left out.
const IGNORED_NAMES_MAX: usize = 3;

/// Files that are no data as far as their ending tells; markers and hidden files are not among
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What was looked for.
    format: FileFormat,
    pub files: u64,
    /// The format that most of them seem to have.
    others: BTreeMap<FileFormat, u64>,
    /// Of the first of them.
    names: BTreeSet<String>,
}

impl Ignored {
    pub fn new(format: FileFormat) -> Ignored {
        Ignored { format, files: 0, others: BTreeMap::new(), names: BTreeSet::new() }
    }

    /// The format that most of them seem to have, if any seems to have one.
    pub fn likely_format(&self) -> Option<FileFormat> {
        self.others.iter().max_by_key(|(_, files)| **files).map(|(format, _)| *format)
    }

    pub fn add(&mut self, path: &Path) {
        self.files += 1;
        let seeming = FileFormat::of(path);
        if seeming != self.format && seeming.is_named(path) {
            *self.others.entry(seeming).or_default() += 1;
        }
        let name = path.file_name().unwrap_or_default();
        self.names.insert(name.to_string_lossy().into_owned());
        if self.names.len() > IGNORED_NAMES_MAX {
            self.names.pop_last();
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let endings = self.format.endings().join(", .");
        let more = if self.files > names.len() as u64 { ", …" } else { "" };
        let files = if self.files == 1 { "file is" } else { "files are" };
        write!(
            f,
            "{} {files} left out for not ending in .{}: {}{more}",
            self.files,
            endings,
            names.join(", ")
        )?;
        match self.likely_format() {
            None => Ok(()),
            Some(format) => write!(f, "; format = {:?} reads such files", format.name()),
        }
    }
}

/// A walk's outcome: what was found, what was left out, and the folders that could not be read.
#[derive(Debug)]
pub struct Listing {
    pub files: Vec<Listed>,
    pub ignored: Ignored,
    pub errors: Vec<Error>,
}

impl Listing {
    pub fn new(format: FileFormat) -> Listing {
        Listing { files: Vec::new(), ignored: Ignored::new(format), errors: Vec::new() }
    }

    /// Takes a file if its name tells that it has the format. An empty one is none yet.
    pub fn add(&mut self, path: PathBuf, stat: Stat) {
        match self.ignored.format.is_named(&path) {
            _ if stat.size == 0 => {}
            true => self.files.push(Listed { path, stat }),
            false => self.ignored.add(&path),
        }
    }

    /// In path order.
    pub fn sorted(mut self) -> Listing {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }
}

/// Whether a name is a marker, a temporary or a hidden file or folder.
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.')
        || (name.starts_with('_') && !name.contains('='))
        || name.ends_with("._COPYING_")
}

/// Refuses a place whose folder `folder` is that of a table format.
pub fn refuse_table(root: &Path, (folder, format): (&str, &str)) -> Error {
    Error::new(format!(
        "{} is a {format} table (it has a folder {folder}): its files include replaced and deleted \
         rows, so reading them all would count rows twice; point driftd at plain Parquet files",
        root.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_what_writers_leave_behind() {
        for name in ["_SUCCESS", "_temporary", ".part-0.parquet.crc", ".nfs0001", "a._COPYING_"] {
            assert!(is_hidden(OsStr::new(name)), "{name}");
        }
        for name in ["__log_date=2026-01-01", "part-0.parquet", "x-{i}.parquet", "2026-01-01"] {
            assert!(!is_hidden(OsStr::new(name)), "{name}");
        }
    }
}
