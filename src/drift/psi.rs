//! Population stability index.
//!
//! Σ (q−p)·ln(q/p), the symmetric divergence of H. Jeffreys (1946), under the name that credit
//! scoring gave it. A share below 1e-4 counts as 1e-4, so that one empty bin is a finite surprise;
//! nothing is renormalised, and a bin that is empty on both sides adds nothing.

use super::bin_distance::BinDistance;
use super::bin_table::shares;
use super::threshold::Threshold;
use super::{About, ByDefault};
use ndarray::ArrayView2;

pub struct Psi;

/// The least share that the logarithm sees.
pub(super) const SHARE_MIN: f64 = 1e-4;

impl BinDistance for Psi {
    fn about(&self) -> &'static About {
        &About {
            name: "psi",
            threshold: Threshold::Score { learned: 0.2, first: 0.25 },
            by_default: ByDefault::Decides,
        }
    }

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64 {
        psi(bins)
    }

    fn noise_by_psi(&self, psi: f64) -> Option<f64> {
        Some(psi)
    }
}

fn psi(bins: ArrayView2<'_, u64>) -> f64 {
    parts(bins).sum()
}

/// What each bin adds to the score, in bin order.
pub(super) fn parts(bins: ArrayView2<'_, u64>) -> impl Iterator<Item = f64> {
    // A bin that is empty on both sides adds nothing.
    shares(bins)
        .map(|(p, q)| (p.max(SHARE_MIN), q.max(SHARE_MIN)))
        .map(|(p, q)| (q - p) * (q / p).ln())
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    /// The case of Deequ's `KLLDistanceTest.scala`: every bin is well filled, so that no
    /// treatment of empty bins comes in.
    #[test]
    fn agrees_with_deequ() {
        let expected = [428, 425, 414, 427, 440, 447, 380, 386, 444, 386];
        let actual = [426, 437, 429, 391, 469, 433, 360, 443, 371, 418];
        let psi = psi(table(&expected, &actual).view());
        assert!((psi - 0.007406694184014186).abs() < 1e-15);
    }

    /// The shares of popmon's `test_comparisons.py`, which adds 1e-5 to each; ours come without.
    #[test]
    fn agrees_with_popmon() {
        let psi = psi(table(&[85, 5, 5, 5], &[25, 25, 25, 25]).view());
        assert!((psi - 1.699815077214137).abs() < 1e-3);
    }

    #[test]
    fn empty_bins_are_finite() {
        assert_eq!(psi(table(&[10, 0], &[10, 0]).view()), 0.0);
        let one_way = psi(table(&[0, 7], &[7, 0]).view());
        assert!((one_way - 2.0 * (1.0 - 1e-4) * 1e4f64.ln()).abs() < 1e-12);
        assert_eq!(one_way, psi(table(&[7, 0], &[0, 7]).view()));
    }
}
