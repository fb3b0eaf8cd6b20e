//! The open panes of a model: how many rows each holds, and the counts of those in use.
//!
//! Everything that was counted is in the state, part by part. Counts are held in memory as well
//! while there is room, so that the newest windows close without reading anything.

use super::pane::{CLOSED, Pane, PaneKey, Panes};
use crate::error::Result;
use std::collections::BTreeMap;

/// Where the parts of panes are that are not held in memory.
pub trait PaneParts: Sync {
    /// All that was counted into a pane, in any number of parts.
    fn parts(&self, key: &PaneKey) -> Result<Vec<Pane>>;
}

/// One open pane.
#[derive(Debug)]
struct OpenPane {
    rows: u64,
    /// All of its counts and the bytes that they take, or none of them.
    counts: Option<(Pane, usize)>,
}

/// All panes that an open window needs.
#[derive(Debug, Default)]
pub struct OpenPanes(BTreeMap<PaneKey, OpenPane>);

/// A pane that has another name from now on, or is not needed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    pub from: PaneKey,
    pub to: Option<PaneKey>,
}

impl OpenPanes {
    /// A pane whose counts are in the state.
    pub fn restore(&mut self, key: PaneKey, rows: u64) {
        self.0.insert(key, OpenPane { rows, counts: None });
    }

    /// Adds what a file or batch counted; `merge` adds the rows of one pane to another.
    pub fn add(&mut self, delta: Panes, merge: impl Fn(&mut Pane, Pane)) {
        for (key, pane) in delta.0 {
            let rows = pane.rows;
            match self.0.get_mut(&key) {
                None => {
                    let bytes = pane.bytes();
                    self.0.insert(key, OpenPane { rows, counts: Some((pane, bytes)) });
                }
                Some(open) => {
                    open.rows += rows;
                    if let Some((counts, bytes)) = &mut open.counts {
                        merge(counts, pane);
                        *bytes = counts.bytes();
                    }
                }
            }
        }
    }

    /// Takes rows out again, because their file was replaced. What they leave is in the state.
    pub fn remove(&mut self, key: &PaneKey, rows: u64) {
        let Some(open) = self.0.get_mut(key) else { return };
        open.rows = open.rows.saturating_sub(rows);
        open.counts = None;
        if open.rows == 0 {
            self.0.remove(key);
        }
    }

    /// Keys and rows, in the order of the keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&PaneKey, u64)> {
        self.0.iter().map(|(key, open)| (key, open.rows))
    }

    /// The counts of a pane, unless only the state has them.
    pub fn counts(&self, key: &PaneKey) -> Option<&Pane> {
        self.0.get(key)?.counts.as_ref().map(|(counts, _)| counts)
    }

    /// Drops panes that no open window needs, and merges those that none tells apart any more. No
    /// more panes stay than there are combinations of open slots, however many files there were.
    pub fn forget(&mut self, is_needed: impl Fn(usize, u64) -> bool) -> Vec<Renamed> {
        let name = |key: &PaneKey| {
            let numbers = key.0.iter().enumerate();
            let open = numbers.map(|(axis, n)| if is_needed(axis, *n) { *n } else { CLOSED });
            PaneKey(open.collect())
        };
        let renamed = self.0.keys().map(|key| (key.clone(), name(key)));
        let renamed: Vec<_> = renamed.filter(|(from, to)| from != to).collect();
        let mut changes = Vec::new();
        for (from, to) in renamed {
            let pane = self.0.remove(&from).expect("the key was just listed");
            let to = to.0.iter().any(|number| *number != CLOSED).then_some(to);
            if let Some(to) = &to {
                self.put(to, pane);
            }
            changes.push(Renamed { from, to });
        }
        changes
    }

    fn put(&mut self, key: &PaneKey, pane: OpenPane) {
        let Some(into) = self.0.get_mut(key) else {
            self.0.insert(key.clone(), pane);
            return;
        };
        into.rows += pane.rows;
        match (&mut into.counts, pane.counts) {
            (Some((into, bytes)), Some((from, _))) => {
                into.merge(&from).expect("all panes are on the model's grids");
                *bytes = into.bytes();
            }
            (counts, _) => *counts = None,
        }
    }

    /// Lets go of counts, oldest first, until the rest takes no more than so many bytes. Only when
    /// all parts of all panes are in the state, or on their way to it.
    pub fn shrink(&mut self, bytes_max: usize) {
        let sizes = self.0.values().filter_map(|open| open.counts.as_ref());
        let mut bytes: usize = sizes.map(|(_, bytes)| bytes).sum();
        let mut panes = self.0.values_mut();
        while bytes > bytes_max {
            let Some(pane) = panes.next() else { return };
            bytes -= pane.counts.take().map_or(0, |(_, bytes)| bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(into: &mut Pane, from: Pane) {
        into.merge(&from).unwrap();
    }

    fn pane(rows: u64) -> Pane {
        Pane { rows, rows_kept: rows, features: Vec::new(), clusters: Vec::new() }
    }

    fn key(numbers: [u64; 2]) -> PaneKey {
        PaneKey(numbers.to_vec())
    }

    #[test]
    fn panes_that_no_open_window_tells_apart_are_merged() {
        let mut panes = OpenPanes::default();
        panes.add(Panes((0..100).map(|file| (key([file, 7]), pane(10))).collect()), merge);
        // Every file's own window has closed, the window of rows has not.
        let renamed = panes.forget(|axis, _| axis == 1);
        assert_eq!(panes.iter().collect::<Vec<_>>(), [(&key([CLOSED, 7]), 1_000)]);
        assert_eq!(panes.counts(&key([CLOSED, 7])), Some(&pane(1_000)));
        assert_eq!(renamed.len(), 100);
        assert_eq!(renamed[3], Renamed { from: key([3, 7]), to: Some(key([CLOSED, 7])) });
        let renamed = panes.forget(|_, _| false);
        assert_eq!(renamed, [Renamed { from: key([CLOSED, 7]), to: None }]);
        assert_eq!(panes.iter().count(), 0);
    }

    #[test]
    fn counts_are_whole_or_not_there() {
        let mut panes = OpenPanes::default();
        panes.restore(key([CLOSED, 1]), 5);
        panes.add(Panes([(key([0, 1]), pane(3)), (key([0, 2]), pane(4))].into()), merge);
        // One of the two that become one is in the state only.
        panes.forget(|axis, _| axis == 1);
        assert_eq!(panes.counts(&key([CLOSED, 1])), None);
        assert_eq!(panes.counts(&key([CLOSED, 2])), Some(&pane(4)));
        panes.remove(&key([CLOSED, 2]), 1);
        assert_eq!(panes.counts(&key([CLOSED, 2])), None);
        assert_eq!(panes.iter().map(|(_, rows)| rows).collect::<Vec<_>>(), [8, 3]);
    }
}
