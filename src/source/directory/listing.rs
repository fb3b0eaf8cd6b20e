//! Which files of a directory are data.
//!
//! Writers leave much beside their data: temporary folders, markers, checksums. Their conventions
//! are those of Hadoop, Spark and Feast; the rule for underscores is Spark's (SPARK-16975): `_x` is
//! hidden unless it is a `key=value` folder, such as Feast's `__log_date=2026-01-01`.

use crate::error::{Error, Result};
use crate::format::stat;
use crate::identity::Stat;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// Endings of data files.
const ENDINGS: [&str; 3] = ["parquet", "pq", "parq"];

/// Folders of table formats, whose listing is not the table: it holds replaced files as well.
const TABLE_FORMATS: [(&str, &str); 3] =
    [("_delta_log", "Delta Lake"), (".hoodie", "Hudi"), ("_spark_metadata", "Spark streaming")];

/// One data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub path: PathBuf,
    pub stat: Stat,
}

/// Endings of files that hold tables as texts.
const TEXT_ENDINGS: [&str; 5] = ["csv", "tsv", "json", "jsonl", "ndjson"];

/// Names that are remembered of files that are left out.
const IGNORED_NAMES_MAX: usize = 3;

/// Files that are no data as far as their ending tells; markers and hidden files are not among
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored {
    pub files: u64,
    /// Those that hold tables as texts.
    texts: u64,
    /// Of the first of them.
    names: BTreeSet<String>,
}

impl Ignored {
    pub fn add(&mut self, path: &Path) {
        self.files += 1;
        // Of `a.csv.gz` the ending before the last.
        let packed = has_ending(path, &["gz", "zst"]).then(|| path.with_extension(""));
        self.texts += u64::from(has_ending(packed.as_deref().unwrap_or(path), &TEXT_ENDINGS));
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
        let more = if self.files > names.len() as u64 { ", …" } else { "" };
        let files = if self.files == 1 { "file is" } else { "files are" };
        write!(
            f,
            "{} {files} left out for not ending in .parquet, .pq or .parq: {}{more}",
            self.files,
            names.join(", ")
        )?;
        match self.texts {
            0 => Ok(()),
            texts => write!(
                f,
                "; {texts} of CSV or JSON: driftd reads Parquet, and lines of JSON at a socket"
            ),
        }
    }
}

/// A walk's outcome: what was found, what was left out, and the folders that could not be read.
#[derive(Debug, Default)]
pub struct Listing {
    pub files: Vec<Listed>,
    pub ignored: Ignored,
    pub errors: Vec<Error>,
}

/// All data files below `root`, in path order. Links are not followed: a link to a file inside
/// would only name it twice, and one that leads outside is not ours to read.
pub fn list(root: &Path) -> Result<Listing> {
    refuse_table_format(root)?;
    let mut listing = Listing::default();
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
                match is_data(&path) {
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

pub fn is_data(path: &Path) -> bool {
    has_ending(path, &ENDINGS)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|own| endings.iter().any(|ending| own.eq_ignore_ascii_case(ending)))
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
        let listing = list(root.path()).unwrap();
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
        assert!(list(root.path()).unwrap_err().to_string().contains("Delta Lake"));
    }
}
