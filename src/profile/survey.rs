//! Looks at every value of a block, in the widest vectors that the machine has.

use super::extremes::without_negative_zero;
use pulp::{Arch, Scalar, Simd, WithSimd};

/// What one look at values tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survey {
    /// Least and greatest that is not NaN, infinities included.
    pub range: Option<(f64, f64)>,
    pub nans: u64,
}

/// Looks at every value.
pub fn survey(values: &[f64]) -> Survey {
    let Ends { min, max, has_nans } = Arch::new().dispatch(FindEnds(values));
    let range = (without_negative_zero(min), without_negative_zero(max));
    let nans = if has_nans { values.iter().filter(|value| value.is_nan()).count() } else { 0 };
    Survey { range: (min <= max).then_some(range), nans: nans as u64 }
}

/// How many values are 0, and how many lie outside of `low` to `high`. None is NaN.
pub fn zeros_and_outside(values: &[f64], (low, high): (f64, f64)) -> (u64, u64) {
    Arch::new().dispatch(CountThem { values, low, high })
}

struct FindEnds<'a>(&'a [f64]);

struct Ends {
    min: f64,
    max: f64,
    has_nans: bool,
}

/// Takes more values in: a comparison with NaN is false.
#[inline(always)]
fn look<S: Simd>(simd: S, values: &[S::f64s]) -> Ends {
    let infinity = simd.splat_f64s(f64::INFINITY);
    let mut min = [infinity; 4];
    let mut max = [simd.neg_f64s(infinity); 4];
    let mut numbers = [simd.equal_f64s(infinity, infinity); 4];
    let mut take = |lane: usize, value: S::f64s| {
        let is_less = simd.less_than_f64s(value, min[lane]);
        min[lane] = simd.select_f64s(is_less, value, min[lane]);
        let is_greater = simd.less_than_f64s(max[lane], value);
        max[lane] = simd.select_f64s(is_greater, value, max[lane]);
        numbers[lane] = simd.and_m64s(numbers[lane], simd.equal_f64s(value, value));
    };
    let (groups, rest) = values.as_chunks::<4>();
    for group in groups {
        (0..4).for_each(|lane| take(lane, group[lane]));
    }
    rest.iter().for_each(|value| take(0, *value));
    let one = simd.splat_f64s(1.0);
    let zero = simd.splat_f64s(0.0);
    let all = numbers.map(|lane| simd.reduce_sum_f64s(simd.select_f64s(lane, zero, one)));
    Ends {
        min: min.map(|lane| simd.reduce_min_f64s(lane)).into_iter().fold(f64::INFINITY, f64::min),
        max: max
            .map(|lane| simd.reduce_max_f64s(lane))
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max),
        has_nans: all.iter().sum::<f64>() > 0.0,
    }
}

impl WithSimd for FindEnds<'_> {
    type Output = Ends;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Ends {
        let (vectors, rest) = S::as_simd_f64s(self.0);
        let (a, b) = (look(simd, vectors), look(Scalar, rest));
        Ends { min: a.min.min(b.min), max: a.max.max(b.max), has_nans: a.has_nans || b.has_nans }
    }
}

struct CountThem<'a> {
    values: &'a [f64],
    low: f64,
    high: f64,
}

/// Values that are counted in a double before it is looked at: far fewer than it holds.
const COUNTED: usize = 1 << 20;

#[inline(always)]
fn count<S: Simd>(simd: S, values: &[S::f64s], low: f64, high: f64) -> (u64, u64) {
    let (low, high) = (simd.splat_f64s(low), simd.splat_f64s(high));
    let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
    let mut totals = (0, 0);
    for values in values.chunks(COUNTED) {
        let (mut zeros, mut outside) = ([zero; 2], [zero; 2]);
        let mut take = |lane: usize, value: S::f64s| {
            let is_zero = simd.equal_f64s(value, zero);
            zeros[lane] = simd.add_f64s(zeros[lane], simd.select_f64s(is_zero, one, zero));
            let is_below = simd.less_than_f64s(value, low);
            let is_outside = simd.or_m64s(is_below, simd.less_than_f64s(high, value));
            outside[lane] = simd.add_f64s(outside[lane], simd.select_f64s(is_outside, one, zero));
        };
        let (pairs, rest) = values.as_chunks::<2>();
        for pair in pairs {
            take(0, pair[0]);
            take(1, pair[1]);
        }
        rest.iter().for_each(|value| take(0, *value));
        let sum = |lanes: [S::f64s; 2]| simd.reduce_sum_f64s(simd.add_f64s(lanes[0], lanes[1]));
        totals.0 += sum(zeros) as u64;
        totals.1 += sum(outside) as u64;
    }
    totals
}

impl WithSimd for CountThem<'_> {
    type Output = (u64, u64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (u64, u64) {
        let CountThem { values, low, high } = self;
        let (vectors, rest) = S::as_simd_f64s(values);
        let (a, b) = (count(simd, vectors, low, high), count(Scalar, rest, low, high));
        (a.0 + b.0, a.1 + b.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_sees_every_value() {
        let range_of = |values: &[f64]| survey(values).range;
        let inf = f64::INFINITY;
        assert_eq!(survey(&[]), Survey { range: None, nans: 0 });
        assert_eq!(survey(&[f64::NAN; 11]), Survey { range: None, nans: 11 });
        assert_eq!(
            (range_of(&[inf; 2]), range_of(&[-inf])),
            (Some((inf, inf)), Some((-inf, -inf)))
        );
        for place in 0..19 {
            let mut values = [2.0; 19];
            values[place] = 1.0;
            values[(place + 1) % 19] = f64::NAN;
            values[(place + 2) % 19] = 3.0;
            assert_eq!(survey(&values), Survey { range: Some((1.0, 3.0)), nans: 1 });
        }
        let (min, max) = range_of(&[-0.0]).unwrap();
        assert!(min.is_sign_positive() && max.is_sign_positive());
    }

    #[test]
    fn zeros_and_what_lies_outside_are_counted() {
        let values: Vec<f64> = (-50..51).map(f64::from).chain([-0.0]).collect();
        for n in 0..values.len() {
            let own = &values[n..];
            let zeros = own.iter().filter(|value| **value == 0.0).count() as u64;
            let outside = own.iter().filter(|v| !(-10.0..=20.0).contains(*v)).count() as u64;
            assert_eq!(zeros_and_outside(own, (-10.0, 20.0)), (zeros, outside));
        }
    }
}
