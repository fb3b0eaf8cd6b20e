//! Whether the models do anything: a daemon that lives and counts nothing is worse than one that
//! died, because people trust the absence of an alarm.

use super::tell_systemd;
use crate::export::live::LiveModels;
use crate::telemetry::ProcessTelemetry;
use crate::time::Clock;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;

/// A model whose loop has not turned for this long has stalled. An idle loop turns more often.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// The health of the daemon.
#[derive(Clone)]
pub struct Health {
    pub models: LiveModels,
    pub process: Arc<ProcessTelemetry>,
    pub clock: Arc<dyn Clock>,
}

impl Health {
    /// The models that have stalled. A state that cannot be written holds all of them up, has an
    /// alert of its own, and is tried again; starting the process again would not help.
    pub fn stalled(&self) -> Vec<String> {
        let since = self.clock.now().minus(STALLED_AFTER);
        if self.process.state_write_failed.get() > since.0 {
            return Vec::new();
        }
        self.models.stalled_since(since)
    }
}

/// Tells systemd that the daemon lives, as long as nothing has stalled and as often as it asks.
pub async fn feed_watchdog(health: Health) {
    // None outside systemd, or when it does not ask for it.
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut feed = tokio::time::interval(limit / 3);
    loop {
        feed.tick().await;
        if health.stalled().is_empty() {
            tell_systemd(&[NotifyState::Watchdog]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::live::LiveModel;
    use crate::telemetry::ModelTelemetry;
    use crate::time::Timestamp;

    struct FixedClock;

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            Timestamp(1_000_000_000)
        }
    }

    #[test]
    fn a_model_stalls_when_it_is_up_and_has_not_turned() {
        let process = Arc::<ProcessTelemetry>::default();
        let clock = Arc::new(FixedClock);
        let health = Health { models: LiveModels::default(), process: Arc::clone(&process), clock };
        let add = |name: &str, up: i64, seconds_ago: Option<i64>| {
            let telemetry = Arc::new(ModelTelemetry::default());
            telemetry.up.set(up);
            let at = seconds_ago.map_or(0, |ago| 1_000_000_000 - ago * 1_000_000);
            telemetry.last_progress.set(at);
            health.models.replace(LiveModel {
                name: name.to_owned(),
                version: "1".to_owned(),
                created: Timestamp(0),
                telemetry,
                sources: Vec::new(),
            });
        };
        add("works", 1, Some(59));
        add("loads its reference", 1, None);
        add("waits to be started again", 0, Some(500));
        assert_eq!(health.stalled(), Vec::<String>::new());
        add("stalled", 1, Some(61));
        assert_eq!(health.stalled(), ["stalled 1"]);
        process.state_write_failed.set(1_000_000_000 - 59 * 1_000_000);
        assert_eq!(health.stalled(), Vec::<String>::new());
        process.state_write_failed.set(1_000_000_000 - 61 * 1_000_000);
        assert_eq!(health.stalled(), ["stalled 1"]);
    }
}
