//! The daemon: binds, loads, watches, answers, reloads, stops.

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
mod supervisor;
mod task;
mod writing;

use crate::config::{Config, Model};
use crate::error::{Error, ErrorKind, Result};
use crate::export::live::{LiveSources, registry};
use crate::export::page::Pages;
use crate::ingest::SourceKind;
use crate::monitor::snapshot::Published;
use crate::net;
use crate::store::Store;
use crate::telemetry::ProcessTelemetry;
use crate::time::Clock;
use routes::ServerState;
use sd_notify::NotifyState;
use shutdown::Stop;
use std::path::Path;
use std::sync::{Arc, RwLock};
use supervisor::{Supervisor, WatchedModels};
use tokio::sync::mpsc;
use tracing::{debug, info};

/// Requests to reload that wait; more are answered when there is room.
const RELOADS_MAX: usize = 8;

/// What all models share.
#[derive(Clone)]
struct Shared {
    published: Arc<Published>,
    process: Arc<ProcessTelemetry>,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

/// Runs the configuration of `file` until SIGTERM or SIGINT. A file that was begun then is
/// finished, or counted anew at the next start.
pub async fn run(config: Config, file: &Path) -> Result<()> {
    let stop = Stop::on_signal()?;
    // The ports first: nothing is loaded for a daemon that cannot be reached.
    let listener = net::bind(config.server.listen).await?;
    let address = listener.local_addr().map_err(|error| Error::config(error.to_string()))?;
    info!(%address, "listening");
    check_sources(&config.models)?;
    let store = Arc::new(Store::open(&config.state)?);
    let shared = Shared {
        published: Arc::default(),
        process: Arc::default(),
        clock: Arc::new(clock::SystemClock::new()),
        stop: stop.clone(),
    };
    shared.process.reload_successful.set(1);
    shared.process.reload_success.set(shared.clock.now().0);
    let (live, watched) = (LiveSources::default(), Arc::<RwLock<WatchedModels>>::default());
    let registry = registry(live.clone(), Arc::clone(&shared.process));
    let published = Arc::clone(&shared.published);
    let pages = Arc::new(Pages::new(published, registry, config.export.clone()));
    let (reload, reloads) = mpsc::channel(RELOADS_MAX);
    let state = ServerState {
        pages: Arc::clone(&pages),
        published: Arc::clone(&shared.published),
        process: Arc::clone(&shared.process),
        models: Arc::clone(&watched),
        reload: config.server.reload.then_some(reload),
    };
    let mut supervisor =
        Supervisor::new(&config, file.to_owned(), store, shared, pages, live, watched);
    // The last windows are there before anyone can ask, however long a reference takes to load:
    // an alert must not resolve because of a restart.
    let bound = supervisor.bind_all(config.models).await?;
    let server = tokio::spawn(net::serve(listener, routes::routes(state), stop.subscribe()));
    bound.into_iter().for_each(|bound| supervisor.watch(bound));
    let outcome = supervisor.supervise(address, reloads).await;
    stop.trigger();
    tell_systemd(&[NotifyState::Stopping]);
    let ended = supervisor.end().await;
    match server.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(server_error(&error)),
        Err(error) => return Err(server_error(&error)),
    }
    info!("stopped");
    outcome.and(ended)
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

/// Outside systemd there is nobody to tell.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd was not told");
    }
}
