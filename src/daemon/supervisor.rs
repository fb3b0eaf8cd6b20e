//! Which models are watched: started, stopped and exchanged when the configuration is reloaded.
//!
//! A model that changes is stopped and started anew over the same state, so that its open windows
//! go on as after a restart; the others never notice. Everything that can fail is tried before
//! anything is stopped.

use super::bound::{BoundModel, ModelLabel, label};
use super::health::Health;
use super::loaded_reference::LoadedReference;
use super::running_model::{Ended, RunningModel};
use super::{Shared, check_sources, loaded_reference, tell_systemd};
use crate::config::{Config, Model, load};
use crate::error::{Error, Result};
use crate::export::live::LiveModels;
use crate::export::page::Pages;
use crate::net::ServerConfig;
use crate::source::{BoundSource, Listeners, Resource, SourceConfig};
use crate::store::{ModelStore, StateConfig, Store};
use crate::telemetry::ModelTelemetry;
use sd_notify::NotifyState;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info};

/// How often nothing is told to systemd.
const WATCHDOG_IDLE: Duration = Duration::from_secs(3_600);

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
    listeners: Listeners,
    shared: Shared,
    pages: Arc<Pages>,
    live: LiveModels,
    watched: Arc<RwLock<WatchedModels>>,
    running: BTreeMap<ModelLabel, RunningModel>,
    /// Kept for as long as the process lives, since its counters must not fall.
    telemetry: BTreeMap<ModelLabel, Arc<ModelTelemetry>>,
    /// Models tell here that they ended unasked.
    ended: (mpsc::UnboundedSender<Ended>, mpsc::UnboundedReceiver<Ended>),
}

impl Supervisor {
    pub fn new(
        config: &Config,
        file: PathBuf,
        store: Arc<Store>,
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
            listeners: Listeners::default(),
            shared,
            pages,
            live,
            watched,
            running: BTreeMap::new(),
            telemetry: BTreeMap::new(),
            ended: mpsc::unbounded_channel(),
        }
    }

    /// Takes what the models need, and shows their last windows.
    pub fn bind_all(&self, models: Vec<Model>) -> Result<Vec<BoundModel>> {
        let counts_bytes_max = self.state.memory_max as usize / models.len().max(1);
        let bound = models.into_iter().map(|model| self.bind(model, counts_bytes_max));
        let bound = bound.collect::<Result<Vec<_>>>()?;
        for bound in &bound {
            self.shared.readiness.expect(&bound.label());
            self.show_restored(bound)?;
        }
        Ok(bound)
    }

    fn bind(&self, model: Model, counts_bytes_max: usize) -> Result<BoundModel> {
        BoundModel::bind(model, &self.store, &self.listeners, counts_bytes_max)
    }

    fn show_restored(&self, bound: &BoundModel) -> Result<()> {
        self.shared.published.publish(bound.restored_snapshot()?);
        Ok(())
    }

    /// Starts a model's task.
    pub fn start(&mut self, bound: BoundModel) {
        let label = bound.label();
        let mut watched = self.watched.write().expect("no writer panics");
        watched.retain(|(known, _)| *known != label);
        watched.push((label.clone(), bound.store.clone()));
        drop(watched);
        let telemetry = Arc::clone(self.telemetry.entry(label.clone()).or_default());
        self.live.replace(bound.live(Arc::clone(&telemetry)));
        self.shared.readiness.expect(&label);
        let running = RunningModel::start(bound, &self.shared, telemetry, self.ended.0.clone());
        let running = match self.running.get(&label) {
            Some(failed) => running.after(failed),
            None => running,
        };
        self.running.insert(label, running);
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
        self.running.values().filter_map(|running| running.restart_at).min()
    }

    /// Starts the models again whose pause is over.
    fn restart_due(&mut self) {
        let now = Instant::now();
        let is_due = |running: &RunningModel| running.restart_at.is_some_and(|at| at <= now);
        let due = self.running.iter().filter(|(_, running)| is_due(running));
        let due: Vec<_> = due.map(|(label, own)| (label.clone(), own.model.clone())).collect();
        let counts_bytes_max = self.state.memory_max as usize / self.running.len().max(1);
        for (label, model) in due {
            match self.bind(model, counts_bytes_max) {
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
        health: &Health,
    ) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())
            .map_err(|error| Error::new(format!("cannot listen for signals: {error}")))?;
        let stop = self.shared.stop.clone();
        let mut readiness = tokio::time::interval(Duration::from_millis(100));
        // None outside systemd, or when it does not ask for it; then the tick is only idle.
        let watchdog = sd_notify::watchdog_enabled();
        let mut feed = tokio::time::interval(watchdog.map_or(WATCHDOG_IDLE, |limit| limit / 3));
        let mut is_ready = false;
        loop {
            let restart = self.next_restart();
            tokio::select! {
                () = stop.wait() => return Ok(()),
                Some(ended) = self.ended.1.recv() => self.take_ended(ended, is_ready)?,
                () = sleep_until(restart.unwrap_or_else(Instant::now)), if restart.is_some() => {
                    self.restart_due();
                }
                _ = feed.tick(), if watchdog.is_some() => {
                    if health.stalled().is_empty() {
                        tell_systemd(&[NotifyState::Watchdog]);
                    }
                }
                _ = hangup.recv() => { self.reload_and_tell().await.ok(); }
                Some(answer) = reloads.recv() => {
                    let outcome = self.reload_and_tell().await;
                    // Whoever asked may have gone.
                    let _ = answer.send(outcome.map_err(|error| error.to_string()));
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

    async fn reload_and_tell(&mut self) -> Result<()> {
        let process = Arc::clone(&self.shared.process);
        let outcome = self.reload().await;
        match &outcome {
            Ok(()) => {
                process.reload_success.set(self.shared.clock.now().0);
                process.reload_successful.set(1);
                info!(file = %self.file.display(), "configuration reloaded");
            }
            Err(error) => {
                process.reload_successful.set(0);
                error!(%error, "configuration not reloaded; the one before stays in force");
            }
        }
        outcome
    }

    async fn reload(&mut self) -> Result<()> {
        let config = load(&self.file).map_err(|faults| Error::new(faults.to_string()))?;
        if config.server != self.server || config.state != self.state {
            return Err(Error::new(
                "[server] or [state] has changed, which takes a restart to apply",
            ));
        }
        check_sources(&config.models)?;
        let counts_bytes_max = self.state.memory_max as usize / config.models.len().max(1);
        let labels: BTreeSet<ModelLabel> = config.models.iter().map(label).collect();
        let wanted: BTreeSet<Resource> = resources(&config.models).collect();
        let gone: Vec<ModelLabel> =
            self.running.keys().filter(|label| !labels.contains(*label)).cloned().collect();
        let mut changed = Vec::new();
        for model in config.models {
            let before = self.running.get(&label(&model));
            if before.is_none_or(|running| running.model != model) {
                changed.push(self.prepare(model)?);
            }
        }
        // Nothing is likely to fail from here on.
        for label in gone {
            self.stop(&label).await;
            self.watched.write().expect("no writer panics").retain(|(known, _)| *known != label);
            self.live.remove(&label.0, &label.1);
            self.shared.readiness.remove(&label);
            self.shared.published.remove(&label.0, &label.1);
        }
        for Prepared { model, reference, .. } in changed {
            self.stop(&label(&model)).await;
            let mut bound = self.bind(model, counts_bytes_max)?;
            bound.reference = reference;
            self.show_restored(&bound)?;
            self.start(bound);
        }
        self.listeners.retain(|resource| wanted.contains(resource));
        self.pages.configure(config.export);
        Ok(())
    }

    /// Tries what can fail: loads the reference, binds what is not bound yet.
    fn prepare(&self, model: Model) -> Result<Prepared> {
        let name = model.model.name.clone();
        let store = self.store.model(&name, &model.model.version)?;
        let reference = block_in_place(|| loaded_reference::load(&model, &store));
        let reference = reference.map_err(|e| e.context(format_args!("model {name:?}")))?;
        let bind = |source: &SourceConfig| source.kind.bind(&source.settings, &self.listeners);
        let sources = model.sources.iter().map(bind).collect::<Result<_>>()?;
        Ok(Prepared { model, reference, _sources: sources })
    }

    /// Stops a model, and waits until all that it counted is in the state. One that fails even now
    /// is of no interest any more.
    async fn stop(&mut self, label: &ModelLabel) {
        if let Some(running) = self.running.remove(label)
            && let Err(error) = running.stop().await
        {
            error!(%error, "the model failed before it was stopped");
        }
    }

    /// Waits for all tasks, which have been told to stop, for as long as a stop may take.
    pub async fn end(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        let deadline = Instant::now() + self.server.stop_timeout;
        while let Some(((name, _), running)) = self.running.pop_first() {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = timeout(left, running.stop()).await.unwrap_or_else(|_| {
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

/// A changed model whose reference and addresses were found to be good, before anything is
/// stopped for it.
struct Prepared {
    model: Model,
    /// None while a warm-up waits.
    reference: Option<LoadedReference>,
    /// Bound once, so that they can be bound again.
    _sources: Vec<Box<dyn BoundSource>>,
}

/// What the sources of all models read or listen on.
fn resources(models: &[Model]) -> impl Iterator<Item = Resource> {
    models.iter().flat_map(|model| model.sources.iter().map(SourceConfig::resource))
}
