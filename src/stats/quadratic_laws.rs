//! The tails of the laws that ω² of Cramér-von Mises and A² of Anderson-Darling tend to.
//!
//! Both are sums of squared normals, Σ λ_j·z_j², with λ_j = 1/(jπ)² and 1/(j(j+1)). N. V. Smirnov,
//! "On the distribution of the ω² criterion" (1936), gives the tail of such a sum as an alternating
//! series of integrals between its 1/λ_j, two by two, in which the smallest probability has as many
//! right digits as the largest. Each integrand is infinite as 1/√ at both ends, which the rule of
//! Gauss and Chebyshev integrates without seeing it.

use std::f64::consts::PI;

/// Nodes of an integral; 24 leave 1e-13 of it.
const NODES: usize = 32;

/// Integrals of the series; each is smaller than the one before by more than e at [`X_MIN`].
const TERMS: usize = 24;

/// The series is used from here; 1 − 1e-7 of ω², and all but 1e-8 of A², lie above.
const OMEGA2_MIN: f64 = 0.02;
const A2_MIN: f64 = 0.12;

/// P(ω² > x): of ∫(F−G)² dH times RC/(R+C), of many rows.
pub fn omega2_tail(x: f64) -> f64 {
    if x <= OMEGA2_MIN {
        return 1.0;
    }
    // With u = s², the sum's determinant is sin s / s, which is 0 at every whole π.
    let integrand = |s: f64| {
        let determinant = (s.sin() / s).abs();
        2.0 / s / determinant.sqrt() * (-x * s * s / 2.0).exp()
    };
    series(integrand, |k| ((2 * k - 1) as f64 * PI, (2 * k) as f64 * PI))
}

/// P(A² > x): of ∫(F−G)²/(H(1−H)) dH times RC/(R+C), of many rows.
pub fn a2_tail(x: f64) -> f64 {
    if x <= A2_MIN {
        return 1.0;
    }
    // With u = (s² − 1)/4, it is −cos(πs/2)/(πu), which is 0 at every odd number from 3 on.
    let integrand = |s: f64| {
        let u = (s * s - 1.0) / 4.0;
        let determinant = ((PI * s / 2.0).cos() / (PI * u)).abs();
        s / 2.0 / u / determinant.sqrt() * (-x * u / 2.0).exp()
    };
    series(integrand, |k| ((4 * k - 1) as f64, (4 * k + 1) as f64))
}

/// The alternating sum of the integrals over the `ends` of each term, counted from 1.
fn series(integrand: impl Fn(f64) -> f64, ends: impl Fn(usize) -> (f64, f64)) -> f64 {
    let mut sum = 0.0;
    for k in 1..=TERMS {
        let (a, b) = ends(k);
        let (middle, half) = ((a + b) / 2.0, (b - a) / 2.0);
        let nodes = (0..NODES).map(|i| {
            let (sine, cosine) = (PI * (i as f64 + 0.5) / NODES as f64).sin_cos();
            integrand(middle + half * cosine) * half * sine
        });
        let term = nodes.sum::<f64>() / NODES as f64;
        sum += if k % 2 == 1 { term } else { -term };
        if term <= sum.abs() * f64::EPSILON {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/oracle/laws.py`, and for ω² `scipy.stats` 1.17.1 as well: ten digits of each, and
    /// none beyond the tenth after the point.
    #[test]
    fn tails_agree_with_imhof() {
        let omega2: &[(f64, f64)] = &[
            (0.03, 0.9761684506),
            (0.05, 0.876280931),
            (0.1, 0.5848734384),
            (0.2, 0.2674704305),
            (0.461, 0.0501071272),
            (0.743, 0.01002552398),
            (1.5, 0.0001726962198),
            (2.0, 1.278073617e-05),
        ];
        let a2: &[(f64, f64)] = &[
            (0.2, 0.9904125472),
            (0.3, 0.9381576361),
            (0.6, 0.6479956357),
            (1.0, 0.3572666732),
            (1.933, 0.09999462321),
            (2.492, 0.05002218636),
            (3.857, 0.01024115323),
            (8.0, 0.0001138141557),
            (12.0, 1.710286999e-06),
        ];
        for (law, cases) in [(omega2_tail as fn(f64) -> f64, omega2), (a2_tail, a2)] {
            for &(x, expected) in cases {
                let got = law(x);
                assert!((got - expected).abs() < 2e-10, "at {x}: {got}, not {expected}");
            }
        }
    }

    /// Far out the largest weight tells all: √2 and √3 times the tail of one squared normal.
    #[test]
    fn far_tails_are_those_of_the_largest_weight() {
        use statrs::function::erf::erfc;
        let normal = |square: f64| erfc((square / 2.0).sqrt());
        let (x, y) = (20.0, 90.0);
        assert!((omega2_tail(x) / (2f64.sqrt() * normal(PI * PI * x)) - 1.0).abs() < 0.01);
        assert!((a2_tail(y) / (3f64.sqrt() * normal(2.0 * y)) - 1.0).abs() < 0.01);
        assert_eq!((omega2_tail(0.0), a2_tail(0.0)), (1.0, 1.0));
    }
}
