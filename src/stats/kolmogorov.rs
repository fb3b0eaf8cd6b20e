//! The tail of Kolmogorov's distribution.
//!
//! A. N. Kolmogorov (1933). The finite-sample λ is that of M. A. Stephens, "Use of the
//! Kolmogorov-Smirnov, Cramér-von Mises and related statistics without extensive tables",
//! J. R. Stat. Soc. B 32 (1970).

use std::f64::consts::PI;

/// λ of the two-sample test: `distance` between the distribution functions, `n` = RC/(R+C).
pub fn stephens_lambda(distance: f64, n: f64) -> f64 {
    let root = n.sqrt();
    (root + 0.12 + 0.11 / root) * distance
}

/// Q(λ) = P(K > λ), in [0, 1].
pub fn survival(lambda: f64) -> f64 {
    if lambda <= 0.0 {
        return 1.0;
    }
    // The two series are one function (Jacobi's theta); each is used where three to five terms
    // reach full precision.
    if lambda < 1.18 {
        let y = -PI * PI / (8.0 * lambda * lambda);
        let terms = [1.0, 9.0, 25.0, 49.0].map(|k: f64| (k * y).exp());
        return (1.0 - (2.0 * PI).sqrt() / lambda * terms.iter().sum::<f64>()).clamp(0.0, 1.0);
    }
    let terms = [1.0, 4.0, 9.0, 16.0, 25.0].map(|k: f64| (-2.0 * k * lambda * lambda).exp());
    (2.0 * (terms[0] - terms[1] + terms[2] - terms[3] + terms[4])).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.special.kolmogorov` 1.17.1.
    #[test]
    fn agrees_with_scipy() {
        for (lambda, expected) in [
            (0.3, 0.9999906941986655),
            (0.5, 0.9639452436648751),
            (0.8, 0.5441424115741981),
            (1.0, 0.26999967167735456),
            (1.18, 0.1234538094297657),
            (1.5, 0.022217962616525127),
            (3.0, 3.04599594894294e-08),
            (8.0, 5.14441874528483e-56),
        ] {
            let got = survival(lambda);
            assert!((got / expected - 1.0).abs() < 1e-9, "Q({lambda}) = {got}, not {expected}");
        }
        assert_eq!(survival(0.0), 1.0);
    }
}
