//! Listening and serving HTTP. Knows no page; the routes are an argument.

pub mod stop;

use crate::error::{Error, Result};
use axum::Router;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a request that is under way, or half sent, can hold up the end.
const GRACE: Duration = Duration::from_secs(3);

/// `[server]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    /// Answer `POST /-/reload`.
    pub reload: bool,
    /// How long a stop may take; what is not done by then is left undone.
    pub stop_timeout: Duration,
}

/// Binds before anything else is done, so that a taken port is found at once.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| Error::new(format!("cannot listen on {listen}: {error}")))
}

/// Answers requests until shutdown, then finishes those under way.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    mut shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut deadline = shutdown.clone();
    let stop = async move {
        // An error means that the sender is gone, which is a shutdown too.
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    let overdue = async move {
        let _ = deadline.wait_for(|stop| *stop).await;
        tokio::time::sleep(GRACE).await;
    };
    let served = async { axum::serve(listener, routes).with_graceful_shutdown(stop).await };
    tokio::select! {
        served = served => served,
        () = overdue => Ok(()),
    }
}
