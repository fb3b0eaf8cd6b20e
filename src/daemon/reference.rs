//! The reference of a model: from its profile, from the state, or from its files.

use crate::config::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::inputs::{self, Input};
use crate::ingest::open::OpenFile;
use crate::ingest::parquet::ParquetTable;
use crate::monitor::reference::{Profile, Reference};
use crate::store::ModelStore;
use crate::store::reference::{KeptReference, ReferenceFile};
use std::path::Path;
use std::time::Instant;
use tracing::info;
use xxhash_rust::xxh3::xxh3_128;

/// Where a reference came from.
#[derive(Clone, Copy)]
enum Origin {
    Files,
    Profile,
    State,
}

/// Loads a model's reference, with what is to be kept of it. Files are profiled once and then kept
/// in the state, as long as neither they nor the configuration of their columns change.
pub fn load(model: &Model, store: &ModelStore) -> Result<(Reference, KeptReference)> {
    let started = Instant::now();
    let (reference, kept, origin) = find(model, store)?;
    info!(
        model = model.model.name,
        rows = reference.rows,
        features = reference.features.len(),
        seconds = started.elapsed().as_secs_f64(),
        from = match origin {
            Origin::Files => "files",
            Origin::Profile => "profile",
            Origin::State => "state",
        },
        "reference loaded"
    );
    if reference.features.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "no column of the reference is a feature; see model.columns",
        ));
    }
    Ok((reference, kept))
}

fn find(model: &Model, store: &ModelStore) -> Result<(Reference, KeptReference, Origin)> {
    let path = &model.reference_path;
    let context = |error: Error| error.context(format_args!("reference {}", path.display()));
    let paths = match inputs::resolve(path).map_err(context)? {
        Input::Profile(file) => return profile(model, &file, store),
        Input::Parquet(paths) => paths,
    };
    let files = paths.iter().map(|path| OpenFile::open(Path::new(""), path));
    let files = files.collect::<Result<Vec<_>>>().map_err(context)?;
    let settings = settings(model);
    let kept = store.kept_reference()?.filter(|kept| kept.settings == settings);
    let is_untouched = |kept: &KeptReference| {
        let stats = files.iter().map(|file| (&file.path, file.stat));
        stats.eq(kept.files.iter().map(|file| (&file.path, file.stat)))
    };
    let kept = match kept {
        Some(kept) if is_untouched(&kept) => {
            return Ok((decode(&kept)?, kept, Origin::State));
        }
        kept => kept,
    };
    let tables = files.iter().map(|file| Ok(file.table()?.hashing()));
    let tables = tables.collect::<Result<Vec<_>>>().map_err(context)?;
    // Another place or time, such as that of a new container, and maybe the same content.
    let sizes = files.iter().map(|file| file.stat.size);
    if let Some(kept) = kept.filter(|kept| sizes.eq(kept.files.iter().map(|f| f.stat.size))) {
        let now = identify(&files, &tables)?;
        if contents(&now).eq(contents(&kept.files)) {
            let reference = decode(&kept)?;
            return Ok((reference, KeptReference { files: now, ..kept }, Origin::State));
        }
    }
    let reference = inputs::build(&tables, &model.reference, &|_| {}).map_err(context)?;
    files.iter().try_for_each(OpenFile::check_untouched).map_err(context)?;
    let profile = Profile::Reference(reference.clone()).to_bytes();
    let files = identify(&files, &tables)?;
    Ok((reference, KeptReference { files, settings, profile }, Origin::Files))
}

/// A reference that was profiled elsewhere. It is kept as well, for panes that are open when
/// another takes its place.
fn profile(
    model: &Model,
    file: &Path,
    store: &ModelStore,
) -> Result<(Reference, KeptReference, Origin)> {
    let bytes = std::fs::read(file).map_err(|error| Error::io("read", file, &error))?;
    let settings = settings(model) ^ xxh3_128(&bytes);
    if let Some(kept) = store.kept_reference()?.filter(|kept| kept.settings == settings) {
        return Ok((decode(&kept)?, kept, Origin::Profile));
    }
    let reference = inputs::reference(&model.reference_path, &model.reference, &|_| {})?;
    let profile = Profile::Reference(reference.clone()).to_bytes();
    Ok((reference, KeptReference { files: Vec::new(), settings, profile }, Origin::Profile))
}

fn identify(files: &[OpenFile], tables: &[ParquetTable]) -> Result<Vec<ReferenceFile>> {
    let identified = files.iter().zip(tables).map(|(file, table)| {
        let content = format!("{:032x}", table.content()?);
        Ok(ReferenceFile { path: file.path.clone(), stat: file.stat, content })
    });
    identified.collect()
}

fn contents(files: &[ReferenceFile]) -> impl Iterator<Item = &str> {
    files.iter().map(|file| file.content.as_str())
}

/// The reference that was kept.
pub fn decode(kept: &KeptReference) -> Result<Reference> {
    match Profile::from_bytes(&kept.profile)? {
        Profile::Reference(reference) => Ok(reference),
        Profile::Current(_) => {
            Err(Error::decode("holds the counts of current data, not a reference"))
        }
    }
}

/// All that a profile depends on beside the files. Another driftd may cut other grids.
fn settings(model: &Model) -> u128 {
    let text = format!("{} {:?}", env!("CARGO_PKG_VERSION"), model.reference);
    xxh3_128(text.as_bytes())
}
