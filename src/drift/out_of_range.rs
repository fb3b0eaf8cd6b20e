//! The share of values below the reference's least or above its greatest, infinities included.
//!
//! In [0, 1]; the reference's own are its infinities. Were the rows exchangeable, the next value
//! would be a new least or greatest with probability 2/(R+1): the p-value is that of so many rows
//! beyond two order statistics.

use super::design_effects::DesignEffects;
use super::threshold::{RateChange, Threshold};
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::stats::rates::{Rate, tail};

pub struct OutOfRange;

impl Measure for OutOfRange {
    fn about(&self) -> &'static About {
        &About {
            name: "out_of_range",
            threshold: Threshold::Rate { h: 0.1 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (r, c) = comparison.present();
        let (in_reference, in_current) = comparison.out_of_range()?;
        let (before, now) = (Rate::new(in_reference, r), Rate::new(in_current, c));
        Some(RateChange { before, now, is_level: true }.into())
    }

    fn p_value(&self, _: &Comparison<'_>, score: &Score, effects: &DesignEffects) -> Option<f64> {
        let RateChange { before, now, .. } = score.change?;
        let rho = now.of / (now.of + before.of);
        let expected = (before.rows + 2.0) / effects.bins;
        Some(tail(now.rows / effects.bins, expected.max(1.0), rho))
    }
}
