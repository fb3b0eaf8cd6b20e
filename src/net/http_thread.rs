//! The HTTP server on a runtime and a thread of its own, so that whoever scrapes is answered
//! whatever else the process does.

use super::Timeouts;
use super::connections::Connections;
use super::guard::Guard;
use super::http::serve;
use super::stop::Stop;
use axum::Router;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::sync::watch;

/// Threads that make pages and read the state for answers.
pub const ANSWERS_MAX: usize = 4;

/// The running server.
pub struct HttpThread {
    /// Closed when it ends.
    ended: watch::Receiver<()>,
    stop: Stop,
}

impl HttpThread {
    /// Answers requests until the stop.
    pub fn start(
        listener: TcpListener,
        answers: (Router, Arc<Guard>),
        connections: Arc<Connections>,
        timeouts: Timeouts,
        stop: Stop,
    ) -> io::Result<HttpThread> {
        let runtime = Builder::new_current_thread()
            .thread_name("driftd-answers")
            // One more checks passwords.
            .max_blocking_threads(ANSWERS_MAX + 1)
            .enable_all()
            .build()?;
        let (running, ended) = watch::channel(());
        let asked = stop.clone();
        std::thread::Builder::new().name("driftd-http".into()).spawn(move || {
            let _running = running;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                serve(listener, answers, connections, timeouts, asked).await;
                Ok::<_, io::Error>(())
            })
        })?;
        Ok(HttpThread { ended, stop })
    }

    /// Waits until it has ended although nobody asked it to.
    pub async fn ended_unasked(&mut self) {
        self.ended().await;
        if self.stop.is_on() {
            std::future::pending::<()>().await;
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.has_changed().is_err()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        // Nothing is ever sent.
        let _ = self.ended.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::bind;
    use axum::routing::get;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::{Duration, Instant};

    const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn start(connections_max: usize, short: Duration) -> (HttpThread, SocketAddr) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let timeouts = Timeouts { header: short, idle: short * 8 };
        // Larger than what the system takes for a reader that does not read.
        let large = "x".repeat(32 << 20);
        let routes = Router::new()
            .route("/", get(async || "hello"))
            .route("/large", get(async || large))
            .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(2)).await));
        let connections = Connections::new(connections_max, Duration::ZERO, |_| {});
        let answers = (routes, Arc::new(Guard::open(None).unwrap()));
        let server =
            HttpThread::start(listener, answers, connections, timeouts, Stop::default()).unwrap();
        (server, address)
    }

    fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Everything until the server closes; what it sent, and how long that took.
    fn read_all(mut stream: TcpStream) -> (String, Duration) {
        let (begun, mut text) = (Instant::now(), Vec::new());
        // A connection that was closed with something unread is reset.
        let _ = stream.read_to_end(&mut text);
        (String::from_utf8(text).unwrap(), begun.elapsed())
    }

    fn answer(stream: &mut TcpStream) -> String {
        let mut text = vec![0; 4_096];
        let read = stream.read(&mut text).unwrap();
        String::from_utf8(text[..read].to_vec()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn who_sends_half_a_request_keeps_nobody_out() {
        let (_server, address) = start(3, LONG);
        let mut served = send(address, HELLO);
        assert!(answer(&mut served).ends_with("hello"));
        let waiting = send(address, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let half = ["", "G", "GET /", "GET / HTTP/1.1\r\nHost: a\r\nX: "];
        let held: Vec<_> = half.iter().cycle().take(40).map(|text| send(address, text)).collect();
        for _ in 0..10 {
            assert!(answer(&mut send(address, HELLO)).ends_with("hello"));
        }
        // A whole request that is being worked on is left alone, and so is an answer under way as
        // long as another has sent less.
        assert!(read_all(waiting).0.starts_with("HTTP/1.1 200"));
        drop(held);
    }

    #[test]
    fn who_is_too_slow_is_closed() {
        let short = Duration::from_millis(300);
        let (_server, address) = start(10, short);
        let (text, took) = read_all(send(address, "GET / HTTP/1.1\r\nHost: "));
        assert_eq!(text, "");
        assert!((short..short * 4).contains(&took), "a half request: {took:?}");
        let mut second = send(address, HELLO);
        assert!(answer(&mut second).ends_with("hello"));
        second.write_all(b"GET / HT").unwrap();
        let (_, took) = read_all(second);
        assert!((short..short * 4).contains(&took), "half of the next request: {took:?}");
        let (text, took) = read_all(send(address, HELLO));
        assert!(text.ends_with("hello"));
        assert!((short * 8..LONG).contains(&took), "after an answer: {took:?}");
        let (_, took) = read_all(send(address, ""));
        assert!((short * 8..LONG).contains(&took), "nothing: {took:?}");
        // A slow answer is none of the client's fault.
        let slow = send(address, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(read_all(slow).0.starts_with("HTTP/1.1 200"));
        // Who does not read is closed as well, and who reads slowly is not.
        let mut reads =
            send(address, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut sleeps = send(address, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let (mut part, mut read) = (vec![0; 4 << 20], 0);
        while let Ok(n @ 1..) = reads.read(&mut part) {
            read += n;
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(read > 32 << 20, "{read} bytes");
        std::thread::sleep(short * 10);
        let mut rest = Vec::new();
        let _ = sleeps.read_to_end(&mut rest);
        assert!(rest.len() < 32 << 20, "{} bytes", rest.len());
    }

    #[test]
    fn a_body_that_nobody_reads_is_not_waited_for() {
        let (_server, address) = start(10, LONG);
        let head = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nsome";
        assert!(answer(&mut send(address, head)).ends_with("hello"));
        for (length, is_refused) in [(60_000, false), (90_000, true), (1 << 20, true)] {
            let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length));
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // It may be refused before it is sent.
            let _ = stream.write_all(head.as_bytes());
            let mut text = vec![0; 4_096];
            let read = stream.read(&mut text).unwrap_or(0);
            let is_answered = text[..read].starts_with(b"HTTP/1.1 200");
            assert_eq!(!is_answered, is_refused, "{length} bytes");
        }
    }

    /// The runtime of everything else is busy: this test is.
    #[tokio::test]
    async fn it_answers_while_everything_else_is_busy() {
        let (mut server, address) = start(10, LONG);
        assert!(answer(&mut send(address, HELLO)).ends_with("hello"));
        server.stop.trigger();
        server.ended().await;
        assert!(TcpStream::connect(address).is_err());
    }
}
