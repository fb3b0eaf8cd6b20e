//! A baseline that decides: hours against the same hours of weeks before, where a day has its own
//! shape that no reference of whole days has.

use crate::support::daemon::config;
use crate::support::run;
use crate::support::table::{floats, times, write};
use driftd::daemon::replay::replay;
use driftd::monitor::figures::WindowFigures;
use driftd::store::closed_windows::Query;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

const HOUR: i64 = 3_600_000_000;
/// Monday, 2026-01-05T00:00:00Z.
const START: i64 = 1_767_571_200_000_000;
const HOURS: i64 = 3 * 7 * 24;
const ROWS: i64 = 300;

/// A day is three standard deviations high, and the last day of all too high by one.
fn logs(folder: &Path, is_faulty: bool) {
    let mut random = StdRng::seed_from_u64(5);
    let mut normal = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    let shape = |hour: i64| 1.5 * ((hour % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
    let of_day: Vec<f64> = (0..24_000).map(|row| normal() + shape(row % 24)).collect();
    write(&folder.join("reference.parquet"), vec![("x", floats(of_day))]);
    for hour in 0..HOURS {
        let fault = if is_faulty && hour >= HOURS - 24 { 1.0 } else { 0.0 };
        let values: Vec<f64> = (0..ROWS).map(|_| normal() + shape(hour) + fault).collect();
        let at = (0..ROWS).map(|row| START + hour * HOUR + row * 1_000_000);
        let columns = vec![("ts", times(at)), ("x", floats(values))];
        write(&folder.join(format!("logs/{hour:03}.parquet")), columns);
    }
}

fn replayed(folder: &Path, decides: bool) -> Vec<WindowFigures> {
    let more = format!(
        "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\nlateness = \"0s\"\n\
         [[model.baseline]]\nname = \"same_hour\"\ntype = \"same_hour_of_week\"\nweeks = 2\n\
         decides = {decides}\n[model.columns]\ntime = \"ts\"\n"
    );
    let path = config(folder, &more);
    let text = std::fs::read_to_string(path).unwrap();
    let model = driftd::config::parse(&text, folder).unwrap().models.remove(0);
    let store = replay(model, 1 << 20).unwrap();
    store.windows("hour", &Query::default()).unwrap()
}

#[test]
fn the_shape_of_a_day_is_no_drift_against_the_same_hours() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path(), true);
    let against_reference = replayed(folder.path(), false);
    let quiet = |windows: &[WindowFigures]| windows[..windows.len() - 24].to_vec();
    let drifted = |windows: &[WindowFigures]| windows.iter().filter(|w| w.drifted() > 0).count();
    assert!(drifted(&quiet(&against_reference)) > 50, "the day is seen as drift");
    let windows = replayed(folder.path(), true);
    assert_eq!(windows.len(), HOURS as usize);
    // In the first week there is nothing to compare with.
    assert_eq!(windows[..168].iter().map(WindowFigures::judged).sum::<usize>(), 0);
    assert_eq!(drifted(&quiet(&windows)), 0);
    let faulty = &windows[windows.len() - 24..];
    assert!(drifted(faulty) > 12, "{} of 24", drifted(faulty));
    let found = faulty.iter().find(|window| window.drifted() > 0).unwrap();
    let feature = &found.features[0];
    assert_eq!((feature.decided_by, found.baselines[0].decides), (Some(0), true));
    assert!(feature.called().any(|name| name == "centre"));
    let mean = feature.explanation.as_ref().unwrap().mean.unwrap();
    assert!((mean.current - mean.reference - 1.0).abs() < 0.35, "{mean:?}: since last week");
    assert!(feature.measures.iter().all(|measured| measured.calls.is_none()));
    assert_eq!(feature.others[0].drifted, Some(true));
}

#[test]
fn one_baseline_decides_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let both = ["one", "two"].map(|name| {
        format!("[[model.baseline]]\nname = \"{name}\"\ntype = \"previous\"\ndecides = true\n")
    });
    let path = config(folder.path(), &both.concat());
    let (status, _, err) = run(&["config", "check", path.to_str().unwrap()]);
    assert!(status == 2 && err.contains("one can decide"), "{err}");
}
