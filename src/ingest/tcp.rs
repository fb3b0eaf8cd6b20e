//! Newline-delimited JSON over TCP.
//!
//! Back-pressure is not reading: batches go through a bounded channel, and while it is full no
//! byte is taken from the socket, so that the sender waits and nothing is dropped.

use super::TcpConfig;
use super::ndjson::{Batch, BatchBuilder, LineFeature};
use crate::telemetry::{ErrorReason, RejectReason, SourceTelemetry};
use socket2::{SockRef, TcpKeepalive};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

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

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 64 * 1024;

/// A silent peer is asked whether it is still there after this time.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection needs; one per source, cloned per connection.
#[derive(Clone)]
pub struct Intake {
    pub config: TcpConfig,
    pub features: Arc<[LineFeature]>,
    pub telemetry: Arc<SourceTelemetry>,
    /// The source's number in its model.
    pub source: usize,
    /// To the model's pipeline; bounded.
    pub batches: mpsc::Sender<(usize, Batch)>,
    /// Turns true when the daemon stops.
    pub shutdown: watch::Receiver<bool>,
}

/// Accepts connections until shutdown; returns when the last one has handed over its rows.
pub async fn serve(listener: TcpListener, intake: Intake) {
    let limit = Arc::new(Semaphore::new(intake.config.connections_max));
    let mut shutdown = intake.shutdown.clone();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &limit) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, permit)) => {
                // A peer that vanished must not keep its place for ever.
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
                if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
                    debug!(%error, "no keepalive");
                }
                let intake = intake.clone();
                connections.spawn(async move {
                    read(stream, intake).await;
                    drop(permit);
                });
            }
            Err(error) => {
                intake.telemetry.errors(ErrorReason::Connection).add(1);
                warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(limit).acquire_owned().await.expect("the limit is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Reads one connection to its end, or to shutdown.
async fn read(mut stream: TcpStream, mut intake: Intake) {
    let mut lines = Lines::new(intake.config.line_bytes_max);
    let mut builder = BatchBuilder::new(Arc::clone(&intake.features));
    // While the builder holds anything.
    let mut flush_at: Option<Instant> = None;
    loop {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let flush = async {
            match flush_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let n_read = tokio::select! {
            biased;
            _ = intake.shutdown.wait_for(|stop| *stop) => break,
            () = flush => None,
            read = stream.read_buf(&mut buffer) => Some(read),
        };
        match n_read {
            None => {
                flush_at = None;
                if !hand_over(&mut builder, &intake).await {
                    return;
                }
            }
            Some(Ok(0)) => break,
            Some(Ok(_)) => {
                builder.add_bytes(buffer.len() as u64);
                // In pieces: short lines of many features take much more room than their text.
                for piece in buffer.chunks(PIECE_BYTES) {
                    lines.push(piece, |line| accept_line(&mut builder, line, &intake.telemetry));
                    if builder.cells() >= BATCH_CELLS || builder.rows() >= BATCH_ROWS {
                        flush_at = None;
                        if !hand_over(&mut builder, &intake).await {
                            return;
                        }
                    }
                }
                if !builder.is_empty() {
                    flush_at.get_or_insert_with(|| Instant::now() + BATCH_TIME);
                }
            }
            Some(Err(error)) => {
                intake.telemetry.errors(ErrorReason::Connection).add(1);
                debug!(%error, "a connection broke");
                break;
            }
        }
    }
    // A client may end its last line with the connection.
    lines.finish(|line| accept_line(&mut builder, line, &intake.telemetry));
    if !builder.is_empty() {
        hand_over(&mut builder, &intake).await;
    }
}

/// Waits until the model takes the rows. False when it is gone, and the daemon with it.
async fn hand_over(builder: &mut BatchBuilder, intake: &Intake) -> bool {
    intake.batches.send((intake.source, builder.take())).await.is_ok()
}

fn accept_line(
    builder: &mut BatchBuilder,
    line: Result<&[u8], RejectReason>,
    telemetry: &SourceTelemetry,
) {
    if let Err(reason) = line.and_then(|line| builder.push(line)) {
        builder.reject();
        telemetry.rejected(reason).add(1);
        let head =
            &line.unwrap_or_default()[..line.map_or(0, |line| line.len().min(LOGGED_BYTES_MAX))];
        let head = String::from_utf8_lossy(head);
        // Each at debug level; a client that sends nonsense must not fill the log.
        debug!(reason = reason.name(), line = %head, "a line was rejected");
    }
}

/// Cuts bytes into lines of bounded length.
struct Lines {
    partial: Vec<u8>,
    bytes_max: usize,
    /// In the rest of a line that was rejected for its length.
    is_skipping: bool,
}

impl Lines {
    fn new(bytes_max: usize) -> Lines {
        Lines { partial: Vec::new(), bytes_max, is_skipping: false }
    }

    fn push(&mut self, mut bytes: &[u8], mut f: impl FnMut(Result<&[u8], RejectReason>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.is_skipping) {
                continue;
            }
            if self.partial.is_empty() {
                self.emit(line, &mut f);
            } else {
                self.partial.extend_from_slice(line);
                let line = std::mem::take(&mut self.partial);
                self.emit(&line, &mut f);
            }
        }
        if self.is_skipping {
            return;
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > self.bytes_max {
            self.partial.clear();
            self.is_skipping = true;
            f(Err(RejectReason::TooLong));
        }
    }

    fn finish(&mut self, mut f: impl FnMut(Result<&[u8], RejectReason>)) {
        let line = std::mem::take(&mut self.partial);
        self.emit(&line, &mut f);
    }

    fn emit(&self, line: &[u8], f: &mut impl FnMut(Result<&[u8], RejectReason>)) {
        match line.trim_ascii() {
            [] => {}
            line if line.len() > self.bytes_max => f(Err(RejectReason::TooLong)),
            line => f(Ok(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_bytes_arrive() {
        let text = b"a\r\n\nbb\nlong line\nc\nlast";
        let collect = |chunk: usize| {
            let mut lines = Lines::new(4);
            let mut seen = Vec::new();
            let mut note = |line: Result<&[u8], RejectReason>| seen.push(line.map(<[u8]>::to_vec));
            text.chunks(chunk).for_each(|bytes| lines.push(bytes, &mut note));
            lines.finish(&mut note);
            seen
        };
        let ok = |line: &str| Ok(line.as_bytes().to_vec());
        let expected = [ok("a"), ok("bb"), Err(RejectReason::TooLong), ok("c"), ok("last")];
        for chunk in 1..=text.len() {
            assert_eq!(collect(chunk), expected, "in chunks of {chunk}");
        }
    }
}
