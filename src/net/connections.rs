//! The open connections of one listener: so many at most, and who gives way to whom.
//!
//! A client that connects and never sends a whole request costs nothing to make, so such clients
//! must not keep others out. At the limit the connection that has waited longest without a whole
//! request is closed for the new one. Where there is none, the one that has longest taken nothing
//! of its answer is. Those whose request is being worked on are left alone.

use super::stop::Stop;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The connections of one listener.
pub struct Connections {
    /// A connection that has waited for less than this gives way to nobody.
    patience: Duration,
    open: Mutex<Open>,
    freed: Notify,
    /// Told how many there are.
    on_change: Box<dyn Fn(usize) + Send + Sync>,
}

struct Open {
    limit: usize,
    last: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    phase: Phase,
    close: Stop,
    /// Told when a request begins to arrive.
    arriving: Arc<Notify>,
}

/// One that has yet to show that it may come in has so long for it where others wait.
const ENTERING_PATIENCE: Duration = Duration::from_secs(1);

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has yet to show that it may come in, since then.
    Entering(Instant),
    /// Between requests, since then.
    Idle(Instant),
    /// A request has begun to arrive, then.
    Arriving(Instant),
    /// A whole request is being worked on.
    Working,
    /// It is being answered, and last took a part of that then.
    Answering(Instant),
}

/// A connection that was let in; closing it makes room for the next.
pub struct Connection {
    id: u64,
    connections: Arc<Connections>,
    close: Stop,
    arriving: Arc<Notify>,
}

impl Connections {
    pub fn new(
        limit: usize,
        patience: Duration,
        on_change: impl Fn(usize) + Send + Sync + 'static,
    ) -> Arc<Connections> {
        let open = Open { limit, last: 0, entries: BTreeMap::new() };
        Arc::new(Connections {
            patience,
            open: Mutex::new(open),
            freed: Notify::new(),
            on_change: Box::new(on_change),
        })
    }

    /// Lets in so many from now on. Those above it give way to the next ones that come.
    pub fn set_limit(&self, limit: usize) {
        self.open().limit = limit.max(1);
        self.freed.notify_waiters();
    }

    pub fn count(&self) -> usize {
        self.open().entries.len()
    }

    /// Lets one in, as soon as there is room or another gives way.
    pub async fn admit(self: &Arc<Connections>) -> Connection {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(connection) = self.try_admit() {
                return connection;
            }
            match self.next_to_give_way() {
                Some((from, close)) if from <= Instant::now() => {
                    close.trigger();
                    freed.await;
                }
                Some((from, _)) => tokio::select! {
                    () = freed => {}
                    () = sleep_until(from) => {}
                },
                None => freed.await,
            }
        }
    }

    fn try_admit(self: &Arc<Connections>) -> Option<Connection> {
        let mut open = self.open();
        if open.entries.len() >= open.limit {
            return None;
        }
        let (close, arriving) = (Stop::default(), Arc::<Notify>::default());
        open.last += 1;
        let id = open.last;
        let phase = Phase::Idle(Instant::now());
        let entry = Entry { phase, close: close.clone(), arriving: Arc::clone(&arriving) };
        open.entries.insert(id, entry);
        (self.on_change)(open.entries.len());
        Some(Connection { id, connections: Arc::clone(self), close, arriving })
    }

    /// The connection that is to give way, and from when on: who has not come in yet before all
    /// who have. One that was already told to close is passed over.
    fn next_to_give_way(&self) -> Option<(Instant, Stop)> {
        let open = self.open();
        let waiting = open.entries.values().filter_map(|entry| {
            let (order, from) = match entry.phase {
                Phase::Entering(since) => (0, since + ENTERING_PATIENCE),
                Phase::Idle(since) | Phase::Arriving(since) => (1, since + self.patience),
                Phase::Answering(since) => (2, since + self.patience),
                Phase::Working => return None,
            };
            (!entry.close.is_on()).then(|| (order, from, entry.close.clone()))
        });
        let (_, from, close) = waiting.min_by_key(|(order, from, _)| (*order, *from))?;
        Some((from, close))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub fn phase(&self) -> Phase {
        self.connections.open().entries[&self.id].phase
    }

    pub fn set_phase(&self, phase: Phase) {
        if let Some(entry) = self.connections.open().entries.get_mut(&self.id) {
            let is_entering = matches!(phase, Phase::Entering(_));
            if entry.phase == Phase::Working && phase != Phase::Working || is_entering {
                // Now it can give way to whoever waits, or sooner than before.
                self.connections.freed.notify_waiters();
            }
            entry.phase = phase;
            if let Phase::Arriving(_) = phase {
                entry.arriving.notify_one();
            }
        }
    }

    /// Waits until a request begins to arrive.
    pub async fn arrives(&self) {
        self.arriving.notified().await;
    }

    /// It has yet to show that it may come in.
    pub fn entering(&self) {
        self.set_phase(Phase::Entering(Instant::now()));
    }

    /// Between requests from now on.
    pub fn idle(&self) {
        self.set_phase(Phase::Idle(Instant::now()));
    }

    /// Waits until it has to give way to another.
    pub async fn gives_way(&self) {
        self.close.wait().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.entries.remove(&self.id);
        (self.connections.on_change)(open.entries.len());
        drop(open);
        self.connections.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::time::timeout;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn whoever_waited_longest_gives_way() {
        let seen = Arc::new(AtomicUsize::new(0));
        let on_change = Arc::clone(&seen);
        let connections =
            Connections::new(3, Duration::ZERO, move |n| on_change.store(n, Ordering::Relaxed));
        let works = connections.admit().await;
        works.set_phase(Phase::Working);
        let first = connections.admit().await;
        let second = connections.admit().await;
        // It was the first to come, and has been served since.
        tokio::time::sleep(Duration::from_millis(2)).await;
        first.idle();
        let leaves = tokio::spawn(async move {
            second.gives_way().await;
            drop(second);
        });
        let third = connections.admit().await;
        leaves.await.unwrap();
        assert_eq!((connections.count(), seen.load(Ordering::Relaxed)), (3, 3));
        assert!(timeout(SHORT, works.gives_way()).await.is_err());
        assert!(timeout(SHORT, first.gives_way()).await.is_err());
        drop((works, first, third));
        assert_eq!(seen.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_gives_way_who_works_or_has_only_come() {
        let connections = Connections::new(1, Duration::from_secs(3_600), |_| {});
        let only = connections.admit().await;
        assert!(timeout(SHORT, connections.admit()).await.is_err(), "it has only come");
        only.set_phase(Phase::Working);
        assert!(timeout(SHORT, connections.admit()).await.is_err(), "it works");
        drop(only);
        assert!(timeout(SHORT, connections.admit()).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_has_worked_can_give_way() {
        let connections = Connections::new(1, Duration::ZERO, |_| {});
        let works = connections.admit().await;
        works.set_phase(Phase::Working);
        let waiting = Arc::clone(&connections);
        let waiting = tokio::spawn(async move { waiting.admit().await });
        tokio::time::sleep(SHORT).await;
        works.idle();
        works.gives_way().await;
        drop(works);
        waiting.await.unwrap();
    }
}
