//! File events: a hint to list a directory sooner, never more.
//!
//! Events are lost on overflow, for remote writers and where watches are used up; the periodic
//! listing finds what they do not tell of.

use super::listing;
use crate::telemetry::{ErrorReason, SourceTelemetry};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tracing::warn;

/// Raised by an event, lowered by whoever acts on it.
#[derive(Debug, Clone, Default)]
pub struct EventFlag(Arc<AtomicBool>);

impl EventFlag {
    fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was raised since the last time that this was asked.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Acquire)
    }
}

/// Raises `changed` and wakes the model whenever something below `path` changes, as long as the
/// watcher lives. None when
/// the system gives no events; the source then lives by its listing.
pub fn watch(
    path: &Path,
    changed: EventFlag,
    wake: Arc<Notify>,
    telemetry: Arc<SourceTelemetry>,
) -> Option<RecommendedWatcher> {
    let in_callback = Arc::clone(&telemetry);
    let tell = move || {
        changed.raise();
        wake.notify_one();
    };
    let on_event = move |event: notify::Result<Event>| match event {
        // Our own reading is an event too.
        Ok(Event { kind: EventKind::Access(access), .. }) if !is_close_after_write(access) => {}
        Ok(event) if !event.need_rescan() && event.paths.iter().all(|path| is_hidden(path)) => {}
        Ok(event) => {
            if event.need_rescan() {
                in_callback.errors(ErrorReason::Events).add(1);
            }
            tell();
        }
        Err(error) => {
            in_callback.errors(ErrorReason::Events).add(1);
            warn!(%error, "file events were lost");
            tell();
        }
    };
    // The listing follows no links, and a link to elsewhere must not have all of it watched.
    let config = Config::default().with_follow_symlinks(false);
    let watcher = RecommendedWatcher::new(on_event, config).and_then(|mut watcher| {
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

/// A file that a writer has not given its name yet.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(listing::is_hidden)
}

fn is_close_after_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    access == AccessKind::Close(AccessMode::Write)
}
