//! Jensen-Shannon distance: the square root of the divergence, base 2, hence in [0, 1].
//!
//! J. Lin, "Divergence measures based on the Shannon entropy" (1991); a metric by D. M. Endres and
//! J. E. Schindelin (2003).

use super::bin_table::shares;
use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score, bins_test};
use ndarray::ArrayView2;
use std::f64::consts::LN_2;

pub struct Js;

impl Measure for Js {
    fn about(&self) -> &'static About {
        &About {
            name: "js",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Shown,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        comparison.bins().map(|bins| distance(bins).into())
    }

    /// The divergence is an eighth of psi where both are small, and in bits.
    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        Some((bins_test::noise_of_psi(comparison, effects)? / (8.0 * LN_2)).sqrt())
    }

    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        bins_test::effective_rows(comparison, effects)
    }
}

fn distance(bins: ArrayView2<'_, u64>) -> f64 {
    let divergence: f64 = shares(bins)
        .map(|(p, q)| {
            let middle = (p + q) / 2.0;
            (term(p, middle) + term(q, middle)) / 2.0
        })
        .sum();
    // Rounding can leave −1e-17 where the sides are equal, and more than 1 where they are disjoint.
    divergence.clamp(0.0, 1.0).sqrt()
}

fn term(share: f64, middle: f64) -> f64 {
    if share > 0.0 { share * (share / middle).log2() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    #[test]
    fn disjoint_sides_are_one_apart() {
        assert_eq!(distance(table(&[3, 0], &[0, 9]).view()), 1.0);
        assert_eq!(distance(table(&[3, 6], &[1, 2]).view()), 0.0);
    }

    /// The case of TensorFlow Data Validation's `metrics_test.cc`, after its re-bucketing to
    /// [1,2) [2,3) [3,4) [4,6): a divergence of 0.65563906222.
    #[test]
    fn agrees_with_tfdv() {
        let distance = distance(table(&[2, 2, 0, 0], &[0, 1, 1, 2]).view());
        assert!((distance * distance - 0.65563906222).abs() < 1e-10);
    }
}
