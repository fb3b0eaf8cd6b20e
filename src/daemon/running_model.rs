//! One model's task, owned: whoever ends unasked is noticed, and started again after a pause.

use super::bound::{BoundModel, ModelLabel};
use super::{Shared, task};
use crate::config::Model;
use crate::error::{Error, Result, panic_text};
use crate::net::stop::Stop;
use crate::telemetry::ModelTelemetry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinHandle};
use tokio::time::Instant;

/// Pauses before a model that failed is started again: the first, and the longest.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A model that has run for this long has recovered; its next failure is a first one.
const RECOVERED_AFTER: Duration = Duration::from_secs(300);

/// A model's task that ended although nobody asked it to.
pub struct Ended {
    pub label: ModelLabel,
    /// None when it could not even be started.
    pub task: Option<Id>,
    pub error: Error,
    /// Not a fault that it reported, but one of driftd itself.
    pub is_panic: bool,
}

/// The model of a configuration, and its task.
pub struct RunningModel {
    /// As it was configured.
    pub model: Model,
    pub telemetry: Arc<ModelTelemetry>,
    stop: Stop,
    id: Id,
    task: JoinHandle<Result<()>>,
    started: Instant,
    /// Failures one after the other.
    failures: u32,
    /// When to start it again; none while it runs.
    pub restart_at: Option<Instant>,
}

impl RunningModel {
    /// Starts the task of a model. Should it end unasked, `ended` is told.
    pub fn start(
        bound: BoundModel,
        shared: &Shared,
        telemetry: Arc<ModelTelemetry>,
        ended: mpsc::UnboundedSender<Ended>,
    ) -> RunningModel {
        let (label, model) = (bound.label(), bound.model.clone());
        let stop = shared.stop.child();
        let shared = Shared { stop: stop.clone(), model: Arc::clone(&telemetry), ..shared.clone() };
        telemetry.last_progress.set(0);
        telemetry.up.set(1);
        // A task of its own, whose panic is an answer like any other.
        let own = tokio::spawn(task::run(bound, shared));
        let id = own.id();
        let asked = stop.clone();
        let task = tokio::spawn(async move {
            let (outcome, is_panic) = match own.await {
                Ok(outcome) => (outcome, false),
                Err(panic) => (Err(panicked(panic)), true),
            };
            let name = &label.0;
            let outcome = outcome.map_err(|error| error.context(format_args!("model {name:?}")));
            if !asked.is_on() {
                let unasked = || Error::new(format!("model {name:?}: its task ended unasked"));
                let error = outcome.clone().err().unwrap_or_else(unasked);
                // Nobody listens any more when the daemon is about to end anyway.
                let _ = ended.send(Ended { label, task: Some(id), error, is_panic });
            }
            outcome
        });
        let (started, failures, restart_at) = (Instant::now(), 0, None);
        RunningModel { model, telemetry, stop, id, task, started, failures, restart_at }
    }

    /// Whether it is this one that has ended, and not one before it.
    pub fn is(&self, ended: &Ended) -> bool {
        ended.task.is_none_or(|id| id == self.id)
    }

    /// It has failed; the pause until it is started again.
    pub fn fail(&mut self) -> Duration {
        if self.restart_at.is_none() && self.started.elapsed() >= RECOVERED_AFTER {
            self.failures = 0;
        }
        let pause = RESTART_PAUSE.saturating_mul(1 << self.failures.min(6)).min(RESTART_PAUSE_MAX);
        self.failures += 1;
        self.telemetry.up.set(0);
        self.restart_at = Some(Instant::now() + pause);
        pause
    }

    /// It takes the place of one that failed.
    pub fn after(self, failed: &RunningModel) -> RunningModel {
        self.telemetry.restarts.add(1);
        RunningModel { failures: failed.failures, ..self }
    }

    /// Asks the task to stop, and waits until all that it counted is in the state. A model that had
    /// failed has told so.
    pub async fn stop(self) -> Result<()> {
        self.stop.trigger();
        let outcome = self.task.await.unwrap_or_else(|panic| Err(panicked(panic)));
        self.telemetry.up.set(0);
        if self.restart_at.is_some() { Ok(()) } else { outcome }
    }
}

fn panicked(error: JoinError) -> Error {
    let text = match error.try_into_panic() {
        Ok(panic) => panic_text(&*panic).to_owned(),
        Err(error) => error.to_string(),
    };
    Error::new(format!("its task failed: {text}"))
}
