//! Faults of the state for tests: the process ends at a chosen point, or commits fail or panic.

use crate::error::{Result, StateError};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What is to go wrong, and when.
#[derive(Debug)]
pub struct StateFaults {
    /// Points until the process ends; negative when it does not.
    points_left: AtomicI64,
    /// It has ended: nothing works any more.
    has_ended: AtomicBool,
    commits_to_fail: AtomicU64,
    commits_to_panic: AtomicU64,
}

impl Default for StateFaults {
    fn default() -> StateFaults {
        StateFaults {
            points_left: AtomicI64::new(-1),
            has_ended: AtomicBool::new(false),
            commits_to_fail: AtomicU64::new(0),
            commits_to_panic: AtomicU64::new(0),
        }
    }
}

impl StateFaults {
    /// Ends the process at the n-th point from now on.
    pub fn end_after(&self, points: u16) {
        self.points_left.store(i64::from(points), Ordering::SeqCst);
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        self.points_left.store(-1, Ordering::SeqCst);
        self.commits_to_fail.store(0, Ordering::SeqCst);
    }

    pub fn fail_commits(&self, commits: u64) {
        self.commits_to_fail.store(commits, Ordering::SeqCst);
    }

    pub fn panic_in_commits(&self, commits: u64) {
        self.commits_to_panic.store(commits, Ordering::SeqCst);
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// A place where the process may end. The error cannot be retried.
    pub fn point(&self) -> Result<(), StateError> {
        let left = self.points_left.load(Ordering::SeqCst);
        if left >= 0 && self.points_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.has_ended.store(true, Ordering::SeqCst);
        }
        if self.has_ended() {
            return Err(StateError::damaged("the process", "it was killed"));
        }
        Ok(())
    }

    /// A commit that may fail, as on a full disk, or panic.
    pub fn commit(&self) -> Result<(), StateError> {
        let take = |left: &AtomicU64| {
            let one_less = |left: u64| left.checked_sub(1);
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        };
        assert!(!take(&self.commits_to_panic), "a commit, as a test wants it");
        if take(&self.commits_to_fail) {
            return Err(StateError::failed("the disk is full"));
        }
        Ok(())
    }
}
