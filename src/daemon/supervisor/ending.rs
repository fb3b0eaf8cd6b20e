//! The end of the daemon: takes all that was sent, counts it, and tells what could not be counted.

use super::{AfterStop, ManagedModel, Supervisor};
use crate::error::{Error, Result};
use crate::source::{Abandoned, SourceOwner};
use crate::store::Store;
use crate::store::commit::Commit;
use crate::telemetry::RejectReason;
use crate::totals::{self, Rejected, RowCounts};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{error, warn};

/// How often it is looked whether a socket that is being closed is at its end.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

impl Supervisor {
    /// Takes all that was sent, then stops all models, for as long as a stop may take.
    pub async fn end(&mut self) -> Result<()> {
        let begun = Instant::now();
        let deadline = begun + self.server.stop_timeout;
        let until = begun + self.server.time_for_connections();
        // A model that a reload has stopped and not started again has its socket open, and what was
        // sent to it is for its successor.
        self.wait_until(begun + self.server.stop_timeout / 3, ManagedModel::is_about_to_start)
            .await;
        self.sources.listeners.retain(|_| false, until);
        // One that was not bound by now is not started any more.
        self.models.retain(|_, model| model.stop(AfterStop::Remove));
        self.wait_until(deadline, |_| true).await;
        let closed = async {
            while self.sources.listeners.are_closing() {
                self.count_abandoned();
                sleep(LOOK_INTERVAL).await;
            }
            while self.counting.join_next().await.is_some() {}
        };
        if timeout_at(deadline, closed).await.is_err() {
            for (SourceOwner { model, source, .. }, bytes) in self.sources.listeners.left_behind() {
                warn!(model, source, bytes, "not counted: it was not taken in time");
            }
        }
        let hang = self.models.keys().next().map(|(name, _)| {
            Error::new(format!(
                "model {name:?} did not stop within server.stop_timeout; files that it has not \
                 committed are counted after the next start"
            ))
        });
        match self.failed_stops.drain(..).next().or(hang) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes events as long as any model is so, and the time is not up.
    async fn wait_until(&mut self, deadline: Instant, is_so: impl Fn(&ManagedModel) -> bool) {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        while self.models.values().any(&is_so) {
            tokio::select! {
                () = sleep_until(deadline) => return,
                // Those of models that have ended, beside the one that hangs.
                _ = look.tick() => self.count_abandoned(),
                Some(event) = self.events.1.recv() => {
                    if let Err(error) = self.take_event(event) {
                        error!(%error, "a model failed while the daemon stops");
                    }
                }
            }
        }
    }

    /// Counts what was sent to sockets that are closed, and that no model is there to count; on a
    /// thread of its own.
    pub fn count_abandoned(&mut self) {
        let mut abandoned = self.sources.listeners.take_abandoned();
        abandoned.retain(|(_, left)| left.lines > 0 || !left.errors.is_empty());
        if abandoned.is_empty() {
            return;
        }
        let store = Arc::clone(&self.store);
        self.counting.spawn_blocking(move || {
            for (owner, left) in abandoned {
                let SourceOwner { model, source, .. } = &owner;
                let (lines, bytes) = (left.lines, left.bytes);
                warn!(model, source, lines, bytes, "not counted: no model took it before the end");
                if let Err(error) = count(&store, &owner, &left) {
                    error!(%error, "what was not counted is not in the state either");
                }
            }
        });
    }
}

/// Puts them among the totals of their source.
fn count(store: &Arc<Store>, owner: &SourceOwner, left: &Abandoned) -> Result<()> {
    let Abandoned { lines, bytes, errors } = left;
    let mut rejected = Rejected::default();
    rejected.add(RejectReason::NotTaken, *lines);
    let counts = RowCounts { rows: *lines, bytes: *bytes, rejected, ..RowCounts::default() };
    let mut commit = Commit::default();
    counts.add_to(&mut commit.totals, &owner.source);
    let errors: Vec<_> = errors.iter().map(|reason| (*reason, 1)).collect();
    totals::add_errors(&mut commit.totals, &owner.source, &errors);
    Ok(store.model(&owner.model, &owner.version)?.commit(&commit)?)
}
