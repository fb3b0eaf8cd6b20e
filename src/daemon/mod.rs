//! The daemon: binds, loads, watches, answers, stops.

mod clock;
mod epoch;
mod events;
mod file;
mod parts;
mod pending;
mod pipeline;
mod reference;
pub mod replay;
mod routes;
mod shutdown;
#[cfg(test)]
mod simulation;
mod source;
mod task;

use crate::config::{Config, Model};
use crate::error::{Error, ErrorKind, Result};
use crate::export::live::{LiveSource, registry};
use crate::export::page::Pages;
use crate::ingest::{SourceConfig, SourceKind};
use crate::monitor::snapshot::{ModelSnapshot, Published, WindowSnapshot};
use crate::net;
use crate::store::{ModelStore, Store};
use crate::telemetry::{ProcessTelemetry, SourceTelemetry};
use crate::time::Clock;
use routes::ServerState;
use sd_notify::NotifyState;
use shutdown::Stop;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{debug, info};

/// What all models share.
#[derive(Clone)]
struct Shared {
    published: Arc<Published>,
    process: Arc<ProcessTelemetry>,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

/// One model with everything that was bound and opened for it.
struct BoundModel {
    model: Model,
    store: ModelStore,
    /// Bytes of counts that may be held in memory although the state has them.
    counts_max: usize,
    sources: Vec<BoundSource>,
}

struct BoundSource {
    config: SourceConfig,
    telemetry: Arc<SourceTelemetry>,
    /// Of a tcp source.
    listener: Option<TcpListener>,
}

/// Runs until SIGTERM or SIGINT. A file that was begun then is finished, or counted anew at the
/// next start.
pub async fn run(config: Config) -> Result<()> {
    let stop = Stop::on_signal()?;
    // The ports first: nothing is loaded for a daemon that cannot be reached.
    let listener = net::bind(config.server.listen).await?;
    let address = listener.local_addr().map_err(|error| Error::config(error.to_string()))?;
    info!(%address, "listening");
    check_sources(&config.models)?;
    let store = Arc::new(Store::open(&config.state)?);
    let mut models = Vec::new();
    let counts_max = config.state.memory_max as usize / config.models.len().max(1);
    for model in config.models {
        models.push(bind(model, &store, counts_max).await?);
    }
    let published = Arc::<Published>::default();
    // The last windows are there before anyone can ask, however long a reference takes to load:
    // an alert must not resolve because of a restart.
    models.iter().try_for_each(|bound| bound.show_remembered(&published))?;
    let shared = Shared {
        published,
        process: Arc::default(),
        clock: Arc::new(clock::SystemClock::new()),
        stop: stop.clone(),
    };
    let live = registry(live_sources(&models), Arc::clone(&shared.process));
    let state = ServerState {
        pages: Pages::new(Arc::clone(&shared.published), live, config.export),
        published: Arc::clone(&shared.published),
        process: Arc::clone(&shared.process),
        models: models.iter().map(|bound| (bound.label(), bound.store.clone())).collect(),
    };
    let server = tokio::spawn(net::serve(listener, routes::routes(state), stop.subscribe()));
    let watched = watch_all(models, &shared, address).await;
    stop.trigger();
    tell_systemd(&[NotifyState::Stopping]);
    match server.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(server_error(&error)),
        Err(error) => return Err(server_error(&error)),
    }
    info!("stopped");
    watched
}

/// Lists every source once, so that a wrong path stops the start and not half of the daemon.
pub fn check_sources(models: &[Model]) -> Result<()> {
    let sources = models.iter().flat_map(|model| {
        model.sources.iter().map(|source| (&model.model.name, &source.name, &source.kind))
    });
    let faults = sources.filter_map(|(model, source, kind)| match kind {
        SourceKind::Directory(directory) => {
            let error = crate::ingest::listing::list(&directory.path).err()?;
            Some(format!("model {model:?}: source {source:?}: {error}"))
        }
        SourceKind::Tcp(_) => None,
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::config(faults.join("\n"))) }
}

fn server_error(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the HTTP server failed: {error}"))
}

async fn bind(model: Model, store: &Arc<Store>, counts_max: usize) -> Result<BoundModel> {
    let mut sources = Vec::new();
    for config in &model.sources {
        let listener = match &config.kind {
            SourceKind::Directory(_) => None,
            SourceKind::Tcp(tcp) => {
                let listener = net::bind(tcp.listen).await?;
                let address = listener.local_addr();
                let address = address.map_err(|error| Error::config(error.to_string()))?;
                info!(model = model.model.name, source = config.name, %address, "taking rows");
                Some(listener)
            }
        };
        sources.push(BoundSource { config: config.clone(), telemetry: Arc::default(), listener });
    }
    let watched = &model.model;
    let store = store.model(&watched.name, &watched.version)?;
    Ok(BoundModel { store, counts_max, sources, model })
}

/// Watches every model until the daemon stops; the first that fails stops all.
async fn watch_all(models: Vec<BoundModel>, shared: &Shared, address: SocketAddr) -> Result<()> {
    let n_models = models.len() as u64;
    let mut tasks = JoinSet::new();
    for bound in models {
        let (shared, label) = (shared.clone(), bound.label());
        tasks.spawn(async move {
            let watched = task::watch(bound, shared).await;
            watched.map_err(|error| error.context(format_args!("model {:?}", label.0)))
        });
    }
    let mut outcome = Ok(());
    let mut told_ready = false;
    let mut readiness = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        tokio::select! {
            ended = tasks.join_next() => {
                let Some(ended) = ended else { return outcome };
                let ended = ended.unwrap_or_else(|panic| {
                    Err(Error::new(ErrorKind::State, format!("a model's task failed: {panic}")))
                });
                if ended.is_err() {
                    shared.stop.trigger();
                    outcome = outcome.and(ended);
                }
            }
            _ = readiness.tick(), if !told_ready => {
                if shared.process.models_ready.get() == n_models {
                    told_ready = true;
                    info!("ready; look with: curl -s http://{address}/metrics");
                    tell_systemd(&[NotifyState::Ready]);
                }
            }
        }
    }
}

/// Outside systemd there is nobody to tell.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd was not told");
    }
}

impl BoundModel {
    fn show_remembered(&self, published: &Published) -> Result<()> {
        let windows = self.model.model.windows.iter().map(|window| {
            Ok(WindowSnapshot::resumed(&window.name, self.store.latest(&window.name)?))
        });
        let (name, version) = self.label();
        published.publish(ModelSnapshot {
            name,
            version,
            reference: None,
            windows: windows.collect::<Result<_>>()?,
        });
        Ok(())
    }

    fn label(&self) -> (String, String) {
        (self.model.model.name.clone(), self.model.model.version.clone())
    }
}

fn live_sources(models: &[BoundModel]) -> Vec<LiveSource> {
    let sources = models.iter().flat_map(|bound| {
        let (model, version) = bound.label();
        bound.sources.iter().map(move |source| LiveSource {
            model: model.clone(),
            version: version.clone(),
            source: source.config.name.clone(),
            telemetry: Arc::clone(&source.telemetry),
        })
    });
    sources.collect()
}
