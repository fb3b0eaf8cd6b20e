//! File events: a hint to list a directory sooner, never more.
//!
//! Events are lost on overflow, for remote writers and where watches are used up; the periodic
//! listing finds what they do not tell of.

use super::listing;
use crate::telemetry::{ErrorReason, SourceTelemetry};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing::warn;

/// The file events of all directories. They come from one instance of the system's, of which it
/// has few for each user, and on one thread.
#[derive(Default)]
pub struct FileEvents {
    subscriptions: Arc<Mutex<Subscriptions>>,
    /// Made for the first directory; none where the system gives no events.
    watcher: Mutex<Option<RecommendedWatcher>>,
}

/// Who is to be told of what, by the directory that they watch.
#[derive(Default)]
struct Subscriptions {
    by_directory: HashMap<PathBuf, Vec<(u64, Subscriber)>>,
    last: u64,
}

/// A source that watches a directory.
#[derive(Clone)]
struct Subscriber {
    changed: Arc<AtomicBool>,
    wake: Arc<Notify>,
    telemetry: Arc<SourceTelemetry>,
}

/// The events of one directory, as long as this lives.
pub struct Subscription {
    events: Arc<FileEvents>,
    path: PathBuf,
    id: u64,
    changed: Arc<AtomicBool>,
}

impl FileEvents {
    /// Raises the subscription's flag and wakes the model whenever something below `path` changes.
    /// Where the system gives no events, that is counted and logged, and nothing comes.
    pub fn subscribe(
        self: &Arc<FileEvents>,
        path: &Path,
        wake: Arc<Notify>,
        telemetry: Arc<SourceTelemetry>,
    ) -> Subscription {
        let changed = Arc::new(AtomicBool::new(false));
        let subscriber =
            Subscriber { changed: Arc::clone(&changed), wake, telemetry: Arc::clone(&telemetry) };
        let mut subscriptions = locked(&self.subscriptions);
        subscriptions.last += 1;
        let id = subscriptions.last;
        let known = subscriptions.by_directory.entry(path.to_owned()).or_default();
        known.push((id, subscriber));
        let is_first = known.len() == 1;
        drop(subscriptions);
        if let Some(Err(error)) = is_first.then(|| self.watch(path)) {
            telemetry.errors(ErrorReason::Events).add(1);
            warn!(path = %path.display(), %error, "no file events; relying on periodic listing");
        }
        Subscription { events: Arc::clone(self), path: path.to_owned(), id, changed }
    }

    fn watch(&self, path: &Path) -> notify::Result<()> {
        let mut watcher = locked(&self.watcher);
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            none => {
                let subscriptions = Arc::clone(&self.subscriptions);
                let on_event = move |event| locked(&subscriptions).take(event);
                // The listing follows no links, and a link to elsewhere must not have all of it
                // watched.
                let config = Config::default().with_follow_symlinks(false);
                none.insert(RecommendedWatcher::new(on_event, config)?)
            }
        };
        watcher.watch(path, RecursiveMode::Recursive)
    }

    fn unsubscribe(&self, path: &Path, id: u64) {
        let mut subscriptions = locked(&self.subscriptions);
        let Some(known) = subscriptions.by_directory.get_mut(path) else { return };
        known.retain(|(own, _)| *own != id);
        if !known.is_empty() {
            return;
        }
        subscriptions.by_directory.remove(path);
        // Inside each other, they share what the system watches.
        let related = |own: &&PathBuf| own.starts_with(path) || path.starts_with(own);
        let related: Vec<PathBuf> =
            subscriptions.by_directory.keys().filter(related).cloned().collect();
        drop(subscriptions);
        if let Some(watcher) = &mut *locked(&self.watcher) {
            // A directory that is gone is not watched any more; what fails is listed.
            let _ = watcher.unwatch(path);
            for path in related {
                let _ = watcher.watch(&path, RecursiveMode::Recursive);
            }
        }
    }
}

impl Subscriptions {
    fn take(&self, event: notify::Result<Event>) {
        match event {
            // Our own reading is an event too.
            Ok(Event { kind: EventKind::Access(access), .. }) if !is_close_after_write(access) => {}
            Ok(event) if event.need_rescan() => self.tell_all(),
            Ok(event) => {
                let paths = event.paths.iter().filter(|path| !is_hidden(path));
                paths.for_each(|path| self.tell(path));
            }
            Err(error) => {
                warn!(%error, "file events were lost");
                self.tell_all();
            }
        }
    }

    /// Tells whoever watches a directory that this path is in.
    fn tell(&self, path: &Path) {
        for directory in path.ancestors() {
            let subscribers = self.by_directory.get(directory).into_iter().flatten();
            subscribers.for_each(|(_, subscriber)| subscriber.tell());
        }
    }

    /// Events were lost.
    fn tell_all(&self) {
        for (_, subscriber) in self.by_directory.values().flatten() {
            subscriber.telemetry.errors(ErrorReason::Events).add(1);
            subscriber.tell();
        }
    }
}

impl Subscriber {
    fn tell(&self) {
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Subscription {
    /// Whether something changed since the last time that this was asked.
    pub fn take(&self) -> bool {
        self.changed.swap(false, Ordering::Acquire)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.events.unsubscribe(&self.path, self.id);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that a writer has not given its name yet.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(listing::is_hidden)
}

fn is_close_after_write(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    access == AccessKind::Close(AccessMode::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn is_told(subscription: &Subscription) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if subscription.take() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    #[test]
    fn whoever_watches_a_directory_is_told_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "a/inside", "b"].map(|name| folder.path().join(name));
        paths.iter().for_each(|path| std::fs::create_dir(path).unwrap());
        let events = Arc::new(FileEvents::default());
        let watch = |path: &Path| events.subscribe(path, Arc::default(), Arc::default());
        let [outer, inner, other] = paths.each_ref().map(|path| watch(path));
        let again = watch(&paths[2]);
        std::fs::write(paths[1].join("file"), "x").unwrap();
        assert!(is_told(&outer) && is_told(&inner));
        assert!(!other.take());
        std::fs::write(paths[2].join("file"), "x").unwrap();
        assert!(is_told(&other) && is_told(&again));
        // The others go on when one goes, also where it watched the same.
        drop((outer, other));
        inner.take();
        again.take();
        std::fs::write(paths[1].join("more"), "x").unwrap();
        std::fs::write(paths[2].join("more"), "x").unwrap();
        assert!(is_told(&inner) && is_told(&again));
    }
}
