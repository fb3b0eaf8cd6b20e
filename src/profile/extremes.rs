//! Least and greatest finite value, exact for integers and decimals beyond what a double holds.

use super::{Accumulator, Mismatch};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An integer or decimal as it was written: `unscaled · 10^−scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    pub unscaled: i128,
    pub scale: i8,
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.unsigned_abs().to_string();
        if self.unscaled < 0 {
            f.write_str("-")?;
        }
        match usize::try_from(self.scale) {
            Ok(0) => f.write_str(&digits),
            Ok(scale) => {
                let padded = format!("{digits:0>width$}", width = scale + 1);
                let (whole, fraction) = padded.split_at(padded.len() - scale);
                write!(f, "{whole}.{fraction}")
            }
            Err(_) => write!(f, "{digits}{}", "0".repeat(self.scale.unsigned_abs().into())),
        }
    }
}

/// Least and greatest of one block of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub min: f64,
    pub max: f64,
    /// Least and greatest as written, where the type has more digits than a double.
    pub exact: Option<(Exact, Exact)>,
}

/// −0.0 as 0.0, and everything else as it is.
pub fn without_negative_zero(value: f64) -> f64 {
    value + 0.0
}

/// What one look at values tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Survey {
    /// Least and greatest that is not NaN, infinities included.
    pub range: Option<(f64, f64)>,
    pub nans: u64,
}

/// Looks at every value; in lanes, for the machine's vector units.
pub fn survey(values: &[f64]) -> Survey {
    let (mut mins, mut maxs) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8]);
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for ((min, max), &value) in mins.iter_mut().zip(&mut maxs).zip(chunk) {
            // A comparison with NaN is false.
            *min = if value < *min { value } else { *min };
            *max = if value > *max { value } else { *max };
        }
    }
    let min = mins.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let max = maxs.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    let range = (without_negative_zero(min), without_negative_zero(max));
    let nans = values.iter().filter(|value| value.is_nan()).count() as u64;
    Survey { range: (min <= max).then_some(range), nans }
}

/// Least and greatest value so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Extremes {
    range: Option<(f64, f64)>,
    exact: Written,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
enum Written {
    #[default]
    Nothing,
    Exactly(Exact, Exact),
    /// Blocks of different scales or of floats came too: the doubles are all there is.
    Mixed,
}

impl Extremes {
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(min, _)| min)
    }

    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, max)| max)
    }

    pub fn exact(&self) -> Option<(Exact, Exact)> {
        match self.exact {
            Written::Exactly(min, max) => Some((min, max)),
            Written::Nothing | Written::Mixed => None,
        }
    }
}

impl Written {
    fn join(self, other: Written) -> Written {
        match (self, other) {
            (Written::Nothing, written) | (written, Written::Nothing) => written,
            (Written::Exactly(a_min, a_max), Written::Exactly(b_min, b_max))
                if a_min.scale == b_min.scale =>
            {
                let min = if b_min.unscaled < a_min.unscaled { b_min } else { a_min };
                let max = if b_max.unscaled > a_max.unscaled { b_max } else { a_max };
                Written::Exactly(min, max)
            }
            _ => Written::Mixed,
        }
    }
}

impl Accumulator for Extremes {
    type Input<'a> = Span;

    fn update(&mut self, span: Span) {
        let exact = match span.exact {
            Some((min, max)) => Written::Exactly(min, max),
            None => Written::Mixed,
        };
        let other = Extremes { range: Some((span.min, span.max)), exact };
        self.merge(&other).expect("extremes have no grid");
    }

    fn merge(&mut self, other: &Extremes) -> Result<(), Mismatch> {
        self.range = match (self.range, other.range) {
            (None, range) | (range, None) => range,
            (Some((a_min, a_max)), Some((b_min, b_max))) => {
                Some((a_min.min(b_min), a_max.max(b_max)))
            }
        };
        self.exact = self.exact.join(other.exact);
        Ok(())
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
    fn decimals_print_as_written() {
        let print = |unscaled, scale| Exact { unscaled, scale }.to_string();
        assert_eq!(print(-5, 2), "-0.05");
        assert_eq!(print(12_345, 1), "1234.5");
        assert_eq!(print(7, -2), "700");
        assert_eq!(print(i64::MIN.into(), 0), i64::MIN.to_string());
    }
}
