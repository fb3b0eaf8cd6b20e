//! The formats of files: by which names they are found, and how they are opened.

use super::arrow_file::ArrowFile;
use super::line_file::LineFile;
use super::line_scan::{RowFormat, scan};
use super::line_schema::LineSchema;
use super::parquet::ParquetTable;
use super::payload::ValueNames;
use super::{FileTable, OpenFile};
use crate::error::{Fault, Result};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use std::path::Path;
use std::sync::Arc;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileFormat {
    Parquet,
    Arrow,
    Csv,
    Ndjson,
    Json,
    Bentoml,
    Sagemaker,
    Kserve,
}

/// What else is known of a file besides its format.
#[derive(Clone)]
pub struct FileContext {
    /// What rows without types are read for.
    pub lines: Arc<LineSchema>,
    pub names: ValueNames,
    pub page_bytes_max: u64,
    /// Called again and again while a file is read: it may take a while.
    pub on_read: Arc<dyn Fn() + Send + Sync>,
}

/// A file whose rows can be counted, and what in it is none.
pub struct OpenedTable {
    pub table: Box<dyn FileTable + Send>,
    pub rejected: Rejected,
    pub first_rejected: Option<(RejectReason, String)>,
}

impl FileFormat {
    pub const ALL: [FileFormat; 8] = [
        FileFormat::Parquet,
        FileFormat::Arrow,
        FileFormat::Csv,
        FileFormat::Ndjson,
        FileFormat::Json,
        FileFormat::Bentoml,
        FileFormat::Sagemaker,
        FileFormat::Kserve,
    ];

    /// As in `format = "…"`.
    pub const NAMES: [&str; 8] =
        ["parquet", "arrow", "csv", "ndjson", "json", "bentoml", "sagemaker", "kserve"];

    pub fn named(name: &str) -> Option<FileFormat> {
        let place = FileFormat::NAMES.iter().position(|own| *own == name)?;
        Some(FileFormat::ALL[place])
    }

    pub fn name(self) -> &'static str {
        FileFormat::NAMES[self as usize]
    }

    /// What files of it are called.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            FileFormat::Parquet => &["parquet", "pq", "parq"],
            FileFormat::Arrow => &["arrow", "arrows", "feather", "ipc"],
            FileFormat::Csv => &["csv", "tsv"],
            FileFormat::Ndjson => &["jsonl", "ndjson", "json", "log"],
            FileFormat::Json => &["json"],
            FileFormat::Kserve => &["json", "csv", "parquet"],
            FileFormat::Bentoml => &["log"],
            FileFormat::Sagemaker => &["jsonl"],
        }
    }

    /// Whether a file of this name is one.
    pub fn is_named(self, path: &Path) -> bool {
        if self == FileFormat::Bentoml {
            // `data.0.log`, and `data.0.log.2026-01-31` when it is rotated; schemas are beside.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return name.starts_with("data.") && name.contains(".log");
        }
        let packed = self.is_text() && has_ending(path, &["gz", "zst"]);
        let unpacked = if packed { path.with_extension("") } else { path.to_owned() };
        has_ending(&unpacked, self.endings())
    }

    /// The format of a file, by its name; Parquet where that tells nothing.
    pub fn of(path: &Path) -> FileFormat {
        let by_name = [FileFormat::Arrow, FileFormat::Csv, FileFormat::Ndjson];
        by_name.into_iter().find(|own| own.is_named(path)).unwrap_or(FileFormat::Parquet)
    }

    /// Whether nothing in a file tells that it is whole, or of what types its values are.
    pub fn is_text(self) -> bool {
        !matches!(self, FileFormat::Parquet | FileFormat::Arrow)
    }

    /// Opens a file. The hash of its content can be asked for when all of it was read.
    pub fn open(self, file: &OpenFile, context: &FileContext) -> Result<OpenedTable, Fault> {
        let FileContext { lines, names, page_bytes_max, on_read } = context;
        let format = match self {
            FileFormat::Parquet => {
                let table = ParquetTable::open(file)?.hashing().limited(*page_bytes_max);
                return Ok(OpenedTable::of(table));
            }
            FileFormat::Arrow => {
                return ArrowFile::open(&file.file, file.stat.size, *page_bytes_max as usize)
                    .map(OpenedTable::of);
            }
            FileFormat::Csv => RowFormat::Csv,
            FileFormat::Ndjson | FileFormat::Bentoml => RowFormat::Ndjson,
            FileFormat::Json => RowFormat::Json,
            FileFormat::Sagemaker => RowFormat::Sagemaker,
            FileFormat::Kserve => RowFormat::Kserve,
        };
        let mut scanned = scan(&file.file, format, names, lines, &**on_read)?;
        let (rejected, first_rejected) = (scanned.rejected, scanned.first_rejected.take());
        let table = Box::new(LineFile::new(scanned, Arc::clone(lines)));
        Ok(OpenedTable { table, rejected, first_rejected })
    }
}

impl OpenedTable {
    fn of(table: impl FileTable + Send + 'static) -> OpenedTable {
        let rejected = Rejected::default();
        OpenedTable { table: Box::new(table), rejected, first_rejected: None }
    }
}

/// Whether a file has one of these endings, in whatever case.
pub fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|own| endings.iter().any(|ending| own.eq_ignore_ascii_case(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_format() {
        for (place, format) in FileFormat::ALL.into_iter().enumerate() {
            assert_eq!((format as usize, FileFormat::named(format.name())), (place, Some(format)));
        }
        for (name, expected) in [
            ("a.parquet", FileFormat::Parquet),
            ("a.CSV.gz", FileFormat::Csv),
            ("a.jsonl.zst", FileFormat::Ndjson),
            ("a.feather", FileFormat::Arrow),
            ("a", FileFormat::Parquet),
        ] {
            assert_eq!(FileFormat::of(Path::new(name)), expected, "{name}");
        }
        for name in ["data.0.log", "data.0.log.2026-01-31", "m/data/data.11.log"] {
            assert!(FileFormat::Bentoml.is_named(Path::new(name)), "{name}");
        }
        assert!(!FileFormat::Bentoml.is_named(Path::new("schema.0.log")));
        assert!(!FileFormat::Parquet.is_named(Path::new("a.parquet.gz")));
    }
}
