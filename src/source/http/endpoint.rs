//! A path that rows are posted to: reads a request, keeps its rows, and answers.
//!
//! As a socket, it stays as long as any configuration names it, whatever becomes of the model that
//! takes its rows. Without room for them a request is turned away at once, since senders have
//! memory of their own to lose.

use super::answer::{Receipt, Refusal};
use super::request_body::{ROOM_WITHIN, Unread, read_body, room_at_once, room_for};
use super::seen_ids::SeenIds;
use crate::error::Result;
use crate::format::payload::{
    BodyContext, BodyFault, CloudEvent, Event, EventRows, Packing, ValueNames, events, unpack,
};
use crate::net::connections::Connections;
use crate::net::guard::Guard;
use crate::net::http_thread::HttpThread;
use crate::net::stop::Stop;
use crate::source::RowListener;
use crate::source::row_pieces::{chunks, nothing, spool_event};
use crate::source::spool::spool_entry::Spooled;
use crate::source::spool::{Spool, SpoolLimits, SpoolOwner};
use crate::source::stream::StreamLimits;
use crate::source::stream::inbox::Inbox;
use crate::source::stream::row_chunk::LineChunk;
use crate::telemetry::{ErrorReason, RejectReason};
use crate::totals::Rejected;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

/// Requests whose bodies arrive or are read at a time; more are turned away, so that connections
/// are left for whoever scrapes.
pub const REQUESTS_MAX: usize = 64;

/// Bytes of all bodies that are on their way, unpacked.
pub const ARRIVING_BYTES_MAX: usize = 256 << 20;

/// Bytes that wait for a model.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// Bytes that the rows of a body take as lines: names are written for each row.
pub const LINES_BYTES_MAX: usize = 128 << 20;

/// How many times its bytes a packed body mostly unpacks to, and besides.
const UNPACKS_TO: usize = 16;
const UNPACKS_TO_LEAST: usize = 1 << 20;

/// What an event takes besides its rows.
const EVENT_BYTES: usize = 512;

/// Characters that are told of a body in the log.
const TEXT_MAX: usize = 100;

/// What is set for a path, and may change while it is open.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    pub names: ValueNames,
    pub body_max: usize,
    pub dedupe: Duration,
    /// How long a request waits for its response.
    pub response_wait: Duration,
    /// Rows are on the disk before their sender is answered.
    pub is_durable: bool,
}

impl EndpointSettings {
    /// Whether requests wait for their responses.
    fn waits(&self) -> bool {
        self.is_durable && self.response_wait > Duration::ZERO
    }

    /// Whether an event is a response that belongs to a request.
    fn awaits(&self, event: &Event) -> bool {
        let is_response = matches!(event.rows, EventRows::Response(_));
        self.waits() && is_response && event.exchange.is_some()
    }
}

/// A server that it has to itself.
pub struct OwnServer {
    pub guard: Arc<Guard>,
    pub connections: Arc<Connections>,
    pub thread: HttpThread,
    pub stop: Stop,
}

/// A path that rows are posted to.
pub struct Endpoint {
    address: String,
    inbox: Arc<Inbox>,
    settings: RwLock<EndpointSettings>,
    line_bytes_max: AtomicUsize,
    connections_max: AtomicUsize,
    arriving: Arc<Semaphore>,
    under_way: Arc<Semaphore>,
    /// Bodies that are read at a time.
    reading: Arc<Semaphore>,
    seen: Mutex<SeenIds>,
    spool: OnceLock<Arc<Spool>>,
    deadline: OnceLock<Instant>,
    own: OnceLock<OwnServer>,
    /// Of the server that it is to have.
    listener: Mutex<Option<TcpListener>>,
    /// Where bodies are read, beside whoever answers requests.
    runtime: Handle,
}

impl Endpoint {
    /// Needs a runtime.
    pub fn new(address: String, settings: EndpointSettings, limits: StreamLimits) -> Endpoint {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Endpoint {
            address,
            inbox: Arc::new(Inbox::of(WAITING_BYTES_MAX)),
            settings: RwLock::new(settings),
            line_bytes_max: AtomicUsize::new(limits.line_bytes_max),
            connections_max: AtomicUsize::new(limits.connections_max),
            arriving: Arc::new(Semaphore::new(ARRIVING_BYTES_MAX)),
            under_way: Arc::new(Semaphore::new(REQUESTS_MAX)),
            reading: Arc::new(Semaphore::new(cores)),
            seen: Mutex::default(),
            spool: OnceLock::new(),
            deadline: OnceLock::new(),
            own: OnceLock::new(),
            listener: Mutex::default(),
            runtime: Handle::current(),
        }
    }

    pub fn set(&self, settings: EndpointSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> EndpointSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rows on the disk, where they are kept there.
    pub fn spool(&self) -> Option<&Arc<Spool>> {
        self.spool.get()
    }

    /// The spool in this file, opened if it is not yet.
    pub fn open_spool(&self, path: &Path, limits: SpoolLimits) -> Result<()> {
        if let Some(spool) = self.spool.get() {
            spool.set_limits(limits);
            return Ok(());
        }
        let inbox = Arc::clone(&self.inbox);
        let spool = Spool::open(path, limits, move || inbox.wake())?;
        // Of a source that was another before: nobody can tell any more whose they are.
        spool.settle(Vec::new())?;
        // Only whoever binds the source opens it.
        let _ = self.spool.set(Arc::new(spool));
        Ok(())
    }

    /// Connections that its own server may have, as far as descriptors allow.
    pub fn connections_max(&self) -> usize {
        self.connections_max.load(Ordering::Relaxed)
    }

    /// Has it answer on a port of its own, once it has a server.
    pub fn listen_on(&self, listener: TcpListener) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    pub fn take_listener(&self) -> Option<TcpListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The server that it has to itself, if it has one.
    pub fn own_server(&self) -> Option<&OwnServer> {
        self.own.get()
    }

    pub fn set_own_server(&self, own: OwnServer) {
        // Only whoever binds the source starts it.
        let _ = self.own.set(own);
    }

    /// Tells whoever asks to come again.
    pub fn turn_away(&self) -> Response {
        self.inbox.note_error(ErrorReason::Full);
        Refusal::Full.into_response()
    }

    /// Takes the rows of a request.
    pub async fn receive(&self, headers: &HeaderMap, body: Body) -> Response {
        let Some(_under_way) = UnderWay::new(self) else { return self.turn_away() };
        if self.is_stopping() {
            return Refusal::Closing.into_response();
        }
        match self.take(headers, body).await {
            Ok(taken) => taken.into_response(),
            Err(refusal) => {
                match &refusal {
                    Refusal::Full | Refusal::Unread(Unread::NoRoom, _) => {
                        self.inbox.note_error(ErrorReason::Full);
                    }
                    Refusal::Unread(Unread::TooSlow | Unread::Broken, _) => {
                        self.inbox.note_error(ErrorReason::CutOff);
                    }
                    Refusal::Body(BodyFault::Disk(text)) => {
                        warn!(text, "a body was not read");
                    }
                    Refusal::Body(fault) => self.note_malformed(fault.text()),
                    _ => {}
                }
                refusal.into_response()
            }
        }
    }

    async fn take(&self, headers: &HeaderMap, body: Body) -> Result<Receipt, Refusal> {
        let settings = self.settings();
        let text =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let encoding = text(header::CONTENT_ENCODING.as_str()).unwrap_or_default();
        let packing = Packing::named(&encoding).ok_or(Refusal::Packing(encoding))?;
        let most = settings.body_max;
        let unread = move |unread| Refusal::Unread(unread, most);
        let (bytes, mut room) = read_body(body, most, &self.arriving).await.map_err(unread)?;
        let line_bytes_max = self.line_bytes_max.load(Ordering::Relaxed);
        let mut context = BodyContext::new(&settings.names, line_bytes_max, LINES_BYTES_MAX);
        context.content_type = text("content-type").unwrap_or_default().to_ascii_lowercase();
        context.json_bytes =
            text("inference-header-content-length").and_then(|bytes| bytes.parse().ok());
        let event = CloudEvent::binary(text);
        let key = text("idempotency-key");
        let packing = if packing == Packing::Plain { Packing::of(&bytes) } else { packing };
        // Most bodies unpack to a few times their bytes, and few to all that is allowed.
        let likely = (bytes.len() * UNPACKS_TO + UNPACKS_TO_LEAST).min(most);
        if packing != Packing::Plain {
            room.merge(room_for(&self.arriving, likely).await.map_err(unread)?);
        }
        let arriving = Arc::clone(&self.arriving);
        let n_bytes = bytes.len() as u64;
        let reading = Arc::clone(&self.reading).acquire_owned().await;
        let read = self.runtime.spawn_blocking(move || {
            let _reading = reading;
            let body = match unpack(&bytes, packing, likely) {
                Err(BodyFault::TooLarge(_)) if likely < most => {
                    room.merge(room_at_once(&arriving, most - likely).map_err(unread)?);
                    unpack(&bytes, packing, most)
                }
                unpacked => unpacked,
            };
            let body = body.map_err(Refusal::Body)?.unwrap_or(bytes);
            let read = match event {
                Some(event) => event.carry(body, &context).map(|own| vec![own]),
                None => events(body, &context),
            };
            Ok((read.map_err(Refusal::Body)?, room))
        });
        let (mut read, mut room) = read.await.map_err(|_| Refusal::Failed)??;
        if let Some(key) = key {
            let unnamed = read.iter_mut().enumerate().filter(|(_, own)| own.id.is_none());
            unnamed.for_each(|(number, own)| own.id = Some(format!("{number} {key}")));
        }
        let mut taken = Receipt::default();
        let rejected: Vec<_> = read.iter_mut().filter_map(|own| taken.note(own)).collect();
        read.retain(|own| own.rows.n_rows() > 0 || settings.awaits(own));
        // Until they are where they wait, rows take more or less than their body did.
        let size = read.iter().map(|own| own.rows.size() + EVENT_BYTES).sum::<usize>();
        if let Some(more) = size.checked_sub(room.num_permits()) {
            room.merge(room_for(&self.arriving, more).await.map_err(unread)?);
        }
        let are_new = match self.spool.get().filter(|_| settings.is_durable) {
            Some(spool) => {
                let known = self.take_known(&mut read, settings.dedupe);
                known.into_iter().for_each(|n_rows| taken.note_kept(n_rows, false));
                write(spool, read, settings.waits(), room).await?
            }
            None => self.push(read, settings.dedupe).await?,
        };
        are_new.into_iter().for_each(|(n_rows, is_new)| taken.note_kept(n_rows, is_new));
        // Of rows that are kept the bytes count where they are counted.
        let bytes = if taken.accepted == 0 { n_bytes } else { 0 };
        self.note_rejected(rejected, bytes);
        Ok(taken)
    }

    /// Takes out events that came before their ids were kept on the disk: by event its rows.
    fn take_known(&self, read: &mut Vec<Event>, dedupe: Duration) -> Vec<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |own: &mut Event| own.id.as_ref().is_some_and(|id| seen.has(id, dedupe));
        read.extract_if(.., is_known).map(|own| own.rows.n_rows()).collect()
    }

    /// Hands rows over to the model, all of them or none. By event its rows, and whether it is new.
    async fn push(&self, kept: Vec<Event>, dedupe: Duration) -> Result<Vec<(u64, bool)>, Refusal> {
        let all = kept.iter().map(|own| own.rows.size() + EVENT_BYTES).sum();
        let room = timeout(ROOM_WITHIN, self.inbox.room_for(all)).await;
        let mut room = room.map_err(|_| Refusal::Full)?;
        let (mut are_new, mut all) = (Vec::new(), Vec::new());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for own in kept {
            let is_new = own.id.as_ref().is_none_or(|id| seen.note(id, dedupe));
            are_new.push((own.rows.n_rows(), is_new));
            if is_new {
                all.extend(chunks(own, &mut room));
            }
        }
        match self.inbox.push_all(all) {
            true => Ok(are_new),
            false => Err(Refusal::Closing),
        }
    }

    /// Has the model count rows that were rejected, with how the first of them begins.
    fn note_rejected(&self, all: Vec<(Rejected, Option<(RejectReason, String)>)>, bytes: u64) {
        let mut bytes = bytes;
        for (rejected, first_rejected) in all {
            let nothing = nothing(std::mem::take(&mut bytes));
            self.inbox.push_rejected(LineChunk { rejected, first_rejected, ..nothing });
        }
    }

    /// A body of which nothing can be said row by row.
    fn note_malformed(&self, text: &str) {
        let mut rejected = Rejected::default();
        rejected.add(RejectReason::Malformed, 1);
        let text = text.chars().take(TEXT_MAX).collect();
        let first = Some((RejectReason::Malformed, text));
        self.note_rejected(vec![(rejected, first)], 0);
    }
}

/// Writes rows to the disk, all of them or none. By event its rows, and whether it is new.
async fn write(
    spool: &Spool,
    kept: Vec<Event>,
    waits: bool,
    room: OwnedSemaphorePermit,
) -> Result<Vec<(u64, bool)>, Refusal> {
    let n_rows: Vec<u64> = kept.iter().map(|own| own.rows.n_rows()).collect();
    let events = kept.into_iter().map(|own| spool_event(own, waits));
    match spool.append(events.collect(), room).await {
        Ok(Spooled::Written(are_new)) => Ok(n_rows.into_iter().zip(are_new).collect()),
        Ok(Spooled::Full) => Err(Refusal::Full),
        Ok(Spooled::TooLarge) => Err(Refusal::BeyondSpool),
        Err(_) => Err(Refusal::NotWritten),
    }
}

/// A request that is under way, until it is answered or its connection is gone.
struct UnderWay<'a> {
    endpoint: &'a Endpoint,
    _permit: OwnedSemaphorePermit,
}

impl UnderWay<'_> {
    /// None where there are too many.
    fn new(endpoint: &Endpoint) -> Option<UnderWay<'_>> {
        let permit = Arc::clone(&endpoint.under_way).try_acquire_owned().ok()?;
        endpoint.inbox.set_connections(REQUESTS_MAX - endpoint.under_way.available_permits());
        Some(UnderWay { endpoint, _permit: permit })
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let others = REQUESTS_MAX - 1 - self.endpoint.under_way.available_permits();
        self.endpoint.inbox.set_connections(others);
    }
}

impl RowListener for Endpoint {
    fn address(&self) -> &str {
        &self.address
    }

    fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    fn is_usable(&self) -> bool {
        !self.is_stopping() && self.own.get().is_none_or(|own| !own.thread.has_ended())
    }

    fn stop(&self, deadline: Instant) {
        if self.deadline.set(deadline).is_err() {
            return;
        }
        if let Some(own) = self.own.get() {
            own.stop.trigger();
        }
        let (inbox, under_way) = (Arc::clone(&self.inbox), Arc::clone(&self.under_way));
        self.runtime.spawn(async move {
            // Those who were let in are taken to their end.
            let all = under_way.acquire_many_owned(REQUESTS_MAX as u32);
            let _ = timeout_at(deadline, all).await;
            inbox.end();
        });
    }

    fn is_stopping(&self) -> bool {
        self.deadline.get().is_some()
    }

    fn set_limits(&self, limits: StreamLimits) {
        self.line_bytes_max.store(limits.line_bytes_max, Ordering::Relaxed);
        self.connections_max.store(limits.connections_max, Ordering::Relaxed);
        if let Some(own) = self.own.get() {
            own.connections.set_limit(limits.connections_max);
        }
    }
}

impl SpoolOwner for Endpoint {
    fn is_closing(&self) -> bool {
        RowListener::is_stopping(self)
    }

    fn has_time(&self) -> bool {
        self.deadline.get().is_some_and(|deadline| Instant::now() < *deadline)
    }
}

impl Drop for Endpoint {
    /// Nobody can take its rows any more.
    fn drop(&mut self) {
        if let Some(own) = self.own.get() {
            own.stop.trigger();
        }
    }
}
