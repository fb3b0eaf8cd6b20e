//! The daemon: binds, loads, watches, answers, reloads, stops.

mod bound;
mod caller;
mod clock;
mod epoch;
mod health;
mod loaded_reference;
mod managed_model;
mod metrics_route;
mod page_body;
mod page_routes;
mod page_tag;
mod past_routes;
mod pipeline;
mod readiness;
mod reference_request;
mod reference_routes;
mod references;
mod reload;
mod reloading;
pub mod replay;
mod routes;
mod runbooks;
mod same_site;
mod server_state;
#[cfg(test)]
mod simulation;
mod supervisor;
mod task;
mod turns;
mod work_log;

use crate::config::{Config, Model};
use crate::error::{Error, Result};
use crate::export::live::{Live, LiveModels};
use crate::export::page::Pages;
use crate::export::remote_write::{self, Sent};
use crate::monitor::snapshot::Published;
use crate::net;
use crate::net::connections::Connections;
use crate::net::descriptors::Descriptors;
use crate::net::guard::Guard;
use crate::net::http_client::read_headers;
use crate::net::http_thread::{ANSWERS_MAX, HttpThread};
use crate::net::stop::Stop;
use crate::source::http::Endpoints;
use crate::source::{Listeners, SharedByAll, SourceConfig};
use crate::store::Store;
use crate::telemetry::{ModelTelemetry, ProcessTelemetry};
use crate::time::Clock;
use health::Health;
use readiness::Readiness;
use references::References;
use sd_notify::NotifyState;
use server_state::ServerState;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use supervisor::{Parts, Supervisor, WatchedModels};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, info, warn};
use turns::Turns;

/// Requests to change what is watched that wait; more are answered when there is room.
const REQUESTS_MAX: usize = 8;

/// Models that work at a time at least, however many there are. Counting fans out to the cores
/// beside them; who works here mostly waits for the disk.
const WORKERS_MIN: usize = 6;

/// References that are loaded at a time; each takes all cores.
const LOADERS: usize = 2;

/// What all models share.
#[derive(Clone)]
struct Shared {
    published: Arc<Published>,
    process: Arc<ProcessTelemetry>,
    readiness: Arc<Readiness>,
    references: Arc<References>,
    /// Where models work, and where references are loaded beside them.
    workers: Turns,
    loads: Turns,
    /// Bytes of counts that each model may hold in memory although the journal has them.
    counts_bytes_max: Arc<AtomicUsize>,
    /// Of the model that this is given to.
    model: Arc<ModelTelemetry>,
    clock: Arc<dyn Clock>,
    /// Of the model that this is given to; where there is none, of the daemon.
    stop: Stop,
    stop_of_all: Stop,
}

impl Shared {
    fn new(clock: Arc<dyn Clock>, stop: Stop) -> Shared {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Shared {
            published: Arc::default(),
            process: Arc::default(),
            readiness: Arc::default(),
            references: Arc::default(),
            workers: Turns::new("driftd-worker", cores.max(WORKERS_MIN)),
            loads: Turns::new("driftd-load", LOADERS),
            counts_bytes_max: Arc::default(),
            model: Arc::default(),
            clock,
            stop_of_all: stop.clone(),
            stop,
        }
    }
}

/// SIGXFSZ, which ends a process that does not wait for it.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// The runtime of everything but the HTTP server.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Runs the configuration of `file` until SIGTERM or SIGINT. A file that was begun then is
/// finished, or counted anew at the next start.
pub async fn run(config: Config, file: &Path, web_config: Option<PathBuf>) -> Result<()> {
    let stop = Stop::on_signal()?;
    let guard = Arc::new(guard(&config, web_config)?);
    check_headers(&config)?;
    // The ports first: nothing is loaded for a daemon that cannot be reached.
    let listen = config.server.listen;
    let listener = net::bind(listen)
        .map_err(|error| Error::new(format!("cannot listen on {listen}: {error}")))?;
    let address = listener.local_addr().map_err(|error| Error::new(error.to_string()))?;
    info!(%address, "listening");
    let _file_size = survive_full_files()?;
    let store = Arc::new(Store::open(&config.state)?);
    let kept = Arc::clone(&store);
    check_sources(&config.models, Some(&store))?;
    let shared = Shared::new(Arc::new(clock::SystemClock::new()), stop.clone());
    shared.process.reload_successful.set(1);
    shared.process.reload_success.set(shared.clock.now().0);
    let (live, watched) = (LiveModels::default(), Arc::<RwLock<WatchedModels>>::default());
    let (published, process) = (Arc::clone(&shared.published), Arc::clone(&shared.process));
    let clock = Arc::clone(&shared.clock);
    let health = Health { models: live.clone(), process: Arc::clone(&process), clock };
    let external_url = config.server.external_url.clone();
    let shown = Live { models: live.clone(), published, process, external_url };
    let pages = Arc::new(Pages::new(shown, config.export.clone()));
    let sent = sent(&pages, &shared);
    let (changes, requests) = mpsc::channel(REQUESTS_MAX);
    let descriptors = Descriptors::raise();
    let sources = Arc::new(shared_sources(&config, descriptors));
    let state = ServerState {
        pages: Arc::clone(&pages),
        published: Arc::clone(&shared.published),
        readiness: Arc::clone(&shared.readiness),
        health: health.clone(),
        models: Arc::clone(&watched),
        state_reads: Arc::new(Semaphore::new(ANSWERS_MAX / 2)),
        renders: Arc::new(Semaphore::new(ANSWERS_MAX / 2)),
        changes: config.server.reload.then_some(changes),
        roles: Arc::new(config.server.roles.clone()),
        endpoints: Arc::clone(&sources.endpoints),
    };
    let connections = http_connections(&config, descriptors, Arc::clone(&shared.process));
    let parts = Parts { store, sources, shared, pages, live, watched };
    let mut supervisor = Supervisor::new(&config, file.to_owned(), parts);
    // The last windows are there before anyone can ask, however long a reference takes to load:
    // an alert must not resolve because of a restart.
    let bound = supervisor.bind_all(config.models)?;
    let (answers, server) = ((routes::routes(state), guard), config.server);
    let mut server =
        HttpThread::start(listener, answers, connections, server.timeouts(), stop.clone())
            .map_err(|error| Error::new(format!("the HTTP server cannot be started: {error}")))?;
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let watchdog = tokio::spawn(health::feed_watchdog(health));
    tokio::spawn(remote_write::run(sent, stop.clone()));
    let outcome = tokio::select! {
        outcome = supervisor.supervise(address, requests) => outcome,
        () = server.ended_unasked() => Err(Error::new("the HTTP server failed")),
    };
    stop.trigger();
    watchdog.abort();
    tell_systemd(&[NotifyState::Stopping]);
    let ended = supervisor.end().await;
    server.ended().await;
    if let Err(error) = kept.checkpoint() {
        warn!(%error, "what was written last is still beside the state, in its -wal");
    }
    info!("stopped");
    outcome.and(ended)
}

/// A file that may grow no further is an error that can be told, and not the end.
fn survive_full_files() -> Result<Signal> {
    signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))
        .map_err(|error| Error::new(format!("no signal can be waited for: {error}")))
}

/// Whether the headers that remote write sends can be read.
fn check_headers(config: &Config) -> Result<()> {
    let remote = config.export.remote_write.as_ref();
    let read = read_headers(remote.and_then(|own| own.headers_file.as_deref()));
    read.map(|_| ()).map_err(|error| error.context("export.remote_write.headers_file"))
}

/// What remote write sends, and what is told of it.
fn sent(pages: &Arc<Pages>, shared: &Shared) -> Sent {
    let (process, clock) = (Arc::clone(&shared.process), Arc::clone(&shared.clock));
    Sent { pages: Arc::clone(pages), process, clock }
}

/// What sources have together before there are any.
fn shared_sources(config: &Config, descriptors: Descriptors) -> SharedByAll {
    let spool_folder = config.state.path.as_ref().map(|path| path.with_added_extension("spool"));
    let listeners = Listeners::new(descriptors);
    let connections_max = descriptors.for_http(config.server.connections_max);
    let endpoints = Arc::new(Endpoints::new(connections_max));
    SharedByAll { listeners, spool_folder, endpoints, ..SharedByAll::default() }
}

/// The connections of the HTTP server, whose number is a metric.
fn http_connections(
    config: &Config,
    descriptors: Descriptors,
    process: Arc<ProcessTelemetry>,
) -> Arc<Connections> {
    let most = descriptors.for_http(config.server.connections_max);
    Connections::new(most, Duration::ZERO, move |connections| {
        process.http_connections.set(connections as i64);
    })
}

/// Who is let in. Roles without users would mean nothing.
fn guard(config: &Config, web_config: Option<PathBuf>) -> Result<Guard> {
    let guard = Guard::open(web_config)?;
    if !config.server.roles.0.is_empty() && guard.config().users.is_empty() {
        return Err(Error::new(
            "server.roles names users, and there are none: give their passwords with \
             --web.config.file",
        ));
    }
    Ok(guard)
}

/// Looks at every source once, so that a wrong path stops the start and not half of the daemon.
/// `store` tells whether a model has counted before; none where nothing has.
pub fn check_sources(models: &[Model], store: Option<&Arc<Store>>) -> Result<()> {
    let sources = models
        .iter()
        .flat_map(|model| model.sources.iter().map(|source| (&model.model.name, source)));
    let faults = sources.filter_map(|(model, source)| {
        let (kind, settings) = (source.kind, &source.settings);
        let error = kind.check(settings).and_then(|()| kind.gate(settings)).err()?;
        Some(format!("model {model:?}: source {:?}: {error}", source.name))
    });
    let mut faults: Vec<String> = faults.collect();
    for model in models {
        let Some(overlap) = overlap(&model.sources) else { continue };
        let text = format!("model {:?}: {overlap}", model.model.name);
        // A state that was made before this was refused goes on as it is.
        match store
            .map(|store| store.has_counted(&model.model.name, &model.model.version))
            .transpose()?
        {
            Some(true) => warn!("{text}"),
            _ => faults.push(text),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::new(faults.join("\n"))) }
}

/// Says which sources of one model read the same files, if any do.
fn overlap(sources: &[SourceConfig]) -> Option<String> {
    let canonical = |source: &SourceConfig| match source.directory() {
        Some(directory) => directory.canonicalize().ok(),
        None => source.files_root(),
    };
    let roots: Vec<(&str, PathBuf)> = sources
        .iter()
        .filter_map(|source| Some((source.name.as_str(), canonical(source)?)))
        .collect();
    let pairs = roots.iter().enumerate();
    let mut pairs = pairs.flat_map(|(at, a)| roots[at + 1..].iter().map(move |b| (a, b)));
    let ((a, outer), (b, inner)) =
        pairs.find(|((_, a), (_, b))| a.starts_with(b) || b.starts_with(a))?;
    Some(format!(
        "sources {a:?} and {b:?} read the same files ({} and {}), so that each would count them; \
         leave one of them out, or give each files of its own",
        outer.display(),
        inner.display()
    ))
}

/// Outside systemd there is nobody to tell.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd was not told");
    }
}
