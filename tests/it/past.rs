//! The history in the state: what was closed is read as it was, in the limits that it has.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{MemoryTable, floats, pane, reference, strings, write};
use driftd::judge::drift_config::{DriftConfig, VariationConfig};
use driftd::monitor::close::ClosedWindow;
use driftd::monitor::figures::{ReferenceFigures, WindowFigures};
use driftd::monitor::reference::Reference;
use driftd::monitor::score::{Baseline, WindowLabel, score};
use driftd::store::closed_windows::Query;
use driftd::store::commit::Commit;
use driftd::store::{ModelStore, StateConfig, Store};
use driftd::time::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOUR: i64 = 3_600_000_000;

/// Two features of which the first moves on by `shift`, and `more` others.
fn table(shift: f64, more: usize) -> MemoryTable {
    let values =
        |shift: f64| floats((0..2_000).map(move |row| f64::from(row * 7_919 % 2_000) + shift));
    let names = (0..2_000).map(|row| ["a", "b", "c"][row % 3]);
    let names_of_more: Vec<String> = (0..more).map(|index| format!("more {index}")).collect();
    let mut columns = vec![("moves", values(shift)), ("stays", strings(names))];
    columns.extend(names_of_more.iter().map(|name| (name.as_str(), values(0.0))));
    MemoryTable::new(columns)
}

/// Every other window is of a file.
fn file(slot: u64) -> Option<String> {
    slot.is_multiple_of(2).then(|| format!("day={slot}/a.parquet"))
}

fn windows(reference: &Reference, n: u64, more: usize) -> Vec<ClosedWindow> {
    let figures = Arc::new(ReferenceFigures::of(reference, false));
    let before = pane(reference, &table(3.0, more));
    let windows = (0..n).map(|slot| {
        let end = Some(Timestamp(1_700_000_000_000_000 + slot as i64 * HOUR));
        let (window, compared) = ("hour".to_owned(), Some(figures.content));
        let start = end.map(|end| Timestamp(end.0 - HOUR));
        let label =
            WindowLabel { window, slot, file: file(slot), compared, start, end, closed: end };
        let pane = pane(reference, &table(slot as f64 * 200.0, more));
        let baselines = [Some(before.clone()), None].map(|pane| Baseline {
            name: "before".to_owned(),
            pane,
            decides: false,
            is_seasonal: false,
        });
        let variation = VariationConfig::None;
        let config = DriftConfig { variation, ..DriftConfig::default() };
        let scored = score(reference, &pane, &baselines, &[], &config, label).unwrap();
        let figures_of_window = Arc::new(scored.figures);
        let reference = Arc::clone(&figures);
        ClosedWindow { figures: figures_of_window, reference, remembered: None, profile: None }
    });
    windows.collect()
}

fn commit(model: &ModelStore, closed: &[ClosedWindow]) {
    for window in closed {
        model.commit(&Commit { closed: vec![window.clone()], ..Commit::default() }).unwrap();
    }
}

fn open(path: &Path, config: StateConfig) -> Arc<Store> {
    Arc::new(Store::open(&StateConfig { path: Some(path.to_owned()), ..config }).unwrap())
}

fn slots(windows: &[WindowFigures]) -> Vec<u64> {
    windows.iter().map(|window| window.slot).collect()
}

/// To the bit, whole and feature by feature, and after a restart.
#[test]
fn windows_are_read_as_they_were_closed() {
    let reference = reference(&table(0.0, 3));
    let closed = windows(&reference, 6, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.db");
    commit(&open(&path, StateConfig::default()).model("m", "1").unwrap(), &closed);
    let model = open(&path, StateConfig::default()).model("m", "1").unwrap();
    let written: Vec<WindowFigures> =
        closed.iter().map(|window| window.figures.as_ref().clone()).collect();
    assert!(written[5].features[0].explanation.is_some());
    assert_eq!(model.windows("hour", &Query::default()).unwrap(), written);
    assert_eq!(model.latest("hour").unwrap().as_ref(), written.last());
    let from = Some(Timestamp(1_700_000_000_000_000 + 2 * HOUR));
    let query = Query { from, to: None, limit: Some(3) };
    assert_eq!(slots(&model.windows("hour", &query).unwrap()), [3, 4, 5]);
    for (index, name) in
        ["moves", "stays", "more 2"].into_iter().zip([0, 1, 4]).map(|(n, i)| (i, n))
    {
        let past = model.past_of_feature(name, Some("hour"), &Query::default()).unwrap();
        assert_eq!(past.len(), 6);
        for ((figures, of_reference), written) in past.iter().zip(&written) {
            assert_eq!(figures.features, [written.features[index].clone()]);
            assert_eq!(of_reference.as_ref(), Some(&closed[0].reference.features[index]));
        }
    }
    let past = model.past(None, &Query::default()).unwrap();
    let drifted = |window: &WindowFigures| -> Vec<String> {
        window.drifted_features().map(str::to_owned).collect()
    };
    for (summary, window) in past.iter().zip(&written) {
        assert_eq!(summary.drifted_features, drifted(window));
        assert_eq!((summary.judged, summary.drifted), (window.judged(), window.drifted()));
    }
    assert_eq!(model.past_of_feature("none", None, &Query::default()).unwrap().len(), 0);
}

/// Any SQLite reads it by name.
#[test]
fn the_history_is_a_table_of_names_and_numbers() {
    let reference = reference(&table(0.0, 0));
    let closed = windows(&reference, 3, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.db");
    commit(&open(&path, StateConfig::default()).model("m", "1").unwrap(), &closed);
    let state = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT slot, psi, psi_p, psi_threshold, mean, drifted, called FROM history
               WHERE model = 'm' AND window_name = 'hour' AND feature_name = 'moves' ORDER BY slot";
    let mut statement = state.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    for window in &closed {
        let (row, feature) = (rows.next().unwrap().unwrap(), &window.figures.features[0]);
        let psi = feature.measures.iter().find(|measured| measured.measure == "psi").unwrap();
        assert_eq!(row.get::<_, f64>(1).unwrap(), psi.score);
        assert_eq!(row.get::<_, Option<f64>>(2).unwrap(), psi.p_value);
        assert_eq!(row.get::<_, Option<f64>>(3).unwrap(), psi.threshold);
        assert_eq!(row.get::<_, Option<f64>>(4).unwrap(), feature.statistics.mean);
        assert_eq!(row.get::<_, Option<bool>>(5).unwrap(), feature.drifted);
        let called = feature.called().collect::<Vec<_>>().join(" ");
        assert_eq!(row.get::<_, Option<String>>(6).unwrap(), feature.drifted.map(|_| called));
    }
}

#[test]
fn the_oldest_windows_go_first() {
    let reference = reference(&table(0.0, 0));
    let closed = windows(&reference, 9, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.db");
    let few = StateConfig { windows_max: 4, ..StateConfig::default() };
    let store = open(&path, few);
    let model = store.model("m", "1").unwrap();
    commit(&model, &closed);
    assert_eq!(slots(&model.windows("hour", &Query::default()).unwrap()), [5, 6, 7, 8]);
    drop((model, store));
    // A window and its two features take about a kilobyte; the newest stays, whatever it takes.
    let small = StateConfig { history_max: 3_500, ..StateConfig::default() };
    let store = open(&path, small);
    let model = store.model("m", "1").unwrap();
    commit(&model, &closed[..1]);
    let left = slots(&model.windows("hour", &Query::default()).unwrap());
    assert!((1..4).contains(&left.len()), "{left:?}");
    drop((model, store));
    let least = StateConfig { history_max: 0, ..StateConfig::default() };
    let store = open(&path, least);
    let model = store.model("m", "1").unwrap();
    commit(&model, &closed[3..4]);
    assert_eq!(model.windows("hour", &Query::default()).unwrap().len(), 1);
    drop((model, store));
    let state = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| state.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM feature_window"), 2);
    assert_eq!(count("SELECT count(*) FROM feature"), 2);
}

/// By the time at which they closed; what is shown stays, however old it is.
#[test]
fn windows_go_when_they_are_too_old() {
    let reference = reference(&table(0.0, 0));
    let closed = windows(&reference, 9, 0);
    let folder = tempfile::tempdir().unwrap();
    let history_age = Some(Duration::from_hours(3));
    let config = StateConfig { history_age, ..StateConfig::default() };
    let store = open(&folder.path().join("driftd.db"), config);
    let (model, silent) = (store.model("m", "1").unwrap(), store.model("silent", "1").unwrap());
    commit(&silent, &closed[..1]);
    commit(&model, &closed[..3]);
    let slots_of = |model: &ModelStore| slots(&model.windows("hour", &Query::default()).unwrap());
    assert_eq!(slots_of(&model), [0, 1, 2]);
    commit(&model, &closed[3..]);
    assert_eq!(slots_of(&model), [5, 6, 7, 8]);
    assert_eq!(slots_of(&silent), [0]);
}

/// Features of a reference that no window is left of are forgotten; others stay.
#[test]
fn windows_are_shown_beside_the_reference_that_they_had() {
    let (one, other) = (reference(&table(0.0, 0)), reference(&table(5_000.0, 0)));
    let folder = tempfile::tempdir().unwrap();
    let few = StateConfig { windows_max: 3, ..StateConfig::default() };
    let store = open(&folder.path().join("driftd.db"), few);
    let model = store.model("m", "1").unwrap();
    commit(&model, &windows(&one, 3, 0));
    commit(&model, &windows(&other, 5, 0)[3..]);
    let means = |name: &str| -> Vec<f64> {
        let past = model.past_of_feature(name, None, &Query::default()).unwrap();
        past.iter()
            .map(|(_, of_reference)| {
                of_reference.as_ref().unwrap().statistics.mean.unwrap_or_default()
            })
            .collect()
    };
    assert_eq!(means("moves"), [999.5, 5_999.5, 5_999.5]);
    // The categories are the same in both.
    assert_eq!(means("stays").len(), 3);
    commit(&model, &windows(&other, 6, 0)[5..]);
    assert_eq!(means("moves"), [5_999.5; 3]);
    // The same cells, of other rows.
    let twice = |n: usize| floats((0..n).map(|row| (row % 1_000) as f64));
    let of_rows = |n| reference(&MemoryTable::new(vec![("moves", twice(n)), ("stays", twice(n))]));
    let (two, four) = (of_rows(2_000), of_rows(4_000));
    assert_eq!(two.features[0].grid.id, four.features[0].grid.id);
    let compared = |reference: &Reference, slot: u64| {
        let end = Some(Timestamp(1_800_000_000_000_000 + slot as i64 * HOUR));
        let label =
            WindowLabel { window: "same".into(), slot, end, closed: end, ..WindowLabel::default() };
        let pane =
            pane(reference, &MemoryTable::new(vec![("moves", twice(500)), ("stays", twice(500))]));
        let scored = score(reference, &pane, &[], &[], &DriftConfig::default(), label).unwrap();
        let figures = Arc::new(scored.figures);
        ClosedWindow {
            figures,
            reference: Arc::new(ReferenceFigures::of(reference, false)),
            remembered: None,
            profile: None,
        }
    };
    commit(&model, &[compared(&two, 0), compared(&four, 1)]);
    let past = model.past_of_feature("stays", Some("same"), &Query::default()).unwrap();
    let rows: Vec<u64> =
        past.iter().map(|(_, own)| own.as_ref().unwrap().statistics.rows).collect();
    assert_eq!(rows, [2_000, 4_000]);
}

#[test]
fn a_changed_row_is_noticed_when_it_is_read() {
    let reference = reference(&table(0.0, 0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.db");
    for damage in [
        "UPDATE feature_window SET mean = 3 WHERE position = 0",
        "UPDATE feature_window SET psi = psi + 1 WHERE position = 0",
        "DELETE FROM feature_window WHERE position = 1",
    ] {
        let _ = std::fs::remove_file(&path);
        let store = open(&path, StateConfig::default());
        commit(&store.model("m", "1").unwrap(), &windows(&reference, 1, 0));
        drop(store);
        rusqlite::Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let store = open(&path, StateConfig::default());
        let read = store.model("m", "1").unwrap().windows("hour", &Query::default());
        let told = read.unwrap_err().to_string();
        assert!(
            told.contains("driftd.db")
                && (told.contains("feature_window") || told.contains("1 of 2 features")),
            "{told}"
        );
        assert!(!store.check().unwrap().faults.is_empty());
    }
}

/// In the log, the report and the history, over a restart; a window of many files names none.
#[test]
fn a_window_of_a_file_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reconcile_interval = \"100ms\"\n\
        [[model.window]]\nname = \"w\"\ntype = \"batch\"\n\
        [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 1000\n\
        [export]\nfamilies = [\"drift\", \"evidence\"]\n";
    let config = config(folder.path(), more);
    let column = || vec![("x", floats((0..1_500).map(|row| f64::from(row * 7_919 % 1_500))))];
    write(&folder.path().join("reference.parquet"), column());
    std::fs::create_dir_all(folder.path().join("logs/day=1")).unwrap();
    write(&folder.path().join("logs/day=1/a.parquet"), column());
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_windows_closed_total", "\"w\"", "\"ok\""], 1.0);
    let told = |daemon: &Daemon| {
        let json = |path: &str| -> Value { serde_json::from_str(&daemon.get(path).1).unwrap() };
        let (report, past) = (json("/api/v1/report"), json("/api/v1/models/m/windows"));
        let of = |all: &Value| {
            let named = all.as_array().unwrap().iter().map(|own| &own["window"]);
            named.map(|own| own["file"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let noise = daemon.sample(&["driftd_drift_noise", "window=\"w\"", "measure=\"psi\""]);
        (of(&report["reports"]), of(&past["windows"]), noise.unwrap())
    };
    let before = told(&daemon);
    let file = Some(folder.path().join("logs/day=1/a.parquet").display().to_string());
    assert_eq!(before.0, [file.clone(), None]);
    assert_eq!(before.1, [None, file], "by name");
    // Nine degrees of freedom, of 1,500 rows on both sides.
    assert!((before.2 - 9.0 * 2.0 / 1_500.0).abs() < 1e-12, "{}", before.2);
    assert!(daemon.log().iter().any(|line| line.contains("a.parquet\",\"rows\":1500")));
    daemon.stop();
    let daemon = Daemon::start(&config);
    assert_eq!(told(&daemon), before);
    daemon.stop();
}
