//! The reference of a model: from its profile, from the state, from its files, or from the first
//! files that come.

use crate::config::{Model, ReferenceSource};
use crate::error::{Error, Fault, Result, StateError};
use crate::format::parquet::ParquetTable;
use crate::format::{FileTable, OpenFile};
use crate::monitor::reference::Reference;
use crate::source::SourceConfig;
use crate::source::inputs::{self, Input};
use crate::source::warm_up::WarmUp;
use crate::store::ModelStore;
use crate::store::reference_record::{ReferenceFile, ReferenceRecord};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tracing::info;
use xxhash_rust::xxh3::xxh3_128;

/// Where a reference came from.
#[derive(Clone, Copy)]
enum Origin {
    Files,
    WarmUp,
    Profile,
    State,
}

/// A reference, and what the state is to remember of it.
pub struct LoadedReference {
    pub reference: Reference,
    pub record: ReferenceRecord,
    /// Its profile in chunks, unless that is the one in the state.
    pub profile: Option<Vec<Vec<u8>>>,
}

impl LoadedReference {
    fn new(reference: Reference, record: ReferenceRecord) -> LoadedReference {
        let profile = Some(reference.to_chunks());
        LoadedReference { reference, record, profile }
    }

    fn from_state(store: &ModelStore, record: ReferenceRecord) -> Result<LoadedReference> {
        let reference = stored(store)?;
        Ok(LoadedReference { reference, record, profile: None })
    }
}

/// The reference whose profile the state has.
pub fn stored(store: &ModelStore) -> Result<Reference, StateError> {
    let damaged = |fault: Fault| StateError::damaged("the profile of the reference", fault);
    Reference::from_chunks(&store.reference_profile()?).map_err(damaged)
}

/// Loads a model's reference. Files are profiled once and then kept in the state, as long as
/// neither they nor the configuration of their columns change. None while a warm-up waits for
/// files.
pub fn load(model: &Model, store: &ModelStore) -> Result<Option<LoadedReference>> {
    let started = Instant::now();
    let found = match &model.reference_source {
        ReferenceSource::Path(path) => Some(find(model, path, store)?),
        ReferenceSource::WarmUp(warm_up) => warm(model, warm_up, store)?,
    };
    let Some((loaded, origin)) = found else { return Ok(None) };
    let reference = &loaded.reference;
    info!(
        model = model.model.name,
        rows = reference.rows,
        features = reference.features.len(),
        seconds = started.elapsed().as_secs_f64(),
        from = match origin {
            Origin::Files => "files",
            Origin::WarmUp => "warm-up",
            Origin::Profile => "profile",
            Origin::State => "state",
        },
        "reference loaded"
    );
    if reference.features.is_empty() {
        return Err(Error::new("no column of the reference is a feature; see model.columns"));
    }
    Ok(Some(loaded))
}

/// Directories that a model watches.
pub fn directories(model: &Model) -> Vec<PathBuf> {
    model.sources.iter().filter_map(SourceConfig::directory).collect()
}

/// The reference that the first files were, or now are.
fn warm(
    model: &Model,
    warm_up: &WarmUp,
    store: &ModelStore,
) -> Result<Option<(LoadedReference, Origin)>> {
    let settings = settings(model);
    if let Some(kept) = store.reference_record()?.filter(|kept| kept.settings == settings) {
        return Ok(Some((LoadedReference::from_state(store, kept)?, Origin::State)));
    }
    let gathered = warm_up.gather(&directories(model))?;
    if !gathered.is_enough {
        return Ok(None);
    }
    let (files, tables): (Vec<_>, Vec<_>) = gathered.files.into_iter().unzip();
    let reference = inputs::build(&tables, &model.reference, &|_| {})?;
    files.iter().try_for_each(OpenFile::check_untouched)?;
    let files = identify(&files, &tables)?;
    Ok(Some((LoadedReference::new(reference, ReferenceRecord { files, settings }), Origin::WarmUp)))
}

fn find(model: &Model, path: &Path, store: &ModelStore) -> Result<(LoadedReference, Origin)> {
    let context = |error: Error| error.context(format_args!("reference {}", path.display()));
    let faulty = |fault: Fault| context(fault.into());
    let paths = match inputs::resolve(path).map_err(context)? {
        Input::Profile(file) => return profile(model, path, &file, store),
        Input::Parquet(paths) => paths,
    };
    let files = paths.iter().map(|path| OpenFile::open(Path::new(""), path));
    let files = files.collect::<Result<Vec<_>, Fault>>().map_err(faulty)?;
    let settings = settings(model);
    let kept = store.reference_record()?.filter(|kept| kept.settings == settings);
    let is_untouched = |kept: &ReferenceRecord| {
        let stats = files.iter().map(|file| (&file.path, file.stat));
        stats.eq(kept.files.iter().map(|file| (&file.path, file.stat)))
    };
    let kept = match kept {
        Some(kept) if is_untouched(&kept) => {
            return Ok((LoadedReference::from_state(store, kept)?, Origin::State));
        }
        kept => kept,
    };
    let tables = files.iter().map(|file| Ok(ParquetTable::open(file)?.hashing()));
    let tables = tables.collect::<Result<Vec<_>, Fault>>().map_err(faulty)?;
    // Another place or time, such as that of a new container, and maybe the same content.
    let sizes = files.iter().map(|file| file.stat.size);
    if let Some(kept) = kept.filter(|kept| sizes.eq(kept.files.iter().map(|f| f.stat.size))) {
        let now = identify(&files, &tables)?;
        if contents(&now).eq(contents(&kept.files)) {
            let kept = ReferenceRecord { files: now, ..kept };
            return Ok((LoadedReference::from_state(store, kept)?, Origin::State));
        }
    }
    let reference = inputs::build(&tables, &model.reference, &|_| {}).map_err(context)?;
    files.iter().try_for_each(OpenFile::check_untouched).map_err(faulty)?;
    let files = identify(&files, &tables)?;
    Ok((LoadedReference::new(reference, ReferenceRecord { files, settings }), Origin::Files))
}

/// A reference that was profiled elsewhere. It is kept as well, for panes that are open when
/// another takes its place.
fn profile(
    model: &Model,
    path: &Path,
    file: &Path,
    store: &ModelStore,
) -> Result<(LoadedReference, Origin)> {
    let bytes = std::fs::read(file).map_err(|error| Error::io("read", file, &error))?;
    let settings = settings(model) ^ xxh3_128(&bytes);
    if let Some(kept) = store.reference_record()?.filter(|kept| kept.settings == settings) {
        return Ok((LoadedReference::from_state(store, kept)?, Origin::Profile));
    }
    let reference = inputs::reference(path, &model.reference, &|_| {})?;
    let kept = ReferenceRecord { files: Vec::new(), settings };
    Ok((LoadedReference::new(reference, kept), Origin::Profile))
}

fn identify(files: &[OpenFile], tables: &[ParquetTable]) -> Result<Vec<ReferenceFile>> {
    let identified = files.iter().zip(tables).map(|(file, table)| {
        let content = format!("{:032x}", table.content()?);
        Ok(ReferenceFile { path: file.path.clone(), stat: file.stat, content })
    });
    identified.collect()
}

pub fn contents(files: &[ReferenceFile]) -> impl Iterator<Item = &str> {
    files.iter().map(|file| file.content.as_str())
}

/// All that a profile depends on beside the files. Another driftd may cut other grids.
fn settings(model: &Model) -> u128 {
    let text = format!("{} {:?}", env!("CARGO_PKG_VERSION"), model.reference);
    xxh3_128(text.as_bytes())
}
