//! Rows that are posted: to a path of the server, or to a listener of its own.
//!
//! ```text
//! request ──▶ bytes ──▶ rows ──▶ inbox, or first the disk ──▶ tables, in the turn of the model
//! ```
//!
//! What a body may hold is told by [`payload`](crate::format::payload).

mod answer;
mod endpoint;
mod endpoints;
mod request_body;
mod seen_ids;

pub use endpoints::{Endpoints, EventsQuery, events_path};

use super::spool::{SpoolLimits, SpoolOwner, SpoolSource};
use super::stream::{self, BoundStream, CONNECTIONS_MAX, LINE_BYTES_MAX};
use super::value_names::{NAMES, RESPONSE_NAMES, value_names};
use super::{
    BoundSource, ListenerKey, Resource, RowListener, SharedByAll, Source, SourceContext,
    SourceOwner, SourceType,
};
use crate::error::{Error, Result};
use crate::net::connections::Connections;
use crate::net::guard::Guard;
use crate::net::http_thread::HttpThread;
use crate::net::stop::Stop;
use crate::net::{self, Timeouts};
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use endpoint::{
    ARRIVING_BYTES_MAX, Endpoint, EndpointSettings, LINES_BYTES_MAX, OwnServer, WAITING_BYTES_MAX,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const LISTEN: Key = Key {
    name: "listen",
    kind: SettingKind::OptionalAddress,
    default: Some(""),
    meaning: "IP address and port of its own; without, rows are posted to [server]",
};

const BODY_MAX: Key = Key {
    name: "body_max",
    kind: SettingKind::Bytes,
    default: Some("32MB"),
    meaning: "a body that is larger, or unpacks to more, is refused",
};

const DURABLE: Key = Key {
    name: "durable",
    kind: SettingKind::Flag,
    default: Some("false"),
    meaning: "answer when the rows are on the disk, beside the state: each counts once, whatever \
              happens",
};

const SPOOL_MAX: Key = Key {
    name: "spool_max",
    kind: SettingKind::Bytes,
    default: Some("1GB"),
    meaning: "bytes of rows that wait there; more are refused until some are counted",
};

const DEDUPE: Key = Key {
    name: "dedupe",
    kind: SettingKind::Duration,
    default: Some("10m"),
    meaning: "how long the id of an event is remembered: sent again, it does not count again",
};

const RESPONSE_WAIT: Key = Key {
    name: "response_wait",
    kind: SettingKind::Duration,
    default: Some("10s"),
    meaning: "how long a CloudEvent with a request waits on the disk for that with its response, \
              where responses have names",
};

const WEB_CONFIG_FILE: Key = Key {
    name: "web_config_file",
    kind: SettingKind::OptionalPath,
    default: Some(""),
    meaning: "a file as --web.config.file takes it, which guards its own listener",
};

/// Half of what may be on its way: a body that is packed is there twice.
const BODY_BYTES_MAX: u64 = (ARRIVING_BYTES_MAX / 2) as u64;

/// Timeouts of a listener of its own.
const TIMEOUTS: Timeouts =
    Timeouts { header: Duration::from_secs(10), idle: Duration::from_secs(120) };

/// `type = "http"`.
pub struct Http;

impl SourceType for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn keys(&self) -> &'static [Key] {
        &[
            LISTEN,
            NAMES,
            RESPONSE_NAMES,
            RESPONSE_WAIT,
            BODY_MAX,
            LINE_BYTES_MAX,
            DURABLE,
            SPOOL_MAX,
            DEDUPE,
            CONNECTIONS_MAX,
            WEB_CONFIG_FILE,
        ]
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        settings.optional_address(LISTEN.name).map_or(Resource::Server, Resource::Address)
    }

    /// Bodies on their way, the rows of those that are read and where each of their values is, what
    /// waits, and a batch for each thread.
    fn memory_max(&self, settings: &Settings, features: usize, threads: usize) -> u64 {
        let values = settings.bytes(BODY_MAX.name) / 2 * size_of::<&str>() as u64;
        let bodies = ARRIVING_BYTES_MAX + LINES_BYTES_MAX * threads + WAITING_BYTES_MAX;
        bodies as u64
            + values * threads as u64
            + stream::parse::batch_bytes_max(features) * threads as u64
    }

    /// What is kept on the disk is of one source.
    fn is_handed_on(&self) -> bool {
        false
    }

    fn needs_state(&self, settings: &Settings) -> bool {
        settings.flag(DURABLE.name)
    }

    fn check(&self, settings: &Settings) -> Result<()> {
        if settings.bytes(BODY_MAX.name) > BODY_BYTES_MAX {
            return Err(Error::new("body_max is 128MB at most; send fewer rows in a body"));
        }
        if value_names(settings).responses.is_some() && !settings.flag(DURABLE.name) {
            return Err(Error::new(
                "response_names has requests wait on the disk until they are answered; set \
                 durable = true as well",
            ));
        }
        guard(settings).map(drop)
    }

    fn bind(
        &self,
        settings: &Settings,
        owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let (address, limits) = (settings.optional_address(LISTEN.name), stream::limits(settings));
        let own = endpoint_settings(settings);
        let key = ListenerKey::new(&Http, self.resource(settings), owner);
        let endpoint = shared.listeners.take(key, owner, limits, |limits| match address {
            None => Ok(Endpoint::new(events_path(owner), own.clone(), limits)),
            Some(address) => {
                let failed = |error| Error::new(format!("cannot listen on {address}: {error}"));
                let listener = net::bind(address).map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                let url = format!("http://{bound}/");
                let endpoint = Endpoint::new(url, own.clone(), limits);
                endpoint.listen_on(listener);
                Ok(endpoint)
            }
        })?;
        // Before anybody is told that his rows are on the disk.
        open_spool(&endpoint, settings, owner, shared)?;
        endpoint.set(own);
        match address {
            None => shared.endpoints.insert(owner, &endpoint),
            Some(_) => serve(&endpoint, settings)?,
        }
        Ok(Box::new(BoundHttp { endpoint, limits }))
    }
}

/// How long a request waits for its response; not at all where none is read.
fn response_wait(settings: &Settings) -> Duration {
    match value_names(settings).responses {
        Some(_) => settings.duration(RESPONSE_WAIT.name),
        None => Duration::ZERO,
    }
}

fn endpoint_settings(settings: &Settings) -> EndpointSettings {
    EndpointSettings {
        names: value_names(settings),
        body_max: usize::try_from(settings.bytes(BODY_MAX.name)).unwrap_or(usize::MAX),
        dedupe: settings.duration(DEDUPE.name),
        response_wait: response_wait(settings),
        is_durable: settings.flag(DURABLE.name),
    }
}

/// Who is let in by a listener of its own.
fn guard(settings: &Settings) -> Result<Guard> {
    let file = settings.optional_path(WEB_CONFIG_FILE.name).map(PathBuf::from);
    Guard::open(file).map_err(|error| error.context(WEB_CONFIG_FILE.name))
}

/// Opens the file where rows are kept, if they are or were: what is in it counts either way.
fn open_spool(
    endpoint: &Endpoint,
    settings: &Settings,
    owner: &SourceOwner,
    shared: &SharedByAll,
) -> Result<()> {
    let is_durable = settings.flag(DURABLE.name);
    let Some(folder) = &shared.spool_folder else {
        return match is_durable {
            true => Err(Error::new("durable = true keeps rows beside the state; set state.path")),
            false => Ok(()),
        };
    };
    let path = folder.join(owner.file_name()).with_extension("db");
    if !is_durable && !path.exists() {
        return Ok(());
    }
    let limits = SpoolLimits {
        bytes_max: settings.bytes(SPOOL_MAX.name),
        dedupe: settings.duration(DEDUPE.name),
        response_wait: response_wait(settings),
    };
    endpoint.open_spool(&path, limits)
}

/// Answers on a listener of its own, if it does not yet.
fn serve(endpoint: &Arc<Endpoint>, settings: &Settings) -> Result<()> {
    if let Some(own) = endpoint.own_server() {
        return own.guard.read_from(settings.optional_path(WEB_CONFIG_FILE.name));
    }
    let (guard, stop) = (Arc::new(guard(settings)?), Stop::default());
    let Some(listener) = endpoint.take_listener() else { return Ok(()) };
    let connections = Connections::new(endpoint.connections_max(), Duration::ZERO, |_| {});
    let answers = (endpoints::routes_of_one(endpoint), Arc::clone(&guard));
    let shared = Arc::clone(&connections);
    let thread = HttpThread::start(listener, answers, shared, TIMEOUTS, stop.clone())
        .map_err(|error| Error::new(format!("a server cannot be started: {error}")))?;
    endpoint.set_own_server(OwnServer { guard, connections, thread, stop });
    Ok(())
}

/// An open path, as a source that can be started.
struct BoundHttp {
    endpoint: Arc<Endpoint>,
    limits: stream::StreamLimits,
}

impl BoundSource for BoundHttp {
    fn address(&self) -> Option<String> {
        Some(self.endpoint.address().to_owned())
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        let BoundHttp { endpoint, limits } = *self;
        let listener = Arc::clone(&endpoint) as Arc<dyn RowListener>;
        let Some(spool) = endpoint.spool().cloned() else {
            return Box::new(BoundStream { listener, limits }).start(context);
        };
        let beside = SourceContext {
            name: context.name.clone(),
            schema: Arc::clone(&context.schema),
            telemetry: Arc::clone(&context.telemetry),
            paths: Vec::new(),
            positions: BTreeMap::new(),
            on_read: Arc::clone(&context.on_read),
            wake: Arc::clone(&context.wake),
            stop: context.stop.clone(),
        };
        let beside = Box::new(BoundStream { listener, limits }).start(beside)?;
        let owner = endpoint as Arc<dyn SpoolOwner>;
        Ok(Box::new(SpoolSource::start(spool, owner, context, beside)))
    }
}
