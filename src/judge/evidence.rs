//! What a closed window leaves for judging those after it: a few numbers per feature.

use crate::drift::Comparison;
use crate::drift::ranks::RankMoments;
use crate::profile::codec::append;
use serde::{Deserialize, Serialize};

/// One feature of one closed window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub rows: u64,
    pub missing: u64,
    /// Means over the present rows of the reference's ranks and of their distances from the
    /// middle; none of categories, and where the reference has one value only.
    pub ranks: Option<(f64, f64)>,
    /// Present rows by bin of `psi`; empty without any.
    pub bins: Vec<u64>,
    /// Whether the feature was called drifted.
    pub is_called: bool,
    /// The same of the season before that decides in place of the reference, as the reference ranks
    /// it; stored behind all else, where there is one.
    #[serde(skip)]
    pub beside: Option<Box<Evidence>>,
}

impl Evidence {
    /// Of the current side of a comparison with the reference.
    pub fn of(comparison: &Comparison<'_>, is_called: bool) -> Evidence {
        let (_, tally) = comparison.tallies();
        let mean = |of: &RankMoments| of.shift().map(|shift| shift + of.mean);
        let ranks = comparison
            .ranks()
            .and_then(|own| Some((mean(&own.ranks)?, mean(&own.distances).unwrap_or(0.0))));
        let bins = comparison.bins_of_values().map(|bins| bins.row(1).to_vec()).unwrap_or_default();
        let (rows, missing) = (tally.rows, tally.missing());
        Evidence { rows, missing, ranks, bins, is_called, beside: None }
    }

    /// Rows with a value.
    pub fn present(&self) -> u64 {
        self.bins.iter().sum()
    }
}

/// All features of one closed window, in the reference's order. There may be many, and fifty
/// windows of each are remembered, so they are held as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowEvidence {
    /// Numbered from 0 per window.
    pub slot: u64,
    /// Where each feature ends in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl WindowEvidence {
    pub fn new(slot: u64, features: &[Evidence]) -> WindowEvidence {
        let mut bytes = Vec::new();
        let ends = features.iter().map(|feature| {
            append(feature, &mut bytes);
            feature.beside.iter().for_each(|beside| append(beside, &mut bytes));
            u32::try_from(bytes.len()).expect("a feature takes less than a kilobyte")
        });
        let ends = ends.collect();
        WindowEvidence { slot, ends, bytes }
    }

    /// The same as if one of its features had never had a row.
    pub fn without(&self, index: usize) -> WindowEvidence {
        let all = (0..self.ends.len()).map(|own| match own == index {
            true => Evidence::default(),
            false => self.feature(own).unwrap_or_default(),
        });
        WindowEvidence::new(self.slot, &all.collect::<Vec<_>>())
    }

    /// None of a feature that there is not.
    pub fn feature(&self, index: usize) -> Option<Evidence> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let bytes = self.bytes.get(start..end)?;
        let (mut own, rest) = postcard::take_from_bytes::<Evidence>(bytes).ok()?;
        if !rest.is_empty() {
            own.beside = Some(Box::new(postcard::from_bytes(rest).ok()?));
        }
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_back() {
        let evidence = |n: u64| Evidence {
            rows: n,
            missing: n / 2,
            ranks: (n > 3).then_some((0.5, 0.25)),
            bins: (0..n).collect(),
            is_called: n > 4,
            beside: (n % 3 == 1).then(|| Box::new(Evidence { rows: n, ..Evidence::default() })),
        };
        let features: Vec<Evidence> = (0..9).map(evidence).collect();
        let window = WindowEvidence::new(7, &features);
        let back: Vec<Evidence> = (0..9).filter_map(|index| window.feature(index)).collect();
        assert_eq!(back, features);
        assert_eq!(window.feature(9), None);
        let without = window.without(4);
        assert_eq!(without.feature(4), Some(Evidence::default()));
        assert_eq!(
            (without.feature(3), without.feature(8)),
            (window.feature(3), window.feature(8))
        );
    }
}
