//! The real clock, which neither goes back nor follows every jump.

use crate::time::{Clock, Timestamp};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::warn;

/// What the system's time may differ by from the time that has passed; it is being corrected then.
const CORRECTED: Duration = Duration::from_secs(1);

/// How long the system's time has to stay ahead until it is believed.
const BELIEVED: Duration = Duration::from_secs(30);

/// The system's time. When that is set back, time goes on from where it was, since everything that
/// waits would otherwise wait for it to come round again. When it jumps ahead, time goes on as well
/// until the jump has lasted: windows that close too early make all rows late that come after.
pub struct SystemClock(Mutex<Steady>);

/// Time as it passes.
struct Steady {
    time: Timestamp,
    at: Instant,
    /// Since when the system has told another time.
    apart: Option<Instant>,
}

impl SystemClock {
    pub fn new() -> SystemClock {
        SystemClock(Mutex::new(Steady { time: system(), at: Instant::now(), apart: None }))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.0.lock().expect("nothing in here panics").next(system(), Instant::now())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the real time comes in")]
fn system() -> Timestamp {
    // Before 1970 the clock is wrong, and 1970 is as good as any other time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_micros() as i64)
}

impl Steady {
    /// What to call the time when the system says `system`.
    fn next(&mut self, system: Timestamp, at: Instant) -> Timestamp {
        let passed = at.saturating_duration_since(self.at);
        let steady = self.time.plus(passed);
        let is_close = system.since(steady).max(steady.since(system)) <= CORRECTED;
        let now = if is_close {
            self.apart = None;
            system.max(self.time)
        } else {
            let since = *self.apart.get_or_insert_with(|| {
                warn!(%system, time = %steady, "the clock jumped; its time is not believed yet");
                at
            });
            let is_believed = system > steady && at.duration_since(since) >= BELIEVED;
            if is_believed {
                warn!(%system, time = %steady, "the clock has stayed ahead, and is believed");
                self.apart = None;
            }
            if is_believed { system } else { steady }
        };
        (self.time, self.at) = (now, at);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn time_passes_as_it_does() {
        let start = Instant::now();
        let mut clock = Steady { time: at(100), at: start, apart: None };
        let mut now = |passed: u64, system| {
            clock.next(at(system), start + Duration::from_secs(passed)).0 / 1_000_000
        };
        assert_eq!(now(1, 101), 101);
        // Set back for good: time goes on, and never back.
        assert_eq!((now(2, 1), now(60, 59)), (102, 160));
        // Right again.
        assert_eq!(now(61, 161), 161);
        // A jump of three seconds changes nothing.
        assert_eq!((now(62, 9_000), now(64, 9_002), now(65, 165)), (162, 164, 165));
        // One that lasts is believed.
        assert_eq!((now(70, 9_000), now(99, 9_029), now(100, 9_030)), (170, 199, 9_030));
        assert_eq!(now(101, 9_031), 9_031);
    }
}
