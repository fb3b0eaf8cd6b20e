//! A socket that rows are taken from, with its connections.
//!
//! It is open as long as any configuration names it, whatever becomes of the model that takes its
//! lines. Back-pressure is not reading: while the inbox is full no byte is taken from any
//! connection, so that the sender waits and nothing is dropped.

use super::connection;
use super::connection_context::{ConnectionContext, time_is_up};
use super::gate::Gate;
use super::inbox::Inbox;
use super::ipc_connection::ARRIVING_BYTES_MAX;
use crate::net::connections::{Connection, Connections};
use crate::net::listener::{ACCEPT_PAUSE, Listener};
use crate::settings::Settings;
use crate::source::RowListener;
use crate::telemetry::ErrorReason;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

/// A connection that has sent a whole line or message within this time gives way to nobody.
const PATIENCE: Duration = Duration::from_secs(10);

/// When nobody has come for so long, nobody waits to be accepted, and nobody is on the way whose
/// connection is open from where they are.
const NOBODY_WAITS: Duration = Duration::from_millis(200);

/// Whoever comes this long after the socket is to be closed is refused.
const ACCEPT_AT_END: Duration = Duration::from_secs(3);

/// An open socket.
pub struct StreamListener {
    /// Where rows can be sent to.
    address: String,
    inbox: Arc<Inbox>,
    connections: Arc<Connections>,
    line_bytes_max: Arc<AtomicUsize>,
    gate: Arc<RwLock<Arc<Gate>>>,
    deadline: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
    /// Whether its address still leads to it.
    is_reachable: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What is set for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    pub line_bytes_max: usize,
    pub connections_max: usize,
}

impl StreamListener {
    /// Accepts connections from now on. Needs a runtime.
    pub fn open(
        listener: impl Listener,
        address: String,
        limits: StreamLimits,
        gate: Arc<Gate>,
    ) -> StreamListener {
        let is_reachable = Box::new(listener.reachability());
        let inbox = Arc::new(Inbox::default());
        let seen = Arc::clone(&inbox);
        let on_change = move |connections| seen.set_connections(connections);
        let connections = Connections::new(limits.connections_max, PATIENCE, on_change);
        let (deadline, receiver) = watch::channel(None);
        let line_bytes_max = Arc::new(AtomicUsize::new(limits.line_bytes_max));
        let gate = Arc::new(RwLock::new(gate));
        let context = ConnectionContext {
            inbox: Arc::clone(&inbox),
            address: address.as_str().into(),
            line_bytes_max: Arc::clone(&line_bytes_max),
            arriving: Arc::new(Semaphore::new(ARRIVING_BYTES_MAX)),
            gate: Arc::clone(&gate),
            deadline: receiver,
        };
        let ends = EndsInbox(Arc::clone(&inbox));
        let serving = serve(listener, Arc::clone(&connections), context, address.clone());
        let task = tokio::spawn(async move {
            let _ends = ends;
            serving.await;
        });
        StreamListener {
            address,
            inbox,
            connections,
            line_bytes_max,
            gate,
            deadline,
            task,
            is_reachable,
        }
    }
}

impl RowListener for StreamListener {
    fn address(&self) -> &str {
        &self.address
    }

    fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    fn set_limits(&self, limits: StreamLimits) {
        self.connections.set_limit(limits.connections_max);
        self.line_bytes_max.store(limits.line_bytes_max, Ordering::Relaxed);
    }

    fn set_gate(&self, gate: Arc<Gate>) {
        *self.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    fn has_gate_of(&self, settings: &Settings) -> bool {
        self.gate.read().unwrap_or_else(PoisonError::into_inner).is_of(settings)
    }

    fn is_usable(&self) -> bool {
        !self.task.is_finished() && !self.is_stopping() && (self.is_reachable)()
    }

    fn stop(&self, deadline: Instant) {
        self.deadline.send_replace(Some(deadline));
    }

    fn is_stopping(&self) -> bool {
        self.deadline.borrow().is_some()
    }
}

impl Drop for StreamListener {
    /// Nobody can take its rows any more.
    fn drop(&mut self) {
        if !self.is_stopping() {
            self.stop(Instant::now());
        }
    }
}

/// Says that nothing more comes, also when the task of the socket fails.
struct EndsInbox(Arc<Inbox>);

impl Drop for EndsInbox {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The tasks of one socket.
struct Serving<L> {
    listener: L,
    connections: Arc<Connections>,
    context: ConnectionContext,
    open: JoinSet<bool>,
    /// Connections that were cut off.
    cut_off: usize,
}

async fn serve(
    listener: impl Listener,
    connections: Arc<Connections>,
    context: ConnectionContext,
    address: String,
) {
    let mut stopping = context.deadline.clone();
    let open = JoinSet::new();
    let mut serving = Serving { listener, connections, context, open, cut_off: 0 };
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(Option::is_some) => break,
            Some(ended) = serving.open.join_next() => {
                note_panic(ended, &serving.context.inbox);
                continue;
            }
            accepted = serving.listener.accept() => accepted,
        };
        match accepted {
            // One that is let in late is read to its end as well.
            Ok((stream, peer)) => serving.let_in(stream, peer).await,
            Err(error) => {
                serving.context.inbox.note_error(ErrorReason::Connection);
                warn!(address, %error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    serving.finish(&address).await;
}

impl<L: Listener> Serving<L> {
    /// Reads a connection as soon as there is room for it; nobody else is let in before.
    async fn let_in(&mut self, stream: L::Stream, peer: String) {
        match admit(&self.connections, &self.context).await {
            Some(connection) => {
                let context = self.context.clone();
                self.open.spawn(connection::read(stream, peer, context, connection));
            }
            None => self.cut_off += 1,
        }
    }

    /// Reads a connection as soon as there is room for it, beside others that wait for that.
    fn let_in_later(&mut self, stream: L::Stream, peer: String) {
        let (connections, context) = (Arc::clone(&self.connections), self.context.clone());
        self.open.spawn(async move {
            match admit(&connections, &context).await {
                Some(connection) => connection::read(stream, peer, context, connection).await,
                None => false,
            }
        });
    }

    /// Takes who waits to be accepted, closes the socket, and reads all to their end.
    async fn finish(mut self, address: &str) {
        let deadline = self.context.deadline.borrow().unwrap_or_else(Instant::now);
        self.listener.turn_away();
        let until = deadline.min(Instant::now() + ACCEPT_AT_END);
        while Instant::now() < until
            && let Ok(accepted) = timeout(NOBODY_WAITS, self.listener.accept()).await
        {
            match accepted {
                Ok((stream, peer)) => self.let_in_later(stream, peer),
                Err(error) => {
                    self.context.inbox.note_error(ErrorReason::Connection);
                    warn!(address, %error, "a connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let Serving { listener, context, mut open, mut cut_off, .. } = self;
        drop(listener);
        // They know of the deadline.
        while let Some(ended) = open.join_next().await {
            cut_off += usize::from(matches!(ended, Ok(false)));
            note_panic(ended, &context.inbox);
        }
        match cut_off {
            0 => info!(address, "closed; every connection was read to its end"),
            connections => warn!(address, connections, "cut off: they had not ended in time"),
        }
    }
}

/// Waits until there is room for a connection; none when the time is up before.
async fn admit(connections: &Arc<Connections>, context: &ConnectionContext) -> Option<Connection> {
    let mut deadline = context.deadline.clone();
    tokio::select! {
        biased;
        connection = connections.admit() => Some(connection),
        () = time_is_up(&mut deadline) => {
            context.inbox.note_error(ErrorReason::CutOff);
            None
        }
    }
}

/// A connection whose task failed is broken; the others go on.
fn note_panic(ended: Result<bool, JoinError>, inbox: &Inbox) {
    if let Err(error) = ended {
        inbox.note_error(ErrorReason::Connection);
        error!(%error, "a connection failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stream::inbox::Taken;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// Three connections come, whose tasks panic; then accepting does.
    #[derive(Default)]
    struct Panics(AtomicUsize);

    struct PanicsToo;

    impl AsyncRead for PanicsToo {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            panic!("a connection, as a test wants it");
        }
    }

    impl AsyncWrite for PanicsToo {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            unreachable!("nothing is written to a source")
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Listener for Panics {
        type Stream = PanicsToo;

        async fn accept(&self) -> io::Result<(PanicsToo, String)> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.0.fetch_add(1, Ordering::Relaxed) < 3 {
                return Ok((PanicsToo, "a test".to_owned()));
            }
            panic!("accepting, as a test wants it");
        }

        fn turn_away(&self) {}

        fn reachability(&self) -> impl Fn() -> bool + Send + Sync + 'static {
            || true
        }
    }

    #[tokio::test]
    async fn a_panic_of_a_connection_is_its_own_and_one_of_accepting_is_seen() {
        let limits = StreamLimits { line_bytes_max: 100, connections_max: 1 };
        let listener =
            StreamListener::open(Panics::default(), "a test".to_owned(), limits, Arc::default());
        // With room for one, each of the three has to leave before the next.
        let mut broken = 0;
        for _ in 0..500 {
            broken += listener.inbox.take_errors().len();
            if !listener.is_usable() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!listener.is_usable());
        assert!(matches!(listener.inbox.take(), Taken::Ended), "whoever reads hears of it");
        assert_eq!(broken, 3);
    }
}
