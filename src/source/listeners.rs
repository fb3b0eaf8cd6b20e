//! Sockets that are listened on, open as long as any configuration names them.
//!
//! A model that is started anew finds its socket still open, with its connections and what they
//! have sent.

use super::stream::inbox::Inbox;
use super::stream::{Abandoned, Gate, StreamLimits};
use super::{Resource, SourceOwner, SourceType};
use crate::error::Result;
use crate::net::descriptors::Descriptors;
use crate::settings::Settings;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// How long what was sent to a socket that can no longer be reached is waited for.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Something that rows are sent to, and the inbox where they wait.
pub trait RowListener: Any + Send + Sync {
    /// Where rows can be sent to.
    fn address(&self) -> &str;

    fn inbox(&self) -> &Arc<Inbox>;

    /// Whether it can be used for whoever needs this address: it accepts, and can be found.
    fn is_usable(&self) -> bool;

    /// Takes who waits, closes, and reads all to their end. What is not at its end at the deadline
    /// is cut off. The inbox has ended then.
    fn stop(&self, deadline: Instant);

    fn is_stopping(&self) -> bool;

    /// Takes other limits from now on.
    fn set_limits(&self, limits: StreamLimits);

    /// Whether connections are let in by a gate as these settings say.
    fn has_gate_of(&self, _settings: &Settings) -> bool {
        true
    }

    /// Lets connections in by this gate from now on; those that are open stay.
    fn set_gate(&self, _gate: Arc<Gate>) {}
}

/// What a socket is known by: what it listens on, as what, and whose it is where each has one of
/// its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerKey {
    pub resource: Resource,
    /// The type of its source.
    pub kind: &'static str,
    pub owner: Option<SourceOwner>,
}

impl ListenerKey {
    /// The key of the socket of a source. A free port is another one for each, and so is what only
    /// one source has.
    pub fn new(
        kind: &'static dyn SourceType,
        resource: Resource,
        owner: &SourceOwner,
    ) -> ListenerKey {
        let is_free = matches!(&resource, Resource::Address(address) if address.port() == 0);
        let is_own = is_free || !kind.is_handed_on();
        ListenerKey { resource, kind: kind.name(), owner: is_own.then(|| owner.clone()) }
    }
}

/// The sockets of the daemon.
pub struct Listeners {
    descriptors: Descriptors,
    sockets: Mutex<Sockets>,
    /// Those that are no longer wanted, until all that was sent to them is counted.
    closing: Mutex<Vec<Socket>>,
}

struct Sockets {
    /// How many sources there are to share the connections.
    sources: usize,
    open: BTreeMap<ListenerKey, Socket>,
}

struct Socket {
    /// The source that takes its lines, or took them last.
    owner: SourceOwner,
    /// As they are configured.
    limits: StreamLimits,
    listener: Arc<dyn RowListener>,
}

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners::new(Descriptors { limit: None })
    }
}

impl Listeners {
    pub fn new(descriptors: Descriptors) -> Listeners {
        let sockets = Sockets { sources: 1, open: BTreeMap::new() };
        Listeners { descriptors, sockets: Mutex::new(sockets), closing: Mutex::default() }
    }

    /// So many sources share the descriptors that there are for connections.
    pub fn share_among(&self, sources: usize) {
        let mut sockets = self.sockets();
        sockets.sources = sources;
        for socket in sockets.open.values() {
            socket.listener.set_limits(self.allowed(socket.limits, sources));
        }
    }

    /// The socket with this key, which `open` opens when there is none that can be used.
    pub fn take<L: RowListener>(
        &self,
        key: ListenerKey,
        owner: &SourceOwner,
        limits: StreamLimits,
        open: impl FnOnce(StreamLimits) -> Result<L>,
    ) -> Result<Arc<L>> {
        let (found, allowed) = {
            let sockets = self.sockets();
            let found = sockets.open.get(&key).map(|socket| Arc::clone(&socket.listener));
            (found, self.allowed(limits, sockets.sources))
        };
        let found =
            found.and_then(|own| Arc::downcast::<L>(own as Arc<dyn Any + Send + Sync>).ok());
        // A file system that does not answer must not hold up who asks for other sockets.
        let listener = match found.filter(|listener| listener.is_usable()) {
            Some(listener) => listener,
            None => {
                let (wanted, connections_max) = (limits.connections_max, allowed.connections_max);
                if connections_max < wanted {
                    let listen = key.resource.to_string();
                    warn!(listen, wanted, connections_max, "fewer: the limit of open files");
                }
                Arc::new(open(allowed)?)
            }
        };
        listener.set_limits(allowed);
        let own: Arc<dyn RowListener> = Arc::clone(&listener) as _;
        let socket = Socket { owner: owner.clone(), limits, listener: Arc::clone(&own) };
        let before = self.sockets().open.insert(key, socket);
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(&before.listener, &own)) {
            self.close(before, Instant::now() + CLOSE_WITHIN);
        }
        Ok(listener)
    }

    fn allowed(&self, limits: StreamLimits, sources: usize) -> StreamLimits {
        let connections_max = self.descriptors.for_source(limits.connections_max, sources);
        StreamLimits { connections_max, ..limits }
    }

    /// Whether there is a socket with this key.
    pub fn has(&self, key: &ListenerKey) -> bool {
        self.sockets().open.contains_key(key)
    }

    /// Whether there is a socket with this key that lets connections in as these settings say; none
    /// where there is no socket.
    pub fn has_gate_of(&self, key: &ListenerKey, settings: &Settings) -> Option<bool> {
        self.sockets().open.get(key).map(|socket| socket.listener.has_gate_of(settings))
    }

    /// Lets connections in by this gate from now on, if there is such a socket.
    pub fn set_gate(&self, key: &ListenerKey, gate: Arc<Gate>) {
        if let Some(socket) = self.sockets().open.get(key) {
            socket.listener.set_gate(gate);
        }
    }

    /// Whether a socket that is not among the wanted ones may be in the way of this one.
    pub fn has_in_the_way(&self, key: &ListenerKey, wanted: &BTreeSet<ListenerKey>) -> bool {
        let port = |resource: &Resource| match resource {
            Resource::Address(address) => Some(address.port()),
            _ => None,
        };
        let Some(own) = port(&key.resource) else { return false };
        let is_in_the_way =
            |open: &ListenerKey| !wanted.contains(open) && port(&open.resource) == Some(own);
        self.sockets().open.keys().any(is_in_the_way)
    }

    /// Closes the sockets that are not wanted any more. Their models are to take what was sent,
    /// until the deadline.
    pub fn retain(&self, is_wanted: impl Fn(&ListenerKey) -> bool, deadline: Instant) {
        let mut sockets = self.sockets();
        let unwanted = sockets.open.extract_if(.., |key, _| !is_wanted(key));
        unwanted.for_each(|(_, socket)| self.close(socket, deadline));
    }

    fn close(&self, socket: Socket, deadline: Instant) {
        socket.listener.stop(deadline);
        self.closing().push(socket);
    }

    /// Whether there are sockets that are being closed.
    pub fn are_closing(&self) -> bool {
        !self.closing().is_empty()
    }

    /// What was sent to sockets that are closed now, and whose model is not there to count it.
    pub fn take_abandoned(&self) -> Vec<(SourceOwner, Abandoned)> {
        let mut abandoned = Vec::new();
        self.closing().retain(|socket| match socket.listener.inbox().abandoned() {
            None => true,
            Some(left) => {
                abandoned.push((socket.owner.clone(), left));
                false
            }
        });
        abandoned
    }

    /// Bytes that wait in sockets that are being closed, by source: when the time is up, those are
    /// lost.
    pub fn left_behind(&self) -> Vec<(SourceOwner, usize)> {
        let closing = self.closing();
        let left = closing.iter().map(|own| (own.owner.clone(), own.listener.inbox().bytes()));
        left.filter(|(_, bytes)| *bytes > 0).collect()
    }

    fn closing(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
