//! Several daemons that share a model: what Prometheus makes of their counts, and pairs that count
//! the same.

use crate::support::daemon::{Daemon, config, sample};
use crate::support::prometheus::Prometheus;
use crate::support::repository;
use crate::support::table::{floats, strings, times, write};
use arrow_array::{ArrayRef, Float32Array, Int64Array};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;

const HOUR: i64 = 3_600_000_000;

const WINDOW: &str = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    lateness = \"6h\"\n[model.columns]\ntime = \"ts\"\n[export]\ncells = [\"*\"]\n";

const FEATURES: [&str; 6] = ["wide", "single", "few", "far", "kind", "gone"];

/// A row of every kind of feature; they move with `shift`.
#[derive(Clone)]
struct Row {
    time: i64,
    wide: f64,
    single: f32,
    few: i64,
    far: f64,
    kind: &'static str,
}

fn rows(n: usize, hour: i64, shift: f64, seed: u64) -> Vec<Row> {
    let mut random = StdRng::seed_from_u64(seed);
    let kinds = ["a", "b", "c", "d", "e"];
    let rows = (0..n).map(|i| {
        let [u, v] = [(); 2].map(|()| random.random_range(1e-12..1.0f64));
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let drawn = random.random_range(0..10usize);
        Row {
            time: hour * HOUR + (i as i64 * HOUR) / n as i64,
            wide: normal + shift,
            single: (normal * 3.0 + shift) as f32,
            few: (normal * 2.0 + 3.0 * shift).round() as i64,
            // Far beyond the reference, and between its values.
            far: if drawn == 0 { normal * 1e6 * shift } else { (normal * 4.0).round() + 0.5 },
            kind: if shift > 0.0 && drawn == 1 { "new" } else { kinds[drawn % 5] },
        }
    });
    rows.collect()
}

fn columns(rows: &[Row], has_gone: bool) -> Vec<(&'static str, ArrayRef)> {
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", times(rows.iter().map(|row| row.time))),
        ("wide", floats(rows.iter().map(|row| row.wide))),
        ("single", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.single)))),
        ("few", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.few)))),
        ("far", floats(rows.iter().map(|row| row.far))),
        ("kind", strings(rows.iter().map(|row| row.kind))),
    ];
    if has_gone {
        columns.push(("gone", floats(rows.iter().map(|row| row.wide))));
    }
    columns
}

/// A daemon that watches these rows, with those after the window that is looked at behind them.
fn watching(folder: &Path, reference: &[Row], files: &[Vec<Row>]) -> Daemon {
    let config = config(folder, WINDOW);
    write(&folder.join("reference.parquet"), columns(reference, true));
    for (number, rows) in files.iter().enumerate() {
        // A column that one daemon has no rows of is none that the others lack.
        let has_gone = folder.ends_with("0") || files.len() > 1;
        write(&folder.join(format!("logs/{number}.parquet")), columns(rows, has_gone));
    }
    Daemon::start(&config)
}

/// Three daemons with a third of the rows each: psi, js and ks of all rows, as Prometheus computes
/// them from their counts, are those of one daemon that has counted all.
#[test]
fn scores_of_a_fleet_are_those_of_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let reference = rows(20_000, 0, 0.0, 1);
    let looked_at = rows(9_000, 100, 0.4, 2);
    let after = rows(300, 120, 0.4, 3);
    let third = |own: usize| -> Vec<Row> {
        let all = looked_at.iter().chain(&after).enumerate();
        all.filter(|(at, _)| at % 3 == own).map(|(_, row)| row.clone()).collect()
    };
    let of = |name: &str, rows: Vec<Row>| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut daemon = watching(&folder, &reference, &[rows]);
        daemon.wait_for_sample(&["driftd_window_end_timestamp_seconds"], 101.0 * HOUR as f64 / 1e6);
        daemon
    };
    let daemons = [0, 1, 2].map(|own| of(&own.to_string(), third(own)));
    let targets = daemons.each_ref().map(|own| own.address.as_str()).join("\", \"");
    let rules = repository("config/fleet.yml");
    let prometheus = Prometheus::start_with(folder.path(), &targets, &rules, None);
    let query = |text: &str| format!("/api/v1/query?query={}", text.replace('+', "%2B"));
    prometheus.wait_for("all daemons", &query("driftd_fleet:daemons==3"), |answer| {
        answer["data"]["result"].get(0).map(|_| ())
    });
    // One daemon alone, over the thirds as files of its own.
    let alone = folder.path().join("alone");
    std::fs::create_dir(&alone).unwrap();
    let thirds = [0, 1, 2].map(|own| {
        let rows = third(own);
        rows.into_iter().filter(|row| row.time < 110 * HOUR).collect::<Vec<_>>()
    });
    let gone: Vec<Row> = thirds[0].clone();
    let mut single = watching(&alone, &reference, &[gone.clone(), after.clone()]);
    for own in [1, 2] {
        write(&alone.join(format!("logs/{}.parquet", own + 10)), columns(&thirds[own], false));
    }
    single.wait_for_sample(&["driftd_window_rows"], 9_000.0);
    let page = single.metrics();
    let rows = prometheus.wait_for("rows", &query("driftd_fleet:window_rows"), |answer| {
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
    });
    assert_eq!(rows, 9_000.0);
    let mut compared = 0;
    for feature in FEATURES {
        for measure in ["psi", "js", "ks"] {
            let labels = [&*format!("feature=\"{feature}\""), &*format!("measure=\"{measure}\"")];
            let expected = sample(&page, &["driftd_drift_score", labels[0], labels[1]]);
            let Some(expected) = expected else {
                assert_eq!((feature, measure), ("kind", "ks"));
                continue;
            };
            let series = format!("driftd_fleet:drift_score{{{},{}}}", labels[0], labels[1]);
            let series = series.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
            let found = prometheus.wait_for(&series, &query(&series), |answer| {
                let result = answer["data"]["result"].as_array()?;
                assert!(result.len() < 2, "{feature} is counted over one grid: {result:?}");
                result.first()?["value"][1].as_str()?.parse::<f64>().ok()
            });
            assert!(
                (found - expected).abs() <= 1e-9,
                "{measure} of {feature}: {found}, and {expected} of one daemon"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 17);
    daemons.into_iter().chain([single]).for_each(Daemon::stop);
}

/// What differs between two daemons that have counted the same rows.
const OF_THE_CLOCK: [&str; 12] = [
    "driftd_window_closed_timestamp_seconds",
    "driftd_source_last_success_timestamp_seconds",
    "driftd_source_oldest_pending_timestamp_seconds",
    "driftd_model_created_timestamp_seconds",
    "driftd_model_last_progress_timestamp_seconds",
    "driftd_config_last_reload_success_timestamp_seconds",
    "driftd_http_connections",
    "driftd_source_bytes_total",
    "driftd_source_files",
    "driftd_source_files_total",
    "driftd_state_write_errors_total",
    "process_",
];

/// A pair over the same files, one of which finds them all and the other one by one and in another
/// order: the same samples, so that whoever scrapes both can keep either.
#[test]
fn a_pair_shows_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let reference = rows(5_000, 0, 0.0, 1);
    let files: Vec<Vec<Row>> =
        (0..5).map(|n| rows(2_000, 200 + n, n as f64 / 10.0, 10 + n as u64)).collect();
    let last = rows(20, 220, 0.0, 30);
    let folders = ["one", "other"].map(|name| folder.path().join(name));
    folders.iter().for_each(|own| std::fs::create_dir(own).unwrap());
    let mut one =
        watching(&folders[0], &reference, &[&files[..], std::slice::from_ref(&last)].concat());
    let mut other = watching(&folders[1], &reference, &[]);
    for (number, rows) in files.iter().enumerate().rev() {
        write(&folders[1].join(format!("logs/{number}.parquet")), columns(rows, true));
        let so_far = (files.len() - number) as f64 * 2_000.0;
        other.wait_for_sample(&["driftd_source_rows_total"], so_far);
    }
    write(&folders[1].join("logs/5.parquet"), columns(&last, true));
    for daemon in [&mut one, &mut other] {
        let end = 205.0 * HOUR as f64 / 1e6;
        daemon.wait_for_sample(&["driftd_window_end_timestamp_seconds"], end);
    }
    let pages = [&one, &other].map(|daemon| {
        let page = daemon.metrics();
        let lines = page.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            !line.starts_with('#') && !OF_THE_CLOCK.iter().any(|own| name.starts_with(own))
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(pages[0].len() > 1_000, "{}", pages[0].len());
    for (one, other) in pages[0].iter().zip(&pages[1]) {
        assert_eq!(one, other);
    }
    assert_eq!(pages[0].len(), pages[1].len());
    [one, other].into_iter().for_each(Daemon::stop);
}
