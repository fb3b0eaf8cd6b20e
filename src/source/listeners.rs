//! Sockets that are listened on, open as long as any configuration names them.
//!
//! A model that is started anew finds its socket still open, with its connections and what they
//! have sent.

use super::Resource;
use super::lines::{LineLimits, LineListener};
use crate::error::Result;
use crate::net::descriptors::Descriptors;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tracing::warn;

/// What a socket is known by: what it listens on, and whose it is where that is any free port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerKey {
    pub resource: Resource,
    pub owner: Option<String>,
}

impl ListenerKey {
    /// The key of the socket of `owner`, which names a model and its source. A free port is
    /// another one for each.
    pub fn new(resource: Resource, owner: &str) -> ListenerKey {
        let is_free = matches!(&resource, Resource::Address(address) if address.port() == 0);
        ListenerKey { resource, owner: is_free.then(|| owner.to_owned()) }
    }
}

/// The sockets of the daemon.
pub struct Listeners {
    descriptors: Descriptors,
    /// How many sources there are to share the connections.
    sources: Mutex<usize>,
    open: Mutex<BTreeMap<ListenerKey, Arc<LineListener>>>,
}

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners::new(Descriptors { limit: None })
    }
}

impl Listeners {
    pub fn new(descriptors: Descriptors) -> Listeners {
        Listeners { descriptors, sources: Mutex::new(1), open: Mutex::default() }
    }

    /// So many sources share the descriptors that there are for connections.
    pub fn share_among(&self, sources: usize) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// The socket with this key, which `open` opens when nobody has yet.
    pub fn take(
        &self,
        key: ListenerKey,
        limits: LineLimits,
        open: impl FnOnce(LineLimits) -> Result<LineListener>,
    ) -> Result<Arc<LineListener>> {
        let sources = *self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let connections_max = self.descriptors.for_source(limits.connections_max, sources);
        if connections_max < limits.connections_max {
            let (wanted, listen) = (limits.connections_max, key.resource.to_string());
            warn!(
                listen,
                wanted, connections_max, "the limit of open files allows fewer connections"
            );
        }
        let mut listeners = self.open();
        // One that failed is opened anew, by whoever starts its model again.
        if let Some(listener) = listeners.get(&key).filter(|listener| !listener.has_failed()) {
            listener.set_connections_max(connections_max);
            return Ok(Arc::clone(listener));
        }
        let listener = Arc::new(open(LineLimits { connections_max, ..limits })?);
        listeners.insert(key, Arc::clone(&listener));
        Ok(listener)
    }

    /// Closes the sockets that are not wanted any more. Their models are to take what was sent,
    /// until the deadline.
    pub fn retain(&self, is_wanted: impl Fn(&ListenerKey) -> bool, deadline: Instant) {
        self.open().retain(|key, listener| {
            let stays = is_wanted(key);
            if !stays {
                listener.stop(deadline);
            }
            stays
        });
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<ListenerKey, Arc<LineListener>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
