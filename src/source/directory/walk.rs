//! Finds the files of a directory and its subdirectories.

use crate::error::{Error, Result};
use crate::format::file_format::FileFormat;
use crate::format::stat;
use crate::source::files::listing::{
    ICEBERG, ICEBERG_ENDING, Listing, TABLE_FORMATS, is_hidden, refuse_table,
};
use std::fs;
use std::path::Path;

/// All files below `root` that have this format by their names, in path order. Links are not
/// followed: a link to a file inside would only name it twice, and one that leads outside is not
/// ours to read.
pub fn list(root: &Path, format: FileFormat) -> Result<Listing> {
    if let Some(table) = table_format(root) {
        return Err(refuse_table(root, table));
    }
    let mut listing = Listing::new(format);
    let entries = fs::read_dir(root).map_err(|error| Error::io("list", root, &error))?;
    walk(entries, root, &mut listing);
    Ok(listing.sorted())
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
            } else if metadata.is_file() {
                listing.add(path, stat(&metadata));
            }
            Ok(())
        });
        listing.errors.extend(outcome.err());
    }
}

fn table_format(root: &Path) -> Option<(&'static str, &'static str)> {
    let found = TABLE_FORMATS.iter().find(|(folder, _)| root.join(folder).is_dir());
    found.copied().or_else(|| is_iceberg(root).then_some(ICEBERG))
}

fn is_iceberg(root: &Path) -> bool {
    let Ok(entries) = fs::read_dir(root.join(ICEBERG.0)) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(ICEBERG_ENDING))
}

#[cfg(test)]
mod tests {
    use super::*;

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
