//! Which models are watched: started, stopped, started again after a failure, and exchanged when
//! the configuration is reloaded.
//!
//! A model that changes is stopped and started anew over the same state, so that its open windows
//! go on as after a restart; the others never notice. A reload has two steps. First everything that
//! can fail is tried beside the models that go on, and only then is anything stopped.

#[cfg(test)]
mod faulty_models;

use super::bound::{BoundModel, ModelLabel};
use super::reload::{Change, ChangedModel, InForce, listeners};
use super::running_model::{Ended, ModelTask, RunningModel};
use super::{Shared, tell_systemd};
use crate::config::{Config, Model};
use crate::error::{Error, Result};
use crate::export::live::LiveModels;
use crate::export::page::Pages;
use crate::net::ServerConfig;
use crate::source::SharedByAll;
use crate::store::{ModelStore, StateConfig, Store};
use crate::telemetry::ModelTelemetry;
use sd_notify::NotifyState;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info};

/// Models and their part of the state.
pub type WatchedModels = Vec<(ModelLabel, ModelStore)>;

/// Where the answer to a request to reload goes.
pub type ReloadRequest = oneshot::Sender<std::result::Result<(), String>>;

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
    running: BTreeMap<ModelLabel, RunningModel>,
    /// Kept for as long as the process lives, since its counters must not fall.
    telemetry: BTreeMap<ModelLabel, Arc<ModelTelemetry>>,
    /// Models tell here that they ended unasked.
    ended: (mpsc::UnboundedSender<Ended>, mpsc::UnboundedReceiver<Ended>),
    reloading: Reloading,
    /// Tasks that were asked to stop and have not ended, with the names of their models.
    stopping: Vec<(String, ModelTask)>,
}

/// The reload that is under way, and those that wait for it.
#[derive(Default)]
struct Reloading {
    /// What it will change is being found out; none when there is no reload.
    comparing: Option<JoinHandle<Result<Change>>>,
    /// Where the answer to it goes; none of a signal.
    answer: Option<ReloadRequest>,
    waiting: VecDeque<Option<ReloadRequest>>,
}

impl Reloading {
    /// Adds a request. What a signal asks for is done by any reload that has not begun.
    fn ask(&mut self, request: Option<ReloadRequest>) {
        if request.is_some() || self.waiting.is_empty() {
            self.waiting.push_back(request);
        }
    }

    /// What the reload that is under way will change, once that is known; never without one.
    async fn compared(&mut self) -> Result<Change> {
        match &mut self.comparing {
            None => std::future::pending().await,
            Some(comparing) => {
                let compared = comparing.await;
                self.comparing = None;
                let failed = |error| Error::new(format!("the reload failed: {error}"));
                compared.map_err(failed)?
            }
        }
    }
}

impl Supervisor {
    #[expect(clippy::too_many_arguments, reason = "it is what the parts of the daemon share")]
    pub fn new(
        config: &Config,
        file: PathBuf,
        store: Arc<Store>,
        sources: Arc<SharedByAll>,
        shared: Shared,
        pages: Arc<Pages>,
        live: LiveModels,
        watched: Arc<RwLock<WatchedModels>>,
    ) -> Supervisor {
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
            running: BTreeMap::new(),
            telemetry: BTreeMap::new(),
            ended: mpsc::unbounded_channel(),
            reloading: Reloading::default(),
            stopping: Vec::new(),
        }
    }

    /// Takes what the models need, and shows their last windows.
    pub fn bind_all(&self, models: Vec<Model>) -> Result<Vec<BoundModel>> {
        let n_models = models.len();
        self.sources.listeners.share_among(listeners(&models).len());
        let bound = models.into_iter().map(|model| self.bind(model, n_models));
        let bound = bound.collect::<Result<Vec<_>>>()?;
        for bound in &bound {
            self.shared.readiness.expect(&bound.label());
            self.shared.published.publish(bound.restored_snapshot()?);
        }
        Ok(bound)
    }

    fn bind(&self, model: Model, n_models: usize) -> Result<BoundModel> {
        let counts_bytes_max = self.state.memory_max as usize / n_models.max(1);
        BoundModel::bind(model, &self.store, &self.sources, counts_bytes_max)
    }

    /// Starts a model's task.
    pub fn start(&mut self, bound: BoundModel) {
        let label = bound.label();
        self.watch(&label, Some(bound.store.clone()));
        let telemetry = self.telemetry(&label);
        self.live.replace(bound.live(Arc::clone(&telemetry)));
        self.shared.readiness.expect(&label);
        let (ended, before) = (self.ended.0.clone(), self.running.remove(&label));
        let running = RunningModel::start(bound, &self.shared, telemetry, ended, before);
        self.running.insert(label, running);
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

    /// A model has ended unasked. Before the daemon was ready for the first time that is a failed
    /// start; later the model is started again, and the others never notice.
    fn take_ended(&mut self, ended: Ended, was_ready: bool) -> Result<()> {
        if !was_ready && !ended.is_panic {
            return Err(ended.error);
        }
        let running = self.running.get_mut(&ended.label);
        if let Some(running) = running.filter(|running| running.is(&ended)) {
            self.shared.readiness.expect(&ended.label);
            let pause_s = running.fail().as_secs();
            error!(error = %ended.error, pause_s, "the model failed; it will be started again");
        }
        Ok(())
    }

    /// When the next model is to be started again.
    fn next_restart(&self) -> Option<Instant> {
        self.running.values().filter_map(RunningModel::restart_at).min()
    }

    /// Starts the models again whose pause is over.
    fn restart_due(&mut self) {
        let (now, n_models) = (Instant::now(), self.running.len());
        let is_due = |running: &RunningModel| running.restart_at().is_some_and(|at| at <= now);
        let due = self.running.iter().filter(|(_, running)| is_due(running));
        let due: Vec<_> = due.map(|(label, own)| (label.clone(), own.model.clone())).collect();
        for (label, model) in due {
            match self.bind(model, n_models) {
                Ok(bound) => {
                    info!(model = label.0, "starting the model again");
                    self.start(bound);
                }
                Err(error) => {
                    let ended = Ended { label, task: None, error, is_panic: false };
                    self.take_ended(ended, true).expect("a model that fails later is tried again");
                }
            }
        }
    }

    /// Waits for signals, requests and failures until the daemon is to stop.
    pub async fn supervise(
        &mut self,
        address: SocketAddr,
        mut reloads: mpsc::Receiver<ReloadRequest>,
    ) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())
            .map_err(|error| Error::new(format!("cannot listen for signals: {error}")))?;
        let stop = self.shared.stop.clone();
        let mut readiness = tokio::time::interval(Duration::from_millis(100));
        let mut is_ready = false;
        loop {
            self.begin_reload();
            let restart = self.next_restart();
            tokio::select! {
                () = stop.wait() => return Ok(()),
                Some(ended) = self.ended.1.recv() => self.take_ended(ended, is_ready)?,
                () = sleep_until(restart.unwrap_or_else(Instant::now)), if restart.is_some() => {
                    self.restart_due();
                }
                _ = hangup.recv() => self.reloading.ask(None),
                Some(answer) = reloads.recv() => self.reloading.ask(Some(answer)),
                compared = self.reloading.compared() => {
                    let outcome = match compared {
                        Ok(change) => self.apply(change).await,
                        Err(error) => {
                            self.keep_listeners();
                            let kept = "the configuration before stays in force";
                            Err(error.context(format_args!("not reloaded; {kept}")))
                        }
                    };
                    self.tell_reloaded(&outcome);
                }
                _ = readiness.tick(), if !is_ready => {
                    if self.shared.readiness.is_reached() {
                        is_ready = true;
                        info!("ready; look with: curl -s http://{address}/metrics");
                        tell_systemd(&[NotifyState::Ready]);
                    }
                }
            }
        }
    }

    /// Begins the next reload that was asked for, unless one is under way.
    fn begin_reload(&mut self) {
        if self.reloading.comparing.is_some() {
            return;
        }
        let Some(answer) = self.reloading.waiting.pop_front() else { return };
        let models = self.running.iter().map(|(label, own)| (label.clone(), own.model.clone()));
        let in_force = InForce {
            file: self.file.clone(),
            server: self.server.clone(),
            state: self.state.clone(),
            models: models.collect(),
            store: Arc::clone(&self.store),
            sources: Arc::clone(&self.sources),
            references: Arc::clone(&self.shared.references),
            stop: self.shared.stop.clone(),
        };
        self.reloading.answer = answer;
        self.reloading.comparing = Some(spawn_blocking(move || in_force.compare()));
    }

    fn tell_reloaded(&mut self, outcome: &Result<()>) {
        let process = &self.shared.process;
        match outcome {
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
        if let Some(answer) = self.reloading.answer.take() {
            // Whoever asked may have gone.
            let _ = answer.send(outcome.clone().map_err(|error| error.to_string()));
        }
    }

    /// Exchanges the models. One that cannot be started although everything was tried before has
    /// failed, and is started again like any other.
    async fn apply(&mut self, change: Change) -> Result<()> {
        let Change { export, n_models, gone, changed, listeners } = change;
        // What was sent to a socket that goes is for the model that it was sent to.
        let deadline = Instant::now() + self.server.time_for_connections();
        self.sources.listeners.retain(|key| listeners.contains(key), deadline);
        let changed_labels = changed.iter().map(|own| super::bound::label(&own.model));
        let stopping: Vec<ModelLabel> = gone.iter().cloned().chain(changed_labels).collect();
        self.stop_all(&stopping).await?;
        for label in gone {
            self.watch(&label, None);
            self.live.remove(&label.0, &label.1);
            self.shared.readiness.remove(&label);
            self.shared.published.remove(&label.0, &label.1);
        }
        let mut faults = Vec::new();
        for changed in changed {
            faults.extend(self.exchange(changed, n_models).err());
        }
        self.pages.configure(export);
        match faults.into_iter().next() {
            None => Ok(()),
            Some(error) => Err(error.context("reloaded, but it will be started again")),
        }
    }

    fn exchange(&mut self, changed: ChangedModel, n_models: usize) -> Result<()> {
        let ChangedModel { model, reference } = changed;
        let label = super::bound::label(&model);
        let bound = self.bind(model.clone(), n_models).and_then(|mut bound| {
            bound.reference = reference;
            self.shared.published.publish(bound.restored_snapshot()?);
            Ok(bound)
        });
        match bound {
            Ok(bound) => {
                self.start(bound);
                Ok(())
            }
            Err(error) => {
                self.shared.readiness.expect(&label);
                let failed = RunningModel::failed(model, self.telemetry(&label));
                self.running.insert(label.clone(), failed);
                Err(error.context(format_args!("model {:?}", label.0)))
            }
        }
    }

    /// Stops models, and waits until all that they counted is in the state. One that fails even now
    /// is of no interest any more. Fails when the daemon is to stop meanwhile.
    async fn stop_all(&mut self, labels: &[ModelLabel]) -> Result<()> {
        let asked = labels.iter().filter_map(|label| {
            let task = self.running.remove(label)?.stop()?;
            Some((label.0.clone(), task))
        });
        self.stopping.extend(asked);
        let stop = self.shared.stop.clone();
        while let Some((_, task)) = self.stopping.last_mut() {
            tokio::select! {
                ended = task.end() => {
                    self.stopping.pop();
                    if let Err(error) = ended {
                        error!(%error, "the model failed before it was stopped");
                    }
                }
                () = stop.wait() => return Err(Error::new("driftd is stopping")),
            }
        }
        Ok(())
    }

    /// Closes sockets that a reload has opened and that failed after that.
    fn keep_listeners(&self) {
        let models: Vec<Model> = self.running.values().map(|own| own.model.clone()).collect();
        let wanted = listeners(&models);
        self.sources.listeners.share_among(wanted.len());
        self.sources.listeners.retain(|key| wanted.contains(key), Instant::now());
    }

    /// Takes all that was sent, then stops all models, for as long as a stop may take.
    pub async fn end(&mut self) -> Result<()> {
        let begun = Instant::now();
        let deadline = begun + self.server.stop_timeout;
        self.sources.listeners.retain(|_| false, begun + self.server.time_for_connections());
        for ((name, _), running) in std::mem::take(&mut self.running) {
            self.stopping.extend(running.stop().map(|task| (name, task)));
        }
        let mut outcome = Ok(());
        for (name, task) in &mut self.stopping {
            let ended = timeout_at(deadline, task.end()).await.unwrap_or_else(|_| {
                Err(Error::new(format!(
                    "model {name:?} did not stop within server.stop_timeout; what it has not \
                     committed is counted after the next start"
                )))
            });
            outcome = outcome.and(ended);
        }
        outcome
    }
}
