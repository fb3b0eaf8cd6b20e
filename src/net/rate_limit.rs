//! How often requests are answered: a bucket of tokens, of which each request takes one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One token per interval comes, up to `burst`, of which a new bucket is full.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    burst: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    pub fn new(interval: Duration, burst: u32) -> RateLimit {
        let bucket = Bucket { tokens: f64::from(burst), filled: Instant::now() };
        RateLimit { interval, burst: f64::from(burst), bucket: Mutex::new(bucket) }
    }

    /// Whether a request may be answered now.
    pub fn allows(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed / self.interval.as_secs_f64()).min(self.burst);
        bucket.filled = now;
        let is_there = bucket.tokens >= 1.0;
        if is_there {
            bucket.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_one_by_one() {
        let limit = RateLimit::new(Duration::from_secs(1), 2);
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let allowed: Vec<bool> =
            [0.0, 0.1, 0.2, 0.9, 1.3, 1.4, 9.0, 9.1, 9.2].map(|s| limit.allows(at(s))).into();
        assert_eq!(allowed, [true, true, false, false, true, false, true, true, false]);
        let nobody = RateLimit::new(Duration::from_secs(1), 0);
        assert!(!nobody.allows(at(100.0)));
    }
}
