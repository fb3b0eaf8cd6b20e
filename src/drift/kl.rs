//! Kullback-Leibler divergence of the window from the reference, in nats.
//!
//! Σ q·ln(q/p) on the bins of psi: what a row of the window tells, on average, against being one of
//! the reference. S. Kullback and R. A. Leibler, "On information and sufficiency" (1951). A share
//! of the reference below 1e-4 counts as 1e-4 inside the logarithm, as for psi, so that a bin that
//! only the window has is a finite surprise: in [0, ln 10000]. Exact but for that.

use super::bin_distance::BinDistance;
use super::bin_table::shares;
use super::psi::SHARE_MIN;
use super::threshold::Threshold;
use super::{About, ByDefault};
use ndarray::ArrayView2;

pub struct Kl;

impl BinDistance for Kl {
    fn about(&self) -> &'static About {
        &About { name: "kl", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64 {
        divergence(bins)
    }

    /// Half of psi's, where both are small.
    fn noise_by_psi(&self, psi: f64) -> Option<f64> {
        Some(psi / 2.0)
    }
}

fn divergence(bins: ArrayView2<'_, u64>) -> f64 {
    let surprising = shares(bins).filter(|(_, q)| *q > 0.0);
    let sum: f64 = surprising.map(|(p, q)| q * (q / p.max(SHARE_MIN)).ln()).sum();
    // Shares that count for more than they are can make it less than nothing.
    sum.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    /// Great Expectations' example: .5, .3 and .2 against three equal shares.
    #[test]
    fn agrees_with_great_expectations() {
        let bins = table(&[1, 1, 1], &[5, 3, 2]);
        assert!((divergence(bins.view()) - 0.06895927460353621).abs() < 1e-15);
    }

    /// popmon's, which adds 1e-5 to each share.
    #[test]
    fn agrees_with_popmon() {
        let bins = table(&[85, 5, 5, 5], &[25, 25, 25, 25]);
        assert!((divergence(bins.view()) - 0.90105).abs() < 2e-4);
    }

    #[test]
    fn a_bin_of_the_window_alone_is_finite() {
        assert!((divergence(table(&[7, 0], &[0, 7]).view()) - 1e4f64.ln()).abs() < 1e-12);
        // A share that counts for more than it is takes something away.
        let rare = [1_000_000, 1];
        assert_eq!(divergence(table(&rare, &rare).view()), 0.0);
    }
}
