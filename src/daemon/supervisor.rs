//! Which models are watched: started, stopped and exchanged when the configuration is reloaded.
//!
//! A model that changes is stopped and started anew over the same state, so that its open windows
//! go on as after a restart; the others never notice. Everything that can fail is tried before
//! anything is stopped.

use super::bound::{BoundModel, ModelLabel, label};
use super::loaded_reference::LoadedReference;
use super::{Shared, check_sources, loaded_reference, task, tell_systemd};
use crate::config::{Config, Model, load};
use crate::error::{Error, Result};
use crate::export::live::LiveModels;
use crate::export::page::Pages;
use crate::net::ServerConfig;
use crate::net::stop::Stop;
use crate::source::{BoundSource, Listeners, Resource, SourceConfig};
use crate::store::{ModelStore, StateConfig, Store};
use sd_notify::NotifyState;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, block_in_place};
use tracing::{error, info};

/// Models and their part of the state.
pub type WatchedModels = Vec<(ModelLabel, ModelStore)>;

/// Where the answer to a request to reload goes.
pub type ReloadRequest = oneshot::Sender<std::result::Result<(), String>>;

/// The model of a configuration, and its task.
struct Running {
    /// As it was configured.
    model: Model,
    stop: Stop,
    task: JoinHandle<Result<()>>,
}

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
    running: BTreeMap<ModelLabel, Running>,
    failed: (mpsc::UnboundedSender<Error>, mpsc::UnboundedReceiver<Error>),
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
            failed: mpsc::unbounded_channel(),
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
        self.live.replace(bound.live());
        let stop = self.shared.stop.child();
        let shared = Shared { stop: stop.clone(), ..self.shared.clone() };
        self.shared.readiness.expect(&label);
        let model = bound.model.clone();
        let (failed, name) = (self.failed.0.clone(), label.0.clone());
        let task = tokio::spawn(async move {
            let outcome = task::run(bound, shared).await;
            let outcome = outcome.map_err(|error| error.context(format_args!("model {name:?}")));
            if let Err(error) = &outcome {
                // Nobody listens any more when the daemon is about to end anyway.
                let _ = failed.send(error.clone());
            }
            outcome
        });
        self.running.insert(label, Running { model, stop, task });
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
            tokio::select! {
                () = stop.wait() => return Ok(()),
                Some(error) = self.failed.1.recv() => return Err(error),
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
            self.stop(&label).await?;
            self.watched.write().expect("no writer panics").retain(|(known, _)| *known != label);
            self.live.remove(&label.0, &label.1);
            self.shared.readiness.remove(&label);
            self.shared.published.remove(&label.0, &label.1);
        }
        for Prepared { model, reference, .. } in changed {
            self.stop(&label(&model)).await?;
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

    /// Stops a model, and waits until all that it counted is in the state.
    async fn stop(&mut self, label: &ModelLabel) -> Result<()> {
        let Some(running) = self.running.remove(label) else { return Ok(()) };
        running.stop.trigger();
        ended(running.task.await)
    }

    /// Waits for all tasks, which have been told to stop.
    pub async fn end(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some((_, running)) = self.running.pop_first() {
            outcome = outcome.and(ended(running.task.await));
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

fn ended(outcome: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    outcome.unwrap_or_else(|panic| Err(Error::new(format!("a model's task failed: {panic}"))))
}

/// What the sources of all models read or listen on.
fn resources(models: &[Model]) -> impl Iterator<Item = Resource> {
    models.iter().flat_map(|model| model.sources.iter().map(SourceConfig::resource))
}
