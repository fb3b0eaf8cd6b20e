//! The value, or the cell, whose share of rows changed most: a sensor that sticks, a filled gap, a
//! category that went.
//!
//! max |q − p| where |h(q, p)| is largest, in [0, 1], over the cells inside the reference's range,
//! or the categories with a name. The p-value is that of one cell times the number of cells, since
//! the largest of many was taken (C. E. Bonferroni, 1936).

use super::design_effects::DesignEffects;
use super::threshold::{RateChange, Threshold};
use super::{About, ByDefault, Comparison, Measure, Score};
use crate::stats::rates::{Rate, cohens_h, p_of_gain};

pub struct Share;

/// Tells in whole numbers that a cell's shares are nearer to each other than those of another, as
/// far as that can be told so: most cells need nothing more.
struct Near {
    r: u64,
    c: u64,
    /// |q − p| and q + p times RC, up to which it holds.
    apart_max: u64,
    both_max: u64,
}

impl Near {
    fn new(r: u64, c: u64) -> Near {
        Near { r, c, apart_max: 0, both_max: 0 }
    }

    /// Of others it is known that they are so far apart, by Cohen's h. While q + p is below ½, two
    /// shares are no further apart than √8·|q − p|/√(q + p), and that is √(8·|q − p|) at most.
    fn widen(&mut self, h: f64) {
        let product = self.r.checked_mul(self.c).filter(|product| *product <= u64::MAX / 4);
        if let Some(product) = product {
            self.apart_max = (h * h / 8.0 * (1.0 - 1e-12) * product as f64) as u64;
            self.both_max = product / 100 * 49;
        }
    }

    fn holds(&self, in_current: u64, in_reference: u64) -> bool {
        let (q, p) = (in_current.wrapping_mul(self.r), in_reference.wrapping_mul(self.c));
        q.abs_diff(p) <= self.apart_max && q.wrapping_add(p) < self.both_max
    }
}

impl Measure for Share {
    fn about(&self) -> &'static About {
        &About {
            name: "share",
            threshold: Threshold::Rate { h: 0.1 },
            by_default: ByDefault::Decides,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let named = comparison.named_cells()?;
        let first = named.cells.start;
        let sides = (&named.reference[named.cells.clone()], &named.current[named.cells]);
        let (cell, change) = furthest(sides, comparison.present())?;
        Some(Score { cell: Some(first + cell), ..change.into() })
    }

    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        score: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let (cell, change) = (score.cell?, score.change?);
        let RateChange { before, now, .. } = change;
        let mut effect = effects.of_bin(comparison.bin_of_cell(cell)?);
        if change.is_loss() {
            effect = effect.max(effects.loss);
        }
        let is_bounded = comparison.is_many_valued(cell) && before.rows > 0.0;
        let prior = if is_bounded { 0.0 } else { 1.0 };
        let p = match change.is_rise() {
            true => p_of_gain(now, before, effect, prior),
            false => p_of_gain(before, now, effect, 1.0),
        };
        Some((p * comparison.n_named_cells() as f64).min(1.0))
    }
}

/// The cell whose shares of so many rows of the reference and of the window are furthest apart, the
/// first of equals.
fn furthest(
    (reference, current): (&[u64], &[u64]),
    (r, c): (u64, u64),
) -> Option<(usize, RateChange)> {
    let (per_current, per_reference) = (1.0 / c as f64, 1.0 / r as f64);
    let (mut most, mut found) = (-1.0, None);
    let mut near = Near::new(r, c);
    for (cell, (&in_current, &in_reference)) in current.iter().zip(reference).enumerate() {
        if near.holds(in_current, in_reference) {
            continue;
        }
        // asin rises by less than √2 per step up to √½, and |√q − √p| is at most
        // |q − p| / √(q + p), so that most need not be asked for.
        let (q, p) = (in_current as f64 * per_current, in_reference as f64 * per_reference);
        let is_less = 8.0 * (q - p).powi(2) <= most * most * (q + p) * (1.0 - 1e-12);
        if is_less && most >= 0.0 && q.max(p) < 0.49 {
            continue;
        }
        let (now, before) = (Rate::new(in_current, c), Rate::new(in_reference, r));
        let apart = cohens_h(now.share(), before.share()).abs();
        if apart > most {
            near.widen(apart);
            (most, found) = (apart, Some((cell, RateChange { before, now, is_level: false })));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::testing::cases(512))]

        /// What is passed over is never the furthest, however many rows there are.
        #[test]
        fn no_cell_is_missed(
            cells in prop::collection::vec((0u64..60, 0u64..60), 1..80),
            times in prop::sample::select(vec![1u64, 1_000, 1 << 40]),
            rest in (1u64..5_000, 1u64..5_000),
        ) {
            let side = |own: fn(&(u64, u64)) -> u64| -> Vec<u64> {
                cells.iter().map(|cell| own(cell) * times).collect()
            };
            let (reference, current) = (side(|cell| cell.0), side(|cell| cell.1));
            let rows = |side: &[u64], rest: u64| side.iter().sum::<u64>() + rest * times;
            let (r, c) = (rows(&reference, rest.0), rows(&current, rest.1));
            let apart = |cell: usize| {
                let (now, before) = (Rate::new(current[cell], c), Rate::new(reference[cell], r));
                cohens_h(now.share(), before.share()).abs()
            };
            let first_of_most = (0..cells.len())
                .reduce(|most, cell| if apart(cell) > apart(most) { cell } else { most });
            let found = furthest((&reference, &current), (r, c)).map(|(cell, _)| cell);
            prop_assert_eq!(found, first_of_most);
        }
    }
}
