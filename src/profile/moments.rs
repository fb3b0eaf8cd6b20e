//! Mean and standard deviation, from sums that are exact: the same bits in whatever order the
//! values come, and however they are split.
//!
//! A value is taken as a number of steps from a centre, both fixed by the reference:
//! (x − c)/q = k + r with whole k, |k| ≤ 2^44, and r in steps of 2^−44. Sums of whole numbers have
//! no rounding that an order could change. A value further out counts in a band of its own, whose
//! steps are 2^8 times as large, and so on outwards. Where a block of values lies in one band, all
//! of it is done in doubles: adding and subtracting 1.5·2^52 rounds to a whole number, and sums of
//! up to [`BLOCK`] terms stay where doubles are exact. J. Demmel and H. D. Nguyen, "Fast
//! Reproducible Floating-Point Summation" (2013), call this pre-rounding.

use super::moment_sums::{BLOCK, Band, DIGITS};
use super::survey::survey;
use super::{Accumulator, Mismatch};
use crate::stats::sum::Sum;
use serde::{Deserialize, Serialize};

/// Each band reaches 2^8 times as far as the one before.
const BAND_DIGITS: i32 = 8;

/// How far the first band may reach, as a power of two.
const REACH_MIN: i32 = -400;
const REACH_MAX: i32 = 480;

/// Values up to which there is a mean …
const MEAN_MAGNITUDE_MAX: f64 = 1e280;
/// … and a standard deviation: beyond, squares are no doubles.
const STDDEV_MAGNITUDE_MAX: f64 = 1e144;

/// From where, and in which steps, the values of a feature are summed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentsFrame {
    center: f64,
    /// The first band reaches to less than 2^this from the centre.
    reach: i32,
}

impl MomentsFrame {
    /// For a reference of this median, least and greatest value. The first band reaches at least
    /// twice as far as they do.
    pub fn new(median: f64, range: Option<(f64, f64)>) -> MomentsFrame {
        let (min, max) = range.unwrap_or((median, median));
        let far = (median - min).max(max - median);
        // Values that are within half and twice of the median are subtracted from without
        // rounding, and so are others from zero.
        let (center, far) = match far <= median.abs() / 2.0 {
            true => (median, far),
            false => (0.0, min.abs().max(max.abs())),
        };
        // A constant tells of no scale but that of its own size.
        let far = if far > 0.0 { far } else { median.abs().max(1.0) * 2f64.powi(-10) };
        let reach = (exponent(far) + 2).clamp(REACH_MIN, REACH_MAX);
        MomentsFrame { center, reach }
    }

    fn band(&self, value: f64) -> usize {
        let beyond = exponent((value - self.center).abs()) + 1 - self.reach;
        (beyond.max(0) as usize).div_ceil(BAND_DIGITS as usize)
    }

    /// The band of all values between these two, if that is one.
    fn common_band(&self, min: f64, max: f64) -> Option<usize> {
        let band = self.band(min);
        let is_one_side = (min > self.center) == (max > self.center);
        (band == self.band(max) && (band == 0 || is_one_side)).then_some(band)
    }

    /// How many steps of a band there are in 1, which is a power of two.
    fn per_unit(&self, band: usize) -> f64 {
        power(DIGITS - self.reach - band as i32 * BAND_DIGITS)
    }
}

/// The exponent of a double that is not negative; that of infinity is 1024.
fn exponent(value: f64) -> i32 {
    (value.to_bits() >> 52) as i32 - 1_023
}

/// 2^exponent, for exponents of normal doubles.
fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1_023) as u64) << 52)
}

/// What versions up to 3 of the format summed: Σ(x − c) and Σ(x − c)² in about 106 bits, rounded
/// in the order in which they came, about the median of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct RoundedSums {
    pub center: f64,
    pub n: u64,
    pub first: Sum,
    pub second: Sum,
}

/// Sums of finite values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    first: Band,
    /// The other bands that have values, by their number.
    further: Vec<(u16, Band)>,
    rounded: Option<Box<RoundedSums>>,
    /// The greatest |x|, which tells whether the sums are those of doubles.
    magnitude: f64,
}

/// n, mean and Σ(x − mean)² of some values, the mean from the centre.
struct Part {
    n: f64,
    mean: Sum,
    squares: f64,
}

impl Moments {
    pub(super) fn of_rounded(sums: RoundedSums, magnitude: f64) -> Moments {
        let rounded = (sums.n > 0).then(|| Box::new(sums));
        Moments { rounded, magnitude, ..Moments::default() }
    }

    /// Absent without values, and when they are beyond 1e280.
    pub fn mean(&self, frame: &MomentsFrame) -> Option<f64> {
        let exists = self.magnitude.max(frame.center.abs()) <= MEAN_MAGNITUDE_MAX;
        let mut mean = mean(&self.parts(frame)).filter(|_| exists)?;
        mean.add(frame.center);
        Some(mean.value())
    }

    /// The sample's standard deviation (n − 1); absent below two values, and when they are beyond
    /// 1e144.
    pub fn stddev(&self, frame: &MomentsFrame) -> Option<f64> {
        if self.magnitude.max(frame.center.abs()) > STDDEV_MAGNITUDE_MAX {
            return None;
        }
        let parts = self.parts(frame);
        let n: f64 = parts.iter().map(|part| part.n).sum();
        let mean = mean(&parts).filter(|_| n >= 2.0)?;
        let squares = parts.iter().map(|part| {
            let apart = part.mean.minus(mean).value();
            part.squares + part.n * apart * apart
        });
        Some((squares.sum::<f64>() / (n - 1.0)).sqrt())
    }

    /// T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance"
    /// (1983), put together what is known of parts.
    fn parts(&self, frame: &MomentsFrame) -> Vec<Part> {
        let further = self.further.iter().map(|(band, sums)| (usize::from(*band), sums));
        let bands = std::iter::once((0, &self.first)).chain(further);
        let of_band = |(band, sums): (usize, &Band)| {
            let step = 1.0 / frame.per_unit(band);
            let (mean, squares) = (sums.mean().times(step), sums.squares_about_mean());
            Part { n: sums.n as f64, mean, squares: squares * step * step }
        };
        let rounded = self.rounded.iter().map(|sums| {
            let n = sums.n as f64;
            let squares = sums.second.minus(sums.first.square().divided_by(n)).value();
            let mut mean = sums.first.divided_by(n);
            mean.add(sums.center);
            mean.add(-frame.center);
            Part { n, mean, squares: squares.max(0.0) }
        });
        bands.filter(|(_, sums)| sums.n > 0).map(of_band).chain(rounded).collect()
    }

    fn band(&mut self, band: usize) -> &mut Band {
        if band == 0 {
            return &mut self.first;
        }
        let number = band as u16;
        let at = self.further.partition_point(|(known, _)| *known < number);
        if self.further.get(at).is_none_or(|(known, _)| *known != number) {
            self.further.insert(at, (number, Band::default()));
        }
        &mut self.further[at].1
    }

    /// Adds values that all lie in one band.
    fn add(&mut self, frame: &MomentsFrame, band: usize, values: &[f64]) {
        let (center, per_unit) = (frame.center, frame.per_unit(band));
        self.band(band).add(Band::of(values, center, per_unit));
    }

    /// Adds finite values that stand in several rows each; the sums are those of all rows.
    pub fn update_repeated(
        &mut self,
        frame: &MomentsFrame,
        values: impl Iterator<Item = (f64, u64)>,
        span: (f64, f64),
    ) {
        self.magnitude = self.magnitude.max(span.0.abs()).max(span.1.abs());
        if self.magnitude > MEAN_MAGNITUDE_MAX {
            return;
        }
        for (value, rows) in values {
            let band = frame.band(value);
            let one = Band::of_one(value, frame.center, frame.per_unit(band));
            self.band(band).add(one.times(rows));
        }
    }

    fn update_block(&mut self, frame: &MomentsFrame, block: &[f64], span: (f64, f64)) {
        match frame.common_band(span.0, span.1) {
            Some(band) => self.add(frame, band, block),
            None => block.iter().for_each(|own| self.add(frame, frame.band(*own), &[*own])),
        }
    }
}

fn mean(parts: &[Part]) -> Option<Sum> {
    match parts {
        [] => None,
        [part] => Some(part.mean),
        _ => {
            let n: f64 = parts.iter().map(|part| part.n).sum();
            let mut total = Sum::default();
            parts.iter().for_each(|part| total.merge(part.mean.times(part.n)));
            Some(total.divided_by(n))
        }
    }
}

impl Accumulator for Moments {
    /// Finite values, their least and greatest, and the frame of their feature.
    type Input<'a> = (&'a MomentsFrame, &'a [f64], (f64, f64));

    fn update(&mut self, (frame, values, span): (&MomentsFrame, &[f64], (f64, f64))) {
        self.magnitude = self.magnitude.max(span.0.abs()).max(span.1.abs());
        if self.magnitude > MEAN_MAGNITUDE_MAX {
            return;
        }
        if let Some(band) = frame.common_band(span.0, span.1) {
            self.add(frame, band, values);
            return;
        }
        for block in values.chunks(BLOCK) {
            self.update_block(frame, block, survey(block).range.unwrap_or(span));
        }
    }

    fn merge(&mut self, other: &Moments) -> Result<(), Mismatch> {
        self.magnitude = self.magnitude.max(other.magnitude);
        self.first.add(other.first);
        for (band, sums) in &other.further {
            self.band(usize::from(*band)).add(*sums);
        }
        if let Some(from) = &other.rounded {
            match &mut self.rounded {
                Some(into) => {
                    into.n += from.n;
                    into.first.merge(from.first);
                    into.second.merge(from.second);
                }
                None => self.rounded = Some(from.clone()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(frame: &MomentsFrame, values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        if let Some(span) = survey(values).range {
            moments.update((frame, values, span));
        }
        moments
    }

    /// Values whose moments are known without arithmetic: an equal number of c−d and c+d. They are
    /// right to 12 digits of the greatest of mean, deviation and a quarter of the first band.
    fn check(frame: MomentsFrame, about: f64, d: f64) {
        let n = 10_000;
        let values: Vec<f64> =
            (0..n).map(|i| if i % 2 == 0 { about - d } else { about + d }).collect();
        let moments = of(&frame, &values);
        let stddev = d * (n as f64 / (n as f64 - 1.0)).sqrt();
        let tolerance = 1e-12 * about.abs().max(stddev).max(power(frame.reach - 2));
        let (mean, found) = (moments.mean(&frame).unwrap(), moments.stddev(&frame).unwrap());
        assert!((mean - about).abs() <= tolerance, "{mean} for {about}");
        assert!((found - stddev).abs() <= tolerance, "{found} for {stddev}");
    }

    #[test]
    fn far_from_the_centre_nothing_cancels() {
        let near = MomentsFrame::new(0.0, Some((-1.0, 1.0)));
        check(near, 0.0, 1.0);
        check(near, 1_000.0, 1.0);
        check(near, 1e9, 1.0);
        check(near, 1e-9, 1e-3);
        check(MomentsFrame::new(1.7e9, Some((1.6e9, 1.8e9))), 1.7e9 + 1_000.0, 1.0);
        check(MomentsFrame::new(1_000.0, None), 1_000.0, 1e-3);
    }

    #[test]
    fn a_constant_has_itself_for_a_mean_and_no_deviation() {
        let frame = MomentsFrame::new(0.003, Some((-4.0, 5.0)));
        for value in [0.1, 1e-7, 250.3, 0.003, -1e100, 123_456_789.123] {
            let moments = of(&frame, &vec![value; 3_001]);
            assert_eq!(moments.mean(&frame), Some(value));
            assert_eq!(moments.stddev(&frame), Some(0.0), "{value}");
        }
    }

    #[test]
    fn overflow_is_absent_not_infinite() {
        let frame = MomentsFrame::new(0.0, Some((f64::MIN, f64::MAX)));
        let moments = of(&frame, &[f64::MAX, f64::MAX, f64::MIN]);
        assert_eq!((moments.mean(&frame), moments.stddev(&frame)), (None, None));
        let moments = of(&frame, &[1e200, 3e200]);
        assert_eq!((moments.mean(&frame), moments.stddev(&frame)), (Some(2e200), None));
        let nothing = Moments::default();
        assert_eq!((nothing.mean(&frame), nothing.stddev(&frame)), (None, None));
    }

    #[test]
    fn rounded_sums_of_before_count_too() {
        let frame = MomentsFrame::new(0.0, Some((-8.0, 8.0)));
        // 1 and 2, about 1.
        let (first, second) = (Sum::product(1.0, 1.0), Sum::product(1.0, 1.0));
        let sums = RoundedSums { center: 1.0, n: 2, first, second };
        let mut moments = of(&frame, &[3.0, 4.0]);
        moments.merge(&Moments::of_rounded(sums, 2.0)).unwrap();
        assert_eq!(moments.mean(&frame), Some(2.5));
        assert_eq!(moments.stddev(&frame), Some((5.0f64 / 3.0).sqrt()));
    }

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        /// To the bit, in any order and any split, in one band or in many.
        #[test]
        fn order_and_split_change_nothing(
            values in prop::collection::vec(
                prop_oneof![
                    4 => -8.0..8.0f64,
                    1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
                    1 => (-300..280i32).prop_map(|e| 10f64.powi(e)),
                ],
                1..3_000,
            ),
            order in prop::collection::vec(any::<prop::sample::Index>(), 3_000),
            at in any::<prop::sample::Index>(),
        ) {
            let values: Vec<f64> = values.iter().map(|v| v.clamp(-1e100, 1e100)).collect();
            let frame = MomentsFrame::new(0.25, Some((-8.0, 8.0)));
            let whole = of(&frame, &values);
            let mut shuffled = values.clone();
            let n = shuffled.len();
            order.iter().take(n).enumerate().for_each(|(i, j)| shuffled.swap(i, j.index(n)));
            let (a, b) = shuffled.split_at(at.index(n));
            let mut merged = of(&frame, b);
            merged.merge(&of(&frame, a)).unwrap();
            prop_assert_eq!(&merged, &whole);
            let bits = |value: Option<f64>| value.map(f64::to_bits);
            prop_assert_eq!(bits(merged.mean(&frame)), bits(whole.mean(&frame)));
            prop_assert_eq!(bits(merged.stddev(&frame)), bits(whole.stddev(&frame)));
        }
    }
}
