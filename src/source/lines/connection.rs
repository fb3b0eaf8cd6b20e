//! One connection: bytes, lines, batches.

use super::ConnectionContext;
use super::splitter::LineSplitter;
use crate::format::ndjson::BatchBuilder;
use crate::telemetry::{ErrorReason, RejectReason};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

/// Rows after which a batch is handed over: enough to be worth a task per column.
const BATCH_ROWS: u64 = 8_192;

/// Values, rows times features, after which a batch is handed over in any case.
const BATCH_CELLS: u64 = 4_000_000;

/// Bytes that are cut into lines before the batch is looked at.
const PIECE_BYTES: usize = 4 * 1024;

/// After this time a batch is handed over with what it has.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// Bytes of a rejected line that are logged.
const LOGGED_BYTES_MAX: usize = 100;

/// Bytes asked of the connection at a time.
const READ_BYTES: usize = 64 * 1024;

/// Lines of one connection, on their way into batches.
struct Connection {
    lines: LineSplitter,
    builder: BatchBuilder,
    /// When to hand over what the builder has, while it has anything.
    flush_at: Option<Instant>,
    context: ConnectionContext,
}

/// Reads one connection to its end, or to the stop.
pub async fn read(mut stream: impl AsyncRead + Unpin, context: ConnectionContext) {
    let mut connection = Connection {
        lines: LineSplitter::new(context.line_bytes_max),
        builder: BatchBuilder::new(Arc::clone(&context.features)),
        flush_at: None,
        context,
    };
    loop {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let is_open = tokio::select! {
            biased;
            () = connection.context.stop.wait() => break,
            () = due(connection.flush_at) => connection.hand_over().await,
            read = stream.read_buf(&mut buffer) => match read {
                Ok(0) => break,
                Ok(_) => connection.take(&buffer).await,
                Err(error) => {
                    connection.context.telemetry.errors(ErrorReason::Connection).add(1);
                    debug!(%error, "a connection broke");
                    break;
                }
            },
        };
        if !is_open {
            return;
        }
    }
    connection.finish().await;
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Connection {
    /// Takes bytes that were read. False when the model is gone, and the daemon with it.
    async fn take(&mut self, bytes: &[u8]) -> bool {
        self.builder.add_bytes(bytes.len() as u64);
        // In pieces: short lines of many features take much more room than their text.
        for piece in bytes.chunks(PIECE_BYTES) {
            let builder = &mut self.builder;
            self.lines.push(piece, |line| accept_line(builder, line));
            let is_full = builder.cells() >= BATCH_CELLS || builder.rows() >= BATCH_ROWS;
            if is_full && !self.hand_over().await {
                return false;
            }
        }
        if !self.builder.is_empty() {
            self.flush_at.get_or_insert_with(|| Instant::now() + BATCH_TIME);
        }
        true
    }

    /// Waits until the model takes the rows. False when it is gone.
    async fn hand_over(&mut self) -> bool {
        self.flush_at = None;
        let is_sent = self.context.batches.send(self.builder.take()).await.is_ok();
        self.context.wake.notify_one();
        is_sent
    }

    /// A client may end its last line with the connection.
    async fn finish(mut self) {
        let builder = &mut self.builder;
        self.lines.finish(|line| accept_line(builder, line));
        if !self.builder.is_empty() {
            self.hand_over().await;
        }
    }
}

fn accept_line(builder: &mut BatchBuilder, line: Result<&[u8], RejectReason>) {
    if let Err(reason) = line.and_then(|line| builder.push(line)) {
        builder.reject(reason);
        let head =
            &line.unwrap_or_default()[..line.map_or(0, |line| line.len().min(LOGGED_BYTES_MAX))];
        let head = String::from_utf8_lossy(head);
        // Each at debug level; a client that sends nonsense must not fill the log.
        debug!(reason = reason.name(), line = %head, "a line was rejected");
    }
}
