//! L∞ distance: the largest change of the share of one bin.
//!
//! max |q − p| on the bins of psi, in [0, 1]; exact. P. L. Chebyshev's distance. Where single
//! values matter and not bins, `share` says more.

use super::bin_distance::BinDistance;
use super::bin_table::shares;
use super::threshold::Threshold;
use super::{About, ByDefault};
use ndarray::ArrayView2;

pub struct LInfinity;

impl BinDistance for LInfinity {
    fn about(&self) -> &'static About {
        &About { name: "l_infinity", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn distance(&self, bins: ArrayView2<'_, u64>) -> f64 {
        distance(bins)
    }
}

fn distance(bins: ArrayView2<'_, u64>) -> f64 {
    shares(bins).map(|(p, q)| (q - p).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    /// TensorFlow Data Validation's cases, and Deequ's.
    #[test]
    fn agrees_with_tfdv_and_deequ() {
        let close = |table: ndarray::Array2<u64>, expected: f64| {
            let found = distance(table.view());
            assert!((found - expected).abs() < 1e-15, "{found} is not {expected}");
        };
        close(table(&[1, 9], &[3, 7]), 0.2);
        close(table(&[0, 9, 1], &[3, 7, 0]), 0.3);
        close(table(&[10, 20, 25, 10, 5], &[11, 20, 25, 10, 10]), 0.06015037593984962);
    }
}
