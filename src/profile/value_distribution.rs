//! The distribution function of the finite values of one side, as far as counts tell it.
//!
//! It is exact at the ends of each stretch of values and straight between them, so that it is exact
//! where every value has a cell of its own. How far that can be from the truth is known too.

use super::value_stretches::ValueStretch;

/// The finite values of one side; there is at least one.
#[derive(Debug)]
pub struct ValueDistribution {
    stretches: Vec<ValueStretch>,
    rows: f64,
}

/// How far two distribution functions F and G are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// ∫|F−G| dx.
    pub absolute: f64,
    /// ∫(F−G)² dx.
    pub squared: f64,
}

/// Rows of values below a value, and up to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsBelow {
    pub below: f64,
    pub upto: f64,
}

impl ValueDistribution {
    /// None without values.
    pub fn new(stretches: Vec<ValueStretch>) -> Option<ValueDistribution> {
        let rows: u64 = stretches.iter().map(|stretch| stretch.rows).sum();
        (rows > 0).then_some(ValueDistribution { stretches, rows: rows as f64 })
    }

    /// How many finite values there are.
    pub fn rows(&self) -> f64 {
        self.rows
    }

    /// Least and greatest value.
    pub fn range(&self) -> (f64, f64) {
        let all = &self.stretches;
        (all[0].lower, all[all.len() - 1].upper)
    }

    /// How many values there are to tell apart; none where some stretch may hold several.
    pub fn n_values(&self) -> Option<usize> {
        let are_values = self.stretches.iter().all(|own| own.lower == own.upper);
        are_values.then_some(self.stretches.len())
    }

    /// The third standardised moment, over n; none where all values are one.
    pub fn skewness(&self) -> Option<f64> {
        let middle = |own: &ValueStretch| own.lower / 2.0 + own.upper / 2.0;
        let share = |own: &ValueStretch| own.rows as f64 / self.rows;
        let mean: f64 = self.stretches.iter().map(|own| middle(own) * share(own)).sum();
        let (mut second, mut third) = (0.0, 0.0);
        for own in &self.stretches {
            let (share, middle) = (share(own), middle(own) - mean);
            let square = (own.upper - own.lower).powi(2);
            second += share * (middle * middle + square / 12.0);
            third += share * (middle.powi(3) + middle * square / 4.0);
        }
        (second > 0.0).then(|| third / second.powf(1.5)).filter(|own| own.is_finite())
    }

    /// The rows below each of some ascending values.
    pub fn rows_below(&self, values: &[f64]) -> Vec<RowsBelow> {
        let (mut next, mut before) = (0, 0u64);
        let at = |&value: &f64| {
            while let Some(own) = self.stretches.get(next).filter(|own| own.upper < value) {
                before += own.rows;
                next += 1;
            }
            let (mut below, mut here) = (before as f64, 0.0);
            for own in &self.stretches[next..] {
                match own.lower < value {
                    true => {
                        let share = (value - own.lower) / (own.upper - own.lower);
                        below += share.min(1.0) * own.rows as f64;
                    }
                    false if own.upper == value => here += own.rows as f64,
                    false => break,
                }
            }
            RowsBelow { below, upto: below + here }
        };
        values.iter().map(at).collect()
    }

    /// Both integrals are exact for the straight lines that the functions are taken for.
    pub fn gap(&self, other: &ValueDistribution) -> Gap {
        let all = self.stretches.iter().chain(&other.stretches);
        let mut ends: Vec<f64> = all.flat_map(|own| [own.lower, own.upper]).collect();
        ends.sort_unstable_by(f64::total_cmp);
        ends.dedup();
        let (own, others) = (self.rows_below(&ends), other.rows_below(&ends));
        let apart = |at: usize, of: fn(&RowsBelow) -> f64| {
            of(&own[at]) / self.rows - of(&others[at]) / other.rows
        };
        let mut gap = Gap { absolute: 0.0, squared: 0.0 };
        for at in 1..ends.len() {
            let width = ends[at] - ends[at - 1];
            let (a, b) = (apart(at - 1, |own| own.upto), apart(at, |own| own.below));
            let mean = match a * b >= 0.0 {
                true => (a + b).abs() / 2.0,
                // It crosses zero between the ends.
                false => (a * a + b * b) / (2.0 * (a - b).abs()),
            };
            gap.absolute += width * mean;
            gap.squared += width * (a * a + a * b + b * b) / 3.0;
        }
        gap
    }

    /// How far the function can be from the values' own: each stretch has its rows, and they may
    /// all lie at one of its ends.
    pub fn error(&self) -> Gap {
        let mut error = Gap { absolute: 0.0, squared: 0.0 };
        for own in &self.stretches {
            let (width, share) = (own.upper - own.lower, own.rows as f64 / self.rows);
            error.absolute += width * share / 2.0;
            error.squared += width * share * share / 3.0;
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(stretches: &[(f64, f64, u64)]) -> ValueDistribution {
        let stretches = stretches.iter();
        let stretch = |&(lower, upper, rows)| ValueStretch { lower, upper, rows };
        ValueDistribution::new(stretches.map(stretch).collect()).unwrap()
    }

    #[test]
    fn values_are_below_what_is_greater() {
        let own = distribution(&[(1.0, 1.0, 2), (2.0, 4.0, 4), (4.0, 4.0, 1)]);
        let found = own.rows_below(&[0.0, 1.0, 1.5, 2.5, 4.0, 9.0]);
        let below: Vec<f64> = found.iter().map(|own| own.below).collect();
        let upto: Vec<f64> = found.iter().map(|own| own.upto).collect();
        assert_eq!(below, [0.0, 0.0, 2.0, 3.0, 6.0, 7.0]);
        assert_eq!(upto, [0.0, 2.0, 2.0, 3.0, 7.0, 7.0]);
    }

    /// `scipy.stats.wasserstein_distance([1, 1, 3], [2, 5])` and half the square of
    /// `energy_distance`, 1.17.1.
    #[test]
    fn gaps_of_single_values_agree_with_scipy() {
        let gap = distribution(&[(1.0, 1.0, 2), (3.0, 3.0, 1)])
            .gap(&distribution(&[(2.0, 2.0, 1), (5.0, 5.0, 1)]));
        assert!((gap.absolute - 1.8333333333333333).abs() < 1e-15);
        assert!((gap.squared - 0.9722222222222222).abs() < 1e-15, "{}", gap.squared);
    }

    /// Uniform on [0, 1] and on [0, 2]: F − G is x/2, then 1 − x/2.
    #[test]
    fn gaps_of_lines_are_exact() {
        let gap = distribution(&[(0.0, 1.0, 3)]).gap(&distribution(&[(0.0, 2.0, 5)]));
        assert!((gap.absolute - 0.5).abs() < 1e-15);
        assert!((gap.squared - 1.0 / 6.0).abs() < 1e-15);
        let crossing = distribution(&[(0.0, 1.0, 1)]).gap(&distribution(&[(0.5, 0.5, 1)]));
        assert!((crossing.absolute - 0.25).abs() < 1e-15);
    }
}
