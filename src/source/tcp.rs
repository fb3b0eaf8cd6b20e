//! Lines over TCP.

use super::lines::{Acceptor, CONNECTIONS_MAX, LINE_BYTES_MAX, LineSource};
use super::{BoundSource, Listeners, Resource, Source, SourceContext, SourceType};
use crate::error::{Error, Result};
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::TcpListener;
use std::time::Duration;
use tokio::net::TcpStream;
use tracing::debug;

/// A silent peer is asked whether it is still there after this time.
const KEEPALIVE: Duration = Duration::from_secs(60);

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
        &[LISTEN_KEY, LINE_BYTES_MAX, CONNECTIONS_MAX]
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::Address(settings.address(LISTEN))
    }

    fn bind(&self, settings: &Settings, listeners: &Listeners) -> Result<Box<dyn BoundSource>> {
        let address = settings.address(LISTEN);
        let bind = || TcpListener::bind(address).map(Into::into);
        let socket = listeners.take(Resource::Address(address), bind);
        let failed = |error| Error::new(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::from(socket.map_err(failed)?);
        Ok(Box::new(BoundTcp { listener, settings: settings.clone() }))
    }
}

struct BoundTcp {
    listener: TcpListener,
    settings: Settings,
}

impl BoundSource for BoundTcp {
    fn address(&self) -> Option<String> {
        Some(self.listener.local_addr().ok()?.to_string())
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        let BoundTcp { listener, settings } = *self;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::TcpListener::from_std(listener))
            .map_err(|error| Error::new(format!("cannot listen: {error}")))?;
        Ok(Box::new(LineSource::start(listener, &settings, context)))
    }
}

impl Acceptor for tokio::net::TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = tokio::net::TcpListener::accept(self).await?;
        // A peer that vanished must not keep its place for ever.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            debug!(%error, "no keepalive");
        }
        Ok(stream)
    }
}
