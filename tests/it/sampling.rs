//! What a sample leaves as it is, what it changes, and by how much.

use crate::support::table::{
    MemoryTable, figures, floats, measure, pane, pane_of_sample, reference, strings,
};
use crate::support::{features, run};
use arrow_array::ArrayRef;
use driftd::monitor::count::count;
use driftd::monitor::figures::WindowFigures;
use driftd::monitor::row_sample::sample;
use driftd::monitor::table::Table;
use driftd::window::plan::Plan;
use driftd::window::sampling::{Kept, SamplingConfig, SamplingMode};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const ROWS: usize = 20_000;

fn rows(rate: f64, seed: u64) -> SamplingConfig {
    SamplingConfig { rate, seed, key: None, mode: SamplingMode::Rows, rows_max: None }
}

/// A normal column with some NaN, and a category.
fn table(seed: u64, n: usize) -> MemoryTable {
    MemoryTable::new(columns(seed, n))
}

/// The same with a request's name, three rows to a request.
fn keyed(n: usize) -> MemoryTable {
    let id = strings((0..n).map(|i| format!("request-{}", i / 3)));
    MemoryTable::new([columns(9, n), vec![("id", id)]].concat())
}

fn columns(seed: u64, n: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut random = StdRng::seed_from_u64(seed);
    let normal = (0..n).map(|_| {
        let (a, b): (f64, f64) = (random.random(), random.random());
        let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        if random.random::<f64>() < 0.1 { f64::NAN } else { normal }
    });
    let x = floats(normal.collect::<Vec<_>>());
    let c = strings((0..n).map(|i| format!("c{}", (i * i) % 7)));
    vec![("x", x), ("c", c)]
}

/// Means of a figure over many seeds, of a sample and of what it was drawn from.
#[test]
fn shares_and_means_stay_and_scores_rise_as_stated() {
    const RATE: f64 = 0.05;
    const SEEDS: u64 = 200;
    let reference = reference(&table(1, ROWS));
    let current = table(2, ROWS);
    let whole = figures(&reference, &pane(&reference, &current));
    let samples: Vec<WindowFigures> = (0..SEEDS)
        .map(|seed| figures(&reference, &pane_of_sample(&reference, &current, &rows(RATE, seed))))
        .collect();
    let mean = |figure: &dyn Fn(&WindowFigures) -> f64| {
        samples.iter().map(figure).sum::<f64>() / SEEDS as f64
    };
    let kept = mean(&|window| window.rows_kept as f64);
    assert!((kept / ROWS as f64 - RATE).abs() < 0.001, "{kept}");
    assert!(samples.iter().all(|window| window.rows == ROWS as u64));

    // Four standard errors of a mean over all seeds.
    let noise = 4.0 / (RATE * ROWS as f64 * SEEDS as f64).sqrt();
    let of_whole = &whole.features[0].statistics;
    let x = |window: &WindowFigures| window.features[0].statistics.clone();
    let missing = mean(&|window| x(window).missing_ratio.unwrap());
    assert!((missing - of_whole.missing_ratio.unwrap()).abs() < 0.3 * noise, "{missing}");
    let average = mean(&|window| x(window).mean.unwrap());
    assert!((average - of_whole.mean.unwrap()).abs() < noise, "{average}");
    let stddev = mean(&|window| x(window).stddev.unwrap());
    assert!((stddev - of_whole.stddev.unwrap()).abs() < noise, "{stddev}");

    let psi = |window: &WindowFigures| measure(&window.features[0], "psi").unwrap();
    let present = 0.9 * ROWS as f64;
    let expected = 9.0 * (1.0 / (RATE * present) - 1.0 / present);
    let rise = mean(&psi) - psi(&whole);
    assert!((rise / expected - 1.0).abs() < 0.2, "{rise} is not {expected}");
}

/// What is judged is judged on the rows that were kept.
#[test]
fn the_verdict_knows_how_many_rows_were_kept() {
    let reference = reference(&table(1, ROWS));
    let current = table(2, ROWS);
    let judged = |rate| figures(&reference, &pane_of_sample(&reference, &current, &rows(rate, 0)));
    assert_eq!((judged(1.0).judged(), judged(0.02).judged(), judged(0.002).judged()), (2, 2, 0));
}

/// With a key, the same rows are kept however they are cut into tables, and rows of one key stay
/// together.
#[test]
fn a_keyed_sample_does_not_depend_on_files() {
    let config = SamplingConfig { key: Some("id".into()), ..rows(0.3, 5) };
    let kept = |table: &MemoryTable| -> Vec<bool> {
        let sample = sample(&config, table, ROWS as u64).unwrap();
        let bits = (0..table.row_groups().len()).flat_map(|group| match sample.row_group(group) {
            Kept::Rows(bits) => bits.iter().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        });
        bits.collect()
    };
    let whole = kept(&keyed(3_000));
    assert_eq!(kept(&keyed(3_000).cut(100, 7)), whole);
    assert!(whole.chunks(3).all(|rows| rows.iter().all(|row| *row == rows[0])));
    let share = whole.iter().filter(|row| **row).count() as f64 / 3_000.0;
    assert!((share - 0.3).abs() < 0.06, "{share}");
    // Without the column, rows are named by their table and number.
    let other = SamplingConfig { key: Some("nothing".into()), ..rows(0.3, 5) };
    assert_eq!(
        sample(&other, &keyed(3_000), 1).unwrap(),
        sample(&rows(0.3, 5), &keyed(3_000), 1).unwrap()
    );
}

/// Larger windows get a lower rate.
#[test]
fn about_so_many_rows_of_a_window_are_kept() {
    let config = SamplingConfig { rows_max: Some(1_000), ..rows(1.0, 0) };
    let reference = reference(&table(1, ROWS));
    let kept = |n| pane_of_sample(&reference, &table(2, n), &config).rows_kept as f64;
    assert_eq!(kept(900), 900.0);
    assert!((kept(ROWS) - 1_000.0).abs() < 4.0 * 1_000f64.sqrt());
}

/// Row groups that differ from each other are worth less than their rows; groups drawn from one
/// distribution are worth about as many.
#[test]
fn sampled_row_groups_count_as_clusters() {
    const GROUPS: usize = 80;
    let config = SamplingConfig { mode: SamplingMode::RowGroups, ..rows(0.5, 3) };
    let group_rows = ROWS / GROUPS;
    let reference = reference(&table(1, ROWS));
    let alike = table(2, ROWS).cut(group_rows, 64);
    let window = figures(&reference, &pane_of_sample(&reference, &alike, &config));
    let groups = window.rows_kept as usize / group_rows;
    assert_eq!(window.rows_kept as usize % group_rows, 0);
    assert!((25..48).contains(&groups), "{groups}");
    assert_eq!(window.features[0].drifted, Some(false));

    // Each row group around a centre of its own: forty groups of equal rows tell as much as forty
    // rows.
    let mut random = StdRng::seed_from_u64(4);
    let centres: Vec<f64> = (0..GROUPS).map(|_| random.random_range(-2.0..2.0)).collect();
    let x = floats((0..ROWS).map(|row| centres[row / group_rows]));
    let c = strings((0..ROWS).map(|row| format!("c{}", (row * row) % 7)));
    let apart = MemoryTable::new(vec![("x", x), ("c", c)]).cut(group_rows, 64);
    let window = figures(&reference, &pane_of_sample(&reference, &apart, &config));
    let x = &window.features[0];
    assert_eq!((x.status.name(), x.drifted), ("too_few_rows", None));
    assert!(window.features[1].drifted.is_some(), "the other feature is still judged");
    // All of the same rows are enough.
    let whole = figures(&reference, &pane(&reference, &apart));
    assert_eq!(whole.features[0].drifted, Some(true));
}

/// What is left out is not read.
#[test]
fn row_groups_that_are_left_out_are_not_decoded() {
    let table = table(2, ROWS).cut(100, 100);
    let reference = reference(&self::table(1, ROWS));
    let config = SamplingConfig { mode: SamplingMode::RowGroups, ..rows(0.25, 3) };
    let mut plan = Plan::whole(table.row_groups());
    plan.sample = sample(&config, &table, ROWS as u64).unwrap();
    let kept = (0..200).filter(|group| *plan.sample.row_group(*group) == Kept::All).count();
    count(&reference, &table, &plan).unwrap();
    assert_eq!(table.reads(), kept * reference.features.len());
}

/// From the shell: the report tells how many rows it rests on.
#[test]
fn check_samples_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let employment = crate::support::repository("fixtures/employment");
    let config = folder.path().join("driftd.toml");
    let text = format!(
        "[[model]]\nname = \"m\"\n[model.reference]\npath = {:?}\n\
         [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = {:?}\n\
         [model.sampling]\nrate = 0.1\n",
        employment.join("reference.parquet"),
        employment.join("logs"),
    );
    std::fs::write(&config, text).unwrap();
    let current = employment.join("reference.parquet");
    let arguments = ["check", "--config", config.to_str().unwrap(), current.to_str().unwrap()];
    let (_, out, _) = run(&arguments);
    let header = out.lines().next().unwrap().to_owned();
    let (_, json, _) = run(&[&arguments[..], &["--format", "json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = &report["reports"][0]["current"];
    let (kept, seen) = (rows["rows_kept"].as_u64().unwrap(), rows["rows"].as_u64().unwrap());
    assert!(kept * 8 < seen && seen < kept * 12, "{kept} of {seen}");
    assert!(header.contains(&format!("{kept} of {seen} rows")), "{header}");
    assert!(features(&report).iter().all(|(_, feature)| feature["rows"] == kept));
}
