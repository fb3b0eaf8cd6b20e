//! Lines over TCP.

use super::stream::{
    self, BoundStream, CONNECTIONS_MAX, Gate, LINE_BYTES_MAX, StreamListener, TOKEN_FILE,
    WEB_CONFIG_FILE,
};
use super::{BoundSource, ListenerKey, Resource, SharedByAll, SourceOwner, SourceType};
use crate::error::{Error, Result};
use crate::net;
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

const LISTEN: &str = "listen";

/// `type = "tcp"`.
pub struct Tcp;

impl SourceType for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn keys(&self) -> &'static [Key] {
        const LISTEN_KEY: Key = Key {
            name: LISTEN,
            kind: SettingKind::Address,
            default: None,
            meaning: "IP address and port; port 0 takes a free one and logs it",
        };
        &[LISTEN_KEY, LINE_BYTES_MAX, CONNECTIONS_MAX, TOKEN_FILE, WEB_CONFIG_FILE]
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::Address(settings.address(LISTEN))
    }

    fn memory_max(&self, settings: &Settings, features: usize, threads: usize) -> u64 {
        stream::memory_max(settings, features, threads)
    }

    fn gate(&self, settings: &Settings) -> Result<Option<Gate>> {
        Gate::open(settings).map(Some)
    }

    fn bind(
        &self,
        settings: &Settings,
        owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let (address, limits) = (settings.address(LISTEN), stream::limits(settings));
        let key = ListenerKey::new(&Tcp, Resource::Address(address), owner);
        let listener = shared.listeners.take(key, owner, limits, |limits| {
            let gate = Arc::new(Gate::open(settings)?);
            let open = || -> io::Result<StreamListener> {
                let listener = TcpListener::from_std(net::bind(address)?)?;
                let bound = listener.local_addr()?.to_string();
                Ok(StreamListener::open(listener, bound, limits, Arc::clone(&gate)))
            };
            open().map_err(|error| Error::new(format!("cannot listen on {address}: {error}")))
        });
        let listener = listener?;
        stream::set_gate(&listener, settings)?;
        Ok(Box::new(BoundStream { listener, limits }))
    }
}
