//! File events: a hint to list a directory sooner, never more.
//!
//! Events are lost on overflow, for remote writers and where watches are used up; the periodic
//! listing finds what they do not tell of.

use crate::source::files::listing;
use crate::telemetry::{ErrorReason, SourceTelemetry};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing::warn;

/// The file events of all directories. They come from one instance of the system's, of which it
/// has few for each user. Watching a large directory takes a while, and one that does not answer
/// takes for ever, so that happens on a thread of its own.
#[derive(Default)]
pub struct FileEvents {
    subscriptions: Arc<Mutex<Subscriptions>>,
    /// Directories whose subscriptions have changed; to the thread, which is made for the first.
    changed: Mutex<Option<Sender<PathBuf>>>,
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
    /// Raises the subscription's flag and wakes the model whenever something below `path` changes,
    /// and once when the system begins to watch it. Where that gives no events, it is counted and
    /// logged, and nothing comes.
    pub fn subscribe(
        self: &Arc<FileEvents>,
        path: &Path,
        wake: Arc<Notify>,
        telemetry: Arc<SourceTelemetry>,
    ) -> Subscription {
        let changed = Arc::new(AtomicBool::new(false));
        let subscriber = Subscriber { changed: Arc::clone(&changed), wake, telemetry };
        let mut subscriptions = locked(&self.subscriptions);
        subscriptions.last += 1;
        let id = subscriptions.last;
        let known = subscriptions.by_directory.entry(path.to_owned()).or_default();
        known.push((id, subscriber));
        drop(subscriptions);
        self.note_changed(path);
        Subscription { events: Arc::clone(self), path: path.to_owned(), id, changed }
    }

    fn note_changed(&self, path: &Path) {
        let mut changed = locked(&self.changed);
        let sender = changed.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            let subscriptions = Arc::clone(&self.subscriptions);
            let thread = std::thread::Builder::new().name("driftd-events".into());
            // Without a thread there is nobody to receive, and the listings find what changes.
            let started = thread.spawn(move || watch(&subscriptions, &receiver));
            if let Err(error) = started {
                warn!(%error, "no file events; relying on periodic listing");
            }
            sender
        });
        let _ = sender.send(path.to_owned());
    }

    fn unsubscribe(&self, path: &Path, id: u64) {
        let mut subscriptions = locked(&self.subscriptions);
        let Some(known) = subscriptions.by_directory.get_mut(path) else { return };
        known.retain(|(own, _)| *own != id);
        if known.is_empty() {
            subscriptions.by_directory.remove(path);
        }
        drop(subscriptions);
        self.note_changed(path);
    }
}

/// Watches what has subscribers, and nothing else, as long as there can be any.
fn watch(subscriptions: &Arc<Mutex<Subscriptions>>, changed: &Receiver<PathBuf>) {
    let told = Arc::clone(subscriptions);
    let on_event = move |event| locked(&told).take(event);
    // The listing follows no links, and a link to elsewhere must not have all of it watched.
    let config = Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(on_event, config);
    let mut watched = BTreeSet::new();
    while let Ok(path) = changed.recv() {
        let watcher = match &mut watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                locked(subscriptions).note_failed(&path, error);
                continue;
            }
        };
        let mut again = vec![path.clone()];
        if !locked(subscriptions).by_directory.contains_key(&path) {
            if !watched.remove(&path) {
                continue;
            }
            // A directory that is gone is not watched any more.
            let _ = watcher.unwatch(&path);
            // Inside each other, they share what the system watches.
            let related = |own: &&PathBuf| own.starts_with(&path) || path.starts_with(own);
            again = watched.iter().filter(related).cloned().collect();
        } else if watched.contains(&path) {
            continue;
        }
        for path in again {
            match watcher.watch(&path, RecursiveMode::Recursive) {
                Ok(()) => {
                    // Whatever came before was not seen.
                    locked(subscriptions).tell(&path);
                    watched.insert(path);
                }
                Err(error) => locked(subscriptions).note_failed(&path, &error),
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

    /// A directory is not watched; its sources live by their listings.
    fn note_failed(&self, path: &Path, error: &notify::Error) {
        for (_, subscriber) in self.by_directory.get(path).into_iter().flatten() {
            subscriber.telemetry.errors(ErrorReason::Events).add(1);
        }
        warn!(path = %path.display(), %error, "no file events; relying on periodic listing");
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
        // Told once that it is watched from now on.
        assert!([&outer, &inner, &other].into_iter().all(is_told));
        std::thread::sleep(Duration::from_millis(100));
        [&outer, &inner, &other, &again].into_iter().for_each(|own| _ = own.take());
        std::fs::write(paths[1].join("file"), "x").unwrap();
        assert!(is_told(&outer) && is_told(&inner));
        assert!(!other.take());
        std::fs::write(paths[2].join("file"), "x").unwrap();
        assert!(is_told(&other) && is_told(&again));
        // The others go on when one goes, also where it watched the same.
        drop((outer, other));
        std::thread::sleep(Duration::from_millis(100));
        inner.take();
        again.take();
        std::fs::write(paths[1].join("more"), "x").unwrap();
        std::fs::write(paths[2].join("more"), "x").unwrap();
        assert!(is_told(&inner) && is_told(&again));
    }
}
