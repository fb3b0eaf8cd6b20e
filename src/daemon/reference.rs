//! The reference of a model: from its profile, from the state, or from its files.

use crate::config::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::identity::stat;
use crate::ingest::inputs::{self, Input};
use crate::ingest::open::OpenFile;
use crate::monitor::reference::{Profile, Reference};
use crate::position::Stat;
use crate::store::ModelStore;
use crate::store::reference::{KeptReference, ReferenceFile};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tracing::{info, warn};
use xxhash_rust::xxh3::xxh3_128;

/// Where a reference came from.
#[derive(Clone, Copy)]
enum Origin {
    Files,
    Profile,
    State,
}

/// Loads a model's reference. Files are profiled once and then kept in the state, as long as
/// neither they nor the configuration of their columns change.
pub fn load(model: &Model, store: &ModelStore) -> Result<Reference> {
    let started = Instant::now();
    let (reference, origin) = find(model, store)?;
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
    Ok(reference)
}

fn find(model: &Model, store: &ModelStore) -> Result<(Reference, Origin)> {
    let build = || inputs::reference(&model.reference_path, &model.reference, &|_| {});
    let files = match inputs::resolve(&model.reference_path) {
        Ok(Input::Parquet(files)) if store.is_durable() => files,
        Ok(Input::Profile(_)) => return Ok((build()?, Origin::Profile)),
        // What is wrong with the path is said by whoever loads it.
        Ok(Input::Parquet(_)) | Err(_) => return Ok((build()?, Origin::Files)),
    };
    let settings = settings(model);
    let stats = stats(&files)?;
    let kept = store.kept_reference()?.filter(|kept| kept.settings == settings);
    if let Some(kept) = kept {
        let known = kept.files.iter().map(|file| (&file.path, file.stat));
        if known.eq(files.iter().zip(stats.iter().copied())) {
            return Ok((decode(&kept)?, Origin::State));
        }
        // Another place or time, such as that of a new container, and maybe the same content.
        let now = identify(&files)?;
        if contents(&now).eq(contents(&kept.files)) {
            let reference = decode(&kept)?;
            store.keep_reference(&KeptReference { files: now, ..kept })?;
            return Ok((reference, Origin::State));
        }
    }
    let reference = build()?;
    let now = identify(&files)?;
    if now.iter().map(|file| file.stat).eq(stats) {
        let profile = Profile::Reference(reference.clone()).to_bytes();
        store.keep_reference(&KeptReference { files: now, settings, profile })?;
    } else {
        let model = &model.model.name;
        warn!(model, "the reference changed while it was read; the next start reads it again");
    }
    Ok((reference, Origin::Files))
}

fn stats(files: &[PathBuf]) -> Result<Vec<Stat>> {
    let stat = |path: &PathBuf| {
        let metadata = std::fs::metadata(path);
        metadata.map(|m| stat(&m)).map_err(|error| Error::io("stat", path, &error))
    };
    files.iter().map(stat).collect()
}

fn identify(files: &[PathBuf]) -> Result<Vec<ReferenceFile>> {
    let identify = |path: &PathBuf| {
        let file = OpenFile::open(Path::new(""), path)?;
        let content = format!("{:032x}", file.identity()?.content);
        Ok(ReferenceFile { path: path.clone(), stat: file.stat, content })
    };
    files.iter().map(identify).collect()
}

fn contents(files: &[ReferenceFile]) -> impl Iterator<Item = (&str, u64)> {
    files.iter().map(|file| (file.content.as_str(), file.stat.size))
}

fn decode(kept: &KeptReference) -> Result<Reference> {
    match Profile::from_bytes(&kept.profile)? {
        Profile::Reference(reference) => Ok(reference),
        Profile::Current(_) => Err(Error::decode("the state holds no reference where one belongs")),
    }
}

/// All that a profile depends on beside the files. Another driftd may cut other grids.
fn settings(model: &Model) -> u128 {
    let text = format!("{} {:?}", env!("CARGO_PKG_VERSION"), model.reference);
    xxh3_128(text.as_bytes())
}
