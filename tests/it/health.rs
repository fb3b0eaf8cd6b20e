//! A part that fails is seen, and the rest goes on.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use std::path::Path;

const ROWS: &str = "reconcile_interval = \"200ms\"\n\
    [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 5000\n";
const OTHER: &str = "[[model]]\nname = \"other\"\n[model.reference]\npath = \"reference.parquet\"\n\
    [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"others\"\n";

fn write_rows(path: &Path, rows: usize, shift: f64) {
    let value = |i: usize| ((i * 7_919) % rows) as f64 / rows as f64 + shift;
    write(path, vec![("x", floats((0..rows).map(value)))]);
}

fn of_model(daemon: &Daemon, metric: &str, model: &str) -> Option<f64> {
    daemon.sample(&[metric, &format!("model_name=\"{model}\"")])
}

/// The counts of an open window are damaged below the daemon, and repaired again.
#[test]
fn a_model_that_fails_is_started_again_and_others_never_notice() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    std::fs::create_dir_all(path("others")).unwrap();
    let mut daemon = Daemon::start(&config(folder.path(), &format!("{ROWS}{OTHER}")));
    write_rows(&path("logs/a.parquet"), 3_000, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"rows\""], 3_000.0);
    let last = of_model(&daemon, "driftd_model_last_progress_timestamp_seconds", "m");
    assert!(last.is_some_and(|seconds| seconds > 1.7e9), "{last:?}");

    let state = rusqlite::Connection::open(path("driftd.db")).unwrap();
    let whole: Vec<u8> =
        state.query_row("SELECT body FROM pane_delta", [], |row| row.get(0)).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    state.execute("UPDATE pane_delta SET body = ?1", [&damaged]).unwrap();
    // Changed by a reload, the model reads its open windows anew when one of them closes.
    let changed = format!("{ROWS}[model.drift]\nthresholds = {{ psi = 0.5 }}\n{OTHER}");
    config(folder.path(), &changed);
    daemon.signal("HUP");
    write_rows(&path("logs/b.parquet"), 3_000, 0.25);
    daemon.wait_for("the failure", |d| of_model(d, "driftd_model_up", "m") == Some(0.0));
    let names = "1 of 2 models are ready; not ready: m\n";
    assert_eq!(daemon.get("/-/ready"), (503, names.to_owned()));
    assert_eq!(of_model(&daemon, "driftd_model_up", "other"), Some(1.0));
    write_rows(&path("others/b.parquet"), 1_000, 0.0);
    daemon.wait_for("the other model", |d| {
        of_model(d, "driftd_source_rows_total", "other") == Some(1_000.0)
    });
    assert_eq!(daemon.get("/-/healthy").0, 200, "it is being started again");
    let log = daemon.log().join("\n");
    assert!(log.contains("pane_delta") && log.contains("started again"), "{log}");

    state.execute("UPDATE pane_delta SET body = ?1", [&whole]).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows", "\"rows\""], 5_000.0);
    assert_eq!(of_model(&daemon, "driftd_model_up", "m"), Some(1.0));
    assert!(of_model(&daemon, "driftd_model_restarts_total", "m").unwrap() >= 1.0);
    assert_eq!(daemon.sample(&["driftd_open_window_rows", "\"rows\""]), Some(1_000.0));
    assert_eq!(of_model(&daemon, "driftd_source_rows_total", "m"), Some(6_000.0));
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    daemon.stop();
}

/// `driftd run 2>&1 | logger`, and the logger ends.
#[test]
fn it_goes_on_without_a_reader_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    let mut daemon = Daemon::start(&config(folder.path(), "reconcile_interval = \"200ms\""));
    daemon.close_log();
    for i in 1..=5_u8 {
        write_rows(&path(&format!("logs/{i}.parquet")), 1_000, f64::from(i) / 100.0);
        // Something to log each time.
        std::fs::write(path(&format!("logs/{i}-broken.parquet")), [i; 64]).unwrap();
        let counted = ["driftd_source_rows_total", "\"m\""];
        daemon.wait_for_sample(&counted, 1_000.0 * f64::from(i));
    }
    assert_eq!(daemon.get("/-/healthy").0, 200);
    daemon.stop();
}
