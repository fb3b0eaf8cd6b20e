//! Mean and standard deviation, from sums about a centre that is frozen with the grid.
//!
//! Within a block the deviations are taken from the block's own mean (two passes over values that
//! are in cache) and then moved to the frozen centre c:
//! Σ(x−c)² = Σ(x−m)² + 2(m−c)Σ(x−m) + n(m−c)². The sums about c add; see T. F. Chan, G. H. Golub
//! and R. J. LeVeque, "Algorithms for computing the sample variance" (1983), for the error of the
//! naive way. Sums of two doubles keep what a window far from c would cancel.

use super::{Accumulator, Mismatch};
use crate::stats::sum::Sum;
use serde::{Deserialize, Serialize};

/// Values per block: small enough to stay in the first cache, large enough that the move to the
/// centre does not count.
const BLOCK: usize = 1_024;

/// Values up to which the sum of 10^19 cannot overflow …
const MEAN_MAGNITUDE_MAX: f64 = 1e280;
/// … nor the sum of their squares.
const STDDEV_MAGNITUDE_MAX: f64 = 1e144;

/// n, Σ(x−c) and Σ(x−c)² of finite values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    center: f64,
    n: u64,
    first: Sum,
    second: Sum,
    /// The greatest |x|, which tells whether the sums can be trusted. Whether they overflow on the
    /// way would depend on the order of the rows.
    magnitude: f64,
}

impl Moments {
    /// Sums about `center`, which must be the same in all profiles of a feature.
    pub fn about(center: f64) -> Moments {
        let magnitude = center.abs();
        Moments { center, n: 0, first: Sum::default(), second: Sum::default(), magnitude }
    }

    /// Absent without values, and when the sum may have overflowed.
    pub fn mean(&self) -> Option<f64> {
        let exists = self.n > 0 && self.magnitude <= MEAN_MAGNITUDE_MAX;
        exists.then(|| self.center + self.first.divided_by(self.n as f64).value())
    }

    /// The sample's standard deviation (n − 1); absent below two values, and when the sum of
    /// squares may have overflowed.
    pub fn stddev(&self) -> Option<f64> {
        if self.n < 2 || self.magnitude > STDDEV_MAGNITUDE_MAX {
            return None;
        }
        let n = self.n as f64;
        let squares = self.second.minus(self.first.square().divided_by(n)).value();
        Some((squares.max(0.0) / (n - 1.0)).sqrt())
    }

    fn update_block(&mut self, block: &[f64]) {
        let n = block.len() as f64;
        let [sum] = sums(block, |x| [x]);
        let mean = sum / n;
        let [first, second] = sums(block, |x| [x - mean, (x - mean) * (x - mean)]);
        let mut shift = Sum::default();
        shift.add(mean);
        shift.add(-self.center);
        self.n += block.len() as u64;
        self.first.merge(shift.times(n));
        self.first.add(first);
        self.second.merge(shift.square().times(n));
        self.second.merge(shift.times(2.0 * first));
        self.second.add(second);
    }
}

/// Eight running sums of each term, so that the machine's vector units have something to do and
/// the rounding error grows with n/8.
fn sums<const N: usize>(values: &[f64], terms: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; 8]; N];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            let terms = terms(value);
            (0..N).for_each(|term| lanes[term][lane] += terms[term]);
        }
    }
    let mut totals = lanes.map(|lanes| {
        let halves =
            [lanes[0] + lanes[4], lanes[1] + lanes[5], lanes[2] + lanes[6], lanes[3] + lanes[7]];
        (halves[0] + halves[2]) + (halves[1] + halves[3])
    });
    for &value in rest {
        let terms = terms(value);
        (0..N).for_each(|term| totals[term] += terms[term]);
    }
    totals
}

impl Accumulator for Moments {
    /// Finite values, and the greatest |x| among them.
    type Input<'a> = (&'a [f64], f64);

    fn update(&mut self, (values, magnitude): (&[f64], f64)) {
        self.magnitude = self.magnitude.max(magnitude);
        values.chunks(BLOCK).for_each(|block| self.update_block(block));
    }

    fn merge(&mut self, other: &Moments) -> Result<(), Mismatch> {
        if self.center.to_bits() != other.center.to_bits() {
            return Err(Mismatch);
        }
        self.n += other.n;
        self.magnitude = self.magnitude.max(other.magnitude);
        self.first.merge(other.first);
        self.second.merge(other.second);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values whose moments are known without arithmetic: an equal number of c−d and c+d.
    fn check(center: f64, about: f64, d: f64) {
        let n = 10_000;
        let values: Vec<f64> =
            (0..n).map(|i| if i % 2 == 0 { about - d } else { about + d }).collect();
        let mut moments = Moments::about(center);
        moments.update((&values, about.abs() + d));
        let stddev = d * (n as f64 / (n as f64 - 1.0)).sqrt();
        let tolerance = 1e-12 * about.abs().max(stddev);
        assert!((moments.mean().unwrap() - about).abs() <= tolerance);
        assert!((moments.stddev().unwrap() - stddev).abs() <= tolerance);
    }

    #[test]
    fn far_from_the_centre_nothing_cancels() {
        check(0.0, 0.0, 1.0);
        check(0.0, 1_000.0, 1.0);
        check(1.7e9, 1.7e9 + 1_000.0, 1.0);
        check(1_000.0, 0.0, 1.0);
    }

    #[test]
    fn overflow_is_absent_not_infinite() {
        let mut moments = Moments::about(0.0);
        moments.update((&[f64::MAX, f64::MAX, f64::MIN], f64::MAX));
        assert_eq!((moments.mean(), moments.stddev()), (None, None));
    }

    #[test]
    fn nothing_has_no_moments() {
        let moments = Moments::about(3.0);
        assert_eq!((moments.mean(), moments.stddev()), (None, None));
    }
}
