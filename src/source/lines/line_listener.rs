//! A socket that lines are taken from, with its connections.
//!
//! It is open as long as any configuration names it, whatever becomes of the model that takes its
//! lines. Back-pressure is not reading: while the inbox is full no byte is taken from any
//! connection, so that the sender waits and nothing is dropped.

use super::connection::{self, ConnectionContext, time_is_up};
use super::inbox::Inbox;
use crate::net::connections::Connections;
use crate::net::listener::{ACCEPT_PAUSE, Listener};
use crate::telemetry::ErrorReason;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{info, warn};

/// A connection that has sent a whole line within this time gives way to nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// When nobody has come for so long, nobody waits to be accepted.
const NOBODY_WAITS: Duration = Duration::from_millis(10);

/// An open socket.
pub struct LineListener {
    /// Where lines can be sent to.
    pub address: String,
    pub inbox: Arc<Inbox>,
    connections: Arc<Connections>,
    deadline: watch::Sender<Option<Instant>>,
}

/// What is set for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    pub line_bytes_max: usize,
    pub connections_max: usize,
}

impl LineListener {
    /// Accepts connections from now on. Needs a runtime.
    pub fn open(listener: impl Listener, address: String, limits: LineLimits) -> LineListener {
        let inbox = Arc::new(Inbox::new());
        let seen = Arc::clone(&inbox);
        let on_change = move |connections| seen.set_connections(connections);
        let connections = Connections::new(limits.connections_max, PATIENCE, on_change);
        let (deadline, receiver) = watch::channel(None);
        let context = ConnectionContext {
            inbox: Arc::clone(&inbox),
            line_bytes_max: limits.line_bytes_max,
            deadline: receiver,
        };
        tokio::spawn(serve(listener, Arc::clone(&connections), context, address.clone()));
        LineListener { address, inbox, connections, deadline }
    }

    /// Lets in so many from now on.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.connections.set_limit(connections_max);
    }

    /// Takes every connection that waits, closes the socket, and reads all to their end. What is
    /// not at its end at the deadline is cut off. The inbox has ended then.
    pub fn stop(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
    }

    pub fn is_stopping(&self) -> bool {
        self.deadline.borrow().is_some()
    }
}

impl Drop for LineListener {
    /// Nobody can take its lines any more.
    fn drop(&mut self) {
        if !self.is_stopping() {
            self.stop(Instant::now());
        }
    }
}

async fn serve(
    listener: impl Listener,
    connections: Arc<Connections>,
    context: ConnectionContext,
    address: String,
) {
    let mut stopping = context.deadline.clone();
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(Option::is_some) => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // One that is let in late is read to its end as well.
                let connection = tokio::select! {
                    connection = connections.admit() => connection,
                    () = time_is_up(&mut stopping) => {
                        context.inbox.note_error(ErrorReason::CutOff);
                        break;
                    }
                };
                open.spawn(connection::read(stream, peer, context.clone(), connection));
            }
            Err(error) => {
                context.inbox.note_error(ErrorReason::Connection);
                warn!(address, %error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let deadline = stopping.borrow().unwrap_or_else(Instant::now);
    listener.turn_away();
    let mut cut_off = 0;
    while let Ok(accepted) = timeout(NOBODY_WAITS, listener.accept()).await {
        let Ok((stream, peer)) = accepted else { continue };
        match timeout_at(deadline, connections.admit()).await {
            Ok(connection) => {
                open.spawn(connection::read(stream, peer, context.clone(), connection));
            }
            Err(_) => {
                context.inbox.note_error(ErrorReason::CutOff);
                cut_off += 1;
            }
        }
    }
    drop(listener);
    let still_open = timeout_at(deadline, async { while open.join_next().await.is_some() {} });
    if still_open.await.is_err() {
        cut_off += open.len();
        while open.join_next().await.is_some() {}
    }
    if cut_off > 0 {
        warn!(address, connections = cut_off, "cut off: they had not ended in time");
    } else {
        info!(address, "closed; all that was sent has been taken");
    }
    context.inbox.end();
}
