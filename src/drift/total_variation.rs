//! Total variation distance: the share of rows that would have to be in another bin.
//!
//! ½ Σ |q − p| on the bins of psi, in [0, 1]; exact. D. A. Levin, Y. Peres and E. L. Wilmer,
//! "Markov Chains and Mixing Times", chapter 4.

use super::bin_distance::BinDistance;
use super::bin_table::shares;
use super::threshold::Threshold;
use super::{About, ByDefault};
use ndarray::ArrayView2;

pub struct TotalVariation;

impl BinDistance for TotalVariation {
    fn about(&self) -> &'static About {
        &About {
            name: "total_variation",
            threshold: Threshold::None,
            by_default: ByDefault::Nothing,
        }
    }

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64 {
        distance(bins)
    }
}

fn distance(bins: ArrayView2<'_, u64>) -> f64 {
    shares(bins).map(|(p, q)| (q - p).abs()).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    #[test]
    fn it_is_what_would_have_to_move() {
        assert_eq!(distance(table(&[3, 0], &[0, 9]).view()), 1.0);
        assert_eq!(distance(table(&[2, 2], &[3, 1]).view()), 0.25);
        assert_eq!(distance(table(&[3, 6], &[1, 2]).view()), 0.0);
    }
}
