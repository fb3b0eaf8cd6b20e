//! TensorFlow Data Validation's L∞ norm, `linf:tfdv`: the largest change of the share of one
//! category, over the values of both sides. It says nothing of numbers. The definition is that of
//! `metrics.cc`.

use super::category_rows::CategoryRows;
use super::divergences::l_infinity;
use crate::drift::threshold::Threshold;
use crate::drift::{About, ByDefault, Comparison, Measure, Score};

pub struct TfdvLInfinity;

impl Measure for TfdvLInfinity {
    fn about(&self) -> &'static About {
        &About { name: "linf:tfdv", threshold: Threshold::None, by_default: ByDefault::Nothing }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let rows = CategoryRows::of(comparison)?;
        Some(l_infinity(&rows.shares()).into())
    }
}
