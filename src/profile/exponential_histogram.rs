//! Rows by buckets whose ends grow by one factor: Prometheus' native histograms.
//!
//! Bucket `i` holds values above 2^((i−1)/2^schema) and up to 2^(i/2^schema); negative values
//! have the same by their absolute value ("Native Histograms", Prometheus' documentation).

use super::extremes::Extremes;
use super::grid::NumericGrid;
use super::log_cells::LogCells;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values nearer to zero than this count as zero, as in Prometheus' client libraries.
pub const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Eight buckets for every doubling, each 9 % wide: what is known of a value is within 1 %.
const SCHEMA: i8 = 3;

/// Buckets that a histogram has at most; with more, pairs of neighbours become one.
const BUCKETS_MAX: usize = 160;

/// Rows by bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExponentialHistogram {
    /// A doubling has 2^schema buckets.
    pub schema: i8,
    /// Rows at zero or next to it.
    pub zeros: u64,
    /// Index and rows of those that are filled, ascending.
    pub positive: Vec<(i32, u64)>,
    pub negative: Vec<(i32, u64)>,
}

impl ExponentialHistogram {
    /// Of the rows in a grid's cells. A narrow cell is taken to lie where its middle is; rows of
    /// wide ones are where their logarithm is, or, as far as those were not counted, at the middle
    /// of what the cell can hold.
    pub fn new(
        grid: &NumericGrid,
        counts: &[u64],
        log: &LogCells,
        extremes: &Extremes,
    ) -> ExponentialHistogram {
        let mut buckets = Buckets::default();
        let wide = grid.wide().by_cell();
        let in_wide: u64 = counts.iter().zip(wide).filter(|(_, wide)| *wide).map(|(n, _)| n).sum();
        let knows_wide = in_wide == log.total();
        let last = counts.len() - 1;
        for (cell, &rows) in counts.iter().enumerate().filter(|(_, rows)| **rows > 0) {
            let value = match cell {
                0 => f64::NEG_INFINITY,
                _ if cell == last => f64::INFINITY,
                _ if wide.value(cell) && knows_wide => continue,
                _ => middle(grid, cell, extremes),
            };
            buckets.add(value, rows);
        }
        if knows_wide {
            log.middles().for_each(|(value, rows)| buckets.add(value, rows));
        }
        buckets.finish()
    }

    /// Rows in all buckets.
    pub fn total(&self) -> u64 {
        let filled = self.positive.iter().chain(&self.negative);
        self.zeros + filled.map(|(_, rows)| rows).sum::<u64>()
    }
}

/// The middle of a finite cell, as far as there are values.
fn middle(grid: &NumericGrid, cell: usize, extremes: &Extremes) -> f64 {
    let (lower, upper) = grid.bounds(cell);
    let lower = extremes.min().map_or(lower, |least| least.max(lower));
    let upper = extremes.max().map_or(upper, |greatest| greatest.min(upper));
    grid.atom(cell).unwrap_or(lower / 2.0 + upper / 2.0)
}

/// A histogram under construction, at the finest schema.
#[derive(Default)]
struct Buckets {
    zeros: u64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl Buckets {
    fn add(&mut self, value: f64, rows: u64) {
        if value.abs() <= ZERO_THRESHOLD {
            self.zeros += rows;
        } else {
            let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
            *side.entry(index(value.abs())).or_default() += rows;
        }
    }

    fn finish(mut self) -> ExponentialHistogram {
        let mut schema = SCHEMA;
        // −4 is the coarsest that there is: 144 of its buckets hold every double.
        while self.positive.len() + self.negative.len() > BUCKETS_MAX && schema > -4 {
            for side in [&mut self.positive, &mut self.negative] {
                let mut halved = BTreeMap::new();
                for (index, rows) in std::mem::take(side) {
                    *halved.entry((index + 1).div_euclid(2)).or_default() += rows;
                }
                *side = halved;
            }
            schema -= 1;
        }
        let filled = |side: BTreeMap<i32, u64>| side.into_iter().collect();
        let (positive, negative) = (filled(self.positive), filled(self.negative));
        ExponentialHistogram { schema, zeros: self.zeros, positive, negative }
    }
}

/// The bucket of a value above zero at the finest schema. An infinity has the one after the last.
fn index(value: f64) -> i32 {
    let per_octave = f64::from(1 << SCHEMA);
    if value == f64::INFINITY {
        return index(f64::MAX) + 1;
    }
    (value.log2() * per_octave).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> ExponentialHistogram {
        let mut buckets = Buckets::default();
        values.iter().for_each(|value| buckets.add(*value, 1));
        buckets.finish()
    }

    /// The ends that Prometheus' documentation gives: powers of 2^(1/8), the upper one inclusive.
    #[test]
    fn buckets_end_at_powers() {
        let at = |value: f64| index(value);
        assert_eq!([1.0, 2.0, 4.0, 0.5].map(at), [0, 8, 16, -8]);
        assert_eq!([1f64.next_up(), 2f64.next_up()].map(at), [1, 9]);
        assert_eq!([1.09, 1.0905].map(at), [1, 1]);
        assert_eq!([1.0906, 1.18].map(at), [2, 2]);
        assert_eq!([f64::MAX, f64::INFINITY].map(at), [8_192, 8_193]);
        let own = of(&[0.0, -0.0, 1e-39, 1.0, -2.0, -2.0, f64::NEG_INFINITY]);
        let negative = vec![(8, 2), (8_193, 1)];
        assert_eq!(
            own,
            ExponentialHistogram { schema: 3, zeros: 3, positive: vec![(0, 1)], negative }
        );
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// However many doublings there are, every value lies between the ends of its bucket.
        #[test]
        fn every_value_is_in_its_bucket(
            exponents in prop::collection::vec(-120.0..1_000.0f64, 1..400),
        ) {
            let values: Vec<f64> = exponents.iter().map(|exponent| exponent.exp2()).collect();
            let own = of(&values);
            prop_assert!(own.positive.len() <= BUCKETS_MAX);
            prop_assert_eq!(own.total(), values.len() as u64);
            let end = |index: i32| f64::from(index) * 2f64.powi(-i32::from(own.schema));
            for (index, rows) in &own.positive {
                let (lower, upper) = (end(index - 1), end(*index));
                let inside = exponents.iter().filter(|e| (lower - 1e-9..=upper + 1e-9).contains(e));
                prop_assert!(inside.count() as u64 >= *rows);
            }
        }
    }
}
