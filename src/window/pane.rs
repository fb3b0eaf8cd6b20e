//! Panes: the smallest parts that windows are merged from.

use crate::profile::clusters::Clusters;
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use crate::profile::grid::GridId;
use crate::profile::{Accumulator, Mismatch};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Stands in a key for a slot whose window has closed.
pub const CLOSED: u64 = u64::MAX;

/// A pane's name; [`Axes`](super::cursor::Axes) tells what its numbers stand for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaneKey(pub Vec<u64>);

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
        self.rows += other.rows;
        self.rows_kept += other.rows_kept;
        for (into, from) in self.features.iter_mut().zip(&other.features) {
            into.merge(from)?;
        }
        self.clusters.resize(self.clusters.len().max(other.clusters.len()), Clusters::default());
        for (into, from) in self.clusters.iter_mut().zip(&other.clusters) {
            into.merge(from)?;
        }
        Ok(())
    }
}

/// Panes by key, as one file or batch adds to them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panes(pub BTreeMap<PaneKey, Pane>);
