//! Rows over any stream of bytes: newline-delimited JSON, one object per line and feature names as
//! keys, or Arrow IPC streams, which are told by their first byte.
//!
//! ```text
//! connection ──▶ lines, or batches ──▶ inbox of the socket ──▶ tables, in the turn of the model
//! ```
//!
//! The socket, its connections and its inbox outlive the model that takes the lines, so that a
//! model can be exchanged without losing a row.

mod connection;
mod connection_context;
mod gate;
pub mod inbox;
mod ipc_connection;
pub mod line_buffer;
pub mod parse;
pub mod row_chunk;
mod stream_listener;

pub use gate::{Gate, TOKEN_FILE, WEB_CONFIG_FILE};
pub use inbox::Abandoned;
pub use stream_listener::{StreamLimits, StreamListener};

use super::{
    BoundSource, Delivery, DeliveryId, Fate, Poll, RowListener, Rows, Source, SourceContext,
};
use crate::error::Result;
use crate::format::line_schema::{LineFaults, LineSchema};
use crate::net::stop::Stop;
use crate::settings::{Key, SettingKind, Settings};
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use inbox::{INBOX_BYTES_MAX, Taken};
use ipc_connection::{ARRIVING_BYTES_MAX, MESSAGE_BYTES_MAX};
use parse::{TakenChunks, TakenRows};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// Rejected lines are logged at most this often.
const REJECTED_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Keys that are no feature are named until there are so many.
const UNKNOWN_NAMES_MAX: usize = 100;

pub const LINE_BYTES_MAX: Key = Key {
    name: "line_bytes_max",
    kind: SettingKind::Integer(1),
    default: Some("1048576"),
    meaning: "bytes; longer lines are rejected",
};

pub const CONNECTIONS_MAX: Key = Key {
    name: "connections_max",
    kind: SettingKind::Integer(1),
    default: Some("256"),
    meaning: "one more takes the place of the one that is silent longest, 10s at least",
};

/// What is set for the socket of a source whose settings have [`LINE_BYTES_MAX`] and
/// [`CONNECTIONS_MAX`].
pub fn limits(settings: &Settings) -> StreamLimits {
    StreamLimits {
        line_bytes_max: settings.integer(LINE_BYTES_MAX.name) as usize,
        connections_max: settings.integer(CONNECTIONS_MAX.name) as usize,
    }
}

/// Gives a socket that was open already the gate of other settings.
pub fn set_gate(listener: &StreamListener, settings: &Settings) -> Result<()> {
    if !listener.has_gate_of(settings) {
        listener.set_gate(Arc::new(Gate::open(settings)?));
    }
    Ok(())
}

/// Bytes that what comes to a socket takes at most: what waits, the beginning of a line for each
/// connection, messages of Arrow streams, and a batch for each thread.
pub fn memory_max(settings: &Settings, features: usize, threads: usize) -> u64 {
    let limits = limits(settings);
    // Buffers grow by doubling.
    let begun = 2 * limits.connections_max as u64 * limits.line_bytes_max as u64;
    // The largest message may be alone in the inbox.
    let messages = (ARRIVING_BYTES_MAX + MESSAGE_BYTES_MAX) as u64;
    INBOX_BYTES_MAX as u64 + begun + messages + parse::batch_bytes_max(features) * threads as u64
}

/// An open socket, as a source that can be started.
pub struct BoundStream {
    pub listener: Arc<dyn RowListener>,
    pub limits: StreamLimits,
}

impl BoundSource for BoundStream {
    fn address(&self) -> Option<String> {
        Some(self.listener.address().to_owned())
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        let SourceContext { name, schema, telemetry, wake, stop, .. } = context;
        let reader = self.listener.inbox().attach(wake, Arc::clone(&telemetry));
        Ok(Box::new(StreamSource {
            name,
            listener: self.listener,
            reader,
            line_bytes_max: self.limits.line_bytes_max,
            schema,
            telemetry,
            stop,
            taken: TakenChunks::default(),
            deliveries: 0,
            log: LineLog::default(),
        }))
    }
}

/// A source whose rows come by connections.
struct StreamSource {
    name: String,
    listener: Arc<dyn RowListener>,
    /// By which it detaches from the inbox.
    reader: u64,
    line_bytes_max: usize,
    schema: Arc<LineSchema>,
    telemetry: Arc<SourceTelemetry>,
    stop: Stop,
    taken: TakenChunks,
    deliveries: u64,
    log: LineLog,
}

impl StreamSource {
    fn next(&mut self) -> Option<TakenRows> {
        self.taken.next(&self.schema, self.line_bytes_max)
    }

    fn deliver(&mut self, taken: TakenRows, now: Timestamp) -> Poll {
        let TakenRows { table, bytes, faults, rejected_peer, happened } = taken;
        self.telemetry.last_success.set(now.0);
        self.log.note(&self.name, &faults, rejected_peer.as_deref(), now);
        self.deliveries += 1;
        let id = DeliveryId(self.deliveries);
        let LineFaults { rejected, unknown_keys, .. } = faults;
        let rows = Rows::Batch { table, positions: Vec::new() };
        Poll::Ready(Box::new(Delivery { id, rows, happened, bytes, rejected, unknown_keys }))
    }
}

impl Source for StreamSource {
    /// Panics when the task of the socket has done so and all that it took is delivered: the model
    /// fails with it, and is started again with another.
    fn poll(&mut self, now: Timestamp) -> Poll {
        let inbox = Arc::clone(self.listener.inbox());
        if let Some(parsed) = self.next() {
            return self.deliver(parsed, now);
        }
        // Only this model is to stop: what waits is for the one that takes its place.
        if self.stop.is_on() && !self.listener.is_stopping() {
            return Poll::Ended;
        }
        let taken = inbox.take();
        // After the last line, the last error.
        for reason in inbox.take_errors() {
            self.telemetry.errors(reason).add(1);
        }
        match taken {
            Taken::Chunks(chunks) => {
                self.taken.extend(chunks);
                let parsed = self.next().expect("there are lines");
                self.deliver(parsed, now)
            }
            Taken::In(wait) => Poll::At(now.plus(wait)),
            Taken::Nothing => Poll::Idle,
            Taken::Ended => {
                assert!(self.listener.is_stopping(), "the task of the socket failed");
                Poll::Ended
            }
        }
    }

    /// Nobody waits for an answer.
    fn settled(&mut self, _id: DeliveryId, _fate: Fate) {}

    /// Lines come as they happen.
    fn is_behind(&self, _now: Timestamp) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn update_gauges(&mut self, _now: Timestamp) {
        self.telemetry.waiting_bytes.set(self.listener.inbox().bytes() as i64);
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        self.listener.inbox().detach(self.reader);
    }
}

/// What is said about lines, and how often: a client that sends nonsense must not fill the log.
#[derive(Default)]
pub struct LineLog {
    /// Since the last time that it was said.
    rejected: u64,
    said: Option<Timestamp>,
    named: BTreeSet<String>,
}

impl LineLog {
    pub fn note(&mut self, source: &str, faults: &LineFaults, peer: Option<&str>, now: Timestamp) {
        self.rejected += faults.rejected.sum();
        let is_due = self.said.is_none_or(|said| now.since(said) >= REJECTED_LOG_INTERVAL);
        if let (Some((reason, line)), true) = (&faults.first_rejected, is_due) {
            let (reason, lines) = (reason.name(), std::mem::take(&mut self.rejected));
            warn!(source, peer, reason, line, lines, "lines were rejected, such as this one");
            self.said = Some(now);
        }
        for key in &faults.unknown_names {
            if self.named.len() < UNKNOWN_NAMES_MAX && self.named.insert(key.clone()) {
                info!(source, key, "a key of the lines is no feature of the reference");
            }
        }
    }
}
