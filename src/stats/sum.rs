//! A sum that keeps what a double loses.
//!
//! Two doubles carry about 106 bits, so that sums of (x−c)² can later lose twelve digits to
//! cancellation and still be right. T. J. Dekker, "A floating-point technique for extending the
//! available precision", Numer. Math. 18 (1971), with D. E. Knuth's branch-free two-sum.

use serde::{Deserialize, Serialize};

/// An unevaluated sum `high + low`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    pub fn add(&mut self, value: f64) {
        let (high, error) = two_sum(self.high, value);
        (self.high, self.low) = quick_two_sum(high, error + self.low);
    }

    /// A whole number, to 106 bits.
    pub fn of_integer(number: i128) -> Sum {
        let high = number as f64;
        let low = number.wrapping_sub(high as i128) as f64;
        let (high, low) = quick_two_sum(high, low);
        Sum { high, low }
    }

    pub fn merge(&mut self, other: Sum) {
        let (high, error) = two_sum(self.high, other.high);
        (self.high, self.low) = quick_two_sum(high, error + (self.low + other.low));
    }

    pub fn value(self) -> f64 {
        self.high + self.low
    }

    /// `a·b` without rounding, up to over- and underflow.
    pub fn product(a: f64, b: f64) -> Sum {
        let (high, low) = two_product(a, b);
        Sum { high, low }
    }

    pub fn times(self, factor: f64) -> Sum {
        let (high, error) = two_product(self.high, factor);
        let (high, low) = quick_two_sum(high, error + self.low * factor);
        Sum { high, low }
    }

    pub fn square(self) -> Sum {
        let (high, error) = two_product(self.high, self.high);
        let (high, low) = quick_two_sum(high, error + 2.0 * self.high * self.low);
        Sum { high, low }
    }

    /// `self / divisor`, to about 100 bits.
    pub fn divided_by(self, divisor: f64) -> Sum {
        let quotient = self.value() / divisor;
        let mut rest = self;
        rest.merge(Sum::product(-quotient, divisor));
        let (high, low) = quick_two_sum(quotient, rest.value() / divisor);
        Sum { high, low }
    }

    /// `self − other`.
    pub fn minus(mut self, other: Sum) -> Sum {
        self.merge(Sum { high: -other.high, low: -other.low });
        self
    }
}

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_rounded = sum - a;
    (sum, (a - (sum - b_rounded)) + (b - b_rounded))
}

/// Two-sum for |a| ≥ |b|.
fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// Dekker's product. A fused multiply-add would be shorter, but is a slow library call on the
/// oldest x86-64 machines, which one portable binary has to serve.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let (a_high, a_low) = split(a);
    let (b_high, b_low) = split(b);
    let error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
    (product, error)
}

/// Veltkamp's split into two halves of 26 bits.
fn split(a: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_a_double_loses() {
        let mut sum = Sum::default();
        for value in [1e16, 1.0, -1e16, 1e-10] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 1.0 + 1e-10);
    }

    #[test]
    fn products_are_exact() {
        // 94906267² = 9007199515875289 needs 54 bits; as a double it ends in …288.
        let square = Sum::product(94_906_267.0, 94_906_267.0);
        assert_eq!(square.minus(Sum::product(9_007_199_515_875_288.0, 1.0)).value(), 1.0);
    }

    #[test]
    fn divides_beyond_a_double() {
        let third = Sum::product(1.0, 1.0).divided_by(3.0);
        assert!(third.times(3.0).minus(Sum::product(1.0, 1.0)).value().abs() < 1e-31);
    }
}
