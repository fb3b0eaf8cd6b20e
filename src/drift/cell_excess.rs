//! `cells`: how much all cells differ, less what chance alone makes of it: a new texture, rounding,
//! or values without a name that come and go.
//!
//! (X² − (K−1)) / (RC/(R+C)) over K groups of cells, 0 or more; without noise it is Σ(q−p)²/p̄, and
//! it is 0 on average without drift, however few the rows. Categories without a name are counted
//! in hashed cells.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, Comparison, Measure, Score};
use crate::stats::homogeneity::{Homogeneity, grouped};

pub struct CellExcess;

impl Measure for CellExcess {
    fn about(&self) -> &'static About {
        &About {
            name: "cells",
            threshold: Threshold::Score { learned: 0.1, first: 0.3 },
            decides: true,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        homogeneity(comparison, 1.0).map(|found| found.excess().into())
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let effect = effects.of_values();
        homogeneity(comparison, effect).map(|found| found.p_value(effect))
    }
}

fn homogeneity(comparison: &Comparison<'_>, effect: f64) -> Option<Homogeneity> {
    let all = comparison.all_cells()?;
    let n = comparison.effective_rows() / effect;
    let (n, least) = match all.are_ordered {
        true => (n.min(comparison.present().0 as f64 / 4.0), 5.0),
        false => (n, 1.0),
    };
    let groups = grouped(&all.reference, &all.current, n, least);
    Some(Homogeneity::of(groups.into_iter()))
}
