//! Sums of the values of one feature that lie equally far from a centre, exact in whatever order
//! they come; how is told in `moments.rs`.

use crate::stats::sum::Sum;
use pulp::{Arch, Scalar, Simd, WithSimd, bytemuck};
use serde::{Deserialize, Serialize};

/// Values of one lane of a vector whose sums of steps are exact in doubles.
pub(super) const BLOCK: usize = 256;

/// Binary digits of the number of steps, and of what is left.
pub(super) const DIGITS: i32 = 44;
/// The number of steps is squared in two halves.
const HALF_DIGITS: i32 = DIGITS / 2;
/// 2^22.
const HALF: f64 = 4_194_304.0;
/// 2^−44, the step of what is left.
const REST: f64 = 1.0 / 17_592_186_044_416.0;
/// Added and taken off again, it leaves a whole number: 1.5·2^52.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// Sums over the values of one band. They wrap around where whole numbers do; what is computed
/// from them does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Band {
    pub n: u64,
    /// Σk.
    steps: i128,
    /// Σk².
    squares: i128,
    /// Σr, in units of 2^−44.
    rests: i128,
}

impl Band {
    /// The sums of values that lie in one band, of so many steps in 1.
    pub fn of(values: &[f64], center: f64, per_unit: f64) -> Band {
        Arch::new().dispatch(SumBand { values, center, per_unit })
    }

    /// Those of one value.
    pub fn of_one(value: f64, center: f64, per_unit: f64) -> Band {
        let mut sums = Sums::new(Scalar, center, per_unit);
        sums.add(value);
        let mut one = Band { n: 1, ..Band::default() };
        sums.add_to(&mut one);
        one
    }

    pub fn add(&mut self, other: Band) {
        self.n += other.n;
        self.steps = self.steps.wrapping_add(other.steps);
        self.squares = self.squares.wrapping_add(other.squares);
        self.rests = self.rests.wrapping_add(other.rests);
    }

    /// So many times the same.
    pub fn times(self, rows: u64) -> Band {
        let times = |sum: i128| sum.wrapping_mul(rows.into());
        Band {
            n: self.n * rows,
            steps: times(self.steps),
            squares: times(self.squares),
            rests: times(self.rests),
        }
    }

    /// Mean, in steps from the centre.
    pub fn mean(&self) -> Sum {
        let whole = Sum::of_integer(self.steps);
        let mut all = Sum::of_integer(self.rests).times(REST);
        all.merge(whole);
        all.divided_by(self.n as f64)
    }

    /// Σ(k − k̄)², in squared steps. Taken about a whole number beside the mean, so that the sums
    /// cancel as whole numbers do.
    pub fn squares_about_mean(&self) -> f64 {
        let n = i128::from(self.n);
        let about = self.steps / n;
        let moved = about.wrapping_mul(about).wrapping_mul(n);
        let cross = about.wrapping_mul(self.steps).wrapping_mul(2);
        let squares = self.squares.wrapping_sub(cross).wrapping_add(moved);
        let rest = (self.steps - about.wrapping_mul(n)) as f64;
        squares as f64 - rest * rest / n as f64
    }
}

/// Sums the values of one band, in the widest vectors that the machine has. Whatever their width,
/// the bits are the same.
struct SumBand<'a> {
    values: &'a [f64],
    center: f64,
    per_unit: f64,
}

/// Running sums of steps, rests, and the three products of both halves of the steps.
struct Sums<S: Simd> {
    simd: S,
    center: S::f64s,
    per_unit: S::f64s,
    whole: S::f64s,
    whole_rest: S::f64s,
    whole_half: S::f64s,
    sums: [S::f64s; 5],
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(simd: S, center: f64, per_unit: f64) -> Sums<S> {
        Sums {
            simd,
            center: simd.splat_f64s(center),
            per_unit: simd.splat_f64s(per_unit),
            whole: simd.splat_f64s(WHOLE),
            whole_rest: simd.splat_f64s(WHOLE * REST),
            whole_half: simd.splat_f64s(WHOLE * HALF),
            sums: [simd.splat_f64s(0.0); 5],
        }
    }

    #[inline(always)]
    fn add(&mut self, values: S::f64s) {
        let simd = self.simd;
        let round = |value, whole| simd.sub_f64s(simd.add_f64s(value, whole), whole);
        let steps = simd.mul_f64s(simd.sub_f64s(values, self.center), self.per_unit);
        let k = round(steps, self.whole);
        let rest = round(simd.sub_f64s(steps, k), self.whole_rest);
        let high = round(k, self.whole_half);
        let low = simd.sub_f64s(k, high);
        // Products and sums are exact, so it is all the same whether they are fused.
        let fused = |a, b, sum| simd.mul_add_e_f64s(a, b, sum);
        let [ks, rests, highs, crosses, lows] = self.sums;
        self.sums = [
            simd.add_f64s(ks, k),
            simd.add_f64s(rests, rest),
            fused(high, high, highs),
            fused(high, low, crosses),
            fused(low, low, lows),
        ];
    }

    /// Adds the sums of every lane. Each is a whole number of less than 53 bits, once it is scaled.
    #[inline(always)]
    fn add_to(self, band: &mut Band) {
        let scales = [1.0, 1.0 / REST, REST, 1.0 / HALF, 1.0];
        let whole = |term: usize| {
            let lanes: &[f64] = bytemuck::cast_slice(std::slice::from_ref(&self.sums[term]));
            let sum: i64 = lanes.iter().map(|sum| (sum * scales[term]) as i64).sum();
            i128::from(sum)
        };
        band.steps += whole(0);
        band.rests += whole(1);
        band.squares += (whole(2) << DIGITS) + 2 * (whole(3) << HALF_DIGITS) + whole(4);
    }
}

impl WithSimd for SumBand<'_> {
    type Output = Band;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Band {
        let SumBand { values, center, per_unit } = self;
        let mut all = Band { n: values.len() as u64, ..Band::default() };
        let (vectors, rest) = S::as_simd_f64s(values);
        for block in vectors.chunks(BLOCK) {
            let mut sums = Sums::new(simd, center, per_unit);
            block.iter().for_each(|own| sums.add(*own));
            sums.add_to(&mut all);
        }
        let mut single = Sums::new(Scalar, center, per_unit);
        rest.iter().for_each(|own| single.add(*own));
        single.add_to(&mut all);
        all
    }
}
