//! Scores of samples that did not drift must stay low, also where categories are many.

use crate::support::table::{compare, measure, strings};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::{SeedableRng, rngs::StdRng};

const CATEGORIES: usize = 5_000;
const DRAWS: u64 = 20;

/// Mean `psi` of two samples of one zipf(1.1) distribution over 5,000 categories.
fn mean_psi(reference_rows: usize, current_rows: usize) -> f64 {
    let weights = (1..=CATEGORIES).map(|rank| (rank as f64).powf(-1.1));
    let zipf = WeightedIndex::new(weights).unwrap();
    let total: f64 = (0..DRAWS)
        .map(|seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut sample =
                |rows: usize| strings((0..rows).map(|_| format!("c{}", zipf.sample(&mut random))));
            let (reference, current) = (sample(reference_rows), sample(current_rows));
            let config = driftd::monitor::reference::FeatureConfig {
                kind: Some(driftd::monitor::reference::DeclaredKind::Categorical),
                distinct: false,
            };
            crate::support::table::compare_as(config, reference, current)
        })
        .map(|figures| measure(&figures, "psi").unwrap())
        .sum();
    total / DRAWS as f64
}

#[test]
fn many_categories_without_drift_score_low() {
    for (reference, current) in
        [(500, 500), (1_000, 1_000), (5_000, 5_000), (100_000, 500), (100_000, 1_000)]
    {
        let psi = mean_psi(reference, current);
        assert!(psi < 0.05, "R = {reference}, C = {current}: {psi}");
    }
}

/// Elastic's case: 70 % of the values are a sentinel that decile edges would fall on.
#[test]
fn a_sentinel_on_both_sides_is_no_drift() {
    let column = |shift: usize| {
        crate::support::table::floats(
            (0..5_000).map(move |i| if i % 10 < 7 { -1.0 } else { ((i + shift) % 997) as f64 }),
        )
    };
    let figures = compare(column(0), column(5));
    assert!(measure(&figures, "ks").unwrap() < 0.002);
    assert!(measure(&figures, "psi").unwrap() < 0.001);
}
