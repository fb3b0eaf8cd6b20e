//! Ids of events that came lately, so that one that is sent again counts once.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

/// Ids that are remembered, at most; the oldest go first. About 100 MB.
const IDS_MAX: usize = 1_000_000;

/// The ids of the last while.
#[derive(Default)]
pub struct SeenIds {
    known: HashSet<u128>,
    in_order: VecDeque<(Instant, u128)>,
}

impl SeenIds {
    /// Whether an id came no longer ago.
    pub fn has(&mut self, id: &str, kept: Duration) -> bool {
        self.forget(kept);
        self.known.contains(&xxh3_128(id.as_bytes()))
    }

    fn forget(&mut self, kept: Duration) {
        let now = Instant::now();
        while let Some((_, old)) = self.in_order.pop_front_if(|(since, _)| now - *since >= kept) {
            self.known.remove(&old);
        }
    }

    /// Remembers an id for so long. False when it is known already.
    pub fn note(&mut self, id: &str, kept: Duration) -> bool {
        self.forget(kept);
        let id = xxh3_128(id.as_bytes());
        if !self.known.insert(id) {
            return false;
        }
        self.in_order.push_back((Instant::now(), id));
        if self.in_order.len() > IDS_MAX
            && let Some((_, old)) = self.in_order.pop_front()
        {
            self.known.remove(&old);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_id_is_new_once_in_a_while() {
        let (mut seen, kept) = (SeenIds::default(), Duration::from_secs(10));
        assert!(seen.note("a", kept) && !seen.note("a", kept) && seen.note("b", kept));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!seen.note("a", kept));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(seen.note("a", kept) && !seen.note("a", kept));
    }
}
