//! Bins of one's own: counts and scores against pandas and scipy, their names in reports, and what
//! is refused.

use crate::support::daemon::{Daemon, config};
use crate::support::samples::{bell, uniform};
use crate::support::table::{MemoryTable, batch, figures, floats, pane, write};
use crate::support::{features, repository, run};
use arrow_array::{ArrayRef, Float64Array};
use driftd::monitor::accepted_reference::accepted_reference;
use driftd::monitor::figures::ReferenceFigures;
use driftd::monitor::reference::{
    CurrentProfile, DeclaredKind, FeatureConfig, Reference, ReferenceConfig,
};
use driftd::profile::own_bins::OwnBins;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

const ENDS: [f64; 4] = [-1.5, -0.5, 0.25, 1.0];

/// The sides of `own_bins` in `fixtures/oracle/measures.py`.
fn sides() -> [ArrayRef; 2] {
    let side = |seed: u64, n: usize, scale: f64, shift: f64, gaps: (u64, f64)| {
        let values = bell(seed, n).into_iter().map(|value| value * scale + shift);
        let missing = uniform(gaps.0, n).into_iter().map(|own| own < gaps.1);
        let values = values.zip(missing).map(|(value, is_missing)| (!is_missing).then_some(value));
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    };
    [side(7, 2_000, 1.0, 0.0, (5, 0.05)), side(8, 1_500, 1.25, 0.25, (6, 0.125))]
}

fn own_bins(names: &[&str], has_missing: bool) -> ReferenceConfig {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let bins = OwnBins { ends: ENDS.to_vec(), names, has_missing };
    let own = FeatureConfig { bins, ..FeatureConfig::default() };
    ReferenceConfig { features: [("x".to_owned(), own)].into(), ..ReferenceConfig::default() }
}

const NAMES: [&str; 5] = ["lowest", "low", "middle", "high", "highest"];

#[test]
fn scores_are_those_of_pandas_and_scipy() {
    let text = std::fs::read_to_string(repository("fixtures/oracle/measures.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    for (case, has_missing) in [("values", false), ("values and missing", true)] {
        let expected = &expected["own_bins"][case];
        let [before, now] = sides().map(|side| MemoryTable::new(vec![("x", side)]));
        let config = own_bins(&NAMES, has_missing);
        let reference = Reference::build(&[&before], &config, &|| {}).unwrap();
        let told = ReferenceFigures::of(&reference, false);
        let bins: Vec<u64> = told.features[0].bins.iter().map(|(_, rows)| *rows).collect();
        assert_eq!(serde_json::to_value(&bins).unwrap(), expected["bins"][0]);
        let named = told.features[0].bins.iter().map(|(bin, _)| bin.to_string());
        let named: Vec<String> = named.collect();
        assert_eq!(named[..2], ["lowest (up to -1.5)", "low (-1.5 to -0.5)"]);
        assert_eq!(named.last().unwrap() == "missing", has_missing);

        let window = pane(&reference, &now);
        let figures = figures(&reference, &window);
        let feature = &figures.features[0];
        assert_eq!(serde_json::to_value(&feature.bins).unwrap(), expected["bins"][1]);
        for name in ["psi", "js", "chi2"] {
            let own = feature.measures.iter().find(|own| own.measure == name).unwrap();
            let theirs = expected[name].as_f64().unwrap();
            assert!((own.score - theirs).abs() < 1e-12, "{case}: {name} {}", own.score);
            if name == "chi2" {
                let (p, theirs) = (own.p_value.unwrap(), expected["chi2 p"].as_f64().unwrap());
                assert!((p - theirs).abs() <= 1e-9 * theirs, "{case}: {p}");
            }
        }

        // A window that becomes the reference keeps the bins.
        let window = CurrentProfile { names: vec!["x".to_owned()], pane: window };
        let mut again = accepted_reference(&reference, &window, 50).unwrap();
        let told = ReferenceFigures::of(&again, false);
        let bins: Vec<u64> = told.features[0].bins.iter().map(|(_, rows)| *rows).collect();
        assert_eq!(serde_json::to_value(&bins).unwrap(), expected["bins"][1]);
        again = again.select(&config).unwrap();
        assert_eq!(again.features[0].grid.own_bins.names, NAMES);
    }
}

/// Without bins a state must find its reference again that an earlier version has stored.
#[test]
fn what_states_know_a_reference_by_has_not_changed() {
    let kind = Some(DeclaredKind::Numeric);
    let own = FeatureConfig { kind, ..FeatureConfig::default() };
    assert_eq!(format!("{own:?}"), "FeatureConfig { kind: Some(Numeric), distinct: false }");
}

fn write_sides(folder: &Path) {
    let [before, now] = sides();
    assert_eq!(batch(vec![("x", before.clone())]).num_rows(), 2_000);
    write(&folder.join("reference.parquet"), vec![("x", before)]);
    write(&folder.join("logs/now.parquet"), vec![("x", now)]);
}

const CONFIGURED: &str = "[model.feature.x]\nbins = [-1.5, -0.5, 0.25, 1]\n\
    labels = [\"lowest\", \"low\", \"middle\", \"high\", \"highest\"]\nmissing_bin = true\n";

#[test]
fn reports_and_pages_have_the_names() {
    let folder = tempfile::tempdir().unwrap();
    write_sides(folder.path());
    let file = config(folder.path(), CONFIGURED);
    let (file, now) = (file.to_str().unwrap(), folder.path().join("logs/now.parquet"));
    let check = ["check", "--config", file, now.to_str().unwrap(), "--format"];
    let (_, out, err) = run(&[&check[..], &["json"]].concat());
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap();
    let bins = features(&report)[0].1["bins"].clone();
    assert_eq!(bins[0]["bin"], "lowest (up to -1.5)");
    assert_eq!(bins[5]["bin"], "missing");
    assert_eq!((&bins[5]["reference"], &bins[5]["current"]), (&88.into(), &198.into()));

    let mut daemon = Daemon::start(Path::new(file));
    daemon.wait_for("a window", |own| own.sample(&["driftd_drift_score", "\"psi\""]).is_some());
    let (status, page) = daemon.get("/models/m/features/x");
    assert!(status == 200 && page.contains("highest (above 1)"), "{status}");
    daemon.stop();
}

#[test]
fn other_bins_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    write_sides(folder.path());
    let now = folder.path().join("logs/now.parquet");
    let check = |more: &str| {
        let file = config(folder.path(), more);
        let (status, _, err) =
            run(&["check", "--config", file.to_str().unwrap(), now.to_str().unwrap()]);
        (status, err)
    };
    for (more, what) in [
        ("bins = [2, 1]", "bins: wants up to 30 numbers that ascend"),
        ("bins = [1, 2]\nlabels = [\"a\"]", "labels: wants one per bin, which are 3"),
        ("bins = [1]\nlabels = [\"a\", \"a\"]", "labels: has a name twice"),
        ("kind = \"categorical\"\nbins = [1]", "bins: are ends of numbers; the kind is another"),
    ] {
        let (status, err) = check(&format!("[model.feature.x]\n{more}\n"));
        assert!(status == 2 && err.contains(what), "{err}");
    }
    // A profile that was made without them.
    let (reference, profile) =
        (folder.path().join("reference.parquet"), folder.path().join("x.profile"));
    let made = ["profile", reference.to_str().unwrap(), "--output", profile.to_str().unwrap()];
    assert_eq!(run(&made).0, 0);
    let file = config(folder.path(), CONFIGURED);
    let text = std::fs::read_to_string(&file).unwrap().replace("reference.parquet", "x.profile");
    std::fs::write(&file, text).unwrap();
    let (status, _, err) =
        run(&["check", "--config", file.to_str().unwrap(), now.to_str().unwrap()]);
    assert!(status == 2 && err.contains("the profile has other bins; make the profile again"));
}

/// Ends that floats cannot hold stay those of the configuration when floats are accepted.
#[test]
fn accepted_floats_have_the_bins_that_are_wanted() {
    let bins = OwnBins { ends: vec![0.1, 0.7], ..OwnBins::default() };
    let own = FeatureConfig { bins, ..FeatureConfig::default() };
    let config = ReferenceConfig { features: [("x".to_owned(), own)].into(), ..Default::default() };
    let before = floats(uniform(3, 2_000));
    // The least is the double 0.7, whose float is less.
    let wide = floats((0..200).map(|i| 0.7 + f64::from(i) / 1_000.0));
    let narrow: Vec<f32> = uniform(4, 1_500).iter().map(|value| *value as f32).collect();
    let narrow = Arc::new(arrow_array::Float32Array::from(narrow)) as ArrayRef;
    let reference = MemoryTable::new(vec![("x", before)]);
    let reference = Reference::build(&[&reference], &config, &|| {}).unwrap();
    let [wide, narrow] =
        [wide, narrow].map(|own| pane(&reference, &MemoryTable::new(vec![("x", own)])));
    let mut both = wide.clone();
    both.merge(&narrow).unwrap();
    for window in [wide, narrow, both] {
        let rows = window.rows;
        let window = CurrentProfile { names: vec!["x".to_owned()], pane: window };
        let again = accepted_reference(&reference, &window, 50).unwrap();
        let bins = again.features[0].profile.bins(&again.features[0].grid);
        assert_eq!((bins.len(), bins.iter().sum::<u64>()), (3, rows));
        again.select(&config).unwrap();
    }
}
