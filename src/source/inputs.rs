//! What a path given by a user stands for: a file, a directory, a glob, a profile, each of them on
//! this machine or in a bucket.

use super::files::listing::{Ignored, Listed, Listing, is_hidden};
use super::{bucket, directory};
use crate::error::{Error, Fault, Result};
use crate::format::file_format::{FileContext, FileFormat, OpenedTable};
use crate::format::line_schema::{LineFeature, LineSchema};
use crate::format::parquet::ParquetTable;
use crate::format::payload::ValueNames;
use crate::format::{self, OpenFile};
use crate::monitor::reference::{Profile, Reference, ReferenceConfig};
use crate::monitor::reference_columns::ReferenceColumns;
use crate::monitor::table::Table;
use crate::schema::columns::ColumnsConfig;
use crate::settings::is_address;
use arrow_schema::Schema;
use std::collections::HashSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Ending of a profile.
const PROFILE: &str = "profile";

/// One path, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Profile(PathBuf),
    Files(Vec<Listed>),
}

/// Finds the files behind a path. An input without any file is an error.
pub fn resolve(path: &Path) -> Result<Input> {
    if is_address(path) {
        return resolve_address(path);
    }
    if path.is_dir() {
        return below(path);
    }
    if path.is_file() {
        return Ok(match is_profile(path) {
            true => Input::Profile(path.to_owned()),
            false => Input::Files(vec![listed(path.to_owned())?]),
        });
    }
    let pattern = path.to_string_lossy();
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
            files.extend(list_any(&found)?.files);
        } else if FileFormat::of(&found).is_named(&found) {
            files.push(listed(found)?);
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

/// All files below a directory or an address.
fn below(root: &Path) -> Result<Input> {
    let listing = list_any(root)?;
    if let Some(error) = listing.errors.into_iter().next() {
        return Err(error);
    }
    if listing.files.is_empty() {
        let left_out = left_out(&listing.ignored);
        return Err(Error::new(format!("{} holds no file of rows{left_out}", root.display())));
    }
    Ok(Input::Files(listing.files))
}

/// An object, a profile among them, those that a pattern matches, or all below a prefix.
fn resolve_address(address: &Path) -> Result<Input> {
    let found = bucket::find(address)?;
    match found.as_slice() {
        [one] if is_profile(&one.path) => Ok(Input::Profile(one.path.clone())),
        [] if address.to_string_lossy().contains(['*', '?', '[']) => {
            Err(Error::new(format!("{} matches no object", address.display())))
        }
        [] => below(address),
        _ => Ok(Input::Files(found)),
    }
}

pub fn is_profile(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == PROFILE)
}

fn listed(path: PathBuf) -> Result<Listed> {
    let metadata = path.metadata().map_err(|error| Error::io("stat", &path, &error))?;
    Ok(Listed { path, stat: format::stat(&metadata) })
}

/// The files below a directory or an address that have this format by their names.
pub fn list(root: &Path, format: FileFormat) -> Result<Listing> {
    match is_address(root) {
        true => bucket::list(root, format),
        false => directory::walk::list(root, format),
    }
}

/// Opens files of one place; those of a bucket are fetched. `key=value` folders below `root` count.
pub fn open_all(root: &Path, files: &[Listed]) -> Result<Vec<OpenFile>, Fault> {
    match files.first().is_some_and(|file| is_address(&file.path)) {
        true => bucket::fetch(root, files),
        false => files.iter().map(|file| OpenFile::open(root, &file.path)).collect(),
    }
}

/// Opens one file, which is fetched if it is in a bucket.
fn open_file(root: &Path, path: &Path) -> Result<OpenFile, Fault> {
    if !is_address(path) {
        return OpenFile::open(root, path);
    }
    let found = bucket::find(path).map_err(|error| Fault::incomplete(error.to_string()))?;
    let opened = bucket::fetch(root, &found)?.pop();
    opened.ok_or_else(|| Fault::incomplete("no such object"))
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
    open_file(Path::new(""), path)
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
    let (lines, names) = (Arc::clone(lines), ValueNames::default());
    let context = FileContext { lines, names, page_bytes_max, on_read: Arc::new(|| ()) };
    let is_document = path.extension().is_some_and(|ending| ending == "json");
    open_file(Path::new(""), path)
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
            files.iter().flat_map(|file| names_below(Path::new(""), &file.path)).collect()
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
    let table = open_file(root, path).and_then(|file| ParquetTable::open(&file));
    table.ok().map(|table| table.schema().clone())
}

pub fn read_profile(path: &Path) -> Result<Profile> {
    let bytes = read_bytes(path)?;
    Profile::from_bytes(&bytes).map_err(|fault| fault.context(path.display()).into())
}

/// All of one file, wherever it is.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    if !is_address(path) {
        return std::fs::read(path).map_err(|error| Error::io("read", path, &error));
    }
    let file = open_file(Path::new(""), path).map_err(|fault| fault.context(path.display()))?;
    let mut bytes = vec![0; file.stat.size as usize];
    let read = file.file.read_exact_at(&mut bytes, 0);
    read.map(|()| bytes).map_err(|error| Error::io("read", path, &error))
}

/// Loads a reference from any of these; `step` is called once per column profiled, with the
/// number of columns there are at most.
pub fn reference(
    path: &Path,
    config: &ReferenceConfig,
    page_bytes_max: u64,
    step: &(dyn Fn(usize) + Sync),
) -> Result<Reference> {
    let mut found = None;
    reference_parts(path, config, page_bytes_max, usize::MAX, step, |reference, _| {
        found = Some(reference);
        Ok::<(), Error>(())
    })?;
    Ok(found.expect("it has one part"))
}

/// Loads a reference from any of these in parts of so many features, and hands over one after the
/// other, with the names of all; one that was profiled before has one part.
pub fn reference_parts<E: From<Error>>(
    path: &Path,
    config: &ReferenceConfig,
    page_bytes_max: u64,
    part_features: usize,
    step: &(dyn Fn(usize) + Sync),
    mut f: impl FnMut(Reference, &HashSet<&str>) -> Result<(), E>,
) -> Result<(), E> {
    let context = |error: Error| error.context(format_args!("reference {}", path.display()));
    let files = match resolve(path).map_err(context)? {
        Input::Profile(file) => {
            let Profile::Reference(found) = read_profile(&file)? else {
                return Err(context(Error::new(
                    "a profile that was counted on another's grid cannot be the reference; \
                     name the reference that it was counted with",
                ))
                .into());
            };
            let found = found.select(config).map_err(context)?;
            let names: HashSet<String> = found.names().map(str::to_owned).collect();
            let names = names.iter().map(String::as_str).collect();
            config.columns.check_predictions(&names).map_err(context)?;
            return f(found, &names);
        }
        Input::Files(files) => files,
    };
    let tables = files.iter().map(|file| open(&file.path, page_bytes_max));
    let tables = tables.collect::<Result<Vec<_>>>()?;
    let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
    let columns = ReferenceColumns::of(&tables, config).map_err(context)?;
    let names: HashSet<&str> = columns.names().collect();
    config.columns.check_predictions(&names).map_err(context)?;
    let mut start = 0_usize;
    loop {
        let end = columns.len().min(start.saturating_add(part_features));
        let part = columns.build(start..end, &|| step(columns.len())).map_err(context)?;
        f(part, &names)?;
        if end == columns.len() {
            return Ok(());
        }
        start = end;
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
