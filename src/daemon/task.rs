//! One model's task: loads the reference, restores the state, then waits for files, rows and time.

use super::pending::{COMMIT_BYTES, Pending};
use super::pipeline::Pipeline;
use super::reference::Loaded;
use super::source::Source;
use super::supervisor::{BoundModel, BoundSource};
use super::{Shared, epoch, events, reference};
use crate::config::Model;
use crate::error::Result;
use crate::ingest::directory::Directory;
use crate::ingest::ndjson::{Batch, LineFeature};
use crate::ingest::tcp::{self, Intake};
use crate::ingest::{SourceKind, listing};
use crate::monitor::model::{ModelConfig, Monitor};
use crate::monitor::reference::Reference;
use crate::position::PathState;
use crate::store::ModelStore;
use notify::RecommendedWatcher;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, block_in_place};
use tracing::{info, warn};

/// Batches of rows that wait between sockets and their model; while it is full nothing is read.
const BATCHES_MAX: usize = 4;

/// Events come in bursts; one listing serves those of this time.
const EVENT_PAUSE: Duration = Duration::from_millis(20);

/// Files that a warm-up waits for are looked for so often.
const WARM_UP_INTERVAL: Duration = Duration::from_secs(1);

/// Watches one model until the daemon stops.
pub async fn watch(bound: BoundModel, shared: Shared) -> Result<()> {
    let BoundModel { model, store, counts_max, sources, reference } = bound;
    let loaded = match reference {
        Some(loaded) => Some(loaded),
        None => load(&model, &store, &sources, &shared).await?,
    };
    // None when the daemon was stopped while it waited.
    let Some(loaded) = loaded else { return Ok(()) };
    let now = shared.clock.now();
    let (reference, remembered) =
        block_in_place(|| epoch::enter(&model.model, loaded, &store, now))?;
    let features = line_features(&reference, &model.model);
    let monitor = Monitor::new(model.model, Arc::clone(&reference), remembered);

    let wake = Arc::new(Notify::new());
    let (sender, batches) = mpsc::channel(BATCHES_MAX);
    let mut connections = JoinSet::new();
    let mut watchers: Vec<RecommendedWatcher> = Vec::new();
    let mut piped = Vec::new();
    for (index, source) in sources.into_iter().enumerate() {
        let BoundSource { config, telemetry, listener } = source;
        let id = store.source(&config.name)?;
        let directory = match config.kind {
            SourceKind::Directory(directory) => {
                watchers.extend(events::watch(
                    &directory.path,
                    Arc::clone(&wake),
                    Arc::clone(&telemetry),
                ));
                let known = store.paths(id)?;
                known.iter().for_each(|(path, _, state)| log_quarantined(path, state));
                Some(Directory::new(directory, known.into_iter()))
            }
            SourceKind::Tcp(config) => {
                let intake = Intake {
                    config,
                    features: Arc::clone(&features),
                    telemetry: Arc::clone(&telemetry),
                    source: index,
                    batches: sender.clone(),
                    shutdown: shared.stop.subscribe(),
                };
                let listener = listener.expect("tcp sources are bound before anything is loaded");
                connections.spawn(tcp::serve(listener, intake));
                None
            }
        };
        piped.push(Source::new(id, config.name, telemetry, directory));
    }
    // The pipeline ends when the last connection has let go of its sender.
    drop(sender);
    let mut pipeline = Pipeline {
        monitor,
        reference,
        store,
        sources: piped,
        shared,
        pending: Pending::default(),
        writing: None,
        counts_max,
        commit_bytes: COMMIT_BYTES,
        is_ready: false,
    };
    pipeline.publish();
    drive(&mut pipeline, batches, &wake).await?;
    drop(watchers);
    block_in_place(|| pipeline.commit())
}

/// Loads the reference, or waits for the files that become it. A model that waits is ready: it
/// does what it is there for.
async fn load(
    model: &Model,
    store: &ModelStore,
    sources: &[BoundSource],
    shared: &Shared,
) -> Result<Option<Loaded>> {
    let mut is_told = false;
    while !shared.stop.is_on() {
        if let Some(loaded) = block_in_place(|| reference::load(model, store))? {
            if is_told {
                // Set again, and counted again, by the pipeline.
                shared.process.models_ready.add(-1);
            }
            return Ok(Some(loaded));
        }
        if !is_told {
            is_told = true;
            shared.process.models_ready.add(1);
            info!(model = model.model.name, "waiting for the files that become the reference");
        }
        for BoundSource { config, telemetry, .. } in sources {
            if let SourceKind::Directory(directory) = &config.kind
                && let Ok(listing) = listing::list(&directory.path)
            {
                telemetry.files_pending.set(listing.files.len() as i64);
                telemetry.last_success.set(shared.clock.now().0);
            }
        }
        tokio::select! {
            () = shared.stop.wait() => {}
            () = tokio::time::sleep(WARM_UP_INTERVAL) => {}
        }
    }
    Ok(None)
}

/// What a line of a stream is read for: the features, the time of its row, and the key that it is
/// sampled by.
fn line_features(reference: &Reference, model: &ModelConfig) -> Arc<[LineFeature]> {
    let features = reference.grids().map(LineFeature::from);
    let is_feature = |name: &&String| reference.grids().any(|grid| grid.name == **name);
    let time = model.time.as_ref().map(|time| &time.name);
    let key = model.sampling.as_ref().and_then(|sampling| sampling.key.as_ref());
    let key = key.filter(|key| !is_feature(key) && Some(*key) != time);
    features.chain(time.into_iter().chain(key).map(|name| LineFeature::key(name))).collect()
}

/// Waits for rows, events and time, and lets the pipeline work.
async fn drive(
    pipeline: &mut Pipeline,
    mut batches: mpsc::Receiver<(usize, Batch)>,
    wake: &Notify,
) -> Result<()> {
    let stop = pipeline.shared.stop.clone();
    loop {
        let next = block_in_place(|| pipeline.tick())?;
        let wait = next.since(pipeline.shared.clock.now());
        tokio::select! {
            () = stop.wait() => break,
            Some((source, batch)) = batches.recv() => {
                block_in_place(|| pipeline.count_batch(source, &batch))?;
            }
            () = wake.notified() => {
                tokio::time::sleep(EVENT_PAUSE).await;
                pipeline.wake();
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
    // Connections hand over what they have read, then end.
    while let Some((source, batch)) = batches.recv().await {
        block_in_place(|| pipeline.count_batch(source, &batch))?;
    }
    Ok(())
}

/// The alert sends people to the log, which may be that of an earlier process.
fn log_quarantined(path: &Path, state: &PathState) {
    if let PathState::Quarantined(reason) = state {
        warn!(path = %path.display(), reason, "still quarantined, until it changes");
    }
}
