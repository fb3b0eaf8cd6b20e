//! Panes: the smallest parts that windows are merged from.

use crate::profile::clusters::Clusters;
use crate::profile::codec::{self, Content};
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use crate::profile::grid::GridId;
use crate::profile::{Accumulator, Mismatch};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Stands in a key for a window that has closed, and where there is no such window.
pub const CLOSED: u64 = u64::MAX;

/// Bytes of a feature of a file of few rows.
const FEATURE_BYTES: usize = 128;

/// A pane's name, given once: the windows of rows that were open when its first row came, and the
/// stretch of event time that its rows lie in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaneKey {
    /// The number of the open window, for each window that is cut by rows.
    pub slots: Vec<u64>,
    /// The number of the stretch of event time; [`PaneLayout`](super::cursor::PaneLayout) tells
    /// how long one is.
    pub bucket: u64,
}

/// One of the numbers of a pane's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Of a window that is cut by rows.
    Slot(usize),
    /// Of event time.
    Bucket,
}

/// The panes whose number on one axis lies in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneRange {
    pub axis: Axis,
    pub numbers: Range<u64>,
}

/// The numbers from which on windows and baselines still need panes; whatever lies below all of
/// them is not needed any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Horizons {
    pub slots: Vec<u64>,
    pub bucket: u64,
}

impl PaneKey {
    /// The pane of all rows, where no window is in play.
    pub fn whole() -> PaneKey {
        PaneKey { slots: vec![0], bucket: CLOSED }
    }

    pub fn number(&self, axis: Axis) -> u64 {
        match axis {
            Axis::Slot(slot) => self.slots[slot],
            Axis::Bucket => self.bucket,
        }
    }

    /// Whether no window is open that the pane belongs to.
    pub fn is_closed(&self) -> bool {
        self.bucket == CLOSED && self.slots.iter().all(|slot| *slot == CLOSED)
    }
}

impl PaneRange {
    pub fn holds(&self, key: &PaneKey) -> bool {
        self.numbers.contains(&key.number(self.axis))
    }
}

impl Horizons {
    /// The name that is common to all panes that no window tells apart any more; none when no
    /// window needs them.
    pub fn group(&self, key: &PaneKey) -> Option<PaneKey> {
        let open = |number: u64, horizon: u64| if number >= horizon { number } else { CLOSED };
        let slots = key.slots.iter().zip(&self.slots).map(|(slot, from)| open(*slot, *from));
        let group = PaneKey { slots: slots.collect(), bucket: open(key.bucket, self.bucket) };
        (!group.is_closed()).then_some(group)
    }
}

/// The counts of the rows of one pane: a profile per feature, in the reference's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pane {
    /// Rows seen.
    pub rows: u64,
    /// Rows counted: fewer than were seen when rows are sampled.
    pub rows_kept: u64,
    pub features: Vec<FeatureProfile>,
    /// By feature, where whole row groups were sampled; else empty.
    pub clusters: Vec<Clusters>,
}

impl Pane {
    pub fn new<'a>(grids: impl Iterator<Item = &'a FeatureGrid>) -> Pane {
        let features = grids.map(FeatureProfile::new).collect();
        Pane { rows: 0, rows_kept: 0, features, clusters: Vec::new() }
    }

    /// The pane over other grids: a feature whose grid is there keeps its counts, any other has
    /// none.
    #[must_use]
    pub fn rebase<'a>(self, grids: impl Iterator<Item = &'a FeatureGrid>) -> Pane {
        let clusters = self.clusters.into_iter().map(Some).chain(std::iter::repeat(None));
        let mut counted: HashMap<GridId, (FeatureProfile, Option<Clusters>)> = self
            .features
            .into_iter()
            .zip(clusters)
            .map(|(profile, clusters)| (profile.grid, (profile, clusters)))
            .collect();
        let mut is_clustered = false;
        let features = grids.map(|grid| {
            let (profile, clusters) =
                counted.remove(&grid.id).unwrap_or_else(|| (FeatureProfile::new(grid), None));
            is_clustered |= clusters.is_some();
            (profile, clusters.unwrap_or_default())
        });
        let (features, mut clusters): (Vec<_>, Vec<_>) = features.unzip();
        if !is_clustered {
            clusters.clear();
        }
        Pane { rows: self.rows, rows_kept: self.rows_kept, features, clusters }
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(Content::Pane, self)
    }

    /// Bytes that the counts take in memory, about.
    pub fn bytes(&self) -> usize {
        self.features.iter().map(FeatureProfile::bytes).sum()
    }

    /// Adds the rows of `other`; fails, and changes nothing, when any feature's grid differs.
    pub fn merge(&mut self, other: &Pane) -> Result<(), Mismatch> {
        let grids = |pane: &Pane| pane.features.iter().map(|f| f.grid).collect::<Vec<_>>();
        if grids(self) != grids(other) {
            return Err(Mismatch);
        }
        for (into, from) in self.features.iter_mut().zip(&other.features) {
            into.merge(from)?;
        }
        self.merge_rest(other)
    }

    /// Adds all that is not said by feature and value: for whoever merges the features himself.
    pub fn merge_rest(&mut self, other: &Pane) -> Result<(), Mismatch> {
        self.rows += other.rows;
        self.rows_kept += other.rows_kept;
        self.clusters.resize(self.clusters.len().max(other.clusters.len()), Clusters::default());
        for (into, from) in self.clusters.iter_mut().zip(&other.clusters) {
            into.merge(from)?;
        }
        Ok(())
    }
}

/// The bytes of a pane for the state, put together from those of its features.
#[derive(Debug)]
pub struct PaneBytes(Vec<u8>);

impl PaneBytes {
    /// Of a pane of so many features, about.
    pub fn of(features: usize) -> PaneBytes {
        PaneBytes(Vec::with_capacity(features * FEATURE_BYTES))
    }

    /// Adds the bytes of the next feature, as [`codec::append`] made them.
    pub fn push(&mut self, feature: &[u8]) {
        self.0.extend_from_slice(feature);
    }

    /// Encodes and adds the next feature.
    pub fn push_profile(&mut self, feature: &FeatureProfile) {
        codec::append(feature, &mut self.0);
    }

    /// The whole; `pane` tells everything that is not said by feature.
    pub fn finish(self, pane: &Pane) -> Vec<u8> {
        let Pane { rows, rows_kept, features, clusters } = pane;
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        codec::append(&(rows, rows_kept, features.len()), &mut head);
        codec::append(clusters, &mut tail);
        codec::seal(Content::Pane, &[&head, &self.0, &tail])
    }
}

/// Panes by key, as one file or batch adds to them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panes(pub BTreeMap<PaneKey, Pane>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Kind;
    use crate::profile::feature::Frame;

    #[test]
    fn bytes_of_features_are_bytes_of_their_pane() {
        let grid = |name: &str| {
            FeatureGrid::new(name.to_owned(), Kind::Categorical, false, None, Frame::Opaque)
        };
        let grids: Vec<FeatureGrid> = (0..200).map(|n| grid(&format!("f{n}"))).collect();
        let mut pane = Pane::new(grids.iter());
        (pane.rows, pane.rows_kept) = (1 << 40, 7);
        pane.features[1].add_absent(7);
        for clusters in [Vec::new(), vec![Clusters::default(); grids.len()]] {
            pane.clusters = clusters;
            let mut bytes = PaneBytes::of(grids.len());
            for (index, profile) in pane.features.iter().enumerate() {
                let mut feature = Vec::new();
                codec::append(profile, &mut feature);
                if index % 2 == 0 { bytes.push(&feature) } else { bytes.push_profile(profile) }
            }
            let bytes = bytes.finish(&pane);
            assert_eq!(bytes, codec::encode(Content::Pane, &pane));
            assert_eq!(codec::decode::<Pane>(Content::Pane, &bytes).unwrap(), pane);
        }
    }
}
