//! Another reference, other features, kinds or windows over rows that are open: no row is lost and
//! none is in two windows.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, times, write};
use crate::windows::closed;
use std::path::Path;

const ROWS: &str = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 5000\n";
const DAY: &str = "[[model.window]]\nname = \"day\"\ntype = \"time\"\nsize = \"1d\"\n";
const TIME: &str = "[model.columns]\ntime = \"ts\"\n";
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

fn numbers(rows: usize, scale: f64) -> arrow_array::ArrayRef {
    floats((0..rows).map(|i| ((i * 7_919) % rows) as f64 / rows as f64 * scale))
}

fn write_reference(folder: &Path, scale: f64, more: bool) {
    let mut columns = vec![("x", numbers(6_000, scale))];
    if more {
        columns.push(("y", numbers(6_000, 1.0)));
    }
    write(&folder.join("reference.parquet"), columns);
}

fn write_rows(folder: &Path, name: &str, rows: usize) {
    let minutes = times((0..rows).map(|i| START + (i as i64 % 600) * 60_000_000));
    let columns = vec![("ts", minutes), ("x", numbers(rows, 1.0)), ("y", numbers(rows, 1.0))];
    write(&folder.join(format!("logs/{name}.parquet")), columns);
}

/// Counts 3,000 rows under one configuration; the daemon that goes on under another.
fn change(folder: &Path, before: &str, after: &str, between: impl Fn(&Path)) -> Daemon {
    write_reference(folder, 1.0, false);
    let path = config(folder, before);
    write_rows(folder, "a", 3_000);
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_files_total", "result=\"counted\""], 1.0);
    daemon.stop();
    between(folder);
    Daemon::start(&config(folder, after))
}

fn open(daemon: &Daemon, window: &str) -> f64 {
    let window = format!("window=\"{window}\"");
    daemon.sample(&["driftd_open_window_rows", &window]).unwrap()
}

fn count_more(daemon: &mut Daemon, folder: &Path, rows: usize) {
    let before = daemon.sample(&["driftd_source_rows_total"]).unwrap();
    write_rows(folder, "b", rows);
    daemon.wait_for_sample(&["driftd_source_rows_total"], before + rows as f64);
}

fn rows_closed(daemon: &Daemon, window: &str) -> Vec<u64> {
    let closed = closed(daemon).into_iter().filter(|((name, _), _)| name == window);
    closed.map(|(_, rows)| rows).collect()
}

#[test]
fn another_reference_closes_what_is_open_under_its_own_grid() {
    let folder = tempfile::tempdir().unwrap();
    let retrain = |folder: &Path| write_reference(folder, 2.0, false);
    let windows = format!("{ROWS}{DAY}{TIME}");
    let mut daemon = change(folder.path(), &windows, &windows, retrain);
    assert_eq!(
        (rows_closed(&daemon, "rows"), rows_closed(&daemon, "day")),
        (vec![3_000], vec![3_000])
    );
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (0.0, 0.0));
    // Under the grid that they were counted on, these rows are as expected.
    let (_, body) = daemon.get("/api/v1/models/m/features/x?window=rows");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["windows"][0]["feature"]["measures"]["psi"]["score"], 0.0);
    count_more(&mut daemon, folder.path(), 4_000);
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (4_000.0, 4_000.0));
    daemon.stop();
}

#[test]
fn a_feature_more_leaves_the_others_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let extend = |folder: &Path| write_reference(folder, 1.0, true);
    let mut daemon = change(folder.path(), ROWS, ROWS, extend);
    assert_eq!(open(&daemon, "rows"), 3_000.0);
    count_more(&mut daemon, folder.path(), 2_000);
    assert_eq!(rows_closed(&daemon, "rows"), [5_000]);
    let rows = |feature: &str| daemon.sample(&["driftd_feature_rows", &format!("\"{feature}\"")]);
    assert_eq!((rows("x"), rows("y")), (Some(5_000.0), Some(2_000.0)));
    daemon.stop();
}

#[test]
fn another_kind_closes_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let declared = format!("{ROWS}[model.feature.x]\nkind = \"categorical\"\n");
    let mut daemon = change(folder.path(), ROWS, &declared, |_| ());
    assert_eq!((rows_closed(&daemon, "rows"), open(&daemon, "rows")), (vec![3_000], 0.0));
    count_more(&mut daemon, folder.path(), 2_000);
    assert_eq!(open(&daemon, "rows"), 2_000.0);
    daemon.stop();
}

#[test]
fn a_window_more_goes_on_with_the_panes_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let week =
        DAY.replace("day", "week").replace("1d", "7d").replace("size", "slide = \"1d\"\nsize");
    let more = format!("{DAY}{week}{ROWS}{TIME}");
    let mut daemon = change(folder.path(), &format!("{DAY}{TIME}"), &more, |_| ());
    // The week is made of the same days; a window of rows begins with the next row.
    assert_eq!((open(&daemon, "day"), open(&daemon, "week")), (3_000.0, 3_000.0));
    assert_eq!(open(&daemon, "rows"), 0.0);
    count_more(&mut daemon, folder.path(), 2_000);
    assert_eq!((open(&daemon, "day"), open(&daemon, "week")), (5_000.0, 5_000.0));
    assert_eq!(open(&daemon, "rows"), 2_000.0);
    assert!(closed(&daemon).is_empty());
    daemon.stop();
}

#[test]
fn a_window_that_is_cut_otherwise_closes_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let hours = DAY.replace("1d", "6h");
    let mut daemon = change(
        folder.path(),
        &format!("{DAY}{ROWS}{TIME}"),
        &format!("{hours}{ROWS}{TIME}"),
        |_| (),
    );
    assert_eq!((rows_closed(&daemon, "day"), open(&daemon, "day")), (vec![3_000], 0.0));
    assert_eq!((rows_closed(&daemon, "rows"), open(&daemon, "rows")), (vec![], 3_000.0));
    count_more(&mut daemon, folder.path(), 2_000);
    // The first six hours of the new rows are over, since they reach to the tenth.
    assert_eq!((rows_closed(&daemon, "day"), open(&daemon, "day")), (vec![1_280, 3_000], 720.0));
    assert_eq!(rows_closed(&daemon, "rows"), [5_000]);
    daemon.stop();
}

/// Two windows that change places: each pane's name becomes the other's way of naming.
#[test]
fn windows_in_another_order_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (format!("{ROWS}{DAY}{TIME}"), format!("{DAY}{ROWS}{TIME}"));
    let mut daemon = change(folder.path(), &before, &after, |_| ());
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (3_000.0, 3_000.0));
    count_more(&mut daemon, folder.path(), 2_500);
    assert_eq!((rows_closed(&daemon, "rows"), rows_closed(&daemon, "day")), (vec![5_000], vec![]));
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (500.0, 5_500.0));
    daemon.stop();
}

/// A window that went and comes back begins anew: the rows between are in none of its kind.
#[test]
fn a_window_that_comes_back_begins_with_the_next_row() {
    let folder = tempfile::tempdir().unwrap();
    let both = format!("{ROWS}{DAY}{TIME}");
    let mut daemon = change(folder.path(), &both, &format!("{DAY}{TIME}"), |_| ());
    assert_eq!(rows_closed(&daemon, "rows"), [3_000]);
    count_more(&mut daemon, folder.path(), 1_000);
    daemon.stop();
    let mut daemon = Daemon::start(&config(folder.path(), &both));
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (0.0, 4_000.0));
    write_rows(folder.path(), "c", 6_000);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 10_000.0);
    assert_eq!((open(&daemon, "rows"), open(&daemon, "day")), (1_000.0, 10_000.0));
    assert_eq!(daemon.sample(&["driftd_window_rows", "window=\"rows\""]), Some(5_000.0));
    daemon.stop();
}

/// Sixteen deltas of a pane become one, but for those that were counted on fewer features.
#[test]
fn counts_of_before_a_feature_more_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    write_reference(folder.path(), 1.0, false);
    let path = config(folder.path(), ROWS);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("path = \"logs\"", "path = \"logs\"\nrewritten = \"count\"");
    std::fs::write(&path, &text).unwrap();
    let count = |files: std::ops::Range<usize>| {
        let mut daemon = Daemon::start(&path);
        for file in files {
            write_rows(folder.path(), &format!("{file:02}"), 100 + file);
            let counted = (file + 1) as f64;
            daemon.wait_for_sample(&["driftd_source_files_total", "result=\"counted\""], counted);
        }
        daemon
    };
    count(0..12).stop();
    write_reference(folder.path(), 1.0, true);
    let daemon = count(12..36);
    let all: usize = (0..36).map(|file| 100 + file).sum();
    assert_eq!(open(&daemon, "rows"), all as f64);
    daemon.stop();
    let mut daemon = Daemon::start(&path);
    write_rows(folder.path(), "rest", 5_000 - all);
    daemon.wait_for_sample(&["driftd_window_rows"], 5_000.0);
    let without: usize = (0..12).map(|file| 100 + file).sum();
    let rows = |feature: &str| daemon.sample(&["driftd_feature_rows", &format!("\"{feature}\"")]);
    assert_eq!((rows("x"), rows("y")), (Some(5_000.0), Some((5_000 - without) as f64)));
    daemon.stop();
}

/// Without a reference the first files become it, and are counted all the same.
#[test]
fn the_first_files_become_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), ROWS);
    let text = std::fs::read_to_string(&path).unwrap();
    let warm_up = text.replace("path = \"reference.parquet\"", "warm_up_files = 2");
    let warm_up = format!("{warm_up}[model.columns]\nexclude = [\"ts\"]\n");
    std::fs::write(&path, &warm_up).unwrap();
    let mut daemon = Daemon::start(&path);
    write_rows(folder.path(), "a", 2_000);
    daemon.wait_for_sample(&["driftd_source_files", "\"pending\""], 1.0);
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(0.0));
    write_rows(folder.path(), "b", 2_500);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 4_500.0);
    assert_eq!(daemon.sample(&["driftd_features_monitored"]), Some(2.0));
    write_rows(folder.path(), "c", 500);
    daemon.wait_for_sample(&["driftd_window_rows"], 5_000.0);
    assert!(daemon.sample(&["driftd_drift_score", "\"x\"", "\"psi\""]).unwrap() < 0.001);
    daemon.stop();
    // It is kept, whatever becomes of the files.
    std::fs::remove_file(folder.path().join("logs/a.parquet")).unwrap();
    let mut daemon = Daemon::start(&path);
    assert!(daemon.log().iter().any(|line| line.contains("\"from\":\"state\"")));
    daemon.stop();
}
