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
    fn decimals_print_as_written() {
        let print = |unscaled, scale| Exact { unscaled, scale }.to_string();
        assert_eq!(print(-5, 2), "-0.05");
        assert_eq!(print(12_345, 1), "1234.5");
        assert_eq!(print(7, -2), "700");
        assert_eq!(print(i64::MIN.into(), 0), i64::MIN.to_string());
    }
}
