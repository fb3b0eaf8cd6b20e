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

/// A model of the configuration in force, with its task or the time of its next start.
pub struct RunningModel {
    /// As it was configured.
    pub model: Model,
    pub telemetry: Arc<ModelTelemetry>,
    /// Failures one after the other.
    failures: u32,
    state: State,
}

enum State {
    Running {
        task: ModelTask,
        started: Instant,
    },
    /// It has failed, and is started again then.
    Waiting(Instant),
}

/// A task that can be asked to stop.
pub struct ModelTask {
    stop: Stop,
    id: Id,
    handle: JoinHandle<Result<()>>,
}

impl RunningModel {
    /// Starts the task of a model, in place of one before it. Should it end unasked, `ended` is
    /// told.
    pub fn start(
        bound: BoundModel,
        shared: &Shared,
        telemetry: Arc<ModelTelemetry>,
        ended: mpsc::UnboundedSender<Ended>,
        before: Option<RunningModel>,
    ) -> RunningModel {
        let model = bound.model.clone();
        let failures = match before {
            Some(RunningModel { failures, state: State::Waiting(_), .. }) => {
                telemetry.restarts.add(1);
                failures
            }
            _ => 0,
        };
        telemetry.last_progress.set(0);
        telemetry.up.set(1);
        let task = ModelTask::start(bound, shared, Arc::clone(&telemetry), ended);
        let state = State::Running { task, started: Instant::now() };
        RunningModel { model, telemetry, failures, state }
    }

    /// A model that could not be started, and will be.
    pub fn failed(model: Model, telemetry: Arc<ModelTelemetry>) -> RunningModel {
        let mut failed =
            RunningModel { model, telemetry, failures: 0, state: State::Waiting(Instant::now()) };
        failed.fail();
        failed
    }

    /// Whether it is this one that has ended, and not one before it.
    pub fn is(&self, ended: &Ended) -> bool {
        match (&self.state, ended.task) {
            (State::Running { task, .. }, Some(id)) => task.id == id,
            (State::Waiting(_), None) => true,
            _ => false,
        }
    }

    /// It has failed; the pause until it is started again.
    pub fn fail(&mut self) -> Duration {
        if let State::Running { started, .. } = &self.state
            && started.elapsed() >= RECOVERED_AFTER
        {
            self.failures = 0;
        }
        let pause = RESTART_PAUSE.saturating_mul(1 << self.failures.min(6)).min(RESTART_PAUSE_MAX);
        self.failures += 1;
        self.telemetry.up.set(0);
        self.state = State::Waiting(Instant::now() + pause);
        pause
    }

    /// When to start it again; none while it runs.
    pub fn restart_at(&self) -> Option<Instant> {
        match self.state {
            State::Running { .. } => None,
            State::Waiting(at) => Some(at),
        }
    }

    /// Asks the task to stop, if there is one.
    pub fn stop(self) -> Option<ModelTask> {
        match self.state {
            State::Running { task, .. } => {
                task.stop.trigger();
                Some(task)
            }
            State::Waiting(_) => None,
        }
    }
}

impl ModelTask {
    fn start(
        bound: BoundModel,
        shared: &Shared,
        telemetry: Arc<ModelTelemetry>,
        ended: mpsc::UnboundedSender<Ended>,
    ) -> ModelTask {
        let (label, stop) = (bound.label(), Stop::default());
        let shared = Shared { stop: stop.clone(), model: telemetry, ..shared.clone() };
        // A task of its own, whose panic is an answer like any other.
        let own = tokio::spawn(task::run(bound, shared));
        let (id, asked) = (own.id(), stop.clone());
        let handle = tokio::spawn(async move {
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
        ModelTask { stop, id, handle }
    }

    /// Waits until all that it counted is in the state.
    pub async fn end(&mut self) -> Result<()> {
        (&mut self.handle).await.unwrap_or_else(|panic| Err(panicked(panic)))
    }
}

fn panicked(error: JoinError) -> Error {
    let text = match error.try_into_panic() {
        Ok(panic) => panic_text(&*panic).to_owned(),
        Err(error) => error.to_string(),
    };
    Error::new(format!("its task failed: {text}"))
}
