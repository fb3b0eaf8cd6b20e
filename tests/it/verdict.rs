//! The rule of the verdict through the whole of driftd, rows and all: numbers that numpy and scipy
//! gave for the same rule written a second time, and what is called and what is not.

use crate::support::table::{compare, compare_as, floats, strings};
use arrow_array::{ArrayRef, Float64Array};
use driftd::feature::Status;
use driftd::monitor::figures::{FeatureFigures, MeasureFigures};
use driftd::monitor::reference::{DeclaredKind, FeatureConfig};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;

fn measured<'a>(figures: &'a FeatureFigures, name: &str) -> &'a MeasureFigures {
    figures.measures.iter().find(|measured| measured.measure == name).expect(name)
}

fn called(figures: &FeatureFigures) -> Vec<&str> {
    let called = figures.measures.iter().filter(|measured| measured.calls == Some(true));
    called.map(|measured| &*measured.measure).collect()
}

fn close(got: f64, expected: f64, what: &str) {
    assert!((got / expected - 1.0).abs() < 1e-6, "{what} is {got}, not {expected}");
}

/// Each value so many times.
fn numbers(counts: &[(f64, usize)]) -> ArrayRef {
    floats(counts.iter().flat_map(|(value, n)| std::iter::repeat_n(*value, *n)))
}

/// `v0` to `v999` one after the other, so many rows.
fn of_values(values: usize, rows: usize) -> impl Iterator<Item = String> {
    (0..rows).map(move |row| format!("v{}", row % values))
}

fn categories(reference: ArrayRef, current: ArrayRef) -> FeatureFigures {
    let kind = Some(DeclaredKind::Categorical);
    compare_as(FeatureConfig { kind, ..FeatureConfig::default() }, reference, current)
}

#[test]
fn four_values_have_the_scores_of_the_rule() {
    let reference = numbers(&[(1.0, 400), (2.0, 300), (3.0, 200), (4.0, 100)]);
    let current = numbers(&[(1.0, 30), (2.0, 30), (3.0, 25), (4.0, 15)]);
    let figures = compare(reference, current);
    for (name, score, p) in [
        ("centre", 0.0675, 0.01877097),
        ("spread", 0.015, 0.58774026),
        ("ks", 0.1, 0.30751581),
        ("psi", 0.060199, 0.1323479),
        ("cells", 0.02871666, 0.13234791),
        ("share", 0.1, 0.15697229),
    ] {
        let measured = measured(&figures, name);
        assert!((measured.score - score).abs() < 5e-7, "{name} is {}", measured.score);
        assert!((measured.p_value.unwrap() - p).abs() < 5e-8, "{name}: {:?}", measured.p_value);
    }
    assert_eq!((figures.drifted, called(&figures)), (Some(false), vec![]));
}

#[test]
fn values_out_of_range_are_tested_against_order_statistics() {
    let reference = || floats((0..100_000).map(|i| f64::from(i % 1_000)));
    let window = |n: usize, outside: usize| {
        floats((0..n).map(|i| if i < outside { 5_000.0 } else { (i * 7 % 1_000) as f64 }))
    };
    for (n, outside, p) in [(500, 3, 4.907364e-7), (100, 2, 2.992015e-6), (100, 1, 1.997004e-3)] {
        let figures = compare(reference(), window(n, outside));
        let measured = measured(&figures, "out_of_range");
        assert_eq!(measured.score, outside as f64 / n as f64);
        close(measured.p_value.unwrap(), p, "p");
        assert_eq!(measured.calls, Some(p <= 1e-5));
    }
}

#[test]
fn a_constant_that_is_left_is_called() {
    let figures = compare(numbers(&[(5.0, 100_000)]), numbers(&[(5.0, 990), (7.0, 10)]));
    assert_eq!(called(&figures), ["share", "out_of_range"]);
    let p = measured(&figures, "out_of_range").p_value.unwrap();
    assert!((p / 9.87e-20 - 1.0).abs() < 1e-3, "{p}");
}

#[test]
fn unseen_values_are_held_against_those_seen_once() {
    let known = || strings(of_values(100, 100_000));
    let now = |new: usize, n: usize| {
        strings((0..new).map(|i| format!("new {i}")).chain(of_values(100, n - new)))
    };
    let figures = categories(known(), now(2, 100));
    close(measured(&figures, "unseen").p_value.unwrap(), 9.980030e-7, "p");
    let figures = categories(known(), now(15, 1_000));
    assert_eq!(called(&figures), ["unseen"]);
    let psi = measured(&figures, "psi").score;
    assert!((0.02..0.1).contains(&psi), "{psi}");
    // Of 1,000 rows 120 values once and 60 twice: new ones are to be expected.
    let once = (0..120).map(|i| format!("once {i}"));
    let twice = (0..120).map(|i| format!("twice {}", i / 2));
    let reference = strings(once.chain(twice).chain(of_values(5, 760)));
    for (new, p) in [(160, 5.399381e-2), (300, 2.223487e-10)] {
        let current = (0..new).map(|i| format!("new {i}")).chain(of_values(5, 1_000 - new));
        let figures = categories(Arc::clone(&reference), strings(current));
        close(measured(&figures, "unseen").p_value.unwrap(), p, "p");
    }
}

#[test]
fn values_that_have_no_bin_of_their_own_are_compared_all_the_same() {
    let reference = || strings(of_values(1_000, 100_000));
    let one = categories(reference(), strings(std::iter::repeat_n("v7".to_owned(), 1_000)));
    assert_eq!(called(&one), ["share", "cells"]);
    let mut random = StdRng::seed_from_u64(5);
    let mut drawn = |values: usize, rows: usize| {
        let value = |_| format!("v{}", random.random_range(0..values));
        strings((0..rows).map(value).collect::<Vec<_>>())
    };
    let half = categories(reference(), drawn(500, 500));
    assert_eq!(called(&half), ["cells"]);
    let same = categories(reference(), drawn(1_000, 1_000));
    assert_eq!((same.drifted, called(&same)), (Some(false), vec![]));
    // None is known, though each is too rare for a name.
    let reference = strings(of_values(20_000, 100_000));
    let figures = categories(reference, strings((0..1_000).map(|i| format!("new {i}"))));
    assert_eq!(called(&figures), ["unseen"]);
    assert_eq!(measured(&figures, "psi").score, 0.0);
}

#[test]
fn missing_values_are_called_by_rows_and_step() {
    let column = |missing: usize, rows: usize| -> ArrayRef {
        let value = |row: usize| (row >= missing).then_some((row % 97) as f64);
        Arc::new(Float64Array::from_iter((0..rows).map(value)))
    };
    let figures = compare(column(0, 100_000), column(20, 1_000));
    close(measured(&figures, "missing").p_value.unwrap(), 1.609396459e-40, "p");
    assert!(called(&figures).contains(&"missing"));
    let figures = compare(column(20_000, 100_000), column(220, 1_000));
    assert!(!called(&figures).contains(&"missing"));
}

#[test]
fn too_few_rows_are_never_judged() {
    let figures = compare(numbers(&[(1.0, 49)]), numbers(&[(9.0, 10_000)]));
    assert_eq!((figures.status, figures.drifted), (Status::TooFewRows, None));
    assert!(figures.measures.iter().all(|measured| measured.calls.is_none()));
}
