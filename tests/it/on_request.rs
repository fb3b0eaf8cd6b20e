//! Measures that are computed where they are asked for, as a user asks for them.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use crate::support::{features, run};
use serde_json::Value;
use std::path::Path;

fn write_file(path: &Path, rows: usize, shift: f64) -> String {
    // The golden ratio's multiples: spread evenly, and no neighbours are alike.
    let values = (0..rows).map(|i| (i as f64 * 0.618_033_988_749_895).fract() + shift);
    write(path, vec![("x", floats(values))]);
    path.to_str().unwrap().to_owned()
}

/// The measures of the only feature.
fn measures(report: &str) -> Value {
    let report: Value = serde_json::from_str(report).unwrap();
    features(&report)[0].1["measures"].clone()
}

#[test]
fn check_computes_what_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, rows, shift| write_file(&folder.path().join(name), rows, shift);
    let reference = file("reference.parquet", 5_000, 0.0);
    let moved = file("moved.parquet", 2_000, 0.05);
    let check = |more: &[&str]| {
        let base = ["check", "--format", "json", "--reference", &reference, &moved];
        run(&[&base[..], more].concat())
    };
    let names =
        |out: &str| -> Vec<String> { measures(out).as_object().unwrap().keys().cloned().collect() };
    let (_, out, _) = check(&[]);
    assert!(!names(&out).iter().any(|name| name == "wasserstein"), "{out}");
    let (status, out, _) = check(&["--measures", "wasserstein,psi:evidently"]);
    assert_eq!((status, names(&out)), (0, vec!["psi:evidently".into(), "wasserstein".into()]));
    let distance = measures(&out)["wasserstein"]["score"].as_f64().unwrap();
    assert!((distance - 0.05).abs() < 5e-4, "{distance}");
    let (_, out, _) = check(&["--measures", "default,energy"]);
    assert!(names(&out).len() >= 10 && names(&out).iter().any(|name| name == "energy"));

    // What has a threshold is measured and decides.
    let (status, out, _) = check(&["--measures", "psi", "--threshold", "wasserstein=0.04"]);
    assert_eq!((status, names(&out).len()), (1, 2), "{out}");
    assert_eq!(check(&["--measures", "psi", "--threshold", "wasserstein=0.06"]).0, 0);

    let (status, _, err) = check(&["--measures", "psy"]);
    assert_eq!(status, 2);
    assert!(err.contains("no measure \"psy\"; there are: default, psi,"), "{err}");
}

#[test]
fn a_daemon_keeps_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_file(&path("reference.parquet"), 5_000, 0.0);
    let start = |drift: &str| Daemon::start(&config(folder.path(), drift));
    let score = |daemon: &Daemon, measure: &str| {
        let label = format!("measure=\"{measure}\"");
        daemon.sample(&["driftd_drift_score", &label])
    };

    write_file(&path("logs/1.parquet"), 2_000, 0.0);
    let mut daemon = start("");
    daemon.wait_for("the first window", |own| score(own, "psi").is_some());
    assert_eq!(score(&daemon, "wasserstein"), None);
    daemon.stop();

    let asked = "[model.drift]\nmeasures = [\"default\", \"wasserstein\", \"js:nannyml\"]\n\
                 decide = [\"default\", \"wasserstein\"]\nthresholds = { wasserstein = 0.01 }\n";
    write_file(&path("logs/2.parquet"), 2_100, 0.05);
    let mut daemon = start(asked);
    daemon.wait_for("the second", |own| score(own, "wasserstein").is_some());
    let distance = score(&daemon, "wasserstein").unwrap();
    assert!((distance - 0.05).abs() < 5e-4, "{distance}");
    assert!(score(&daemon, "js:nannyml").unwrap() > 0.0);
    let called = ["driftd_drift_called", "measure=\"wasserstein\""];
    assert_eq!(daemon.sample(&called), Some(1.0));
    daemon.stop();

    // Without it what was kept stays, also as SQL and as Parquet.
    write_file(&path("logs/3.parquet"), 2_200, 0.0);
    let mut daemon = start("");
    daemon.wait_for("the third", |own| score(own, "wasserstein").is_none());
    daemon.stop();
    let state = rusqlite::Connection::open(path("driftd.db")).unwrap();
    let sql = "SELECT wasserstein, \"js:nannyml_p\" FROM history ORDER BY slot";
    let mut statement = state.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(Option<f64>, Option<f64>)> = rows.map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row.0.is_some()).collect::<Vec<_>>(), [false, true, false]);
    let table = path("history.parquet");
    let (file, out) = (path("driftd.toml"), table.to_str().unwrap());
    let export = ["history", "export", "--format", "parquet", "--output", out, "--config"];
    let (status, _, err) = run(&[&export[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(status, 0, "{err}");
    let reader = parquet::file::reader::FileReader::metadata;
    let read = parquet::file::serialized_reader::SerializedFileReader::new(
        std::fs::File::open(&table).unwrap(),
    );
    let columns = reader(&read.unwrap()).file_metadata().schema_descr().columns().to_vec();
    let has = |name: &str| columns.iter().any(|column| column.name() == name);
    assert!(has("wasserstein") && has("js:nannyml") && has("psi") && !has("energy"));
}
