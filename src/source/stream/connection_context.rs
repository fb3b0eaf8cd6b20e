//! What every connection of a socket needs, and how one may end.

use super::gate::Gate;
use super::inbox::Inbox;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// While the daemon stops, a connection that sends nothing for so long has sent all. One that is
/// inside a line is waited for.
pub const QUIET: Duration = Duration::from_secs(1);

/// What a connection needs; one per socket, cloned per connection.
#[derive(Clone)]
pub struct ConnectionContext {
    pub inbox: Arc<Inbox>,
    /// Where the socket listens.
    pub address: Arc<str>,
    /// May change while the connection is open.
    pub line_bytes_max: Arc<AtomicUsize>,
    /// Room for the messages of Arrow streams that are on their way.
    pub arriving: Arc<Semaphore>,
    /// May change for connections that come later.
    pub gate: Arc<RwLock<Arc<Gate>>>,
    /// Until when connections may go on, once their socket is to be closed.
    pub deadline: watch::Receiver<Option<Instant>>,
}

/// How a connection went.
pub enum End {
    /// All that it sent was taken.
    Whole,
    Broken(io::Error),
    /// It had to give way, or the time was up.
    CutOff,
    /// It was not let in.
    Refused,
}

/// Waits for the deadline, once there is one.
pub async fn time_is_up(deadline: &mut watch::Receiver<Option<Instant>>) {
    match deadline.wait_for(Option::is_some).await.map(|deadline| *deadline) {
        Ok(Some(deadline)) => sleep_until(deadline).await,
        // Nobody is there any more who could set one.
        _ => std::future::pending().await,
    }
}
