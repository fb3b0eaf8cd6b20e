//! Which files of a directory are data.
//!
//! Writers leave much beside their data: temporary folders, markers, checksums. Their conventions
//! are those of Hadoop, Spark and Feast; the rule for underscores is Spark's (SPARK-16975): `_x` is
//! hidden unless it is a `key=value` folder, such as Feast's `__log_date=2026-01-01`.

use crate::error::{Error, Result};
use crate::format::file_format::FileFormat;
use crate::format::stat;
use crate::identity::Stat;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// Folders of table formats, whose listing is not the table: it holds replaced files as well.
const TABLE_FORMATS: [(&str, &str); 3] =
    [("_delta_log", "Delta Lake"), (".hoodie", "Hudi"), ("_spark_metadata", "Spark streaming")];

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

/// All files below `root` that have this format by their names, in path order. Links are not
/// followed: a link to a file inside would only name it twice, and one that leads outside is not
/// ours to read.
pub fn list(root: &Path, format: FileFormat) -> Result<Listing> {
    refuse_table_format(root)?;
    let ignored = Ignored::new(format);
    let mut listing = Listing { files: Vec::new(), ignored, errors: Vec::new() };
    let entries = fs::read_dir(root).map_err(|error| Error::io("list", root, &error))?;
    walk(entries, root, &mut listing);
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

fn walk(entries: fs::ReadDir, folder: &Path, listing: &mut Listing) {
    for entry in entries {
        let outcome = entry.map_err(|error| Error::io("list", folder, &error)).and_then(|entry| {
            let path = entry.path();
            if is_hidden(&entry.file_name()) {
                return Ok(());
            }
            // A file can be gone between its listing and here; that is nobody's error.
            let Ok(metadata) = entry.metadata() else { return Ok(()) };
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).map_err(|e| Error::io("list", &path, &e))?;
                walk(entries, &path, listing);
            } else if metadata.is_file() && metadata.len() > 0 {
                match listing.ignored.format.is_named(&path) {
                    true => listing.files.push(Listed { path, stat: stat(&metadata) }),
                    false => listing.ignored.add(&path),
                }
            }
            Ok(())
        });
        listing.errors.extend(outcome.err());
    }
}

/// Whether a name is a marker, a temporary or a hidden file or folder.
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.')
        || (name.starts_with('_') && !name.contains('='))
        || name.ends_with("._COPYING_")
}

fn refuse_table_format(root: &Path) -> Result<()> {
    let found = TABLE_FORMATS
        .iter()
        .find(|(folder, _)| root.join(folder).is_dir())
        .map(|(folder, format)| (*folder, *format))
        .or_else(|| is_iceberg(root).then_some(("metadata", "Iceberg")));
    match found {
        None => Ok(()),
        Some((folder, format)) => Err(Error::new(format!(
            "{} is a {format} table (it has a folder {folder}): its files include replaced \
                 and deleted rows, so reading them all would count rows twice; point driftd at \
                 a directory of plain Parquet files",
            root.display()
        ))),
    }
}

fn is_iceberg(root: &Path) -> bool {
    let Ok(entries) = fs::read_dir(root.join("metadata")) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".metadata.json"))
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

    #[test]
    fn finds_data_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        for name in [
            "a.parquet",
            "2026-01-01/b.parquet",
            "x-{i}.parquet/__log_date=2026-01-01/data_0.parquet",
            "_temporary/0/c.parquet",
            "_SUCCESS",
            "notes.txt",
            "_metadata",
        ] {
            write(name, "x");
        }
        write("empty.parquet", "");
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        let listing = list(root.path(), FileFormat::Parquet).unwrap();
        let names: Vec<_> = listing
            .files
            .iter()
            .map(|file| file.path.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "2026-01-01/b.parquet",
                "a.parquet",
                "x-{i}.parquet/__log_date=2026-01-01/data_0.parquet",
            ]
        );
        fs::create_dir(root.path().join("_delta_log")).unwrap();
        assert!(
            list(root.path(), FileFormat::Parquet).unwrap_err().to_string().contains("Delta Lake")
        );
    }
}
