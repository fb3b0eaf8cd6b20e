//! The HTTP server: connections that are let in, watched, and ended in good order.

use super::Timeouts;
use super::connections::{Connection, Connections, Phase};
use super::guard::{Guard, User};
use super::listener::{ACCEPT_PAUSE, Listener};
use super::stop::Stop;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;
use tracing::{debug, error, warn};

/// How long a request that is under way can hold up the end.
const GRACE: Duration = Duration::from_secs(3);

/// Bytes of a request's head; longer ones are refused.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Answers requests until the stop, then finishes those under way.
pub async fn serve(
    listener: TcpListener,
    (routes, guard): (Router, Arc<Guard>),
    connections: Arc<Connections>,
    timeouts: Timeouts,
    stop: Stop,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.wait() => break,
            Some(ended) = open.join_next() => {
                if let Err(error) = ended {
                    error!(%error, "an HTTP connection failed");
                }
                continue;
            }
            accepted = Listener::accept(&listener) => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "an HTTP connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = tokio::select! {
            () = stop.wait() => break,
            connection = connections.admit() => connection,
        };
        let answers = (routes.clone(), Arc::clone(&guard));
        open.spawn(greet(stream, connection, answers, timeouts, stop.clone()));
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    // Who is too slow is cut off.
    let _ = timeout(GRACE, ended).await;
}

/// What somebody is told who speaks HTTP where TLS is spoken; Go's words.
const NO_TLS: &str = "HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 22;

/// Agrees on TLS, where that is asked for, and then answers.
async fn greet(
    stream: TcpStream,
    connection: Connection,
    answers: (Router, Arc<Guard>),
    timeouts: Timeouts,
    stop: Stop,
) {
    let Some(tls) = answers.1.config().tls.clone() else {
        return converse(stream, connection, answers, timeouts, stop).await;
    };
    connection.entering();
    let agreed = tokio::select! {
        agreed = timeout(timeouts.header, agree(stream, tls)) => agreed,
        () = connection.gives_way() => return,
    };
    match agreed {
        Ok(Ok(stream)) => {
            connection.idle();
            converse(stream, connection, answers, timeouts, stop).await;
        }
        Ok(Err(error)) => debug!(%error, "no TLS with an HTTP connection"),
        Err(_) => debug!("no TLS with an HTTP connection in time"),
    }
}

async fn agree(
    mut stream: TcpStream,
    tls: Arc<rustls::ServerConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [HANDSHAKE];
    if stream.peek(&mut first).await? > 0 && first[0] != HANDSHAKE {
        stream.write_all(NO_TLS.as_bytes()).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("the client speaks plain HTTP"));
    }
    TlsAcceptor::from(tls).accept(stream).await
}

/// Answers the requests of one connection, one after the other.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
    (routes, guard): (Router, Arc<Guard>),
    Timeouts { header: header_timeout, idle: idle_timeout }: Timeouts,
    stop: Stop,
) {
    let connection = Arc::new(connection);
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request| {
        connection.set_phase(Phase::Working);
        let (routes, guard) = (routes.clone(), Arc::clone(&guard));
        let connection = Arc::clone(&connection);
        async move {
            let response = answer(request, &routes, &guard).await;
            connection.set_phase(Phase::Answering(Instant::now()));
            response
        }
    });
    let stream = WatchedStream { stream, connection: Arc::clone(&connection) };
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
    let mut conversation = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut is_stopping = false;
    loop {
        let deadline = match connection.phase() {
            Phase::Idle(since) | Phase::Answering(since) => since + idle_timeout,
            Phase::Entering(since) | Phase::Arriving(since) => since + header_timeout,
            Phase::Working => Instant::now() + idle_timeout,
        };
        tokio::select! {
            ended = conversation.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "an HTTP connection broke");
                }
                return;
            }
            () = connection.gives_way() => return,
            // There is an earlier deadline now.
            () = connection.arrives() => {}
            () = stop.wait(), if !is_stopping => {
                is_stopping = true;
                conversation.as_mut().graceful_shutdown();
            }
            () = sleep_until(deadline) => {
                if is_overdue(connection.phase(), header_timeout, idle_timeout) {
                    debug!("an HTTP connection was closed: it sent or took nothing for too long");
                    return;
                }
            }
        }
    }
}

/// The answer of the routes to whoever is let in; they are told who it is.
async fn answer(
    mut request: Request<Incoming>,
    routes: &TowerToHyperService<Router>,
    guard: &Guard,
) -> Result<Response<axum::body::Body>, Infallible> {
    let config = guard.config();
    let mut response = match guard.admit(&config, request.headers()).await {
        Ok(user) => {
            request.extensions_mut().insert::<User>(user);
            routes.call(request).await?
        }
        Err(refused) => refused,
    };
    response.headers_mut().extend(config.headers.clone());
    Ok(response)
}

fn is_overdue(phase: Phase, header_timeout: Duration, idle_timeout: Duration) -> bool {
    match phase {
        Phase::Idle(since) | Phase::Answering(since) => since.elapsed() >= idle_timeout,
        Phase::Entering(since) | Phase::Arriving(since) => since.elapsed() >= header_timeout,
        Phase::Working => false,
    }
}

/// A stream that notes when a request begins to arrive, and when a part of an answer is taken.
struct WatchedStream<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S> WatchedStream<S> {
    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        let is_open = matches!(self.connection.phase(), Phase::Answering(_) | Phase::Idle(_));
        if is_open && matches!(written, Poll::Ready(Ok(_))) {
            self.connection.set_phase(Phase::Answering(Instant::now()));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if let (true, Phase::Idle(_)) = (buffer.filled().len() > before, self.connection.phase()) {
            self.connection.set_phase(Phase::Arriving(Instant::now()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_written(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // All of the answer was written before.
        if let Phase::Answering(_) = self.connection.phase() {
            self.connection.idle();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note_written(&written);
        written
    }

    /// So that a page that is shared is written from where it is.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
