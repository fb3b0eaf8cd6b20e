//! The share of rows whose value the reference never had.
//!
//! In [0, 1]. What to expect of it is the share of the reference's values that it saw once: I. J.
//! Good, "The population frequencies of species" (1953), after A. M. Turing. Absent where the
//! reference had more distinct values than are remembered.

use super::design_effects::DesignEffects;
use super::threshold::{RateChange, Threshold};
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::stats::rates::{Rate, tail};

pub struct Unseen;

impl Measure for Unseen {
    fn about(&self) -> &'static About {
        &About {
            name: "unseen",
            threshold: Threshold::Rate { h: 0.1 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (rows, rare) = comparison.unseen()?;
        let (r, c) = comparison.present();
        let (before, now) = (Rate::new(rare.once, r), Rate::new(rows, c));
        Some(RateChange { before, now, is_level: true }.into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let (rows, rare) = comparison.unseen()?;
        let (r, c) = comparison.present();
        let (once, twice) = (rare.once as f64, rare.twice as f64);
        // Values seen once come in more rows than one where there are values seen twice.
        let effect = effects.bins * (1.0 + 2.0 * twice / once.max(1.0));
        let rho = c as f64 / (r + c) as f64;
        Some(tail(rows as f64 / effect, once / effect + 1.0, rho))
    }
}
