//! A single number that would explain a change: a unit, a sign, a limit, a value that fills gaps.
//!
//! It is a guess from the distributions, not something that is known of any row. A scaling is
//! tried on the reference's quantiles, and taken when the quartiles of the window, or of its
//! values outside of the reference's range, are where the scaled ones would be.

use super::bin::Bin;
use super::share_change::{ShareChange, Sides};
use crate::drift::Comparison;
use crate::profile::feature::{Frame, Values};
use crate::profile::numeric::NumericProfile;
use crate::profile::numeric_frame::NumericFrame;
use serde::{Deserialize, Serialize};

/// How values would have been changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Scaling {
    Times(f64),
    DividedBy(f64),
    Negated,
    CelsiusAsFahrenheit,
    FahrenheitAsCelsius,
    CelsiusAsKelvin,
    KelvinAsCelsius,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Guess {
    /// So large a share of the rows was scaled.
    Scaled { scaling: Scaling, share: f64 },
    /// Greater values became this one …
    ClippedAbove(f64),
    /// … or lesser ones.
    ClippedBelow(f64),
    /// Gaps, or other values, became this one, in so large a share of the rows.
    Filled { bin: Bin, share: f64 },
    /// All rows have one value.
    Constant(Bin),
}

/// Units of time, of lengths and weights, and what goes wrong with decimals.
const FACTORS: [f64; 14] =
    [2.0, 2.54, 3.281, 7.0, 10.0, 12.0, 24.0, 60.0, 100.0, 365.0, 1e3, 3_600.0, 1e6, 1e9];

/// Quantiles that a scaling is tried on.
const POINTS: u64 = 200;
/// Values outside of the range that are enough to guess from.
const OUTSIDE_MIN: u64 = 20;
/// The share of scaled values that lie outside of the range, at least.
const OUTSIDE_SHARE_MIN: f64 = 0.1;
/// How far quartiles may lie from where they should, in interquartile ranges; the second term is
/// divided by the root of the rows: three standard errors of a normal's quartile.
const WITHIN: (f64, f64) = (0.1, 3.0);
/// The next best scaling must be worse by this factor, and by so much.
const CLEARLY: (f64, f64) = (1.5, 0.05);
/// A quantile of a window may be off by this part of itself.
const QUANTILE_ERROR: f64 = 0.011;
/// Limits and fillings concern at least this share of the rows.
const SHARE_MIN: f64 = 0.005;
/// A stretch of values that may be one.
const NARROW: f64 = 0.01;
/// One value has all rows, as far as matters.
const ALL: f64 = 0.999;
/// So many rows are no chance: with none by chance at odds of e^-12, 6 in 1,000,000.
const ROWS_MIN: f64 = 12.0;
/// What gaps are filled with besides the mean and the median.
const FILLINGS: [f64; 8] = [0.0, -1.0, 99.0, 999.0, 9_999.0, -99.0, -999.0, -9_999.0];

impl Scaling {
    fn all() -> impl Iterator<Item = Scaling> {
        use Scaling::*;
        let units =
            [CelsiusAsFahrenheit, FahrenheitAsCelsius, CelsiusAsKelvin, KelvinAsCelsius, Negated];
        let factors = FACTORS.into_iter().flat_map(|factor| [Times(factor), DividedBy(factor)]);
        factors.chain(units)
    }

    fn of(self, value: f64) -> f64 {
        match self {
            Scaling::Times(factor) => value * factor,
            Scaling::DividedBy(factor) => value / factor,
            Scaling::Negated => -value,
            Scaling::CelsiusAsFahrenheit => value * 1.8 + 32.0,
            Scaling::FahrenheitAsCelsius => (value - 32.0) / 1.8,
            Scaling::CelsiusAsKelvin => value + 273.15,
            Scaling::KelvinAsCelsius => value - 273.15,
        }
    }
}

impl Guess {
    /// Of a feature whose `values` moved most.
    pub(super) fn of(
        comparison: &Comparison<'_>,
        missing: Sides,
        values: &[ShareChange],
    ) -> Option<Guess> {
        let Some(sides) = Numbers::of(comparison) else {
            let constant = values.iter().find(|own| own.shares.current >= ALL)?;
            let is_news = comparison.present().1 >= OUTSIDE_MIN;
            return is_news.then(|| Guess::Constant(constant.bin.clone()));
        };
        let (was_constant, constant) = (only(sides.reference).is_some(), only(sides.current));
        if let Some(only) = constant {
            let is_news = !was_constant && n_finite(sides.current) >= OUTSIDE_MIN;
            return is_news.then_some(Guess::Constant(Bin::Value(only)));
        }
        let points = sides.points();
        sides
            .scaled(&points)
            .or_else(|| sides.clipped(comparison))
            .or_else(|| sides.filled(missing, values, comparison.present().1))
            .or_else(|| sides.outside(&points))
    }
}

/// Both sides of a numeric feature.
struct Numbers<'a> {
    frame: &'a NumericFrame,
    reference: &'a NumericProfile,
    current: &'a NumericProfile,
}

/// Values of one side of the range, or all: where they begin among the others, and how many.
#[derive(Clone, Copy)]
struct Stretch {
    below: u64,
    rows: u64,
}

impl Stretch {
    /// Ranks of the quartiles.
    fn quartiles(self) -> [u64; 3] {
        [1, 2, 3].map(|quarter| self.below + (self.rows * quarter).div_ceil(4).max(1))
    }
}

impl<'a> Numbers<'a> {
    fn of(comparison: &Comparison<'a>) -> Option<Numbers<'a>> {
        let (before, now) = comparison.profiles();
        match (comparison.frame(), &before.values, &now.values) {
            (Frame::Numeric(frame), Values::Numeric(reference), Values::Numeric(current)) => {
                Some(Numbers { frame, reference, current })
            }
            _ => None,
        }
    }

    /// Quantiles of the reference.
    fn points(&self) -> Vec<f64> {
        let r = n_finite(self.reference);
        let ranks: Vec<u64> = (0..POINTS).map(|i| (r * (2 * i + 1)).div_ceil(2 * POINTS)).collect();
        self.reference.of_ranks(self.frame, &ranks)
    }

    /// All of the rows.
    fn scaled(&self, points: &[f64]) -> Option<Guess> {
        let all = Stretch { below: 0, rows: n_finite(self.current) };
        if all.rows < OUTSIDE_MIN {
            return None;
        }
        let own = self.current.of_ranks(self.frame, &all.quartiles());
        let is_far = error(points, &own)? > 3.0 * tolerance(all.rows);
        let whole = |scaling: Scaling| Some((scaled(scaling, points, |_| true), 1.0));
        best(whole, &own, all.rows).filter(|_| is_far)
    }

    /// A part of the rows, told by those outside of the reference's range: one value, or a scaling.
    fn outside(&self, points: &[f64]) -> Option<Guess> {
        let c = n_finite(self.current);
        let (grid, cells) = self.current.cells(self.frame);
        let (min, max) = grid.range()?;
        let (inside, counts) = (grid.cells_inside(), cells.counts());
        let below: u64 = counts[1..inside.start].iter().sum();
        let above: u64 = counts[inside.end..counts.len() - 1].iter().sum();
        let is_above = above >= below;
        let outside = match is_above {
            true => Stretch { below: c - above, rows: above },
            false => Stretch { below: 0, rows: below },
        };
        // Rows before a window, which it is compared with, may lie out there as well.
        let (_, of_reference) = self.reference.cells(self.frame);
        let known = of_reference.counts();
        let known = known.iter().sum::<u64>() - known[inside].iter().sum::<u64>();
        let share = outside.rows as f64 / c as f64;
        let is_known = known as f64 / n_finite(self.reference) as f64 > share / 2.0;
        if outside.rows < OUTSIDE_MIN || is_known {
            return None;
        }
        let own = self.current.of_ranks(self.frame, &outside.quartiles());
        let extremes = self.current.extremes();
        let extreme = if is_above { extremes.max()? } else { extremes.min()? };
        // A value next to the others may just have been rare; quantiles out there are within 1 %.
        let is_far = |value: f64| (min - value).max(value - max) > (max - min) / 8.0;
        let is_filling = FILLINGS.contains(&extreme) || is_far(extreme);
        if is_filling
            && share >= SHARE_MIN
            && own.iter().all(|q| (q - extreme).abs() <= QUANTILE_ERROR * extreme.abs())
        {
            return Some(Guess::Filled { bin: Bin::Value(extreme), share });
        }
        let part = |scaling: Scaling| {
            let is_outside = |value: f64| if is_above { value > max } else { value < min };
            let found = scaled(scaling, points, is_outside);
            let outside = found.len() as f64 / points.len() as f64;
            let part = share / outside;
            (outside >= OUTSIDE_SHARE_MIN && part <= 1.1).then(|| (found, part.min(1.0)))
        };
        best(part, &own, outside.rows)
    }

    /// One value that stands for gaps, or has the place of a mean.
    fn filled(&self, missing: Sides, values: &[ShareChange], present: u64) -> Option<Guess> {
        let is_news = |gain: f64| gain >= SHARE_MIN && gain * present as f64 >= ROWS_MIN;
        let found = values.iter().find(|own| is_news(own.gain()))?;
        let gained = found.gain();
        let gaps = missing.reference - missing.current;
        let median = self.reference.percentiles(self.frame).map(|all| all[3]);
        let middles = [self.reference.mean(self.frame), median];
        let is_usual = match found.bin {
            Bin::Value(own) => FILLINGS.contains(&own) || middles.contains(&Some(own)),
            Bin::Between(Some(lower), Some(upper)) => {
                let is_inside = |value: f64| lower < value && value <= upper;
                upper - lower <= NARROW * upper.abs()
                    && middles.into_iter().flatten().any(is_inside)
            }
            _ => false,
        };
        let closes_gaps = gaps >= SHARE_MIN && (0.7..1.4).contains(&(gained / gaps));
        // A value that the reference has often may just have become more frequent.
        let is_rare = found.shares.reference < 0.01;
        (closes_gaps || (is_usual && is_rare))
            .then(|| Guess::Filled { bin: found.bin.clone(), share: gained })
    }

    /// All that was beyond a limit became the limit.
    fn clipped(&self, comparison: &Comparison<'_>) -> Option<Guess> {
        let cells = comparison.cells()?;
        let (r, c) = comparison.present();
        let share = |counts: &[u64], of: u64| counts.iter().sum::<u64>() as f64 / of as f64;
        let is_limit = |limit: usize, beyond: f64| {
            let now = cells.current[limit] as f64 / c as f64;
            let gain = now - cells.reference[limit] as f64 / r as f64;
            let within = beyond * 0.3 + 3.0 * (beyond / c as f64).sqrt();
            let is_news = beyond * c as f64 >= ROWS_MIN && gain * c as f64 >= ROWS_MIN;
            is_news && beyond >= SHARE_MIN && gain >= SHARE_MIN && (gain - beyond).abs() <= within
        };
        let extremes = self.current.extremes();
        let (min, max) = (extremes.min()?, extremes.max()?);
        let (low, high) = (cells.grid.cell(min), cells.grid.cell(max));
        let beyond = |counts: &[u64]| share(counts, r);
        match () {
            () if is_limit(high, beyond(&cells.reference[high + 1..])) => {
                Some(Guess::ClippedAbove(max))
            }
            () if is_limit(low, beyond(&cells.reference[..low])) => Some(Guess::ClippedBelow(min)),
            () => None,
        }
    }
}

/// The only finite value.
fn only(own: &NumericProfile) -> Option<f64> {
    let extremes = own.extremes();
    extremes.min().filter(|min| extremes.max() == Some(*min))
}

fn n_finite(own: &NumericProfile) -> u64 {
    own.total() - own.infinities()
}

/// Scaled values that are wanted, ascending.
fn scaled(scaling: Scaling, points: &[f64], wanted: impl Fn(f64) -> bool) -> Vec<f64> {
    let mut found: Vec<f64> = points.iter().map(|value| scaling.of(*value)).collect();
    found.retain(|value| wanted(*value));
    found.sort_by(f64::total_cmp);
    found
}

/// The scaling that brings its values, each with the share of rows that it would concern, where
/// these quartiles are.
fn best(
    values: impl Fn(Scaling) -> Option<(Vec<f64>, f64)>,
    quartiles: &[f64],
    rows: u64,
) -> Option<Guess> {
    let mut found: Vec<(f64, Scaling, f64)> = Scaling::all()
        .filter_map(|scaling| {
            let (points, share) = values(scaling)?;
            Some((error(&points, quartiles)?, scaling, share))
        })
        .collect();
    found.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    let &(least, scaling, share) = found.first()?;
    let next = found.get(1).map_or(f64::INFINITY, |(next, ..)| *next);
    let is_clear = next >= (CLEARLY.0 * least).max(least + CLEARLY.1);
    (least <= tolerance(rows) && is_clear).then_some(Guess::Scaled { scaling, share })
}

fn tolerance(rows: u64) -> f64 {
    WITHIN.0 + WITHIN.1 / (rows as f64).sqrt()
}

/// How far quartiles lie from those of ascending points, in interquartile ranges of these.
fn error(points: &[f64], quartiles: &[f64]) -> Option<f64> {
    if points.len() < 4 || quartiles.len() < 3 {
        return None;
    }
    let expected = [1, 2, 3].map(|quarter| points[(points.len() * quarter).div_ceil(4) - 1]);
    let range = expected[2] - expected[0];
    let apart = expected.iter().zip(quartiles).map(|(expected, quartile)| {
        ((expected - quartile).abs() - QUANTILE_ERROR * quartile.abs()).max(0.0) / range
    });
    (range > 0.0).then(|| apart.fold(0.0, f64::max))
}
