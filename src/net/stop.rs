//! When to stop: one switch that everything waits on.

use crate::error::{Error, Result};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

/// A switch that is only ever turned on.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Turned on by the first SIGTERM or SIGINT.
    pub fn on_signal() -> Result<Stop> {
        let stop = Stop::default();
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let on_signal = stop.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            info!(signal = name, "stopping");
            on_signal.trigger();
        });
        Ok(stop)
    }

    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    pub fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn wait(&self) {
        // An error would mean that the switch is gone, and `self` is it.
        let _ = self.0.subscribe().wait_for(|stop| *stop).await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Error::new(format!("cannot listen for signals: {error}")))
}
