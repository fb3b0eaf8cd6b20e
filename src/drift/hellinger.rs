//! Hellinger distance: how far apart the roots of the shares are.
//!
//! √(½ Σ (√q − √p)²) on the bins of psi, in [0, 1]; exact. E. Hellinger, "Neue Begründung der
//! Theorie quadratischer Formen von unendlichvielen Veränderlichen" (1909).

use super::bin_distance::BinDistance;
use super::bin_table::shares;
use super::threshold::Threshold;
use super::{About, ByDefault};
use ndarray::ArrayView2;

pub struct Hellinger;

impl BinDistance for Hellinger {
    fn about(&self) -> &'static About {
        &About { name: "hellinger", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64 {
        distance(bins)
    }

    /// Its square is an eighth of psi where both are small.
    fn noise_by_psi(&self, psi: f64) -> Option<f64> {
        Some((psi / 8.0).sqrt())
    }
}

fn distance(bins: ArrayView2<'_, u64>) -> f64 {
    let squares = shares(bins).map(|(p, q)| (q.sqrt() - p.sqrt()).powi(2));
    (squares.sum::<f64>() / 2.0).sqrt().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    /// The case of Evidently's tests, which give five digits.
    #[test]
    fn agrees_with_evidently() {
        let bins = table(&[16, 18, 16, 14, 12, 12], &[16, 16, 16, 16, 16, 8]);
        assert!((distance(bins.view()) - 0.0681277).abs() < 1e-7);
    }

    #[test]
    fn disjoint_sides_are_one_apart() {
        assert_eq!(distance(table(&[3, 0], &[0, 9]).view()), 1.0);
        assert_eq!(distance(table(&[3, 6], &[1, 2]).view()), 0.0);
    }
}
