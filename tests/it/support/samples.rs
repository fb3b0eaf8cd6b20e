//! Samples that `fixtures/oracle/measures.py` makes to the bit.

/// G. L. Steele's, D. Lea's and C. H. Flood's numbers, as fractions of 1.
pub fn uniform(seed: u64, n: usize) -> Vec<f64> {
    let number = |i: u64| {
        let z = (seed << 32).wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
    };
    (1..=n as u64).map(number).collect()
}

/// The sum of twelve of those, less six.
pub fn bell(seed: u64, n: usize) -> Vec<f64> {
    let mut total = vec![0.0; n];
    for part in 0..12 {
        total.iter_mut().zip(uniform(seed * 16 + part, n)).for_each(|(sum, own)| *sum += own);
    }
    total.into_iter().map(|sum| sum - 6.0).collect()
}
