//! File events: a hint to list a directory sooner, never more.
//!
//! Events are lost on overflow, for remote writers and where watches are used up; the periodic
//! listing finds what they do not tell of.

use crate::telemetry::{ErrorReason, SourceTelemetry};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::warn;

/// Wakes `wake` whenever something below `path` changes, as long as the watcher lives. None when
/// the system gives no events; the source then lives by its listing.
pub fn watch(
    path: &Path,
    wake: Arc<Notify>,
    telemetry: Arc<SourceTelemetry>,
) -> Option<RecommendedWatcher> {
    let in_callback = Arc::clone(&telemetry);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        // Our own reading is an event too.
        Ok(Event { kind: EventKind::Access(access), .. }) if !is_close_after_write(access) => {}
        Ok(event) => {
            if event.need_rescan() {
                in_callback.errors(ErrorReason::Events).add(1);
            }
            wake.notify_one();
        }
        Err(error) => {
            in_callback.errors(ErrorReason::Events).add(1);
            warn!(%error, "file events were lost");
            wake.notify_one();
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(path, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            telemetry.errors(ErrorReason::Events).add(1);
            warn!(path = %path.display(), %error, "no file events; relying on periodic listing");
            None
        }
    }
}

fn is_close_after_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    access == AccessKind::Close(AccessMode::Write)
}
