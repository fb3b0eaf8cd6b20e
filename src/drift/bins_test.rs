//! The test that distances of bins share: whether reference and window come from one distribution
//! over the bins, whatever number says how far they are apart.

use super::Comparison;
use super::bin_table::freedom;
use super::design_effects::DesignEffects;
use crate::stats::homogeneity::{Homogeneity, grouped};

/// Rows that a group of bins is expected to hold where it is tested.
const EXPECTED_MIN: f64 = 5.0;

/// The tail of a χ² over the bins; those of few rows are joined.
pub fn p_value(comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
    let bins = comparison.bins()?;
    let effect = effect(comparison, effects);
    let mut columns: Vec<(u64, u64)> =
        bins.columns().into_iter().map(|bin| (bin[0], bin[1])).collect();
    if comparison.cells().is_none() {
        columns.sort_by_key(|(in_reference, _)| std::cmp::Reverse(*in_reference));
    }
    let (reference, current): (Vec<u64>, Vec<u64>) = columns.into_iter().unzip();
    let n = comparison.effective_rows_of_bins() / effect;
    let groups = grouped(&reference, &current, n, EXPECTED_MIN);
    Some(Homogeneity::of(groups.into_iter()).p_value(effect))
}

/// What Σ(q−p)²/p comes to by chance alone, about, and so psi: RC/(R+C) times it is nearly χ² of
/// one degree less than there are bins. B. Yurdakul and J. Naranjo, "Statistical properties of the
/// population stability index" (2020).
pub fn noise_of_psi(comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
    Some(freedom(comparison.bins()?) / effective_rows(comparison, effects))
}

/// The design effect of what is in bins.
pub fn effect(comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
    match comparison.grid().own_bins.has_missing {
        true => effects.of_values().max(effects.missing),
        false => effects.of_values(),
    }
}

/// RC/(R+C) of the rows in bins, divided by their design effect.
pub fn effective_rows(comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
    let effect = match comparison.grid().own_bins.has_missing {
        true => effects.bins.max(effects.missing),
        false => effects.bins,
    };
    comparison.effective_rows_of_bins() / effect
}
