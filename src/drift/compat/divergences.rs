//! Divergences of shares, whatever bins they are of.

/// Σ (q−p)·ln(q/p), where no share is 0.
pub fn psi(shares: &[(f64, f64)]) -> f64 {
    shares.iter().map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

/// The root of Jensen and Shannon's divergence, in nats.
pub fn jensen_shannon(shares: &[(f64, f64)]) -> f64 {
    let term = |share: f64, middle: f64| {
        if share > 0.0 { share * (share / middle).ln() } else { 0.0 }
    };
    let divergence = shares.iter().map(|(p, q)| {
        let middle = (p + q) / 2.0;
        (term(*p, middle) + term(*q, middle)) / 2.0
    });
    divergence.sum::<f64>().max(0.0).sqrt()
}

/// √(½ Σ (√q − √p)²).
pub fn hellinger(shares: &[(f64, f64)]) -> f64 {
    let squares = shares.iter().map(|(p, q)| (q.sqrt() - p.sqrt()).powi(2));
    (squares.sum::<f64>() / 2.0).sqrt()
}

/// max |q − p|.
pub fn l_infinity(shares: &[(f64, f64)]) -> f64 {
    shares.iter().map(|(p, q)| (q - p).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// popmon's shares with 1e-5 each, the largest distance there is, by `math`, and Deequ's case.
    #[test]
    fn published_cases() {
        let popmon =
            [(0.85001, 0.25001), (0.05001, 0.25001), (0.05001, 0.25001), (0.05001, 0.25001)];
        assert!((psi(&popmon) - 1.699815077214137).abs() < 1e-12);
        let apart = [(1.0, 0.0), (0.0, 1.0)];
        assert!((jensen_shannon(&apart) - 0.8325546111576977).abs() < 1e-15);
        assert_eq!((hellinger(&apart), l_infinity(&apart)), (1.0, 1.0));
    }
}
