//! The open panes of a model: how many rows each holds, and the counts of those in use.
//!
//! Everything that was counted can be read by [`PaneCounts`], delta by delta. Counts are held in
//! memory as well while there is room, so that the newest windows close without reading anything.
//!
//! A pane keeps the name that it was born with. Panes that no open window tells apart any more are
//! held as one group, so that there are no more of them than combinations of open windows, however
//! many files there were; which panes those are follows from their names and the horizons alone.

use super::pane::{Horizons, Pane, PaneKey, PaneRange, Panes};
use super::pane_sums::PaneSums;
use crate::error::{Result, StateError};
use std::collections::BTreeMap;

/// Reads the counts of panes that are not held in memory: by the journal of a running model, and at
/// its start by the state alone.
pub trait PaneCounts: Sync {
    /// All that was counted into panes of these ranges.
    fn deltas(&mut self, ranges: &[PaneRange]) -> Result<Vec<DeltaId>, StateError>;

    /// The counts of one delta, on the model's grids.
    fn read(&self, delta: &DeltaId) -> Result<Pane, StateError>;
}

/// Names what was counted into a pane by one file, or by the streams of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaId {
    /// In the state.
    Stored(i64),
    /// Of a file, or of very many panes, waiting to be written.
    Waiting(usize),
    /// Of streams, waiting to be written.
    Merged(PaneKey),
}

/// Panes that no open window tells apart.
#[derive(Debug)]
struct PaneGroup {
    rows: u64,
    /// All of its counts and the bytes that they take, or none of them.
    counts: Option<(Pane, usize)>,
}

/// All panes that an open window or a baseline needs.
#[derive(Debug, Default)]
pub struct OpenPanes {
    horizons: Horizons,
    groups: BTreeMap<PaneKey, PaneGroup>,
    sums: PaneSums,
    /// Bytes that counts may take, as it was said last; none before.
    bytes_max: Option<usize>,
}

impl OpenPanes {
    /// Panes whose counts are in the state, with their rows.
    pub fn restored(horizons: Horizons, panes: impl Iterator<Item = (PaneKey, u64)>) -> OpenPanes {
        let mut open = OpenPanes { horizons, ..OpenPanes::default() };
        for (key, rows) in panes {
            if let Some(name) = open.horizons.group(&key) {
                open.put(name, PaneGroup { rows, counts: None });
            }
        }
        open
    }

    /// Adds what a file or batch counted; `merge` adds the rows of one pane to another.
    pub fn add(&mut self, delta: Panes, merge: impl Fn(&mut Pane, Pane)) {
        for (key, pane) in delta.0 {
            let Some(name) = self.horizons.group(&key) else { continue };
            self.sums.forget(name.bucket);
            match self.groups.get_mut(&name) {
                None => {
                    let (rows, bytes) = (pane.rows, pane.bytes());
                    self.groups.insert(name, PaneGroup { rows, counts: Some((pane, bytes)) });
                }
                Some(group) => {
                    group.rows += pane.rows;
                    if let Some((counts, bytes)) = &mut group.counts {
                        merge(counts, pane);
                        *bytes = counts.bytes();
                    }
                }
            }
        }
    }

    /// Adds rows whose counts are in the journal only.
    pub fn add_stored(&mut self, key: &PaneKey, rows: u64) {
        if let Some(name) = self.horizons.group(key) {
            self.sums.forget(name.bucket);
            self.put(name, PaneGroup { rows, counts: None });
        }
    }

    /// Takes rows out again, because their file was replaced. What they leave is in the journal.
    pub fn remove(&mut self, key: &PaneKey, rows: u64) {
        let Some(name) = self.horizons.group(key) else { return };
        self.sums.forget(name.bucket);
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.rows = group.rows.saturating_sub(rows);
        group.counts = None;
        if group.rows == 0 {
            self.groups.remove(&name);
        }
    }

    /// Groups and their rows, in the order of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&PaneKey, u64)> {
        self.groups.iter().map(|(key, group)| (key, group.rows))
    }

    /// The counts of all panes of some ranges, some of them added up; none when memory does not
    /// have all of them.
    pub fn counts(&self, ranges: &[PaneRange]) -> Option<Vec<&Pane>> {
        let summed = self.sums.inside(ranges);
        let is_inside = |key: &PaneKey| ranges.iter().any(|range| range.holds(key));
        let is_summed = |key: &PaneKey| summed.contains(&PaneSums::block(key.bucket));
        let groups = self.groups.iter().filter(|(key, _)| is_inside(key) && !is_summed(key));
        let sums = summed.iter().map(|block| self.sums.get(*block));
        let own = groups.map(|(_, group)| group.counts.as_ref().map(|(counts, _)| counts));
        sums.chain(own).collect()
    }

    /// The blocks of time in some ranges that have several panes and no sum.
    pub fn unsummed(&self, ranges: &[PaneRange]) -> Vec<u64> {
        let blocks = self.groups.keys().map(|key| PaneSums::block(key.bucket));
        let mut panes: BTreeMap<u64, usize> = BTreeMap::new();
        blocks.for_each(|block| *panes.entry(block).or_default() += 1);
        let is_wanted =
            |block: u64| self.sums.get(block).is_none() && PaneSums::is_inside(block, ranges);
        panes.retain(|block, panes| *panes > 1 && is_wanted(*block));
        panes.into_keys().collect()
    }

    /// Whether memory has room for another sum.
    pub fn has_room(&self) -> bool {
        self.bytes_max.is_none_or(|most| self.bytes() + self.sums.bytes() < most)
    }

    /// Bytes that the counts of panes take in memory.
    fn bytes(&self) -> usize {
        let sizes = self.groups.values().filter_map(|group| group.counts.as_ref());
        sizes.map(|(_, bytes)| bytes).sum()
    }

    /// Keeps the sum of all panes of a block, until one of them changes.
    pub fn keep_sum(&mut self, block: u64, sum: Pane) {
        self.sums.insert(block, sum);
    }

    /// Forgets what lies below the horizons, and puts together what they no longer tell apart.
    pub fn advance(&mut self, horizons: Horizons) {
        if self.horizons == horizons {
            return;
        }
        self.horizons = horizons;
        let is_changed = |key: &PaneKey| self.horizons.group(key).as_ref() != Some(key);
        let changed: Vec<PaneKey> = self.groups.keys().filter(|k| is_changed(k)).cloned().collect();
        for key in changed {
            let group = self.groups.remove(&key).expect("the key was just listed");
            let name = self.horizons.group(&key);
            // Under another name of the same time, its rows are still in the sum.
            if name.as_ref().is_none_or(|name| name.bucket != key.bucket) {
                self.sums.forget(key.bucket);
            }
            if let Some(name) = name {
                self.put(name, group);
            }
        }
    }

    pub fn horizons(&self) -> &Horizons {
        &self.horizons
    }

    fn put(&mut self, name: PaneKey, group: PaneGroup) {
        let Some(into) = self.groups.get_mut(&name) else {
            self.groups.insert(name, group);
            return;
        };
        into.rows += group.rows;
        match (&mut into.counts, group.counts) {
            (Some((into, bytes)), Some((from, _))) => {
                into.merge(&from).expect("all panes are on the model's grids");
                *bytes = into.bytes();
            }
            (counts, _) => *counts = None,
        }
    }

    /// Lets go of counts, oldest first, until the rest takes no more than so many bytes.
    pub fn shrink(&mut self, bytes_max: usize) {
        self.bytes_max = Some(bytes_max);
        let mut bytes = self.bytes();
        while bytes + self.sums.bytes() > bytes_max && self.sums.forget_oldest() {}
        let mut groups = self.groups.values_mut();
        while bytes > bytes_max {
            let Some(group) = groups.next() else { return };
            bytes -= group.counts.take().map_or(0, |(_, bytes)| bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pane::{Axis, CLOSED};
    use super::*;
    use proptest::prelude::*;

    fn merge(into: &mut Pane, from: Pane) {
        into.merge(&from).unwrap();
    }

    fn pane(rows: u64) -> Pane {
        Pane { rows, rows_kept: rows, features: Vec::new(), clusters: Vec::new() }
    }

    fn key(slot: u64, bucket: u64) -> PaneKey {
        PaneKey { slots: vec![slot], bucket }
    }

    fn horizons(slot: u64, bucket: u64) -> Horizons {
        Horizons { slots: vec![slot], bucket }
    }

    fn bucket(number: u64) -> [PaneRange; 1] {
        [PaneRange { axis: Axis::Bucket, numbers: number..number + 1 }]
    }

    #[test]
    fn panes_that_no_open_window_tells_apart_are_one_group() {
        let mut panes = OpenPanes::restored(horizons(0, 0), std::iter::empty());
        panes.add(Panes((0..100).map(|file| (key(file, 7), pane(10))).collect()), merge);
        assert_eq!(panes.iter().count(), 100);
        // Every file's own window has closed, the hour has not.
        panes.advance(horizons(100, 7));
        assert_eq!(panes.iter().collect::<Vec<_>>(), [(&key(CLOSED, 7), 1_000)]);
        assert_eq!(panes.counts(&bucket(7)), Some(vec![&pane(1_000)]));
        // By the name that it was born with, a pane is still found.
        panes.remove(&key(3, 7), 10);
        assert_eq!(panes.iter().collect::<Vec<_>>(), [(&key(CLOSED, 7), 990)]);
        panes.advance(horizons(100, 8));
        assert_eq!(panes.iter().count(), 0);
    }

    fn rows_of(open: &OpenPanes, ranges: &[PaneRange]) -> Option<u64> {
        open.counts(ranges).map(|panes| panes.iter().map(|pane| pane.rows).sum())
    }

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        /// Whatever is added, taken out, closed and let go of: no row is in a window twice, or
        /// missing from it.
        #[test]
        fn sums_are_those_of_the_panes(
            steps in prop::collection::vec((0..6u8, 0..4u64, 0..80u64, 1..9u64), 1..80),
        ) {
            let (mut summed, mut plain) = (OpenPanes::default(), OpenPanes::default());
            let mut horizon = (0, 0);
            summed.advance(horizons(0, 0));
            plain.advance(horizons(0, 0));
            for (step, slot, bucket, rows) in steps {
                let own = key(slot, bucket);
                for open in [&mut summed, &mut plain] {
                    match step {
                        0..=2 => open.add(Panes([(own.clone(), pane(rows))].into()), merge),
                        3 => open.remove(&own, rows),
                        4 => open.advance(horizons(horizon.0.max(slot), horizon.1.max(bucket / 8))),
                        _ => open.add_stored(&own, rows),
                    }
                }
                if step == 4 {
                    horizon = (horizon.0.max(slot), horizon.1.max(bucket / 8));
                }
                let ranges = [PaneRange { axis: Axis::Bucket, numbers: bucket / 2..bucket + 33 }];
                for block in summed.unsummed(&ranges) {
                    let own = PaneRange { axis: Axis::Bucket, numbers: PaneSums::buckets(block) };
                    let rows = rows_of(&summed, &[own]);
                    rows.into_iter().for_each(|rows| summed.keep_sum(block, pane(rows)));
                }
                prop_assert_eq!(rows_of(&summed, &ranges), rows_of(&plain, &ranges));
            }
        }
    }

    #[test]
    fn counts_are_whole_or_not_there() {
        let stored = [(key(0, 1), 5)].into_iter();
        let mut panes = OpenPanes::restored(horizons(0, 0), stored);
        panes.add(Panes([(key(1, 1), pane(3)), (key(1, 2), pane(4))].into()), merge);
        assert_eq!(panes.counts(&bucket(1)), None);
        // One of the two that become one is in the state only.
        panes.advance(horizons(2, 0));
        assert_eq!(panes.counts(&bucket(1)), None);
        assert_eq!(panes.counts(&bucket(2)), Some(vec![&pane(4)]));
        assert_eq!(panes.counts(&bucket(3)), Some(vec![]));
        panes.remove(&key(1, 2), 1);
        assert_eq!(panes.counts(&bucket(2)), None);
        assert_eq!(panes.iter().map(|(_, rows)| rows).collect::<Vec<_>>(), [8, 3]);
    }
}
