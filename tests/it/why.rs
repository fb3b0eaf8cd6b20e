//! What is said to have moved, against faults that are known because they were planted.

use crate::support::table::{compare, compare_as, floats, strings};
use arrow_array::{ArrayRef, BooleanArray, Float64Array};
use driftd::explain::bin::Bin;
use driftd::explain::phrases::ShownValues;
use driftd::explain::share_change::Sides;
use driftd::explain::{Explanation, Guess, Scaling};
use driftd::monitor::figures::FeatureFigures;
use driftd::monitor::reference::{DeclaredKind, FeatureConfig};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

const ROWS: usize = 20_000;

/// A normal distribution, by the sum of twelve.
fn normal(seed: u64, mean: f64, deviation: f64) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut one = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    (0..ROWS).map(|_| mean + deviation * one()).collect()
}

/// The same values, one in `of` of which was changed.
fn with_fault(values: &[f64], of: usize, fault: impl Fn(f64) -> f64) -> ArrayRef {
    let changed = values.iter().enumerate();
    floats(changed.map(|(row, value)| if row % of == 0 { fault(*value) } else { *value }))
}

fn explained(figures: &FeatureFigures) -> &Explanation {
    assert_eq!(figures.drifted, Some(true), "{figures:?}");
    figures.explanation.as_ref().expect("what has drifted is explained")
}

fn told(figures: &FeatureFigures) -> Vec<String> {
    explained(figures);
    figures.why(ShownValues::Shown)
}

#[test]
fn units_are_guessed() {
    let (before, now) = (normal(1, 20.0, 4.0), normal(2, 20.0, 4.0));
    let reference = || floats(before.iter().copied());
    for (scaling, fault) in [
        (Scaling::CelsiusAsFahrenheit, (|v| v * 1.8 + 32.0) as fn(f64) -> f64),
        (Scaling::Times(12.0), |v| v * 12.0),
        (Scaling::Times(100.0), |v| v * 100.0),
        (Scaling::Times(1e3), |v| v * 1e3),
        (Scaling::Negated, |v| -v),
        (Scaling::CelsiusAsKelvin, |v| v + 273.15),
    ] {
        for of in [1, 20] {
            let figures = compare(reference(), with_fault(&now, of, fault));
            match explained(&figures).guess {
                Some(Guess::Scaled { scaling: found, share }) => {
                    assert_eq!(found, scaling, "one in {of}");
                    assert!((share * of as f64 - 1.0).abs() < 0.1, "{scaling}: {share}, {of}");
                }
                ref other => panic!("{scaling}, one in {of}: {other:?}"),
            }
        }
    }
    let small = compare(reference(), with_fault(&now, 1, |v| v / 1e3));
    let expected = Some(Guess::Scaled { scaling: Scaling::DividedBy(1e3), share: 1.0 });
    assert_eq!(explained(&small).guess, expected);
}

/// What no number explains is not explained by one.
#[test]
fn a_shift_is_no_unit() {
    let reference = floats(normal(3, 20.0, 4.0));
    for (mean, deviation) in [(21.2, 4.0), (22.0, 4.0), (28.0, 4.0), (20.0, 6.0), (20.0, 2.0)] {
        let figures = compare(Arc::clone(&reference), floats(normal(4, mean, deviation)));
        let own = explained(&figures);
        assert_eq!(own.guess, None, "{mean} ± {deviation}");
        let Sides { reference, current } = own.mean.unwrap();
        assert!((reference - 20.0).abs() < 0.2 && (current - mean).abs() < 0.2);
        assert_eq!(own.is_higher.filter(|_| mean > 20.5), (mean > 20.5).then_some(true));
        let is_wider = deviation > 4.0;
        assert_eq!(own.is_wider.filter(|_| mean < 20.5), (mean < 20.5).then_some(is_wider));
    }
}

/// In a hundred rows a greatest value, or a value that came twice, is chance.
#[test]
fn small_windows_have_no_limits() {
    let reference = floats(normal(12, 20.0, 4.0));
    let mut explained = 0;
    for (window, values) in normal(13, 26.0, 4.0).chunks(100).enumerate().take(50) {
        let figures = compare(Arc::clone(&reference), floats(values.to_vec()));
        let Some(own) = &figures.explanation else { continue };
        explained += 1;
        assert_eq!(own.guess, None, "window {window}");
    }
    assert!(explained > 40, "{explained}");
    // What always was one value is no news.
    let constant = |n: usize| floats(vec![5.0; n]);
    let gaps = (0..1_000).map(|row| (row % 2 == 0).then_some(5.0)).collect::<Float64Array>();
    let figures = compare(constant(5_000), Arc::new(gaps));
    assert_eq!(told(&figures), ["missing 0 → 50 %"]);
}

#[test]
fn limits_and_fillings_are_guessed() {
    let (before, now) = (normal(5, 50.0, 10.0), normal(6, 50.0, 10.0));
    let reference = || floats(before.iter().copied());
    let guess = |current: ArrayRef| explained(&compare(reference(), current)).guess.clone();
    let clipped = guess(with_fault(&now, 1, |v| v.min(60.0)));
    assert_eq!(clipped, Some(Guess::ClippedAbove(60.0)));
    let clipped = guess(with_fault(&now, 1, |v| v.max(40.0)));
    assert_eq!(clipped, Some(Guess::ClippedBelow(40.0)));
    assert_eq!(guess(with_fault(&now, 1, |_| 51.0)), Some(Guess::Constant(Bin::Value(51.0))));
    for filling in [-999.0, 0.0, 9_999.0] {
        match guess(with_fault(&now, 20, |_| filling)) {
            Some(Guess::Filled { bin, share }) => {
                assert_eq!(bin, Bin::Value(filling));
                assert!((share - 0.05).abs() < 0.002);
            }
            other => panic!("{filling}: {other:?}"),
        }
    }
    // Gaps of one in ten, closed by the mean.
    let gaps = |value: Option<f64>| {
        let own = before.iter().enumerate();
        let own = own.map(|(row, own)| if row % 10 == 0 { value } else { Some(*own) });
        Arc::new(own.collect::<Float64Array>()) as ArrayRef
    };
    let figures = compare(gaps(None), gaps(Some(50.0)));
    match &explained(&figures).guess {
        Some(Guess::Filled { bin: Bin::Between(Some(lower), Some(upper)), share }) => {
            assert!(*lower < 50.0 && 50.0 <= *upper && (share - 0.1).abs() < 0.002);
        }
        other => panic!("{other:?}"),
    }
}

/// A feature whose top value moved up, as the survey's of the demo.
#[test]
fn values_beyond_the_range_and_gone_are_told() {
    let ages = |top: f64| {
        floats((0..ROWS).map(move |row| if row < 200 { top } else { (row % 90) as f64 }))
    };
    let figures = compare(ages(94.0), ages(95.0));
    assert_eq!(told(&figures), ["above 94: 0 → 1 %", "94: 1 % → 0"]);
    assert_eq!(figures.reasons(), ["above_range", "value_less"]);
    let own = explained(&figures);
    assert_eq!(own.vanished, [(Bin::Value(94.0), 0.01)]);
    assert_eq!((own.above, own.below), (Some((94.0, 0.01)), Some((0.0, 0.0))));
}

#[test]
fn categories_that_come_and_go_are_named() {
    let base = |row: usize| ["a", "b", "c", "d"][row % 4];
    let column = |f: &dyn Fn(usize) -> String| strings((0..ROWS).map(f));
    let reference = column(&|row| base(row).to_owned());
    let new = column(&|row| if row % 20 == 0 { "EU-7" } else { base(row) }.to_owned());
    let figures = compare(Arc::clone(&reference), new);
    assert_eq!(told(&figures)[0], "new: \"EU-7\" 5 %");
    assert_eq!(figures.reasons()[0], "new_values");
    let hidden = figures.why(ShownValues::Hidden);
    assert_eq!(hidden[0], "new values 5 %");
    assert!(!hidden.concat().contains("EU-7"), "{hidden:?}");
    let hashed = figures.why(ShownValues::Hashed);
    // By Python's xxhash: xxh3_64_hexdigest(b"EU-7").
    assert_eq!(hashed[0], "new: \"3d1d502bea0877f0\" 5 %");
    let gone = column(&|row| if base(row) == "d" { "D" } else { base(row) }.to_owned());
    let figures = compare(reference, gone);
    assert_eq!(told(&figures)[..2], ["new: \"D\" 25 %", "\"d\": 25 % → 0"]);
    assert_eq!(explained(&figures).vanished, [(Bin::Text("d".to_owned()), 0.25)]);
}

/// More values than are kept by name: the shares of those that are kept are exact.
#[test]
fn of_many_new_values_some_are_named() {
    let column = |head: &str, n: usize| {
        let head = head.to_owned();
        strings((0..ROWS).map(move |row| format!("{head}{}", row % n)))
    };
    let kind = Some(DeclaredKind::Categorical);
    let config = FeatureConfig { kind, ..FeatureConfig::default() };
    let figures = compare_as(config, column("old", 2_000), column("new", 4_000));
    let own = explained(&figures);
    assert_eq!((own.new_share, own.are_more_new, own.new_values.len()), (Some(1.0), true, 10));
    assert!(own.new_values.iter().all(|(_, share)| *share == 5.0 / ROWS as f64));
    assert!(told(&figures)[0].starts_with("new 100 %: \"new"));
}

#[test]
fn flags_and_missing_values_tell_both_shares() {
    let flags = |of: usize| {
        Arc::new((0..ROWS).map(|row| Some(row % of == 0)).collect::<BooleanArray>()) as ArrayRef
    };
    let figures = compare(flags(50), flags(20));
    assert_eq!(told(&figures), ["\"true\": 2 % → 5 %"]);
    assert_eq!(figures.reasons(), ["value_more"]);
    let values = normal(7, 0.0, 1.0);
    let current = values.iter().enumerate().map(|(row, v)| (row % 10 >= 3).then_some(*v));
    let current = Arc::new(current.collect::<Float64Array>());
    let figures = compare(floats(values.iter().copied()), current);
    assert_eq!(told(&figures), ["missing 0 → 30 %"]);
    assert_eq!(figures.reasons(), ["missing_more"]);
}

/// The bins that carry the score add up with the others to all of it.
#[test]
fn bins_have_their_parts_of_the_score() {
    let column = |weights: [usize; 4]| {
        let names = ["a", "b", "c", "d"];
        let rows = names.iter().zip(weights).flat_map(|(name, n)| std::iter::repeat_n(*name, n));
        strings(rows)
    };
    let figures =
        compare(column([5_000, 5_000, 5_000, 5_000]), column([9_000, 5_000, 5_000, 1_000]));
    let own = explained(&figures);
    // (q − p)·ln(q/p) of 0.45 against 0.25, and of 0.05.
    let (a, d) = (0.2 * (0.45f64 / 0.25).ln(), -0.2 * (0.05f64 / 0.25).ln());
    let bins: Vec<(String, f64)> =
        own.bins.iter().map(|(own, part)| (own.bin.to_string(), *part)).collect();
    assert_eq!(bins.len(), 2);
    for ((name, part), (expected, value)) in bins.iter().zip([("d", d), ("a", a)]) {
        assert_eq!(name, expected);
        assert!((part - value / (a + d)).abs() < 1e-12);
    }
    assert_eq!(figures.bins, [9_000, 5_000, 5_000, 1_000, 0]);
}

#[test]
fn what_has_not_drifted_is_not_explained() {
    let figures = compare(floats(normal(8, 0.0, 1.0)), floats(normal(9, 0.0, 1.0)));
    assert_eq!((figures.drifted, figures.explanation), (Some(false), None));
}
