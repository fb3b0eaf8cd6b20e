//! Listening, letting in, and serving HTTP. Knows no page; the routes are an argument.

mod client_verifier;
pub mod connections;
pub mod descriptors;
pub mod guard;
pub mod http;
pub mod http_client;
pub mod http_thread;
pub mod listener;
mod passwords;
mod rate_limit;
pub mod roles;
pub mod stop;
mod tls;
pub mod web_config;

use roles::Roles;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How long whoever speaks HTTP may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last.
    pub header: Duration,
    /// For so long a connection may send nothing between requests, or take nothing of an answer.
    pub idle: Duration,
}

/// `[server]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    /// Answer `POST /-/reload`.
    pub reload: bool,
    /// How long a stop may take; what is not done by then is left undone.
    pub stop_timeout: Duration,
    /// HTTP connections at a time.
    pub connections_max: usize,
    /// From the first byte of a request to its last.
    pub header_timeout: Duration,
    /// For so long a connection may send nothing between requests, or take nothing of an answer.
    pub idle_timeout: Duration,
    pub roles: Roles,
    /// Where people reach it, without a slash at the end; for links.
    pub external_url: Option<String>,
}

impl ServerConfig {
    pub fn timeouts(&self) -> Timeouts {
        Timeouts { header: self.header_timeout, idle: self.idle_timeout }
    }

    /// How long connections may go on during a stop; the rest is for counting and committing.
    pub fn time_for_connections(&self) -> Duration {
        self.stop_timeout * 2 / 3
    }
}

/// Opens a port for an asynchronous listener.
pub fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
