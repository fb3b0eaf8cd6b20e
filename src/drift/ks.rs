//! Kolmogorov-Smirnov distance of two samples, from cells.
//!
//! N. V. Smirnov (1939). The distribution functions are known exactly at the cells' edges, so the
//! distance is exact where every reference value has an atom of its own. Elsewhere it can be
//! larger inside a cell, at most by the cell's share of the reference.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::profile::grid::NumericGrid;
use crate::stats::kolmogorov::{stephens_lambda, survival};
use std::f64::consts::{FRAC_PI_2, LN_2};

pub struct Ks;

impl Measure for Ks {
    fn about(&self) -> &'static About {
        &About {
            name: "ks",
            threshold: Threshold::Score { learned: 0.1, first: 0.2 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let cells = comparison.cells()?;
        let present = comparison.present();
        let error = largest_shared(cells.grid, &cells.reference) as f64 / present.0 as f64;
        let distance = distance(&cells.reference, &cells.current, present);
        Some(Score { error: Some(error), ..Score::from(distance) })
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        Some(p_value(score.score, comparison, effects))
    }

    /// The mean of A. N. Kolmogorov's law, √(π/2)·ln 2.
    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        comparison.cells()?;
        let rows = comparison.effective_rows() / effects.of_values();
        Some(FRAC_PI_2.sqrt() * LN_2 / rows.sqrt())
    }

    /// That of the distance that the cells leave possible.
    fn p_value_min(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let error = score.error.filter(|error| *error > 0.0)?;
        Some(p_value((score.score + error).min(1.0), comparison, effects))
    }
}

fn p_value(distance: f64, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
    survival(stephens_lambda(distance, comparison.effective_rows() / effects.of_values()))
}

/// The largest difference of the distribution functions at an edge, of so many rows on each side.
fn distance(reference: &[u64], current: &[u64], (r, c): (u64, u64)) -> f64 {
    if let Some(product) = r.checked_mul(c).filter(|product| *product <= i64::MAX as u64) {
        return small_distance(reference, current, (r, c)) as f64 / product as f64;
    }
    let (mut below_r, mut below_c, mut largest) = (0u64, 0u64, 0u128);
    for (in_r, in_c) in reference.iter().zip(current) {
        below_r += in_r;
        below_c += in_c;
        // |a/r − b/c| = |a·c − b·r| / (r·c): in integers, hence the same for any order.
        let a = u128::from(below_r) * u128::from(c);
        let b = u128::from(below_c) * u128::from(r);
        largest = largest.max(a.abs_diff(b));
    }
    largest as f64 / (u128::from(r) * u128::from(c)) as f64
}

/// The largest difference times both numbers of rows, of so few that it fits.
fn small_distance(reference: &[u64], current: &[u64], (r, c): (u64, u64)) -> u64 {
    let (mut apart, mut least, mut greatest) = (0i64, 0, 0);
    for (in_r, in_c) in reference.iter().zip(current) {
        apart += (in_r * c) as i64 - (in_c * r) as i64;
        least = apart.min(least);
        greatest = apart.max(greatest);
    }
    greatest.max(-least) as u64
}

/// The most rows of the reference in a cell that can hold more than one value.
fn largest_shared(grid: &NumericGrid, reference: &[u64]) -> u64 {
    let cells = reference.iter().zip(grid.shared());
    let rows = cells.map(|(rows, is_shared)| if is_shared { *rows } else { 0 });
    rows.fold(0, u64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deequ's `KLLDistanceTest.scala`: {1,2,3,4} against {2,3,4,5}.
    #[test]
    fn agrees_with_deequ() {
        assert_eq!(distance(&[1, 1, 1, 1, 0], &[0, 1, 1, 1, 1], (4, 4)), 0.25);
    }

    #[test]
    fn equal_proportions_have_no_distance() {
        assert_eq!(distance(&[1, 2, 3], &[7, 14, 21], (6, 42)), 0.0);
    }
}
