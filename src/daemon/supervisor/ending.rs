//! The end of the daemon: takes all that was sent, counts it, and tells what could not be counted.

use super::{AfterStop, ManagedModel, ModelState, Supervisor};
use crate::error::{Error, Result};
use crate::source::{Abandoned, SourceOwner};
use crate::store::Store;
use crate::store::commit::Commit;
use crate::telemetry::RejectReason;
use crate::totals::{self, Rejected, RowCounts};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};
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
        for model in self.models.values_mut() {
            model.stop(AfterStop::Remove);
        }
        let is_stopping = |model: &ManagedModel| matches!(model.state, ModelState::Stopping { .. });
        self.wait_until(deadline, is_stopping).await;
        let closed = async {
            while self.sources.listeners.are_closing() {
                self.count_abandoned().await;
                sleep(LOOK_INTERVAL).await;
            }
        };
        if timeout_at(deadline, closed).await.is_err() {
            warn!("sockets were not at their end within server.stop_timeout");
        }
        let hang = self.models.iter().find(|(_, model)| is_stopping(model)).map(|((name, _), _)| {
            Error::new(format!(
                "model {name:?} did not stop within server.stop_timeout; what it has not committed \
                 is counted after the next start"
            ))
        });
        match self.failed_stops.drain(..).next().or(hang) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Takes events as long as any model is so, and the time is not up.
    async fn wait_until(&mut self, deadline: Instant, is_so: impl Fn(&ManagedModel) -> bool) {
        while self.models.values().any(&is_so) {
            match timeout_at(deadline, self.events.1.recv()).await {
                Ok(Some(event)) => {
                    if let Err(error) = self.take_event(event) {
                        error!(%error, "a model failed while the daemon stops");
                    }
                }
                _ => return,
            }
        }
    }

    /// Counts what was sent to sockets that are closed, and that no model is there to count.
    pub async fn count_abandoned(&self) {
        for (owner, left) in self.sources.listeners.take_abandoned() {
            if left.lines == 0 && left.errors.is_empty() {
                continue;
            }
            let SourceOwner { model, source, .. } = &owner;
            let (lines, bytes) = (left.lines, left.bytes);
            warn!(model, source, lines, bytes, "not counted: no model took it before the end");
            let store = Arc::clone(&self.store);
            let counted = spawn_blocking(move || count(&store, &owner, &left)).await;
            if let Ok(Err(error)) = counted {
                error!(%error, "what was not counted is not in the state either");
            }
        }
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
