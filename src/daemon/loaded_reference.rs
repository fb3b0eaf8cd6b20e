//! The reference of a model: from its profile, from the state, from its files, or from the first
//! files that come.

use super::references::{ReferenceShape, References, SimilarReferences};
use crate::config::{Model, ReferenceSource};
use crate::error::{Error, Fault, Result, StateError};
use crate::format::parquet::ParquetTable;
use crate::format::{FileTable, OpenFile};
use crate::judge::evidence::WindowEvidence;
use crate::monitor::acceptance::Acceptance;
use crate::monitor::ordered_reference::evidence;
use crate::monitor::reference::Reference;
use crate::monitor::table::{ProgressTable, Table};
use crate::net::stop::Stop;
use crate::profile::codec;
use crate::source::SourceConfig;
use crate::source::files::listing::Listed;
use crate::source::inputs::{self, Input};
use crate::source::warm_up::WarmUp;
use crate::store::ModelStore;
use crate::store::reference_record::{ReferenceFile, ReferenceRecord};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_128;

/// Where a reference came from.
#[derive(Clone, Copy)]
enum Origin {
    Files,
    WarmUp,
    Profile,
    State,
    /// It has the same.
    OtherModel,
    /// A window that was made the reference.
    Accepted,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Origin::Files => "files",
            Origin::WarmUp => "warm-up",
            Origin::Profile => "profile",
            Origin::State => "state",
            Origin::OtherModel => "another model",
            Origin::Accepted => "an accepted window",
        }
    }
}

/// A reference, and what the state is to remember of it.
#[derive(Clone)]
pub struct LoadedReference {
    pub reference: Arc<Reference>,
    pub record: ReferenceRecord,
}

/// Loads references of models.
pub struct ReferenceLoader<'a> {
    pub references: &'a References,
    /// Given up when this is on.
    pub stop: &'a Stop,
}

/// The reference whose profile the state has, as the model looks at it.
pub fn stored_for(model: &Model, store: &ModelStore) -> Result<Reference, StateError> {
    Ok(stored(store)?.with_own_bins(&model.reference))
}

/// The reference whose profile the state has.
pub fn stored(store: &ModelStore) -> Result<Reference, StateError> {
    let damaged = |fault: Fault| StateError::damaged("the profile of the reference", fault);
    Reference::from_chunks(&store.reference_profile()?).map_err(damaged)
}

impl ReferenceLoader<'_> {
    /// Loads a model's reference. Files are profiled once and then kept in the state, as long as
    /// neither they nor the configuration of their columns change. None while a warm-up waits for
    /// files.
    pub fn load(&self, model: &Model, store: &ModelStore) -> Result<Option<LoadedReference>> {
        let started = Instant::now();
        match self.is_accepted(model, store)? {
            true => self.told(model, started, Some(accepted_before(model, store)?)),
            false => self.load_configured(model, store),
        }
    }

    /// The same, whatever was accepted.
    pub fn load_configured(
        &self,
        model: &Model,
        store: &ModelStore,
    ) -> Result<Option<LoadedReference>> {
        let started = Instant::now();
        let found = match &model.reference_source {
            ReferenceSource::Path(path) => Some(self.find(model, path, store)?),
            ReferenceSource::WarmUp(warm_up) => self.warm(model, warm_up, store)?,
        };
        self.told(model, started, found)
    }

    /// Says what was loaded, and what it lacks.
    fn told(
        &self,
        model: &Model,
        started: Instant,
        found: Option<(LoadedReference, Origin)>,
    ) -> Result<Option<LoadedReference>> {
        let Some((loaded, origin)) = found else { return Ok(None) };
        let reference = &loaded.reference;
        info!(
            model = model.model.name,
            rows = reference.rows,
            features = reference.features.len(),
            seconds = started.elapsed().as_secs_f64(),
            from = origin.name(),
            "reference loaded"
        );
        if reference.lacks_rare_values() {
            warn!(
                model = model.model.name,
                "the reference was profiled by an earlier version: the measures unseen and cells, \
                 and share of categories, are absent until it is profiled anew"
            );
        }
        if reference.features.is_empty() {
            return Err(Error::new("no column of the reference is a feature; see model.columns"));
        }
        model.reference.columns.check_predictions(&reference.names().collect())?;
        reference.check_rules(&model.model.drift.rules)?;
        Ok(Some(loaded))
    }

    /// Whether what is configured as the reference is another than what the state has; files that
    /// were touched are read for that, and not profiled. A reference that is being loaded is none
    /// yet.
    pub fn is_another(&self, model: &Model, store: &ModelStore) -> Result<bool> {
        let ReferenceSource::Path(path) = &model.reference_source else { return Ok(false) };
        let Some(kept) = store.reference_record()? else { return Ok(false) };
        if kept.accepted.is_some() {
            return Ok(!self.is_accepted(model, store)?);
        }
        let input = inputs::resolve(path).map_err(in_reference(path))?;
        Ok(match input {
            Input::Profile(file) => profile_settings(model, &file)? != kept.settings,
            Input::Files(files) => {
                !is_untouched(&files, &kept.files)
                    && contents_differ(&files, &kept.files).map_err(in_reference(path))?
            }
        })
    }

    /// Whether a window is the reference: one was accepted, and what is configured holds the same
    /// as then, or cannot be read.
    fn is_accepted(&self, model: &Model, store: &ModelStore) -> Result<bool> {
        let Some(kept) = store.reference_record()? else { return Ok(false) };
        let Some(accepted) = &kept.accepted else { return Ok(false) };
        let now = match &model.reference_source {
            ReferenceSource::WarmUp(_) => return Ok(true),
            ReferenceSource::Path(path) => held(path, &kept.files),
        };
        Ok(match now {
            Ok(now) => now == accepted.in_place_of,
            Err(error) => {
                let model = &model.model.name;
                warn!(model, %error, "the accepted window stays the reference");
                true
            }
        })
    }

    /// The reference that the first files were, or now are.
    fn warm(
        &self,
        model: &Model,
        warm_up: &WarmUp,
        store: &ModelStore,
    ) -> Result<Option<(LoadedReference, Origin)>> {
        let settings = settings(model);
        let is_same = |kept: &ReferenceRecord| kept.settings == settings && kept.accepted.is_none();
        if let Some(record) = store.reference_record()?.filter(is_same) {
            let reference = Arc::new(stored_for(model, store)?);
            return Ok(Some((LoadedReference { reference, record }, Origin::State)));
        }
        let gathered = warm_up.gather(&directories(model), model.page_bytes_max)?;
        if !gathered.is_enough {
            return Ok(None);
        }
        let (files, tables): (Vec<_>, Vec<_>) = gathered.files.into_iter().unzip();
        let reference = Arc::new(self.build(model, &tables)?);
        files.iter().try_for_each(OpenFile::check_untouched)?;
        let record =
            ReferenceRecord { files: identify(&files, &tables)?, accepted: None, settings };
        Ok(Some((LoadedReference { reference, record }, Origin::WarmUp)))
    }

    fn find(
        &self,
        model: &Model,
        path: &Path,
        store: &ModelStore,
    ) -> Result<(LoadedReference, Origin)> {
        let files = match inputs::resolve(path).map_err(in_reference(path))? {
            Input::Profile(file) => return self.profile(model, path, &file, store),
            Input::Files(files) => files,
        };
        let settings = settings_of_files(model);
        let sizes = files.iter().map(|file| file.stat.size).collect();
        let shape = ReferenceShape { settings, sizes };
        self.references
            .with_similar(shape, |similar| self.find_or_build(model, &files, store, similar))
            .map_err(in_reference(path))
    }

    /// The reference of these files: of another model, from the state, or made now.
    fn find_or_build(
        &self,
        model: &Model,
        files: &[Listed],
        store: &ModelStore,
        similar: &mut SimilarReferences,
    ) -> Result<(LoadedReference, Origin)> {
        let settings = settings_of_files(model);
        let kept = store.reference_record()?.filter(|kept| kept.settings == settings);
        if let Some(record) = kept.as_ref().filter(|kept| is_untouched(files, &kept.files)) {
            return from_state((model, store), record.clone(), similar);
        }
        if let Some((record, reference)) = similar.find(|known| is_untouched(files, known)) {
            return Ok((LoadedReference { reference, record }, Origin::OtherModel));
        }
        let files = &open_all(files)?;
        let tables = hashing(files, model.page_bytes_max)?;
        // Another place or time, such as that of a new container, and maybe the same content.
        if kept.is_some() || !similar.is_empty() {
            let record =
                ReferenceRecord { files: identify(files, &tables)?, accepted: None, settings };
            if kept.is_some_and(|kept| contents(&kept.files).eq(contents(&record.files))) {
                return from_state((model, store), record, similar);
            }
            if let Some(reference) = same_content(similar, &record) {
                return Ok((LoadedReference { reference, record }, Origin::OtherModel));
            }
        }
        let reference = self.build(model, &tables)?;
        files.iter().try_for_each(OpenFile::check_untouched)?;
        let record = ReferenceRecord { files: identify(files, &tables)?, accepted: None, settings };
        let reference = Arc::new(on_known_grids(reference, &record, model, store)?);
        similar.add(&record, &reference);
        Ok((LoadedReference { reference, record }, Origin::Files))
    }

    /// A reference that was profiled elsewhere. It is kept as well, for panes that are open when
    /// another takes its place.
    fn profile(
        &self,
        model: &Model,
        path: &Path,
        file: &Path,
        store: &ModelStore,
    ) -> Result<(LoadedReference, Origin)> {
        let settings = profile_settings(model, file)?;
        let record = ReferenceRecord { files: Vec::new(), accepted: None, settings };
        let shape = ReferenceShape { settings, sizes: Vec::new() };
        self.references.with_similar(shape, |similar| {
            if let Some(reference) = same_content(similar, &record) {
                return Ok((LoadedReference { reference, record }, Origin::OtherModel));
            }
            if store.reference_record()?.is_some_and(|kept| kept.settings == settings) {
                let (loaded, _) = from_state((model, store), record, similar)?;
                return Ok((loaded, Origin::Profile));
            }
            let reference =
                Arc::new(inputs::reference(path, &model.reference, model.page_bytes_max, &|_| {})?);
            similar.add(&record, &reference);
            Ok((LoadedReference { reference, record }, Origin::Profile))
        })
    }

    /// Profiles files, unless it is to stop before they are read.
    fn build(&self, model: &Model, tables: &[ParquetTable]) -> Result<Reference> {
        let on_read = || match self.stop.is_on() {
            true => Err(Fault::incomplete("driftd was stopped before it was read")),
            false => Ok(()),
        };
        let tables: Vec<_> =
            tables.iter().map(|table| ProgressTable { table, on_read: &on_read }).collect();
        inputs::build(&tables, &model.reference, &|_| {})
    }
}

/// The accepted window that the state has. What has changed of the configuration leaves out
/// features, and adds none.
fn accepted_before(model: &Model, store: &ModelStore) -> Result<(LoadedReference, Origin)> {
    let kept = store.reference_record()?;
    let kept = kept.ok_or_else(|| Error::new("the state has no reference any more"))?;
    let record = ReferenceRecord { settings: settings(model), ..kept };
    let reference = stored(store)?.select(&model.reference).map_err(|error| {
        error
            .context("a window was accepted as the reference, which the configuration does not fit")
    })?;
    Ok((LoadedReference { reference: Arc::new(reference), record }, Origin::Accepted))
}

/// A window as the reference from now on, in place of what the configuration names, as long as that
/// holds what it holds now.
pub fn accepted_now(
    model: &Model,
    store: &ModelStore,
    reference: Reference,
    accepted: Acceptance,
) -> Result<LoadedReference> {
    let kept = store.reference_record()?;
    let files = kept.map(|kept| kept.files).unwrap_or_default();
    let in_place_of = match &model.reference_source {
        ReferenceSource::WarmUp(_) => String::new(),
        ReferenceSource::Path(path) => held(path, &files)?,
    };
    let accepted = Some(Acceptance { in_place_of, ..accepted });
    let record = ReferenceRecord { files, accepted, settings: settings(model) };
    Ok(LoadedReference { reference: Arc::new(reference), record })
}

/// A hash of what a path of a reference holds; files that are as they are known to be are not read.
fn held(path: &Path, known: &[ReferenceFile]) -> Result<String> {
    let hash = match inputs::resolve(path).map_err(in_reference(path))? {
        Input::Profile(file) => xxh3_128(&inputs::read_bytes(&file)?),
        Input::Files(files) => {
            let of = |files: &[ReferenceFile]| {
                xxh3_128(contents(files).collect::<Vec<_>>().join(" ").as_bytes())
            };
            match is_untouched(&files, known) {
                true => of(known),
                false => {
                    let read = || -> Result<Vec<ReferenceFile>> {
                        let files = open_all(&files)?;
                        identify(&files, &hashing(&files, u64::MAX)?)
                    };
                    of(&read().map_err(in_reference(path))?)
                }
            }
        }
    };
    Ok(format!("{hash:032x}"))
}

/// What stretches of a reference in the order of time leave for judging windows; none where that
/// cannot be read, since windows tell it in time.
pub fn ordered(model: &Model, reference: &Arc<Reference>) -> Vec<WindowEvidence> {
    let read = || -> Result<Vec<WindowEvidence>> {
        let ReferenceSource::Path(path) = &model.reference_source else { return Ok(Vec::new()) };
        let Input::Files(files) = inputs::resolve(path)? else {
            return Err(Error::new("a profile does not have the order of rows; name the files"));
        };
        let files = open_all(&files)?;
        let tables = hashing(&files, model.page_bytes_max)?;
        let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
        let evidence = evidence(&model.model, reference, &tables)?;
        files.iter().try_for_each(OpenFile::check_untouched)?;
        Ok(evidence)
    };
    let (name, found) = (&model.model.name, read());
    match &found {
        Ok(stretches) => info!(model = name, stretches = stretches.len(), "reference in order"),
        Err(error) => warn!(model = name, %error, "nothing is learned from the reference's order"),
    }
    found.unwrap_or_default()
}

/// The reference whose profile is in the state, or one of the same content that another model has.
fn from_state(
    (model, store): (&Model, &ModelStore),
    record: ReferenceRecord,
    similar: &mut SimilarReferences,
) -> Result<(LoadedReference, Origin)> {
    let reference = match same_content(similar, &record) {
        Some(reference) => reference,
        None => {
            let reference = Arc::new(stored_for(model, store)?);
            similar.add(&record, &reference);
            reference
        }
    };
    Ok((LoadedReference { reference, record }, Origin::State))
}

fn same_content(similar: &SimilarReferences, record: &ReferenceRecord) -> Option<Arc<Reference>> {
    let is_same = |files: &[ReferenceFile]| contents(files).eq(contents(&record.files));
    similar.find(is_same).map(|(_, reference)| reference)
}

/// Directories that a model watches.
pub fn directories(model: &Model) -> Vec<PathBuf> {
    model.sources.iter().filter_map(SourceConfig::directory).collect()
}

fn in_reference(path: &Path) -> impl Fn(Error) -> Error {
    move |error| error.context(format_args!("reference {}", path.display()))
}

fn open_all(files: &[Listed]) -> Result<Vec<OpenFile>> {
    Ok(inputs::open_all(Path::new(""), files)?)
}

fn is_untouched(files: &[Listed], known: &[ReferenceFile]) -> bool {
    let stats = files.iter().map(|file| (&file.path, file.stat));
    stats.eq(known.iter().map(|file| (&file.path, file.stat)))
}

/// All that a reference from a profile depends on.
fn profile_settings(model: &Model, file: &Path) -> Result<u128> {
    Ok(settings(model) ^ xxh3_128(&inputs::read_bytes(file)?))
}

fn hashing(files: &[OpenFile], page_bytes_max: u64) -> Result<Vec<ParquetTable>, Fault> {
    let tables = files.iter().map(ParquetTable::open);
    tables.map(|table| Ok(table?.hashing().limited(page_bytes_max))).collect()
}

/// Whether files that were touched hold something else than those that are known.
fn contents_differ(files: &[Listed], known: &[ReferenceFile]) -> Result<bool> {
    let sizes = files.iter().map(|file| file.stat.size);
    if !sizes.eq(known.iter().map(|file| file.stat.size)) {
        return Ok(true);
    }
    let files = open_all(files)?;
    Ok(!contents(&identify(&files, &hashing(&files, u64::MAX)?)?).eq(contents(known)))
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

/// The same files, profiled by an earlier version: where their grids have become others, those that
/// open windows are counted on stay.
fn on_known_grids(
    reference: Reference,
    record: &ReferenceRecord,
    model: &Model,
    store: &ModelStore,
) -> Result<Reference> {
    let is_earlier = |kept: &ReferenceRecord| {
        kept.accepted.is_none()
            && kept.settings == settings(model)
            && contents(&kept.files).eq(contents(&record.files))
    };
    if !store.reference_record()?.is_some_and(|kept| is_earlier(&kept)) {
        return Ok(reference);
    }
    let earlier = stored_for(model, store)?;
    let is_same = reference.grids().map(|grid| grid.id).eq(earlier.grids().map(|grid| grid.id));
    Ok(if is_same { reference } else { earlier })
}

/// Files can be profiled anew when there is more to know of them.
fn settings_of_files(model: &Model) -> u128 {
    settings(model) ^ u128::from(codec::VERSION)
}

/// All that a profile depends on beside the files. Another driftd may cut other grids.
fn settings(model: &Model) -> u128 {
    let text = format!("{} {:?}", env!("CARGO_PKG_VERSION"), model.reference);
    xxh3_128(text.as_bytes())
}
