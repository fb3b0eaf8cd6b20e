//! How the rows of clusters are spread, for features whose rows come in clusters that have a name:
//! a request, a user, a session.
//!
//! Clusters are too many to count each by itself. Each goes into one of some groups by a hash of
//! its name, whole and wherever its rows arrive, so that groups differ as much as whole clusters
//! make them: the method of random groups (K. M. Wolter, "Introduction to Variance Estimation",
//! 2nd edition 2007, chapter 2). Counts by group and bin add up exactly, in any order.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Groups that clusters are drawn into: the variance between them is known within 18 %.
pub const GROUPS: usize = 64;

/// Tells the hash of a row without a name from those of names.
const ALONE: u64 = 0x0061_6c6f_6e65;

/// Rows of one feature by the group of their cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomGroups {
    /// Bins of a group; the last is of missing values.
    n_bins: usize,
    /// By bin, group after group.
    rows: Vec<u64>,
    /// Rows of categories that one group alone has; of a reference.
    pub alone: u64,
}

/// The group of the cluster of this name.
pub fn group_of_name(name: &[u8]) -> u8 {
    (xxh3_64(name) % GROUPS as u64) as u8
}

/// The group of a row whose cluster has no name: it is one by itself, told apart by its table and
/// number.
pub fn group_of_row(table: u64, row: u64) -> u8 {
    (xxh3_64_with_seed(&row.to_le_bytes(), table ^ ALONE) % GROUPS as u64) as u8
}

impl RandomGroups {
    /// Adds rows, each in a group and in one of `n_bins` bins.
    pub fn update(&mut self, groups: &[u8], bins: &[u8], n_bins: usize) {
        self.n_bins = n_bins;
        self.rows.resize(GROUPS * n_bins, 0);
        for (group, bin) in groups.iter().zip(bins) {
            self.rows[usize::from(*group) * n_bins + usize::from(*bin)] += 1;
        }
    }

    /// Adds the rows of other clusters, or other rows of the same.
    pub fn merge(&mut self, other: &RandomGroups) {
        self.n_bins = self.n_bins.max(other.n_bins);
        self.rows.resize(self.rows.len().max(other.rows.len()), 0);
        self.rows.iter_mut().zip(&other.rows).for_each(|(into, rows)| *into += rows);
    }

    /// Rows by bin of each group that has any, missing values last.
    pub fn filled(&self) -> impl Iterator<Item = &[u64]> {
        let groups = self.rows.chunks_exact(self.n_bins.max(1));
        groups.filter(|bins| bins.iter().any(|rows| *rows > 0))
    }

    pub fn total(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// Bytes in memory of groups of so many bins, about.
    pub fn bytes_of(n_bins: usize) -> usize {
        GROUPS * n_bins * size_of::<u64>()
    }

    /// Bytes in memory, about.
    pub fn bytes(&self) -> usize {
        size_of_val(self.rows.as_slice())
    }
}
