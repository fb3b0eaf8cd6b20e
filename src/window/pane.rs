//! Panes: the smallest parts that windows are merged from.

use crate::profile::clusters::Clusters;
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use crate::profile::grid::GridId;
use crate::profile::{Accumulator, Mismatch};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Stands in a key for a slot whose window has closed.
const CLOSED: u64 = u64::MAX;

/// A pane's name: the slot of each of the model's windows, in their order.
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

    /// The pane over other grids: a feature whose grid is still there keeps its counts, any other
    /// starts anew. Also tells how many features lost theirs.
    pub fn rebase<'a>(self, grids: impl Iterator<Item = &'a FeatureGrid>) -> (Pane, usize) {
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
        let pane = Pane { rows: self.rows, rows_kept: self.rows_kept, features, clusters };
        (pane, counted.len())
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

/// Panes by key: the open ones of a model, or those that one file adds to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panes(pub BTreeMap<PaneKey, Pane>);

impl Panes {
    /// Adds what a file or batch counted.
    pub fn merge(&mut self, delta: Panes) -> Result<(), Mismatch> {
        for (key, pane) in delta.0 {
            match self.0.get_mut(&key) {
                Some(into) => into.merge(&pane)?,
                None => {
                    self.0.insert(key, pane);
                }
            }
        }
        Ok(())
    }

    /// Drops panes whose windows have all closed, and merges those that no open window tells apart
    /// any more; the keys that changed. No more panes stay than there are combinations of open
    /// slots, however many files there were.
    pub fn forget_closed(&mut self, is_open: impl Fn(usize, u64) -> bool) -> BTreeSet<PaneKey> {
        let mut touched = BTreeSet::new();
        let keys: Vec<PaneKey> = self.0.keys().cloned().collect();
        for key in keys {
            let slots = key.0.iter().enumerate();
            let open = slots.map(|(w, slot)| if is_open(w, *slot) { *slot } else { CLOSED });
            let open = PaneKey(open.collect());
            if open == key {
                continue;
            }
            let pane = self.0.remove(&key).expect("the key was just listed");
            touched.insert(key);
            if open.0.iter().any(|slot| *slot != CLOSED) {
                touched.insert(open.clone());
                self.merge(Panes([(open, pane)].into())).expect("all panes are on one grid");
            }
        }
        touched
    }

    /// All panes of one window's slot, merged.
    pub fn window(&self, window: usize, slot: u64) -> Option<Pane> {
        let mut parts =
            self.0.iter().filter(|(key, _)| key.0.get(window) == Some(&slot)).map(|(_, p)| p);
        let mut merged = parts.next()?.clone();
        for part in parts {
            merged.merge(part).expect("the panes of a model are on its grids");
        }
        Some(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_that_no_open_window_tells_apart_are_merged() {
        let pane =
            |rows| Pane { rows, rows_kept: rows, features: Vec::new(), clusters: Vec::new() };
        let key = |slots: [u64; 2]| PaneKey(slots.to_vec());
        let mut panes = Panes((0..100).map(|file| (key([file, 7]), pane(10))).collect());
        // Every file's own window has closed, the window of rows has not.
        let touched = panes.forget_closed(|window, _| window == 1);
        assert_eq!(panes.0, [(key([CLOSED, 7]), pane(1_000))].into());
        assert_eq!(touched.len(), 101);
        assert_eq!(panes.window(1, 7).unwrap().rows, 1_000);
        assert_eq!(panes.forget_closed(|_, _| false), [key([CLOSED, 7])].into());
        assert!(panes.0.is_empty());
    }
}
