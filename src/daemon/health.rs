//! Whether the models do anything: a daemon that lives and counts nothing is worse than one that
//! died, because people trust the absence of an alarm.

use crate::export::live::LiveModels;
use crate::time::Clock;
use std::sync::Arc;
use std::time::Duration;

/// A model whose loop has not turned for this long has stalled. An idle loop turns more often.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// The health of the daemon.
#[derive(Clone)]
pub struct Health {
    pub models: LiveModels,
    pub clock: Arc<dyn Clock>,
}

impl Health {
    /// The models that have stalled.
    pub fn stalled(&self) -> Vec<String> {
        self.models.stalled_since(self.clock.now().minus(STALLED_AFTER))
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
        let health = Health { models: LiveModels::default(), clock: Arc::new(FixedClock) };
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
    }
}
