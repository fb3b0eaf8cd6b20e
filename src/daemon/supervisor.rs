//! Which models are watched: started, stopped, started again after a failure, and exchanged when
//! the configuration is reloaded.
//!
//! A model that changes is stopped and started anew over the same state, so that its open windows
//! go on as after a restart; the others never notice. A reload has two steps. First everything that
//! can fail is tried beside the models that go on, and only then is anything stopped. The loop here
//! never waits for a model: what takes time is done elsewhere and comes back as an event.

mod ending;
#[cfg(test)]
mod faulty_models;

use super::bound::{BoundModel, ModelLabel, label};
use super::managed_model::{AfterStop, Ended, ManagedModel, ModelState};
use super::reload::{Change, ChangedModel, InForce, gates, listeners};
use super::reloading::{ChangeRequest, Reloading};
use super::{Shared, tell_systemd};
use crate::config::{Config, Model};
use crate::error::{Error, Result};
use crate::export::live::LiveModels;
use crate::export::page::Pages;
use crate::monitor::snapshot::ModelSnapshot;
use crate::net::ServerConfig;
use crate::source::SharedByAll;
use crate::store::{ModelStore, StateConfig, Store};
use crate::telemetry::ModelTelemetry;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tracing::{error, info};

/// How often it is looked whether all models are ready, and what is left in closed sockets.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Models and their part of the state.
pub type WatchedModels = Vec<(ModelLabel, ModelStore)>;

/// What became of something that was done elsewhere.
enum Event {
    Ended(Ended),
    /// The state has what the model begins with.
    Opened(ModelLabel),
    /// The number is that of the try.
    Bound {
        label: ModelLabel,
        number: u64,
        outcome: Result<Box<(BoundModel, ModelSnapshot)>>,
    },
}

/// The parts of the daemon that a supervisor works with.
pub struct Parts {
    pub store: Arc<Store>,
    pub sources: Arc<SharedByAll>,
    pub shared: Shared,
    pub pages: Arc<Pages>,
    pub live: LiveModels,
    pub watched: Arc<RwLock<WatchedModels>>,
}

/// The models of the daemon.
pub struct Supervisor {
    file: PathBuf,
    server: ServerConfig,
    state: StateConfig,
    store: Arc<Store>,
    sources: Arc<SharedByAll>,
    shared: Shared,
    pages: Arc<Pages>,
    live: LiveModels,
    watched: Arc<RwLock<WatchedModels>>,
    models: BTreeMap<ModelLabel, ManagedModel>,
    /// Kept for as long as the process lives, since its counters must not fall.
    telemetry: BTreeMap<ModelLabel, Arc<ModelTelemetry>>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    reloading: Reloading,
    /// Tries to bind so far.
    binds: u64,
    was_ready: bool,
    /// Failures of models that were asked to stop.
    failed_stops: Vec<Error>,
    /// What was sent and not taken is being counted.
    counting: JoinSet<()>,
}

impl Supervisor {
    pub fn new(config: &Config, file: PathBuf, parts: Parts) -> Supervisor {
        let Parts { store, sources, shared, pages, live, watched } = parts;
        Supervisor {
            file,
            server: config.server.clone(),
            state: config.state.clone(),
            store,
            sources,
            shared,
            pages,
            live,
            watched,
            models: BTreeMap::new(),
            telemetry: BTreeMap::new(),
            events: mpsc::unbounded_channel(),
            reloading: Reloading::default(),
            binds: 0,
            was_ready: false,
            failed_stops: Vec::new(),
            counting: JoinSet::new(),
        }
    }

    /// Takes what the models need, and shows their last windows.
    pub fn bind_all(&self, models: Vec<Model>) -> Result<Vec<BoundModel>> {
        self.share_among(models.len());
        self.sources.listeners.share_among(listeners(&models).len());
        let bind = |model| BoundModel::bind(model, &self.store, &self.sources);
        let bound = models.into_iter().map(bind).collect::<Result<Vec<_>>>()?;
        for bound in &bound {
            self.shared.readiness.expect(&bound.label());
            self.shared.published.publish(bound.restored_snapshot()?);
        }
        Ok(bound)
    }

    /// So many models share the memory for counts.
    fn share_among(&self, n_models: usize) {
        let bytes = self.state.memory_max as usize / n_models.max(1);
        self.shared.counts_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// Starts a model's task.
    pub fn start(&mut self, bound: BoundModel) {
        let label = bound.label();
        self.watch(&label, Some(bound.store.clone()));
        let telemetry = self.telemetry(&label);
        self.live.replace(bound.live(Arc::clone(&telemetry)));
        self.shared.readiness.expect(&label);
        let new = || ManagedModel::new(bound.model.clone(), telemetry);
        let model = self.models.entry(label.clone()).or_insert_with(new);
        let (opened, ended) = (self.events.0.clone(), self.events.0.clone());
        // Nobody listens any more when the daemon is about to end anyway.
        model.start(
            bound,
            &self.shared,
            move || _ = opened.send(Event::Opened(label)),
            move |own| _ = ended.send(Event::Ended(own)),
        );
    }

    fn telemetry(&mut self, label: &ModelLabel) -> Arc<ModelTelemetry> {
        Arc::clone(self.telemetry.entry(label.clone()).or_default())
    }

    /// Lets requests find a model's part of the state, or not any more.
    fn watch(&self, label: &ModelLabel, store: Option<ModelStore>) {
        let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|(known, _)| known != label);
        watched.extend(store.map(|store| (label.clone(), store)));
    }

    /// Takes what a model needs, on a thread of its own, since files and the state take their time.
    fn bind(&mut self, label: &ModelLabel) {
        let Some(managed) = self.models.get_mut(label) else { return };
        self.binds += 1;
        let number = self.binds;
        managed.state = ModelState::Binding(number);
        self.shared.readiness.expect(label);
        let (model, reference) = (managed.model.clone(), managed.reference.clone());
        let (store, sources) = (Arc::clone(&self.store), Arc::clone(&self.sources));
        let (events, label) = (self.events.0.clone(), label.clone());
        spawn_blocking(move || {
            let outcome = BoundModel::bind(model, &store, &sources).and_then(|mut bound| {
                bound.reference = reference;
                let snapshot = bound.restored_snapshot()?;
                Ok(Box::new((bound, snapshot)))
            });
            let outcome = outcome.map_err(|e| e.context(format_args!("model {:?}", label.0)));
            let _ = events.send(Event::Bound { label, number, outcome });
        });
    }

    fn take_event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Ended(ended) => self.take_ended(ended),
            Event::Opened(label) => {
                if let Some(model) = self.models.get_mut(&label)
                    && matches!(model.state, ModelState::Running { .. })
                {
                    model.reference = None;
                }
                self.reloading.note_done(&label, None);
                Ok(())
            }
            Event::Bound { label, number, outcome } => {
                let state = self.models.get(&label).map(|model| &model.state);
                if matches!(state, Some(ModelState::Binding(own)) if *own == number) {
                    self.take_bound(&label, outcome.map(|bound| *bound));
                } else if !self.shared.stop.is_on() {
                    // It has been exchanged meanwhile, and may have opened what nobody wants, or
                    // given a socket the gate of before.
                    drop(outcome);
                    self.keep_listeners();
                    self.keep_gates();
                }
                Ok(())
            }
        }
    }

    fn take_bound(&mut self, label: &ModelLabel, outcome: Result<(BoundModel, ModelSnapshot)>) {
        match outcome {
            Ok((bound, snapshot)) => {
                self.shared.published.publish(snapshot);
                self.start(bound);
                // A model may wait for its first files; but what was accepted is so once the state
                // has it.
                if self.reloading.is_reload() {
                    self.reloading.note_done(label, None);
                }
            }
            Err(error) => {
                self.note_failed(label, &error);
            }
        }
    }

    /// A task has ended. Unasked and before the daemon was ready for the first time that is a
    /// failed start; later the model is started again, and the others never notice.
    fn take_ended(&mut self, ended: Ended) -> Result<()> {
        let Ended { label, task, outcome, is_panic } = ended;
        match self.models.get(&label).map(|model| &model.state) {
            Some(ModelState::Running { task: own, .. }) if own.id() == task => {
                let Err(error) = outcome else { return Ok(()) };
                self.note_failed(&label, &error);
                if !self.was_ready && !is_panic {
                    return Err(error);
                }
            }
            Some(ModelState::Stopping { task: own, then }) if *own == task => {
                let then = *then;
                if let Err(error) = outcome {
                    error!(%error, "the model failed before it was stopped");
                    self.failed_stops.extend(self.shared.stop.is_on().then_some(error));
                }
                match then {
                    AfterStop::Start => self.bind(&label),
                    AfterStop::Remove => self.remove(&label),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note_failed(&mut self, label: &ModelLabel, error: &Error) {
        self.shared.readiness.expect(label);
        self.reloading.note_done(label, Some(error));
        if let Some(model) = self.models.get_mut(label) {
            let pause_s = model.fail().as_secs();
            error!(%error, pause_s, "the model failed; it will be started again");
        }
    }

    /// A model is not there any more.
    fn remove(&mut self, label: &ModelLabel) {
        self.models.remove(label);
        self.watch(label, None);
        self.live.remove(&label.0, &label.1);
        self.shared.readiness.remove(label);
        self.shared.published.remove(&label.0, &label.1);
        self.reloading.note_done(label, None);
    }

    /// When the next model is to be started again.
    fn next_restart(&self) -> Option<Instant> {
        self.models.values().filter_map(ManagedModel::restart_at).min()
    }

    /// Starts the models again whose pause is over.
    fn restart_due(&mut self) {
        let now = Instant::now();
        let is_due = |model: &ManagedModel| model.restart_at().is_some_and(|at| at <= now);
        let due = self.models.iter().filter(|(_, model)| is_due(model));
        let due: Vec<ModelLabel> = due.map(|(label, _)| label.clone()).collect();
        for label in due {
            info!(model = label.0, "starting the model again");
            self.bind(&label);
        }
    }

    /// Waits for signals, requests and events until the daemon is to stop.
    pub async fn supervise(
        &mut self,
        address: SocketAddr,
        mut requests: mpsc::Receiver<ChangeRequest>,
    ) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())
            .map_err(|error| Error::new(format!("cannot listen for signals: {error}")))?;
        let stop = self.shared.stop.clone();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.begin_reload();
            if let Some(outcome) = self.reloading.outcome() {
                self.tell_changed(&outcome);
                continue;
            }
            let next = self.next_restart().into_iter().chain(self.reloading.until()).min();
            let has_to_look = !self.was_ready || self.sources.listeners.are_closing();
            tokio::select! {
                () = stop.wait() => {
                    self.reloading.give_up();
                    return Ok(());
                }
                Some(event) = self.events.1.recv() => self.take_event(event)?,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.restart_due();
                }
                _ = hangup.recv() => self.reloading.ask(None),
                Some(request) = requests.recv() => self.reloading.ask(Some(request)),
                compared = self.reloading.compared() => match compared {
                    Ok(change) => self.apply(change),
                    Err(error) => {
                        self.keep_listeners();
                        let kept = match self.reloading.is_reload() {
                            true => "not reloaded; the configuration before stays in force",
                            false => "the reference before stays in force",
                        };
                        self.tell_changed(&Err(error.context(kept)));
                    }
                },
                _ = look.tick(), if has_to_look => {
                    // Nobody has to wait for what comes of it.
                    self.count_abandoned();
                    self.note_ready(address);
                }
            }
        }
    }

    fn note_ready(&mut self, address: SocketAddr) {
        if !self.was_ready && self.shared.readiness.is_reached() {
            self.was_ready = true;
            info!("ready; look with: curl -s http://{address}/metrics");
            tell_systemd(&[NotifyState::Ready]);
        }
    }

    /// Begins the next reload that was asked for, unless one is under way.
    fn begin_reload(&mut self) {
        let models = self.models.iter().filter(|(_, own)| own.stays());
        let models = models.map(|(label, own)| (label.clone(), own.model.clone()));
        let in_force = || InForce {
            file: self.file.clone(),
            server: self.server.clone(),
            state: self.state.clone(),
            models: models.collect(),
            store: Arc::clone(&self.store),
            sources: Arc::clone(&self.sources),
            references: Arc::clone(&self.shared.references),
            stop: self.shared.stop.clone(),
        };
        self.reloading.begin(|request| {
            let in_force = in_force();
            spawn_blocking(move || match request {
                None => in_force.compare(),
                Some(request) => in_force.with_reference(request),
            })
        });
    }

    fn tell_changed(&mut self, outcome: &Result<()>) {
        let process = &self.shared.process;
        match outcome {
            Ok(()) if !self.reloading.is_reload() => info!("the reference is another"),
            Err(error) if !self.reloading.is_reload() => {
                error!(%error, "the reference is as before");
            }
            Ok(()) => {
                process.reload_success.set(self.shared.clock.now().0);
                process.reload_successful.set(1);
                info!(file = %self.file.display(), "configuration reloaded");
            }
            Err(error) => {
                process.reload_successful.set(0);
                error!(%error, "the reload failed");
            }
        }
        self.reloading.answer(outcome);
    }

    /// Exchanges the models, each as soon as the one before it has ended. One that cannot be
    /// started although everything was tried before has failed, and is started again like any
    /// other.
    fn apply(&mut self, change: Change) {
        let Change { export, n_models, gone, changed, listeners, gates } = change;
        let now = Instant::now();
        // What was sent to a socket that goes is for the model that it was sent to.
        let deadline = now + self.server.time_for_connections();
        self.sources.listeners.share_among(listeners.len());
        self.sources.listeners.retain(|key| listeners.contains(key), deadline);
        gates.into_iter().for_each(|(key, gate)| self.sources.listeners.set_gate(&key, gate));
        self.share_among(n_models);
        // And those of a reload before that took too long.
        let under_way = self.models.iter().filter(|(_, own)| own.is_under_way());
        let under_way = under_way.map(|(label, _)| label.clone());
        let labels = changed.iter().map(|own| label(&own.model)).chain(gone.iter().cloned());
        let labels = labels.chain(under_way).collect();
        self.reloading.exchange(labels, now + self.server.stop_timeout);
        if let Some(export) = export {
            self.pages.configure(export);
        }
        for label in gone {
            let model = self.models.get_mut(&label);
            if !model.is_some_and(|model| model.stop(AfterStop::Remove)) {
                self.remove(&label);
            }
        }
        for ChangedModel { model, reference } in changed {
            let label = label(&model);
            let telemetry = self.telemetry(&label);
            self.shared.readiness.expect(&label);
            let new = || ManagedModel::new(model.clone(), telemetry);
            let managed = self.models.entry(label.clone()).or_insert_with(new);
            managed.replace(model, reference);
            if !managed.stop(AfterStop::Start) {
                self.bind(&label);
            }
        }
    }

    /// Gives sockets the gates of the configuration that is in force.
    fn keep_gates(&self) {
        let models: Vec<Model> = self.models.values().map(|own| own.model.clone()).collect();
        let sources = Arc::clone(&self.sources);
        spawn_blocking(move || match gates(&models, &sources) {
            Ok(gates) => {
                gates.into_iter().for_each(|(key, own)| sources.listeners.set_gate(&key, own));
            }
            Err(error) => error!(%error, "a socket lets connections in as it did before"),
        });
    }

    /// Closes sockets that a reload has opened and that failed after that.
    fn keep_listeners(&self) {
        let models: Vec<Model> = self.models.values().map(|own| own.model.clone()).collect();
        let wanted = listeners(&models);
        let deadline = Instant::now() + self.server.time_for_connections();
        self.sources.listeners.share_among(wanted.len());
        self.sources.listeners.retain(|key| wanted.contains(key), deadline);
    }
}
