//! Scores of samples that did not drift must stay low, also where categories are many.

use crate::support::table::{compare, floats, measure, strings};
use arrow_array::ArrayRef;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

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
                ..driftd::monitor::reference::FeatureConfig::default()
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

/// What chance is said to make of a score is what it makes of it, on average.
#[test]
fn noise_is_the_mean_score_without_drift() {
    let mut random = StdRng::seed_from_u64(7);
    let mut number = |rows: usize| {
        let value = |draw: f64| if draw < 0.2 { f64::NAN } else { draw };
        floats((0..rows).map(|_| value(random.random_range(0.0..1.0))))
    };
    let numbers = mean_scores(&mut number);
    let mut random = StdRng::seed_from_u64(8);
    let mut letter =
        |rows: usize| strings((0..rows).map(|_| format!("c{}", random.random_range(0..12))));
    let letters = mean_scores(&mut letter);
    let tested: Vec<&str> = numbers.iter().map(|own| own.0.as_str()).collect();
    assert_eq!(tested, ["psi", "ks", "js", "chi2", "missing", "centre", "spread"]);
    for (name, score, noise) in numbers.into_iter().chain(letters) {
        assert!((score / noise - 1.0).abs() < 0.1, "{name}: {score} on average, not {noise}");
    }
}

/// Of measures that tell their noise: the mean of score and noise over pairs of samples.
fn mean_scores(sample: &mut dyn FnMut(usize) -> ArrayRef) -> Vec<(String, f64, f64)> {
    const PAIRS: usize = 150;
    let mut sums: Vec<(String, f64, f64)> = Vec::new();
    for _ in 0..PAIRS {
        let found = compare(sample(4_000), sample(1_500));
        let told = found.measures.iter().filter_map(|own| Some((own, own.noise?)));
        for (place, (own, noise)) in told.filter(|(_, noise)| *noise > 0.0).enumerate() {
            if place == sums.len() {
                sums.push((own.measure.to_string(), 0.0, 0.0));
            }
            sums[place].1 += own.score / PAIRS as f64;
            sums[place].2 += noise / PAIRS as f64;
        }
    }
    sums
}
