//! One model of the configuration in force, through its life: bound, running, stopped, waiting to
//! be started again after a failure.

use super::bound::{BoundModel, ModelLabel};
use super::loaded_reference::LoadedReference;
use super::{Shared, task};
use crate::config::Model;
use crate::error::{Error, Result, panic_text};
use crate::net::stop::Stop;
use crate::telemetry::ModelTelemetry;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

/// Pauses before a model that failed is started again: the first, and the longest.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A model that has run for this long has recovered; its next failure is a first one.
const RECOVERED_AFTER: Duration = Duration::from_secs(300);

/// A model's task that ended, asked or not.
pub struct Ended {
    pub label: ModelLabel,
    pub task: Id,
    pub outcome: Result<()>,
    /// Not a fault that it reported, but one of driftd itself.
    pub is_panic: bool,
}

/// A model, and what is being done with it.
pub struct ManagedModel {
    /// As it is configured.
    pub model: Model,
    pub telemetry: Arc<ModelTelemetry>,
    /// What was loaded for its next start, until the state has it.
    pub reference: Option<LoadedReference>,
    /// Failures one after the other.
    failures: u32,
    pub state: ModelState,
}

/// What is being done with a model.
pub enum ModelState {
    /// What it needs is being taken; the number tells one try from another.
    Binding(u64),
    Running {
        task: ModelTask,
        started: Instant,
    },
    /// It was asked to stop, and what comes then.
    Stopping {
        task: Id,
        then: AfterStop,
    },
    /// It has failed, and is started again then.
    Waiting(Instant),
}

/// What comes after a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterStop {
    Start,
    Remove,
}

/// A task that can be asked to stop.
pub struct ModelTask {
    stop: Stop,
    id: Id,
}

impl ManagedModel {
    /// A model that is about to be bound.
    pub fn new(model: Model, telemetry: Arc<ModelTelemetry>) -> ManagedModel {
        let state = ModelState::Binding(0);
        ManagedModel { model, telemetry, reference: None, failures: 0, state }
    }

    /// Starts its task. When the state has what it begins with, `opened` is told, and when it ends,
    /// `ended`.
    pub fn start(
        &mut self,
        bound: BoundModel,
        shared: &Shared,
        opened: impl FnOnce() + Send + 'static,
        ended: impl Fn(Ended) + Send + 'static,
    ) {
        if self.failures > 0 {
            self.telemetry.restarts.add(1);
        }
        self.telemetry.last_progress.set(0);
        self.telemetry.up.set(1);
        let task = ModelTask::start(bound, shared, Arc::clone(&self.telemetry), opened, ended);
        self.state = ModelState::Running { task, started: Instant::now() };
    }

    /// Asks its task to stop. False when there is none.
    pub fn stop(&mut self, then: AfterStop) -> bool {
        let task = match &self.state {
            ModelState::Running { task, .. } => {
                task.stop.trigger();
                task.id
            }
            ModelState::Stopping { task, .. } => *task,
            ModelState::Binding(_) | ModelState::Waiting(_) => return false,
        };
        self.state = ModelState::Stopping { task, then };
        true
    }

    /// It has failed; the pause until it is started again.
    pub fn fail(&mut self) -> Duration {
        if let ModelState::Running { started, .. } = &self.state
            && started.elapsed() >= RECOVERED_AFTER
        {
            self.failures = 0;
        }
        let pause = RESTART_PAUSE.saturating_mul(1 << self.failures.min(6)).min(RESTART_PAUSE_MAX);
        self.failures += 1;
        self.telemetry.up.set(0);
        self.state = ModelState::Waiting(Instant::now() + pause);
        pause
    }

    /// It is another model from now on, whose failures begin anew.
    pub fn replace(&mut self, model: Model, reference: Option<LoadedReference>) {
        (self.model, self.reference, self.failures) = (model, reference, 0);
    }

    /// When to start it again; none while it does anything.
    pub fn restart_at(&self) -> Option<Instant> {
        match self.state {
            ModelState::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// Whether it will be there when what is being done is done.
    pub fn stays(&self) -> bool {
        !matches!(self.state, ModelState::Stopping { then: AfterStop::Remove, .. })
    }

    /// Whether something is being done with it that has an end.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, ModelState::Binding(_) | ModelState::Stopping { .. })
    }

    /// Whether its task is to be followed by another, or is about to begin.
    pub fn is_about_to_start(&self) -> bool {
        match self.state {
            ModelState::Binding(_) => true,
            ModelState::Stopping { then, .. } => then == AfterStop::Start,
            ModelState::Running { .. } | ModelState::Waiting(_) => false,
        }
    }
}

impl ModelTask {
    pub fn id(&self) -> Id {
        self.id
    }

    fn start(
        bound: BoundModel,
        shared: &Shared,
        telemetry: Arc<ModelTelemetry>,
        opened: impl FnOnce() + Send + 'static,
        ended: impl Fn(Ended) + Send + 'static,
    ) -> ModelTask {
        let (label, stop) = (bound.label(), Stop::default());
        let shared = Shared { stop: stop.clone(), model: telemetry, ..shared.clone() };
        // A task of its own, whose panic is an answer like any other.
        let own = tokio::spawn(task::run(bound, shared, opened));
        let (id, asked) = (own.id(), stop.clone());
        tokio::spawn(async move {
            let (outcome, is_panic) = match own.await {
                Ok(Ok(())) if !asked.is_on() => (Err(Error::new("its task ended unasked")), false),
                Ok(outcome) => (outcome, false),
                Err(panic) => (Err(panicked(panic)), true),
            };
            let outcome = outcome.map_err(|e| e.context(format_args!("model {:?}", label.0)));
            ended(Ended { label, task: id, outcome, is_panic });
        });
        ModelTask { stop, id }
    }
}

fn panicked(error: JoinError) -> Error {
    let text = match error.try_into_panic() {
        Ok(panic) => panic_text(&*panic).to_owned(),
        Err(error) => error.to_string(),
    };
    Error::new(format!("its task failed: {text}"))
}
