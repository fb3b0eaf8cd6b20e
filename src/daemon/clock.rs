//! The real clock.

use crate::time::{Clock, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the real time comes in")]
    fn now(&self) -> Timestamp {
        // Before 1970 the clock is wrong, and 1970 is as good as any other time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_micros() as i64)
    }
}
