//! `cells`: how much all cells differ, less what chance alone makes of it: a new texture, rounding,
//! or values without a name that come and go.
//!
//! (X² − (K−1)) / (RC/(R+C)) over K groups of cells, 0 or more; without noise it is Σ(q−p)²/p̄, and
//! it is 0 on average without drift, however few the rows. Categories without a name are counted
//! in hashed cells.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};

pub struct CellExcess;

impl Measure for CellExcess {
    fn about(&self) -> &'static About {
        &About {
            name: "cells",
            threshold: Threshold::Score { learned: 0.1, first: 0.3 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        comparison.homogeneity(1.0).map(|found| found.excess().into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let effect = effects.of_values();
        comparison.homogeneity(effect).map(|found| found.p_value(effect))
    }
}
