//! One model's task: loads the reference, goes on from the state, then waits for its sources and
//! for time.

use super::bound::{BoundModel, ModelSource};
use super::loaded_reference::{LoadedReference, ReferenceLoader, ordered};
use super::pipeline::{COMMIT_BYTES, Pipeline, PipelineSource};
use super::work_log::WorkLog;
use super::{Shared, epoch};
use crate::config::Model;
use crate::error::{Error, Result};
use crate::format::file_format::FileFormat;
use crate::format::line_schema::{LineFeature, LineSchema};
use crate::journal::{Flush, Journal, SourceLabel, Writer};
use crate::monitor::model::{ModelConfig, Monitor};
use crate::monitor::reference::Reference;
use crate::source::SourceContext;
use crate::source::directory::walk;
use crate::store::ModelStore;
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tracing::info;

/// How often to look for the files of a warm-up.
const WARM_UP_INTERVAL: Duration = Duration::from_secs(1);

/// Pause before a failed commit is tried again.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

/// An idle model turns at least this often, so that it is seen to live.
const TURN_INTERVAL: Duration = Duration::from_secs(10);

/// While the daemon stops, sources are asked at least this often whether they have ended.
const END_INTERVAL: Duration = Duration::from_millis(100);

/// Runs one model until it is stopped; `opened` is called once its state has what it begins with.
pub async fn run(
    mut bound: BoundModel,
    shared: Shared,
    opened: impl FnOnce() + Send + 'static,
) -> Result<()> {
    let label = bound.label();
    let loaded = match bound.reference.take() {
        Some(loaded) => Some(loaded),
        None => load(&bound, &shared).await?,
    };
    // None when it was stopped while it waited.
    let Some(loaded) = loaded else { return Ok(()) };
    shared.readiness.expect(&label);
    let wake = Arc::new(Notify::new());
    let (for_sources, workers) = (Arc::clone(&wake), shared.workers.clone());
    let telemetry = Arc::clone(&shared.model);
    let pipeline = workers.take(&telemetry, move || {
        let pipeline = open(bound, loaded, &for_sources, shared)?;
        pipeline.publish_restored();
        opened();
        Ok::<_, Error>(pipeline)
    });
    let mut pipeline = drive(pipeline.await?, &wake).await?;
    workers
        .take(&telemetry, move || {
            pipeline.flush(Flush::Wait)?;
            pipeline.publish_confirmed();
            pipeline.tell();
            Ok(())
        })
        .await
}

/// Loads the reference, or waits for the files that become it. A model that waits is ready: it
/// does what it is there for.
async fn load(bound: &BoundModel, shared: &Shared) -> Result<Option<LoadedReference>> {
    let mut is_logged = false;
    while !shared.stop.is_on() {
        let (model, store, own) = (bound.model.clone(), bound.store.clone(), shared.clone());
        let telemetry: Vec<_> =
            bound.sources.iter().map(|source| Arc::clone(&source.telemetry)).collect();
        let loading = shared.loads.take(&shared.model, move || {
            let Shared { references, stop, .. } = &own;
            if stop.is_on() {
                return Ok(None);
            }
            let loaded = ReferenceLoader { references, stop }.load(&model, &store);
            if let Ok(None) = &loaded {
                note_waiting(&model, &telemetry, own.clock.now());
            }
            // What fails because it is to stop is no failure.
            if stop.is_on() { Ok(None) } else { loaded }
        });
        let loaded = tokio::select! {
            loaded = loading => loaded?,
            () = shared.stop.wait() => break,
        };
        if let Some(loaded) = loaded {
            return Ok(Some(loaded));
        }
        if !is_logged && !shared.stop.is_on() {
            is_logged = true;
            shared.readiness.reached(&bound.label());
            info!(
                model = bound.model.model.name,
                "waiting for the files that become the reference"
            );
        }
        tokio::select! {
            () = shared.stop.wait() => {}
            () = tokio::time::sleep(WARM_UP_INTERVAL) => {}
        }
    }
    Ok(None)
}

/// Sets the gauges of directories whose files wait for a warm-up to be complete.
fn note_waiting(model: &Model, telemetry: &[Arc<SourceTelemetry>], now: Timestamp) {
    for (config, telemetry) in model.sources.iter().zip(telemetry) {
        if let Some(directory) = config.directory()
            && let Ok(listing) = walk::list(&directory, FileFormat::Parquet)
        {
            telemetry.files_pending.set(listing.files.len() as i64);
            telemetry.last_success.set(now.0);
        }
    }
}

/// Resumes from the state, and starts the sources.
pub fn open(
    bound: BoundModel,
    loaded: LoadedReference,
    wake: &Arc<Notify>,
    shared: Shared,
) -> Result<Pipeline> {
    let BoundModel { model, store, sources, .. } = bound;
    let now = shared.clock.now();
    let read = |reference: &Arc<Reference>| ordered(&model, reference);
    // The order of an accepted window is not known.
    let is_ordered = model.is_ordered && loaded.record.accepted.is_none();
    let in_order: Option<&epoch::OrderedReference<'_>> = is_ordered.then_some(&read);
    let (reference, restored) = epoch::resume(&model.model, loaded, in_order, &store, now)?;
    let (columns, of_logs) = (model.reference.columns.clone(), model.columns_of_logs());
    let time = model.model.time.as_ref().map(|time| time.name.clone());
    let schema = LineSchema::new(line_features(&reference, &model.model), columns);
    let schema = Arc::new(schema.with_time(time.as_deref()));
    let mut monitor = Monitor::new(model.model, Arc::clone(&reference), restored);
    let mut journal = open_journal(&store, reference, &shared)?;
    let mut started = Vec::new();
    let (alive, clock) = (Arc::clone(&shared.model), Arc::clone(&shared.clock));
    let on_read: Arc<dyn Fn() + Send + Sync> =
        Arc::new(move || alive.last_progress.set(clock.now().0));
    for (index, ModelSource { name, telemetry, source }) in sources.into_iter().enumerate() {
        let label = Arc::new(SourceLabel { index, id: store.source(&name)?, name });
        let context = SourceContext {
            name: label.name.clone(),
            schema: Arc::clone(&schema),
            telemetry: Arc::clone(&telemetry),
            paths: store.paths(label.id)?,
            positions: journal.resume(label.id)?,
            on_read: Arc::clone(&on_read),
            wake: Arc::clone(wake),
            stop: shared.stop.clone(),
        };
        let source = source.start(context)?;
        started.push(PipelineSource { label, telemetry, source, has_ended: false });
    }
    let names: Vec<&str> = started.iter().map(|own| own.label.name.as_str()).collect();
    monitor.expect(&names, shared.clock.now());
    let commit_bytes_max = COMMIT_BYTES;
    let (sources, columns, log) = (started, of_logs, WorkLog::default());
    Ok(Pipeline { monitor, journal, sources, shared, commit_bytes_max, columns, log })
}

/// The journal of a model whose state is `store`.
fn open_journal(store: &ModelStore, reference: Arc<Reference>, shared: &Shared) -> Result<Journal> {
    let Shared { process, clock, stop_of_all: stop, .. } = shared.clone();
    let writer = Writer { store: store.clone(), process, clock, stop, retry: COMMIT_RETRY };
    Ok(Journal::open(writer, reference)?)
}

/// What a line of a stream is read for: the features, the time of its row, the key that it is
/// sampled by, and the name of its cluster.
fn line_features(reference: &Reference, model: &ModelConfig) -> Vec<LineFeature> {
    let features = reference.grids().map(LineFeature::from);
    let is_feature = |name: &&String| reference.grids().any(|grid| grid.name == **name);
    let time = model.time.as_ref().map(|time| &time.name);
    let key = model.sampling.as_ref().and_then(|sampling| sampling.key.as_ref());
    let key = key.filter(|key| !is_feature(key) && Some(*key) != time);
    let cluster = model.cluster.as_ref().filter(|name| Some(*name) != time && Some(*name) != key);
    let others = time.into_iter().chain(key).chain(cluster);
    features.chain(others.map(|name| LineFeature::key(name))).collect()
}

/// Waits for sources and time, and lets the pipeline work, until it is stopped and its sources have
/// delivered what they had taken.
async fn drive(mut pipeline: Pipeline, wake: &Notify) -> Result<Pipeline> {
    let Shared { stop, workers, model: telemetry, .. } = pipeline.shared.clone();
    loop {
        // One that has failed is dropped there too: it waits for its last commit.
        let (own, next) = workers
            .take(&telemetry, move || {
                let next = pipeline.tick()?;
                Ok::<_, Error>((pipeline, next))
            })
            .await?;
        pipeline = own;
        let is_stopping = stop.is_on();
        if is_stopping && pipeline.has_ended() {
            return Ok(pipeline);
        }
        let turn = if is_stopping { END_INTERVAL } else { TURN_INTERVAL };
        tokio::select! {
            () = stop.wait(), if !is_stopping => {}
            () = wake.notified() => {}
            () = tokio::time::sleep(next.since(pipeline.now()).min(turn)) => {}
        }
    }
}
