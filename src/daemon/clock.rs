//! The real clock, which does not go back.

use crate::time::{Clock, Timestamp};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The system's time. When that is set back, time goes on from where it was, since everything that
/// waits would otherwise wait for it to come round again.
pub struct SystemClock(Mutex<(Timestamp, Instant)>);

impl SystemClock {
    pub fn new() -> SystemClock {
        SystemClock(Mutex::new((Timestamp(0), Instant::now())))
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the real time comes in")]
    fn now(&self) -> Timestamp {
        // Before 1970 the clock is wrong, and 1970 is as good as any other time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut last = self.0.lock().expect("nothing in here panics");
        let now = next(last.0, last.1.elapsed(), Timestamp(since.as_micros() as i64));
        *last = (now, Instant::now());
        now
    }
}

/// What to call the time after `last`, when so much time has passed and the system says `system`.
fn next(last: Timestamp, passed: Duration, system: Timestamp) -> Timestamp {
    if system >= last { system } else { last.plus(passed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_when_the_clock_is_set_back() {
        let second = Duration::from_secs(1);
        let last = Timestamp(10_000_000);
        assert_eq!(next(last, second, Timestamp(11_000_000)), Timestamp(11_000_000));
        assert_eq!(next(last, second, Timestamp(1)), Timestamp(11_000_000));
        assert_eq!(next(last, second, Timestamp(90_000_000)), Timestamp(90_000_000));
    }
}
