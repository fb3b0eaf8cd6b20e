//! What keeps alerts quiet: drift that has to last, and features that nothing is said of.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use crate::support::{check_json, run};
use std::path::Path;

/// 1,500 rows in an order that tells nothing, of two features alike.
fn column(shift: f64) -> Vec<(&'static str, arrow_array::ArrayRef)> {
    let values = move || (0..1_500).map(move |row| f64::from(row * 7_919 % 1_500) + shift);
    vec![("loud", floats(values())), ("mute", floats(values()))]
}

const MORE: &str = "reconcile_interval = \"100ms\"\n\
    [[model.window]]\nname = \"w\"\ntype = \"batch\"\n\
    [model.drift]\nvariation = \"none\"\n[model.alert]\nwindows = \"2 of 3\"\n\
    [model.feature.mute]\nmute = true\n";

fn give(folder: &Path, day: usize, shift: f64, daemon: &mut Daemon) {
    // No two files are the same.
    let shift = shift + day as f64 * 1e-3;
    let written = folder.join("written.tmp");
    write(&written, column(shift));
    std::fs::rename(written, folder.join(format!("logs/{day}.parquet"))).unwrap();
    let closed = |d: &mut Daemon| {
        let closed = ["ok", "drifted"].map(|verdict| {
            let verdict = format!("verdict=\"{verdict}\"");
            d.sample(&["driftd_windows_closed_total", &verdict]).unwrap_or_default()
        });
        closed.iter().sum::<f64>() == (day + 1) as f64
    };
    daemon.wait_for(&format!("day {day}"), closed);
}

#[test]
fn drift_that_lasts_is_told_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), MORE);
    write(&folder.path().join("reference.parquet"), column(0.0));
    let mut daemon = Daemon::start(&config);
    let mut expected = Vec::new();
    for (day, (shift, persistent)) in
        [(0.0, 0.0), (900.0, 0.0), (0.0, 0.0), (900.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
            .into_iter()
            .enumerate()
    {
        if day == 3 {
            daemon.stop();
            daemon = Daemon::start(&config);
        }
        give(folder.path(), day, shift, &mut daemon);
        let sample = |name: &str| daemon.sample(&[name, "feature=\"loud\""]);
        assert_eq!(sample("driftd_drift_persistent"), Some(persistent), "day {day}");
        let drifted = if shift > 0.0 { 1.0 } else { 0.0 };
        assert_eq!(sample("driftd_drift_detected"), Some(drifted), "day {day}");
        expected.push(persistent == 1.0);
    }
    // The third day back counts no longer.
    assert_eq!(expected, [false, false, false, true, false, false]);
    daemon.stop();
    // Two days of drift, and then nothing is to be said any more; or the reference is another.
    let mut daemon = Daemon::start(&config);
    give(folder.path(), 6, 900.0, &mut daemon);
    give(folder.path(), 7, 900.0, &mut daemon);
    let persistent = ["driftd_drift_persistent", "feature=\"loud\""];
    assert_eq!(daemon.sample(&persistent), Some(1.0));
    daemon.stop();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.clone() + "[model.feature.loud]\nmute = true\n").unwrap();
    let mut daemon = Daemon::start(&config);
    write(&folder.path().join("logs/muted.parquet"), column(901.0));
    daemon.wait_for_sample(&["driftd_windows_closed_total", "\"unjudged\""], 1.0);
    assert_eq!(daemon.sample(&persistent), None);
    daemon.stop();
    std::fs::write(&config, text).unwrap();
    write(&folder.path().join("reference.parquet"), column(900.0));
    let mut daemon = Daemon::start(&config);
    give(folder.path(), 8, 0.0, &mut daemon);
    assert_eq!(daemon.sample(&persistent), Some(0.0), "the first against another reference");
    daemon.stop();
    write(&folder.path().join("reference.parquet"), column(0.0));
    let arguments = ["replay", "--config", config.to_str().unwrap(), "--format", "json"];
    let (status, out, err) = run(&arguments);
    assert_eq!((status, out.matches("\"drifted\":[\"loud\"]").count()), (0, 5), "{err}");
}

/// It keeps its figures, and is in no verdict, count or alert.
#[test]
fn a_muted_feature_has_figures_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), MORE);
    write(&folder.path().join("reference.parquet"), column(0.0));
    let mut daemon = Daemon::start(&config);
    give(folder.path(), 0, 900.0, &mut daemon);
    let muted = |name: &str| daemon.sample(&[name, "feature=\"mute\""]);
    for (name, label) in [
        ("driftd_drift_detected", "baseline=\"reference\""),
        ("driftd_drift_called", "measure=\"psi\""),
        ("driftd_drift_reason", "reason=\"higher\""),
    ] {
        assert_eq!(daemon.sample(&[name, label, "feature=\"mute\""]), None, "{name}");
        assert_eq!(daemon.sample(&[name, label, "feature=\"loud\""]), Some(1.0), "{name}");
    }
    assert_eq!(daemon.sample(&["driftd_feature_status", "status=\"muted\""]), Some(1.0));
    assert_eq!(muted("driftd_drift_persistent"), None);
    let score = daemon.sample(&["driftd_drift_score", "measure=\"psi\"", "feature=\"mute\""]);
    assert!(score.is_some() && muted("driftd_feature_mean").is_some());
    assert_eq!(daemon.sample(&["driftd_features_judged"]), Some(1.0));
    assert_eq!(daemon.sample(&["driftd_features_drifted"]), Some(1.0));
    daemon.stop();
    // `check` with the same configuration says the same, and without it the opposite.
    let (path, day) = (config.to_str().unwrap(), folder.path().join("logs/0.parquet"));
    let day = day.to_str().unwrap();
    let (status, out, _) = run(&["check", "--config", path, "--format", "json", day]);
    assert_eq!((status, out.matches("\"status\":\"muted\"").count()), (1, 1));
    let (_, plain) = check_json(&folder.path().join("reference.parquet"), Path::new(day));
    assert_eq!(plain["reports"][0]["features_drifted"], 2);
}

#[test]
fn what_is_no_number_of_windows_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), column(0.0));
    let config = config(folder.path(), &MORE.replace("2 of 3", "3 of 2"));
    let (status, _, err) = run(&["config", "check", config.to_str().unwrap()]);
    assert!(status == 2 && err.contains("such as \"2 of 3\""), "{err}");
}
