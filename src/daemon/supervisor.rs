//! Which models are watched: started, stopped and exchanged when the configuration is reloaded.
//!
//! A model that changes is stopped and started anew over the same state, so that its open windows
//! go on as after a restart; the others never notice. Everything that can fail is tried before
//! anything is stopped.

use super::reference::Loaded;
use super::{Shared, check_sources, reference, task, tell_systemd};
use crate::config::{Config, Model, load, show_model};
use crate::error::{Error, ErrorKind, Result};
use crate::export::live::{LiveSource, LiveSources};
use crate::export::page::Pages;
use crate::ingest::{SourceConfig, SourceKind};
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use crate::net::{self, ServerConfig};
use crate::store::{ModelStore, StateConfig, Store};
use crate::telemetry::SourceTelemetry;
use sd_notify::NotifyState;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, block_in_place};
use tracing::{error, info};

/// Name and version.
pub type ModelLabel = (String, String);

/// Models and their part of the state.
pub type WatchedModels = Vec<(ModelLabel, ModelStore)>;

/// Where the answer to a request to reload goes.
pub type ReloadRequest = oneshot::Sender<std::result::Result<(), String>>;

/// One model with everything that was bound and opened for it.
pub struct BoundModel {
    pub model: Model,
    pub store: ModelStore,
    /// Bytes of counts that may be held in memory although the state has them.
    pub counts_max: usize,
    pub sources: Vec<BoundSource>,
    /// What was loaded beforehand.
    pub reference: Option<Loaded>,
}

pub struct BoundSource {
    pub config: SourceConfig,
    pub telemetry: Arc<SourceTelemetry>,
    /// Of a tcp source.
    pub listener: Option<TcpListener>,
}

struct Running {
    /// The configuration, as it would be shown.
    text: String,
    stop: super::Stop,
    task: JoinHandle<Result<()>>,
    listening: BTreeSet<SocketAddr>,
}

/// The models of the daemon.
pub struct Supervisor {
    file: PathBuf,
    server: ServerConfig,
    state: StateConfig,
    store: Arc<Store>,
    shared: Shared,
    pages: Arc<Pages>,
    live: LiveSources,
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
        live: LiveSources,
        watched: Arc<RwLock<WatchedModels>>,
    ) -> Supervisor {
        Supervisor {
            file,
            server: config.server.clone(),
            state: config.state.clone(),
            store,
            shared,
            pages,
            live,
            watched,
            running: BTreeMap::new(),
            failed: mpsc::unbounded_channel(),
        }
    }

    /// Binds what models listen on, and shows their last windows.
    pub async fn bind_all(&self, models: Vec<Model>) -> Result<Vec<BoundModel>> {
        let counts_max = self.state.memory_max as usize / models.len().max(1);
        let mut bound = Vec::new();
        for model in models {
            bound.push(self.bind(model, counts_max, BTreeMap::new()).await?);
        }
        bound.iter().try_for_each(|bound| self.show_remembered(bound))?;
        Ok(bound)
    }

    /// Binds all addresses of a model but those that are in `listeners`.
    async fn bind(
        &self,
        model: Model,
        counts_max: usize,
        mut listeners: BTreeMap<SocketAddr, TcpListener>,
    ) -> Result<BoundModel> {
        let mut sources = Vec::new();
        for config in &model.sources {
            let listener = match &config.kind {
                SourceKind::Directory(_) => None,
                SourceKind::Tcp(tcp) => {
                    let listener = match listeners.remove(&tcp.listen) {
                        Some(listener) => listener,
                        None => net::bind(tcp.listen).await?,
                    };
                    let address = listener.local_addr();
                    let address = address.map_err(|error| Error::config(error.to_string()))?;
                    info!(model = model.model.name, source = config.name, %address, "taking rows");
                    Some(listener)
                }
            };
            let config = config.clone();
            sources.push(BoundSource { config, telemetry: Arc::default(), listener });
        }
        let store = self.store.model(&model.model.name, &model.model.version)?;
        Ok(BoundModel { model, store, counts_max, sources, reference: None })
    }

    fn show_remembered(&self, bound: &BoundModel) -> Result<()> {
        let windows = bound.model.model.windows.iter().map(|window| {
            Ok(WindowSnapshot::resumed(&window.name, bound.store.latest(&window.name)?))
        });
        let (name, version) = bound.label();
        let windows = windows.collect::<Result<_>>()?;
        self.shared.published.publish(ModelSnapshot { name, version, reference: None, windows });
        Ok(())
    }

    /// Starts a model's task.
    pub fn watch(&mut self, bound: BoundModel) {
        let label = bound.label();
        let mut watched = self.watched.write().expect("no writer panics");
        watched.retain(|(known, _)| *known != label);
        watched.push((label.clone(), bound.store.clone()));
        drop(watched);
        self.live.replace(&label, bound.live_sources());
        let stop = self.shared.stop.child();
        let shared = Shared { stop: stop.clone(), ..self.shared.clone() };
        let (text, listening) = (show_model(&bound.model), addresses(&bound.model));
        let (failed, name) = (self.failed.0.clone(), label.0.clone());
        let task = tokio::spawn(async move {
            let outcome = task::watch(bound, shared).await;
            let outcome = outcome.map_err(|error| error.context(format_args!("model {name:?}")));
            if let Err(error) = &outcome {
                // Nobody listens any more when the daemon is about to end anyway.
                let _ = failed.send(Error::new(error.kind(), error.to_string()));
            }
            outcome
        });
        self.running.insert(label, Running { text, stop, task, listening });
    }

    /// Waits for signals, requests and failures until the daemon is to stop.
    pub async fn supervise(
        &mut self,
        address: SocketAddr,
        mut reloads: mpsc::Receiver<ReloadRequest>,
    ) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup()).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot listen for signals: {error}"))
        })?;
        let stop = self.shared.stop.clone();
        let mut readiness = tokio::time::interval(Duration::from_millis(100));
        let n_models = self.running.len() as i64;
        loop {
            let is_ready = self.shared.process.ready.get() == 1;
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
                    if self.shared.process.models_ready.get() == n_models {
                        self.shared.process.ready.set(1);
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
        let config = load(&self.file).map_err(|faults| Error::config(faults.to_string()))?;
        if config.server != self.server || config.state != self.state {
            return Err(Error::config(
                "[server] or [state] has changed, which takes a restart to apply",
            ));
        }
        check_sources(&config.models)?;
        let counts_max = self.state.memory_max as usize / config.models.len().max(1);
        let labels: BTreeSet<ModelLabel> = config.models.iter().map(label).collect();
        let gone: Vec<ModelLabel> =
            self.running.keys().filter(|label| !labels.contains(*label)).cloned().collect();
        let mut changed = Vec::new();
        for model in config.models {
            let before = self.running.get(&label(&model));
            if before.is_none_or(|running| running.text != show_model(&model)) {
                changed.push(self.prepare(model).await?);
            }
        }
        // Nothing is likely to fail from here on.
        for label in gone {
            self.stop(&label).await?;
            self.watched.write().expect("no writer panics").retain(|(known, _)| *known != label);
            self.live.replace(&label, Vec::new());
            self.shared.published.remove(&label.0, &label.1);
        }
        for Prepared { model, reference, listeners } in changed {
            self.stop(&label(&model)).await?;
            let mut bound = self.bind(model, counts_max, listeners).await?;
            bound.reference = reference;
            self.show_remembered(&bound)?;
            self.watch(bound);
        }
        self.pages.configure(config.export);
        Ok(())
    }

    /// Tries what can fail: loads the reference, binds what is not bound yet.
    async fn prepare(&self, model: Model) -> Result<Prepared> {
        let name = model.model.name.clone();
        let store = self.store.model(&name, &model.model.version)?;
        let reference = block_in_place(|| reference::load(&model, &store));
        let reference = reference.map_err(|e| e.context(format_args!("model {name:?}")))?;
        let mut listeners = BTreeMap::new();
        let ours = self.running.get(&label(&model)).map(|running| &running.listening);
        for address in addresses(&model) {
            if address.port() != 0 && !ours.is_some_and(|ours| ours.contains(&address)) {
                listeners.insert(address, net::bind(address).await?);
            }
        }
        Ok(Prepared { model, reference, listeners })
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

/// A model that can be started.
struct Prepared {
    model: Model,
    /// None while a warm-up waits.
    reference: Option<Loaded>,
    listeners: BTreeMap<SocketAddr, TcpListener>,
}

fn ended(outcome: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    outcome.unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::State, format!("a model's task failed: {panic}")))
    })
}

fn label(model: &Model) -> ModelLabel {
    (model.model.name.clone(), model.model.version.clone())
}

/// What the model's sockets listen on, as configured.
fn addresses(model: &Model) -> BTreeSet<SocketAddr> {
    let listens = model.sources.iter().filter_map(|source| match &source.kind {
        SourceKind::Tcp(tcp) => Some(tcp.listen),
        SourceKind::Directory(_) => None,
    });
    listens.collect()
}

impl BoundModel {
    fn label(&self) -> ModelLabel {
        label(&self.model)
    }

    fn live_sources(&self) -> Vec<LiveSource> {
        let (model, version) = self.label();
        let sources = self.sources.iter().map(|source| LiveSource {
            model: model.clone(),
            version: version.clone(),
            source: source.config.name.clone(),
            telemetry: Arc::clone(&source.telemetry),
        });
        sources.collect()
    }
}
