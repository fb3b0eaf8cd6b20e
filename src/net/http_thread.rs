//! The HTTP server on a runtime and a thread of its own, so that whoever scrapes is answered
//! whatever else the process does.

use super::ServerConfig;
use super::connections::Connections;
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
        routes: Router,
        connections: Arc<Connections>,
        config: ServerConfig,
        stop: Stop,
    ) -> io::Result<HttpThread> {
        let runtime = Builder::new_current_thread()
            .thread_name("driftd-answers")
            .max_blocking_threads(ANSWERS_MAX)
            .enable_all()
            .build()?;
        let (running, ended) = watch::channel(());
        let asked = stop.clone();
        std::thread::Builder::new().name("driftd-http".into()).spawn(move || {
            let _running = running;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                serve(listener, routes, connections, &config, asked).await;
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

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        // Nothing is ever sent.
        let _ = self.ended.changed().await;
    }
}
