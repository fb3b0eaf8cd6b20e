//! Sockets that are listened on, open as long as any configuration names them.
//!
//! A model that is started anew finds its socket still open, and whoever connects meanwhile waits
//! instead of being refused.

use super::Resource;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// The sockets of the daemon.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<BTreeMap<Resource, OwnedFd>>);

impl Listeners {
    /// The socket of a resource, which `bind` opens when nobody has yet. A free port is another one
    /// each time.
    pub fn take(
        &self,
        resource: Resource,
        bind: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<OwnedFd> {
        if matches!(&resource, Resource::Address(address) if address.port() == 0) {
            return bind();
        }
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = open.get(&resource) {
            return socket.try_clone();
        }
        let socket = bind()?;
        open.insert(resource, socket.try_clone()?);
        Ok(socket)
    }

    /// Closes the sockets that are not wanted any more.
    pub fn retain(&self, is_wanted: impl Fn(&Resource) -> bool) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|resource, _| {
            let stays = is_wanted(resource);
            if let Resource::SocketFile(path) = resource
                && !stays
            {
                // Nobody can connect to it any more; gone already is as good.
                let _ = std::fs::remove_file(path);
            }
            stays
        });
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.retain(|_| false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    #[test]
    fn a_socket_stays_open_while_it_is_wanted() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (listeners, resource) = (Listeners::default(), Resource::Address(free));
        let bind = || TcpListener::bind(free).map(OwnedFd::from);
        drop(listeners.take(resource.clone(), bind).unwrap());
        // Nobody accepts, and still nobody is refused.
        TcpStream::connect(free).unwrap();
        let again = listeners.take(resource, || panic!("it is open")).unwrap();
        drop(again);
        listeners.retain(|_| false);
        assert!(TcpStream::connect(free).is_err());
    }

    #[test]
    fn free_ports_are_not_shared() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::default();
        let take = || {
            let bind = || TcpListener::bind(any).map(OwnedFd::from);
            TcpListener::from(listeners.take(Resource::Address(any), bind).unwrap())
        };
        let (a, b) = (take(), take());
        assert_ne!(a.local_addr().unwrap(), b.local_addr().unwrap());
    }
}
