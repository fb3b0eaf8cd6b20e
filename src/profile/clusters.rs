//! What a sample of whole row groups is worth.
//!
//! Rows of one row group were written in the same minute and resemble each other, so that n rows
//! in G groups tell less than n rows drawn one by one: n/δ of those. The design effect δ is
//! estimated from how much more the groups differ than chance has them differ, X²/((G−1)(B−1)),
//! with X² the χ² of homogeneity of G groups over B bins: the mean design effect of J. N. K. Rao
//! and A. J. Scott, "The analysis of categorical data from complex sample surveys", JASA 76 (1981).

use super::{Accumulator, Mismatch};
use crate::stats::sum::Sum;
use serde::{Deserialize, Serialize};

/// How the bins of one feature are spread over row groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// Row groups with rows: G.
    groups: u64,
    /// Σ over groups of (rows in the bin)² / rows of the group, by bin.
    squares: Vec<Sum>,
}

impl Clusters {
    /// How many rows of a group tell as much as one that was drawn alone, 1 or more; `bins` are
    /// the sums over all groups. None while there are not two groups to compare.
    pub fn design_effect(&self, bins: &[u64]) -> Option<f64> {
        if self.groups < 2 || self.squares.len() != bins.len() {
            return None;
        }
        let rows = bins.iter().sum::<u64>() as f64;
        let used = bins.iter().filter(|count| **count > 0).count();
        if used < 2 {
            return Some(1.0);
        }
        // Σ_g (n_gb − n_g p_b)² / (n_g p_b) = (n / n_b) Σ_g n_gb²/n_g − n_b, with p_b = n_b / n.
        let filled = bins.iter().zip(&self.squares).filter(|(count, _)| **count > 0);
        let chi2: f64 = filled
            .map(|(&count, square)| square.value() * rows / count as f64 - count as f64)
            .sum();
        let freedom = (self.groups - 1) as f64 * (used - 1) as f64;
        Some((chi2 / freedom).max(1.0))
    }
}

impl Accumulator for Clusters {
    /// Rows of one group, by bin.
    type Input<'a> = &'a [u64];

    fn update(&mut self, bins: &[u64]) {
        let rows = bins.iter().sum::<u64>();
        if rows == 0 {
            return;
        }
        self.groups += 1;
        self.squares.resize(self.squares.len().max(bins.len()), Sum::default());
        for (square, &count) in self.squares.iter_mut().zip(bins) {
            let count = count as f64;
            square.merge(Sum::product(count, count).divided_by(rows as f64));
        }
    }

    fn merge(&mut self, other: &Clusters) -> Result<(), Mismatch> {
        self.groups += other.groups;
        self.squares.resize(self.squares.len().max(other.squares.len()), Sum::default());
        for (into, from) in self.squares.iter_mut().zip(&other.squares) {
            into.merge(*from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(groups: &[&[u64]]) -> Option<f64> {
        let mut clusters = Clusters::default();
        groups.iter().for_each(|bins| clusters.update(bins));
        let n_bins = groups[0].len();
        let bins: Vec<u64> = (0..n_bins).map(|b| groups.iter().map(|bins| bins[b]).sum()).collect();
        clusters.design_effect(&bins)
    }

    /// `scipy.stats.chi2_contingency(…, correction=False)` 1.17.1 on the same tables: statistic
    /// over degrees of freedom.
    #[test]
    fn agrees_with_scipy() {
        let got = effect(&[&[30, 10, 60], &[10, 50, 40], &[20, 20, 60]]).unwrap();
        assert!((got - 47.5 / 4.0).abs() < 1e-12, "{got}");
        let got = effect(&[&[1_000, 500], &[300, 700]]).unwrap();
        assert!((got - 323.1837606837607).abs() < 1e-9, "{got}");
    }

    #[test]
    fn groups_that_are_alike_cost_nothing() {
        assert_eq!(effect(&[&[10, 20], &[100, 200], &[5, 10]]), Some(1.0));
        assert_eq!(effect(&[&[10, 0], &[100, 0]]), Some(1.0));
    }

    /// Every group a single value: m rows tell as much as one.
    #[test]
    fn groups_of_one_value_count_as_one_row_each() {
        let groups: Vec<[u64; 2]> =
            (0..100).map(|g| if g % 2 == 0 { [50, 0] } else { [0, 50] }).collect();
        let groups: Vec<&[u64]> = groups.iter().map(<[u64; 2]>::as_slice).collect();
        let effect = effect(&groups).unwrap();
        assert!((effect - 50.0 * 100.0 / 99.0).abs() < 1e-9, "{effect}");
    }

    #[test]
    fn one_group_tells_nothing_of_the_others() {
        assert_eq!(effect(&[&[10, 20]]), None);
    }
}
