//! A past period again: what the directories of a model hold, through the same pipeline, into a
//! state that ends with it.

use super::epoch;
use super::pending::{COMMIT_BYTES, Pending};
use super::pipeline::Pipeline;
use super::reference;
use super::shutdown::Stop;
use super::source::Source;
use super::{Shared, clock};
use crate::config::Model;
use crate::error::{Error, Result};
use crate::ingest::SourceKind;
use crate::ingest::directory::Directory;
use crate::monitor::model::Monitor;
use crate::store::{ModelStore, StateConfig, Store};
use crate::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far the clock is put forward when everything is counted, so that everything closes.
const AHEAD: Duration = Duration::from_hours(24 * 365 * 100);

/// Files need a moment to be taken for complete; nobody writes these.
const STEP: Duration = Duration::from_millis(300);

/// The system's clock, put forward.
struct ReplayClock {
    system: clock::SystemClock,
    /// Microseconds.
    ahead: AtomicU64,
}

impl Clock for ReplayClock {
    fn now(&self) -> Timestamp {
        self.system.now().plus(Duration::from_micros(self.ahead.load(Ordering::Relaxed)))
    }
}

impl ReplayClock {
    fn advance(&self, by: Duration) {
        self.ahead.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

/// Counts the directories of a model and closes all windows.
pub fn replay(model: Model, memory_max: u64) -> Result<ModelStore> {
    let config = StateConfig { path: None, windows_max: i64::MAX as u64, memory_max };
    let store = Arc::new(Store::open(&config)?).model(&model.model.name, &model.model.version)?;
    let loaded = reference::load(&model, &store)?;
    let loaded = loaded.ok_or_else(|| {
        Error::config(format!("model {:?}: too few files for its warm-up", model.model.name))
    })?;
    let clock =
        Arc::new(ReplayClock { system: clock::SystemClock::new(), ahead: AtomicU64::new(0) });
    let (reference, remembered) = epoch::enter(&model.model, loaded, &store, clock.now())?;
    let mut sources = Vec::new();
    for source in model.sources {
        let SourceKind::Directory(directory) = source.kind else { continue };
        let id = store.source(&source.name)?;
        let directory = Directory::new(directory, std::iter::empty());
        sources.push(Source::new(id, source.name, Arc::default(), Some(directory)));
    }
    if sources.is_empty() {
        let name = &model.model.name;
        return Err(Error::config(format!("model {name:?} has no source of type \"directory\"")));
    }
    let mut pipeline = Pipeline {
        monitor: Monitor::new(model.model, Arc::clone(&reference), remembered),
        reference,
        store: store.clone(),
        sources,
        shared: Shared {
            published: Arc::default(),
            process: Arc::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            stop: Stop::new(),
        },
        pending: Pending::default(),
        writing: None,
        counts_max: memory_max as usize,
        commit_bytes: COMMIT_BYTES,
        is_ready: false,
    };
    // Everything is seen by the first look, and ready at the second.
    pipeline.tick()?;
    clock.advance(STEP);
    pipeline.wake();
    pipeline.tick()?;
    while pipeline.sources.iter().any(Source::has_ready) {
        pipeline.tick()?;
    }
    clock.advance(AHEAD);
    // As long as there are windows to close, the next tick is due at once.
    while pipeline.tick()? <= clock.now() {}
    pipeline.commit()?;
    Ok(store)
}
