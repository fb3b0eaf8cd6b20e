//! What a path given by a user stands for: a file, a directory, a glob, a profile.

use super::directory::listing::{Ignored, Listing, is_hidden, list};
use crate::error::{Error, Result};
use crate::format::OpenFile;
use crate::format::file_format::{FileContext, FileFormat, OpenedTable};
use crate::format::line_schema::{LineFeature, LineSchema};
use crate::format::parquet::ParquetTable;
use crate::monitor::reference::{Profile, Reference, ReferenceConfig};
use crate::monitor::table::Table;
use crate::schema::columns::ColumnsConfig;
use crate::settings::remote_fault;
use arrow_schema::Schema;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ending of a profile.
const PROFILE: &str = "profile";

/// One path, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Profile(PathBuf),
    Files(Vec<PathBuf>),
}

/// Finds the files behind a path. An input without any file is an error.
pub fn resolve(path: &Path) -> Result<Input> {
    if path.is_dir() {
        let listing = list_any(path)?;
        if let Some(error) = listing.errors.into_iter().next() {
            return Err(error);
        }
        let files: Vec<PathBuf> = listing.files.into_iter().map(|file| file.path).collect();
        if files.is_empty() {
            let left_out = left_out(&listing.ignored);
            return Err(Error::new(format!("{} holds no file of rows{left_out}", path.display())));
        }
        return Ok(Input::Files(files));
    }
    if path.is_file() {
        let is_profile = path.extension().is_some_and(|ending| ending == PROFILE);
        let path = path.to_owned();
        return Ok(if is_profile { Input::Profile(path) } else { Input::Files(vec![path]) });
    }
    let pattern = path.to_string_lossy();
    if let Some(fault) = remote_fault(&pattern) {
        return Err(Error::new(fault));
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err(Error::new(format!("{pattern}: no such file or directory")));
    }
    let paths = glob::glob(&pattern)
        .map_err(|error| Error::new(format!("{pattern} is no pattern: {error}")))?;
    let (mut files, mut ignored) = (Vec::new(), Ignored::new(FileFormat::Parquet));
    for found in paths {
        let found = found.map_err(|error| Error::io("list", error.path(), error.error()))?;
        if found.file_name().is_some_and(is_hidden) {
            continue;
        }
        if found.is_dir() {
            files.extend(list_any(&found)?.files.into_iter().map(|file| file.path));
        } else if FileFormat::of(&found).is_named(&found) {
            files.push(found);
        } else {
            ignored.add(&found);
        }
    }
    if files.is_empty() {
        let left_out = left_out(&ignored);
        return Err(Error::new(format!("{pattern} matches no file of rows{left_out}")));
    }
    Ok(Input::Files(files))
}

/// The Parquet files of a directory, or those of the format that most others have.
fn list_any(root: &Path) -> Result<Listing> {
    let listing = list(root, FileFormat::Parquet)?;
    match listing.ignored.likely_format() {
        Some(format) if listing.files.is_empty() => list(root, format),
        _ => Ok(listing),
    }
}

/// Says which files were left out, and how to have them read.
fn left_out(ignored: &Ignored) -> String {
    match ignored.files {
        0 => String::new(),
        _ => format!("; {ignored}; a file that is named itself is read whatever its ending"),
    }
}

/// Opens one file as a table whose pages may unpack to so many bytes; `key=value` folders anywhere
/// in its path count.
pub fn open(path: &Path, page_bytes_max: u64) -> Result<ParquetTable> {
    let format = FileFormat::of(path);
    if format != FileFormat::Parquet {
        return Err(Error::new(format!(
            "{}: a reference has to be Parquet, which says what its columns are; {} can be \
             compared with it",
            path.display(),
            format.name()
        )));
    }
    OpenFile::open(Path::new(""), path)
        .and_then(|file| Ok(ParquetTable::open(&file)?.limited(page_bytes_max)))
        .map_err(|fault| fault.context(path.display()).into())
}

/// What rows without types are read for, when they are compared with a reference.
pub fn line_schema(
    reference: &Reference,
    columns: &ColumnsConfig,
    sampling_key: Option<&String>,
) -> LineSchema {
    let is_feature = |name: &&String| reference.grids().any(|grid| grid.name == **name);
    let cluster = columns.cluster.as_ref().filter(|name| !is_feature(name));
    let key = sampling_key.filter(|name| !is_feature(name) && Some(*name) != cluster);
    let others = cluster.into_iter().chain(key).map(|name| LineFeature::key(name));
    let features = reference.grids().map(LineFeature::from).chain(others);
    LineSchema::new(features.collect(), columns.clone())
}

/// Opens one file whose rows are compared with a reference; its name tells its format.
pub fn open_rows(path: &Path, page_bytes_max: u64, lines: &Arc<LineSchema>) -> Result<OpenedTable> {
    let (lines, names) = (Arc::clone(lines), Vec::new());
    let context = FileContext { lines, names, page_bytes_max, on_read: Arc::new(|| ()) };
    let is_document = path.extension().is_some_and(|ending| ending == "json");
    OpenFile::open(Path::new(""), path)
        .and_then(|file| {
            // One document or a row on each line: the ending tells nothing of that.
            let document = is_document.then(|| FileFormat::Json.open(&file, &context));
            match document {
                Some(Ok(opened)) => Ok(opened),
                _ => FileFormat::of(path).open(&file, &context),
            }
        })
        .map_err(|fault| fault.context(path.display()).into())
}

/// The names of the columns behind a path; of a file that cannot be read, none.
pub fn column_names(path: &Path) -> Result<Vec<String>> {
    Ok(match resolve(path)? {
        Input::Profile(file) => match read_profile(&file)? {
            Profile::Reference(reference) => {
                reference.grids().map(|grid| grid.name.clone()).collect()
            }
            Profile::Current(current) => current.names,
        },
        Input::Files(files) => {
            files.iter().flat_map(|file| names_below(Path::new(""), file)).collect()
        }
    })
}

/// The names of the columns of one file, those of the folders below `root` included; none when it
/// cannot be read.
pub fn names_below(root: &Path, path: &Path) -> Vec<String> {
    let schema = schema_below(root, path);
    let fields = schema.iter().flat_map(Schema::fields);
    fields.map(|field| field.name().clone()).collect()
}

/// The columns of one file, those of the folders below `root` included; none when it cannot be
/// read.
pub fn schema_below(root: &Path, path: &Path) -> Option<Schema> {
    let table = OpenFile::open(root, path).and_then(|file| ParquetTable::open(&file));
    table.ok().map(|table| table.schema().clone())
}

pub fn read_profile(path: &Path) -> Result<Profile> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    Profile::from_bytes(&bytes).map_err(|fault| fault.context(path.display()).into())
}

/// Loads a reference from any of these; `step` is called once per column profiled, with the
/// number of columns there are at most.
pub fn reference(
    path: &Path,
    config: &ReferenceConfig,
    page_bytes_max: u64,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Reference> {
    let context = |error: Error| error.context(format_args!("reference {}", path.display()));
    match resolve(path).map_err(context)? {
        Input::Profile(file) => match read_profile(&file)? {
            Profile::Reference(reference) => reference.select(config).map_err(context),
            Profile::Current(_) => Err(context(Error::new(
                "a profile that was counted on another's grid cannot be the reference; \
                 name the reference that it was counted with",
            ))),
        },
        Input::Files(files) => {
            let tables = files.iter().map(|file| open(file, page_bytes_max));
            let tables = tables.collect::<Result<Vec<_>>>()?;
            build(&tables, config, step).map_err(context)
        }
    }
}

/// Profiles files as one reference; `step` as in [`reference`](fn@reference).
pub fn build(
    tables: &[impl Table],
    config: &ReferenceConfig,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Reference> {
    let columns = tables.first().map_or(0, |table| table.schema().fields().len());
    let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
    Reference::build(&tables, config, &|| step(columns))
}
