//! The daemon: binds, loads, watches, answers, reloads, stops.

mod bound;
mod clock;
mod epoch;
mod health;
mod loaded_reference;
mod pipeline;
mod readiness;
pub mod replay;
mod routes;
mod running_model;
#[cfg(test)]
mod simulation;
mod supervisor;
mod task;

use crate::config::{Config, Model};
use crate::error::{Error, Result};
use crate::export::live::{LiveModels, registry};
use crate::export::page::Pages;
use crate::monitor::snapshot::Published;
use crate::net;
use crate::net::stop::Stop;
use crate::store::Store;
use crate::telemetry::{ModelTelemetry, ProcessTelemetry};
use crate::time::Clock;
use health::Health;
use readiness::Readiness;
use routes::ServerState;
use sd_notify::NotifyState;
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
    readiness: Arc<Readiness>,
    /// Of the model that this is given to.
    model: Arc<ModelTelemetry>,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

/// Runs the configuration of `file` until SIGTERM or SIGINT. A file that was begun then is
/// finished, or counted anew at the next start.
pub async fn run(config: Config, file: &Path) -> Result<()> {
    let stop = Stop::on_signal()?;
    // The ports first: nothing is loaded for a daemon that cannot be reached.
    let listener = net::bind(config.server.listen).await?;
    let address = listener.local_addr().map_err(|error| Error::new(error.to_string()))?;
    info!(%address, "listening");
    check_sources(&config.models)?;
    let store = Arc::new(Store::open(&config.state)?);
    let shared = Shared {
        published: Arc::default(),
        process: Arc::default(),
        readiness: Arc::default(),
        model: Arc::default(),
        clock: Arc::new(clock::SystemClock::new()),
        stop: stop.clone(),
    };
    shared.process.reload_successful.set(1);
    shared.process.reload_success.set(shared.clock.now().0);
    let (live, watched) = (LiveModels::default(), Arc::<RwLock<WatchedModels>>::default());
    let published = Arc::clone(&shared.published);
    let health = Health { models: live.clone(), clock: Arc::clone(&shared.clock) };
    let registry = registry(live.clone(), published, Arc::clone(&shared.process));
    let published = Arc::clone(&shared.published);
    let pages = Arc::new(Pages::new(published, registry, config.export.clone()));
    let (reload, reloads) = mpsc::channel(RELOADS_MAX);
    let state = ServerState {
        pages: Arc::clone(&pages),
        published: Arc::clone(&shared.published),
        readiness: Arc::clone(&shared.readiness),
        health: health.clone(),
        models: Arc::clone(&watched),
        reload: config.server.reload.then_some(reload),
    };
    let mut supervisor =
        Supervisor::new(&config, file.to_owned(), store, shared, pages, live, watched);
    // The last windows are there before anyone can ask, however long a reference takes to load:
    // an alert must not resolve because of a restart.
    let bound = supervisor.bind_all(config.models)?;
    let server = tokio::spawn(net::serve(listener, routes::routes(state), stop.subscribe()));
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let outcome = supervisor.supervise(address, reloads, &health).await;
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

/// Looks at every source once, so that a wrong path stops the start and not half of the daemon.
pub fn check_sources(models: &[Model]) -> Result<()> {
    let sources = models
        .iter()
        .flat_map(|model| model.sources.iter().map(|source| (&model.model.name, source)));
    let faults = sources.filter_map(|(model, source)| {
        let error = source.kind.check(&source.settings).err()?;
        Some(format!("model {model:?}: source {:?}: {error}", source.name))
    });
    let faults: Vec<String> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::new(faults.join("\n"))) }
}

fn server_error(error: &dyn std::error::Error) -> Error {
    Error::new(format!("the HTTP server failed: {error}"))
}

/// Outside systemd there is nobody to tell.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd was not told");
    }
}
