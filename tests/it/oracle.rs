//! The stored pairs of `fixtures/oracle/`, whose figures scipy and numpy computed from raw values.

use crate::support::table::{compare_as, floats, measure, strings};
use crate::support::{check_json, features, repository};
use arrow_array::ArrayRef;
use driftd::monitor::reference::{DeclaredKind, FeatureConfig};
use serde_json::Value;

/// Relative to the larger of the two, with a floor for figures near 0.
fn close(ours: &Value, theirs: &Value, tolerance: f64) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-300),
        (None, None) => true,
        _ => false,
    }
}

fn check(at: &str, ours: &Value, theirs: &Value, key: &str, tolerance: f64) {
    let (ours, theirs) = (&ours[key], &theirs[key]);
    assert!(close(ours, theirs, tolerance), "{at}: {key} is {ours}, not {theirs}");
}

fn check_statistics(at: &str, ours: &Value, theirs: &Value) {
    for key in ["status", "kind", "rows"] {
        assert_eq!(ours[key], theirs[key], "{at}: {key}");
    }
    for key in [
        "missing_ratio",
        "null_ratio",
        "nan_ratio",
        "infinite_ratio",
        "zero_ratio",
        "unseen_ratio",
        "out_of_range_ratio",
    ] {
        if !theirs[key].is_null() {
            check(at, ours, theirs, key, 1e-15);
        }
    }
    // Of a pair that differs in width, the oracle has the values as written beside the rounded.
    let written = if theirs["native"].is_object() { &theirs["native"] } else { theirs };
    check(at, ours, written, "min", 0.0);
    check(at, ours, written, "max", 0.0);
    if let (Some(mean), Some(stddev)) = (written["mean"].as_f64(), written["stddev"].as_f64()) {
        let tolerance = 1e-12 * mean.abs().max(stddev);
        assert!((ours["mean"].as_f64().unwrap() - mean).abs() <= tolerance, "{at}: mean");
        assert!((ours["stddev"].as_f64().unwrap() - stddev).abs() <= tolerance, "{at}: stddev");
    }
    if theirs["native"].is_null() {
        for (percent, theirs) in theirs["percentiles"].as_object().into_iter().flatten() {
            let ours = &ours["percentiles"][percent];
            assert!(close(ours, theirs, 1e-12), "{at}: P{percent} is {ours}, not {theirs}");
        }
    }
}

fn check_measures(at: &str, ours: &Value, theirs: &Value) {
    for name in ["psi", "js", "chi2", "missing"] {
        let (Some(ours), Some(theirs)) =
            (ours["measures"][name]["score"].as_f64(), theirs["measures"][name]["score"].as_f64())
        else {
            continue;
        };
        assert!((ours - theirs).abs() < 1e-9, "{at}: {name} is {ours}, not {theirs}");
    }
    let (ours, theirs) = (&ours["measures"]["ks"], &theirs["measures"]["ks"]);
    let number = |value: &Value, key: &str| value[key].as_f64();
    if let (Some(score), Some(exact)) = (number(ours, "score"), number(theirs, "score")) {
        let error = number(ours, "error").unwrap();
        let bounds = score - 1e-12..=score + error + 1e-12;
        assert!(bounds.contains(&exact), "{at}: ks {exact} is outside {bounds:?}");
        assert!(close(&ours["score"], &theirs["grid"], 1e-12), "{at}: ks on the grid");
        assert!(close(&ours["error"], &theirs["error"], 1e-12), "{at}: error of ks");
    }
}

#[test]
fn every_figure_agrees_with_numpy_and_scipy() {
    let folder = repository("fixtures/oracle");
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let mut n_compared = 0;
    for (pair, columns) in expected["pairs"].as_object().unwrap() {
        let file = |side: &str| folder.join("pairs").join(pair).join(format!("{side}.parquet"));
        let (_, report) = check_json(&file("reference"), &file("current"));
        for (name, ours) in features(&report) {
            let theirs = &columns[&name];
            assert!(theirs.is_object(), "{pair}/{name} is not in the oracle");
            let at = format!("{pair}/{name}");
            check_statistics(&at, &ours, theirs);
            check_measures(&at, &ours, theirs);
            n_compared += 1;
        }
    }
    assert_eq!(n_compared, 53);
}

/// A column from `{"value": rows}`, or from a list of numbers.
fn column(values: &Value) -> ArrayRef {
    match values {
        Value::Object(counts) => {
            strings(counts.iter().flat_map(|(text, rows)| {
                std::iter::repeat_n(text, rows.as_u64().unwrap() as usize)
            }))
        }
        numbers => floats(numbers.as_array().unwrap().iter().map(|x| x.as_f64().unwrap())),
    }
}

/// Published cases of other tools, through the whole definition, rows and all.
#[test]
fn acceptance_cases_agree() {
    let text = std::fs::read_to_string(repository("fixtures/oracle/acceptance.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let declared = case["reference"].is_object().then_some(DeclaredKind::Categorical);
        let config = FeatureConfig { kind: declared, ..FeatureConfig::default() };
        let figures = compare_as(config, column(&case["reference"]), column(&case["current"]));
        let expected = case["of_rows"].as_object().unwrap().iter();
        for (name, expected) in expected {
            let ours = match name.as_str() {
                _ if expected.is_null() => continue,
                "bins" | "ks p" | "ks error" => continue,
                "unseen_ratio" => figures.statistics.unseen_ratio,
                "chi2 p" => figures
                    .measures
                    .iter()
                    .find_map(|m| (m.measure == "chi2").then_some(m.p_value)?),
                measured => measure(&figures, measured),
            };
            let (ours, expected) = (ours.unwrap(), expected.as_f64().unwrap());
            assert!((ours - expected).abs() < 1e-9, "{id}: {name} is {ours}, not {expected}");
        }
        for name in case["coincides"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let published = case["published"][name].as_f64();
            // The shares of the one are scaled, the logarithm of the other is natural.
            let factor = match id {
                "A2-smoothed" => 1.00004,
                "A15" => 2f64.ln().sqrt(),
                _ => 1.0,
            };
            if let Some((ours, published)) = measure(&figures, name).zip(published) {
                let difference = (ours * factor - published).abs();
                assert!(difference < 1e-7, "{id}: {name} is {ours}, published {published}");
            }
        }
    }
    assert!(cases.len() >= 7);
}
