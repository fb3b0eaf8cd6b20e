//! Newline-delimited JSON over any stream of bytes: one object per line, feature names as keys.
//!
//! Back-pressure is not reading: batches go through a bounded channel, and while it is full no
//! byte is taken from the connection, so that the sender waits and nothing is dropped.

mod connection;
mod splitter;

use super::{Delivery, DeliveryId, Fate, Poll, Rows, Source, SourceContext};
use crate::format::ndjson::{Batch, LineFeature};
use crate::net::stop::Stop;
use crate::settings::{Key, SettingKind, Settings};
use crate::telemetry::{ErrorReason, SourceTelemetry};
use crate::time::Timestamp;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

/// Batches of rows that wait between connections and their model; while there are so many nothing
/// is read.
const BATCHES_MAX: usize = 4;

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    meaning: "further connections wait to be accepted",
};

/// Accepts connections that send lines.
pub trait Acceptor: Send + Sync + 'static {
    type Stream: AsyncRead + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// What a connection needs; one per source, cloned per connection.
#[derive(Clone)]
struct ConnectionContext {
    line_bytes_max: usize,
    features: Arc<[LineFeature]>,
    telemetry: Arc<SourceTelemetry>,
    /// To the model; bounded.
    batches: mpsc::Sender<Batch>,
    wake: Arc<Notify>,
    stop: Stop,
}

/// A source whose rows are lines of connections.
pub struct LineSource {
    batches: mpsc::Receiver<Batch>,
    telemetry: Arc<SourceTelemetry>,
    deliveries: u64,
}

impl LineSource {
    /// Accepts connections from now on. `settings` have [`LINE_BYTES_MAX`] and
    /// [`CONNECTIONS_MAX`].
    pub fn start(
        acceptor: impl Acceptor,
        settings: &Settings,
        context: SourceContext,
    ) -> LineSource {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let SourceContext { features, telemetry, wake, stop, .. } = context;
        let connections_max = settings.integer(CONNECTIONS_MAX.name) as usize;
        let connection = ConnectionContext {
            line_bytes_max: settings.integer(LINE_BYTES_MAX.name) as usize,
            features,
            telemetry: Arc::clone(&telemetry),
            batches: sender,
            wake,
            stop,
        };
        tokio::spawn(serve(acceptor, connections_max, connection));
        LineSource { batches, telemetry, deliveries: 0 }
    }
}

impl Source for LineSource {
    fn poll(&mut self, now: Timestamp) -> Poll {
        match self.batches.try_recv() {
            Ok(batch) => {
                self.telemetry.last_success.set(now.0);
                self.deliveries += 1;
                let (bytes, rejected) = (batch.bytes, batch.rejected);
                let rows = Rows::Batch { table: Box::new(batch), positions: Vec::new() };
                let id = DeliveryId(self.deliveries);
                Poll::Ready(Box::new(Delivery { id, rows, happened: None, bytes, rejected }))
            }
            Err(TryRecvError::Empty) => Poll::Idle,
            Err(TryRecvError::Disconnected) => Poll::Ended,
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

    fn update_gauges(&mut self, _now: Timestamp) {}
}

/// Accepts connections until the stop; returns when the last one has handed over its rows.
async fn serve(acceptor: impl Acceptor, connections_max: usize, context: ConnectionContext) {
    let limit = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = context.stop.wait() => break,
            accepted = accept(&acceptor, &limit) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, permit)) => {
                let context = context.clone();
                connections.spawn(async move {
                    connection::read(stream, context).await;
                    drop(permit);
                });
            }
            Err(error) => {
                context.telemetry.errors(ErrorReason::Connection).add(1);
                warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
    // With the last sender gone, the source has ended; its model waits to hear of that.
    let wake = Arc::clone(&context.wake);
    drop(context);
    wake.notify_one();
}

async fn accept<A: Acceptor>(
    acceptor: &A,
    limit: &Arc<Semaphore>,
) -> io::Result<(A::Stream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(limit).acquire_owned().await.expect("the limit is never closed");
    Ok((acceptor.accept().await?, permit))
}
