//! A past period again: what the directories of a model hold, through the same pipeline, into a
//! state that ends with it.

use super::bound::BoundModel;
use super::loaded_reference::ReferenceLoader;
use super::references::References;
use super::{Shared, clock, task};
use crate::config::Model;
use crate::error::{Error, Result};
use crate::journal::Flush;
use crate::net::stop::Stop;
use crate::source::SharedByAll;
use crate::source::inputs;
use crate::store::{ModelStore, StateConfig, Store};
use crate::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far the clock is put forward when everything is counted, so that everything closes.
const AHEAD: Duration = Duration::from_hours(24 * 365 * 100);

/// Files need a moment to be taken for complete; nobody writes these.
const STEP: Duration = Duration::from_millis(300);

const FETCH_PAUSE: Duration = Duration::from_millis(1);

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
pub fn replay(mut model: Model, memory_max: u64) -> Result<ModelStore> {
    let name = model.model.name.clone();
    model.sources.retain(|source| source.files_root().is_some());
    if model.sources.is_empty() {
        let message = format!("model {name:?} has no source of type \"directory\" or \"bucket\"");
        return Err(Error::new(message));
    }
    for source in &model.sources {
        // A bucket that is away would be waited for, and there is nobody who would wait.
        if let Some((root, format)) = source.files_root().zip(source.file_format()) {
            inputs::list(&root, format)?;
        }
    }
    let (windows_max, history_max) = (u64::MAX, u64::MAX);
    let config = StateConfig {
        windows_max,
        history_max,
        profiles_max: 0,
        memory_max,
        ..StateConfig::default()
    };
    let store = Arc::new(Store::open(&config)?);
    model.model.profiles = false;
    let bound = BoundModel::bind(model, &store, &SharedByAll::default())?;
    let store = bound.store.clone();
    let (references, stop) = (&References::default(), &Stop::default());
    let loaded = ReferenceLoader { references, stop }
        .load(&bound.model, &store)?
        .ok_or_else(|| Error::new(format!("model {name:?}: too few files for its warm-up")))?;
    let clock =
        Arc::new(ReplayClock { system: clock::SystemClock::new(), ahead: AtomicU64::new(0) });
    let shared = Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, Stop::default());
    shared.counts_bytes_max.store(memory_max as usize, Ordering::Relaxed);
    let mut pipeline = task::open(bound, loaded, &Arc::default(), shared)?;
    // Everything is seen by the first listing, and ready at the second.
    pipeline.tick()?;
    clock.advance(STEP);
    while pipeline.sources.iter().any(|own| own.source.is_behind(clock.now())) {
        if pipeline.tick()? > clock.now() {
            // Something is being fetched.
            std::thread::sleep(FETCH_PAUSE);
        }
        clock.advance(STEP);
    }
    clock.advance(AHEAD);
    // As long as there are windows to close, the next tick is due at once.
    while pipeline.tick()? <= clock.now() {}
    pipeline.flush(Flush::Wait)?;
    Ok(store)
}
