//! Sums of the panes that windows slide over.
//!
//! A day that slides by five minutes has 288 panes, all but one of which were in the window before.
//! So those of a block of time are added up once, for as long as nothing in them changes.

use super::pane::{Axis, Pane, PaneRange};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Stretches of event time to a block: about the root of those of a long window, which makes the
/// blocks in it as many as the panes beside them.
const BLOCK: u64 = 16;

/// The sums of blocks, by their number.
#[derive(Debug, Default)]
pub struct PaneSums(BTreeMap<u64, Pane>);

impl PaneSums {
    /// The block that a stretch of event time is in.
    pub fn block(bucket: u64) -> u64 {
        bucket / BLOCK
    }

    /// The stretches of a block.
    pub fn buckets(block: u64) -> Range<u64> {
        block * BLOCK..(block + 1).saturating_mul(BLOCK)
    }

    /// Whether all of a block lies in one of the ranges.
    pub fn is_inside(block: u64, ranges: &[PaneRange]) -> bool {
        let own = PaneSums::buckets(block);
        let holds = |range: &PaneRange| {
            range.axis == Axis::Bucket
                && range.numbers.start <= own.start
                && own.end <= range.numbers.end
        };
        ranges.iter().any(holds)
    }

    /// The blocks that are summed and lie in the ranges.
    pub fn inside(&self, ranges: &[PaneRange]) -> BTreeSet<u64> {
        self.0.keys().copied().filter(|block| PaneSums::is_inside(*block, ranges)).collect()
    }

    pub fn get(&self, block: u64) -> Option<&Pane> {
        self.0.get(&block)
    }

    /// Keeps the sum of all panes of a block.
    pub fn insert(&mut self, block: u64, sum: Pane) {
        self.0.insert(block, sum);
    }

    /// Forgets the sum of a block of which a pane changes.
    pub fn forget(&mut self, bucket: u64) {
        self.0.remove(&PaneSums::block(bucket));
    }

    /// Forgets the sum of the oldest block; false when there is none.
    pub fn forget_oldest(&mut self) -> bool {
        self.0.pop_first().is_some()
    }

    /// Bytes that they take in memory.
    pub fn bytes(&self) -> usize {
        self.0.values().map(Pane::bytes).sum()
    }
}
