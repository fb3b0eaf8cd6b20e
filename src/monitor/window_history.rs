//! What the closed windows of one name have left for judging those after them.

use crate::judge::evidence::WindowEvidence;
use crate::window::WindowKind;
use std::collections::VecDeque;
use std::sync::Arc;

/// The last closed windows of one name, oldest first, no two of which have rows in common.
#[derive(Debug, Clone)]
pub struct WindowHistory {
    /// Stretches of a reference in the order of time, before all windows.
    reference: Arc<[Arc<WindowEvidence>]>,
    windows: VecDeque<Arc<WindowEvidence>>,
    /// How many windows further on one has none of a window's rows.
    apart: u64,
    /// Steps between windows that are remembered.
    steps: usize,
}

/// What a window has left for judging others.
#[derive(Debug, Clone)]
pub struct Remembered {
    pub evidence: Arc<WindowEvidence>,
    /// The number of the oldest window that is remembered.
    pub oldest: u64,
}

impl WindowHistory {
    /// What is remembered goes on from `windows`, oldest first.
    pub fn new(
        kind: WindowKind,
        steps: usize,
        reference: Arc<[Arc<WindowEvidence>]>,
        windows: Vec<WindowEvidence>,
    ) -> WindowHistory {
        let apart = match kind {
            WindowKind::Time(period) => period.overlapping(),
            WindowKind::Batch { .. } | WindowKind::Rows { .. } => 1,
        };
        let mut history = WindowHistory { reference, windows: VecDeque::new(), apart, steps };
        for window in windows {
            history.push(window);
        }
        history
    }

    /// Those that have no rows in common with the window of this number, and came before it; before
    /// them, as many stretches of the reference as are still to be learned from.
    pub fn before(&self, slot: u64) -> impl Iterator<Item = &Arc<WindowEvidence>> {
        let known = self.reference.len();
        let older = (self.steps + 1).saturating_sub(self.windows.len()).min(known);
        let windows = self.windows.iter().filter(move |window| window.slot + self.apart <= slot);
        self.reference[known - older..].iter().chain(windows)
    }

    /// Remembers a window, unless it has rows in common with one that is remembered.
    pub fn push(&mut self, window: WindowEvidence) -> Option<Remembered> {
        let is_next = |last: &Arc<WindowEvidence>| last.slot + self.apart <= window.slot;
        if !self.windows.back().is_none_or(is_next) {
            return None;
        }
        let evidence = Arc::new(window);
        self.windows.push_back(Arc::clone(&evidence));
        while self.windows.len() > self.steps + 1 {
            self.windows.pop_front();
        }
        let oldest = self.windows.front().map_or(evidence.slot, |first| first.slot);
        Some(Remembered { evidence, oldest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::period::Period;
    use std::time::Duration;

    fn window(slot: u64) -> WindowEvidence {
        WindowEvidence::new(slot, &[])
    }

    fn slots(history: &WindowHistory, slot: u64) -> Vec<u64> {
        history.before(slot).map(|window| window.slot).collect()
    }

    #[test]
    fn windows_of_rows_all_count() {
        let mut history = WindowHistory::new(WindowKind::Rows { size: 9 }, 3, Arc::new([]), vec![]);
        (0..7).for_each(|slot| assert!(history.push(window(slot)).is_some()));
        assert_eq!(slots(&history, 7), [3, 4, 5, 6]);
        assert_eq!(slots(&history, 5), [3, 4]);
        // One that was closed anew teaches nothing.
        assert!(history.push(window(6)).is_none());
    }

    /// The last stretches of the reference make up for windows that there are not yet.
    #[test]
    fn a_reference_in_order_comes_before_all() {
        let stretches: Vec<Arc<WindowEvidence>> = (90..99).map(|n| Arc::new(window(n))).collect();
        let kind = WindowKind::Rows { size: 9 };
        let mut history = WindowHistory::new(kind, 3, stretches.into(), vec![window(0)]);
        assert_eq!(slots(&history, 1), [96, 97, 98, 0]);
        (1..4).for_each(|slot| assert!(history.push(window(slot)).is_some()));
        assert_eq!(slots(&history, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn windows_that_overlap_are_left_out() {
        let hours = |n: u64| Duration::from_secs(n * 3_600);
        let period = Period {
            size: hours(6),
            slide: hours(2),
            offset: hours(0),
            lateness: hours(0),
            idle_timeout: hours(1),
        };
        let mut history = WindowHistory::new(WindowKind::Time(period), 50, Arc::new([]), vec![]);
        let kept: Vec<u64> = (0..9).filter(|slot| history.push(window(*slot)).is_some()).collect();
        assert_eq!(kept, [0, 3, 6]);
        assert_eq!(slots(&history, 9), [0, 3, 6]);
        assert_eq!(slots(&history, 8), [0, 3]);
    }
}
