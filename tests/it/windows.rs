//! Windows by event time, against counting exactly their rows as one table.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{
    MemoryTable, figures_against, floats, pane, reference, strings, times, write,
};
use driftd::daemon::replay::replay;
use driftd::monitor::count::count_and_encode;
use driftd::monitor::figures::WindowFigures;
use driftd::monitor::pieces::count_in_pieces;
use driftd::monitor::reference::Reference;
use driftd::monitor::score::Baseline;
use driftd::monitor::table::Table;
use driftd::store::closed_windows::Query;
use driftd::window::pane::PaneKey;
use driftd::window::plan::{Assignment, Plan};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const MINUTE: i64 = 60_000_000;
/// 2026-01-05T00:00:00Z, a Monday.
const START: i64 = 1_767_571_200_000_000;

/// Minutes since the start, a value, a category.
type Row = (u16, i16, u8);

fn columns(rows: &[Row]) -> Vec<(&'static str, arrow_array::ArrayRef)> {
    let number = |x: &Row| f64::from(x.1) / 7.0;
    vec![
        ("ts", times(rows.iter().map(|row| START + i64::from(row.0) * MINUTE))),
        ("x", floats(rows.iter().map(number))),
        ("s", strings(rows.iter().map(|row| format!("v{}", row.2 % 5)))),
    ]
}

fn trained() -> Vec<Row> {
    (0..3_000).map(|i| (0, ((i * 7_919) % 2_003) as i16, (i % 7) as u8)).collect()
}

/// Without the time, which is no feature.
fn features(rows: &[Row]) -> MemoryTable {
    MemoryTable::new(columns(rows).split_off(1))
}

const WINDOWS: &str = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    [[model.window]]\nname = \"sliding\"\ntype = \"time\"\nsize = \"3h\"\n\
    slide = \"30m\"\noffset = \"10m\"\n\
    [[model.baseline]]\nname = \"two_before\"\ntype = \"rolling\"\nwindows = 2\n\
    [model.columns]\ntime = \"ts\"\n[model.drift]\nvariation = \"none\"\n";

/// What the windows of a folder's files close with.
fn replayed(folder: &Path) -> Vec<WindowFigures> {
    let text = std::fs::read_to_string(config(folder, WINDOWS)).unwrap();
    let model = driftd::config::parse(&text, folder).unwrap().models.remove(0);
    let store = replay(model, 1 << 20).unwrap();
    let windows = ["hour", "sliding"].map(|name| store.windows(name, &Query::default()).unwrap());
    windows.into_iter().flatten().collect()
}

/// By the definition: windows at every slide, each with its rows, if it has any.
fn expected(reference: &Reference, rows: &[Row]) -> Vec<WindowFigures> {
    let inside = |from: i64, to: i64| -> Option<driftd::window::pane::Pane> {
        let inside = rows.iter().filter(|row| (from..to).contains(&i64::from(row.0)));
        let inside: Vec<Row> = inside.copied().collect();
        (!inside.is_empty()).then(|| pane(reference, &features(&inside)))
    };
    let mut all = Vec::new();
    for (name, size, slide, offset) in [("hour", 60, 60, 0), ("sliding", 180, 30, 10)] {
        for start in (-180 / slide..2_000 / slide).map(|k| k * slide + offset) {
            let Some(current) = inside(start, start + size) else { continue };
            let before = inside(start - 2 * size, start);
            let baseline = Baseline {
                name: "two_before".into(),
                pane: before,
                decides: false,
                is_seasonal: false,
            };
            let figures = figures_against(reference, &current, &[baseline]);
            all.push(WindowFigures { window: name.into(), ..figures });
        }
    }
    all
}

/// Equal to the bit.
fn assert_same(got: &[WindowFigures], expected: &[WindowFigures]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(
            (&got.window, got.rows, &got.baselines, &got.features),
            (&expected.window, expected.rows, &expected.baselines, &expected.features)
        );
    }
}

fn row() -> impl Strategy<Value = Row> {
    (0u16..1_900, any::<i16>().prop_map(|x| x % 2_500), any::<u8>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever order the rows and files come in, and however the rows are split.
    #[test]
    fn a_window_holds_the_rows_of_its_time(
        rows in prop::collection::vec(row(), 1..600),
        n_files in 1usize..7,
        sorted in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("reference.parquet"), columns(&trained()).split_off(1));
        let reference = reference(&features(&trained()));
        let mut logged = rows.clone();
        if sorted {
            logged.sort_unstable();
        }
        for (index, part) in logged.chunks(rows.len().div_ceil(n_files)).enumerate() {
            let path = folder.path().join(format!("logs/{index}.parquet"));
            write(&path, columns(part));
            let age = u64::from(seed.rotate_left(index as u32 * 5) % 1_000_000);
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + age);
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        assert_same(&replayed(folder.path()), &expected(&reference, &rows));
    }
}

/// The API's list of closed windows, by name and end.
pub fn closed(daemon: &Daemon) -> BTreeMap<(String, i64), u64> {
    let (status, body) = daemon.get("/api/v1/models/m/windows?limit=1000");
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let windows = body["windows"].as_array().unwrap().iter().map(|window| {
        let name = window["window"]["name"].as_str().unwrap().to_owned();
        let end = window["window"]["end"].as_f64().unwrap_or(-1.0) as i64;
        ((name, end), window["rows"].as_u64().unwrap())
    });
    windows.collect()
}

fn at(minute: i64) -> i64 {
    (START + minute * MINUTE) / 1_000_000
}

/// Late rows are counted as such, by window and by source, and the accounts balance.
#[test]
fn late_rows_are_counted_and_nothing_else_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), columns(&trained()).split_off(1));
    let windows = WINDOWS.replace("size = \"1h\"", "size = \"1h\"\nlateness = \"5m\"");
    let mut daemon = Daemon::start(&config(folder.path(), &windows));
    let rows = |minutes: &[u16]| minutes.iter().map(|m| (*m, 5, 1)).collect::<Vec<Row>>();
    let mut place = |name: &str, minutes: &[u16], n: f64| {
        write(&folder.path().join(format!("logs/{name}.parquet")), columns(&rows(minutes)));
        let counted = ["driftd_source_files_total", "result=\"counted\""];
        daemon.wait_for_sample(&counted, n);
    };
    place("a", &[0, 30, 59, 60, 64], 1.0);
    place("b", &[10, 65], 2.0);
    // The first hour is closed now; the sliding windows that hold it are not all.
    place("c", &[20, 70], 3.0);
    let late = |window: &str| {
        let parts = ["driftd_window_late_rows_total", &format!("window=\"{window}\"")];
        daemon.sample(&parts.map(|part| part)).unwrap()
    };
    // One of b as well was late for a sliding window that ended at 40.
    assert_eq!((late("hour"), late("sliding")), (1.0, 2.0));
    assert_eq!(daemon.sample(&["driftd_source_late_rows_total"]), Some(0.0));
    assert_eq!(closed(&daemon)[&("hour".to_owned(), at(60))], 4);
    // Years later: everything before is over, for all windows.
    write(&folder.path().join("logs/d.parquet"), columns(&rows(&[1_900])));
    daemon.wait_for_sample(&["driftd_source_files_total", "result=\"counted\""], 4.0);
    write(&folder.path().join("logs/e.parquet"), columns(&rows(&[0, 1, 1_901])));
    daemon.wait_for_sample(&["driftd_source_late_rows_total"], 2.0);
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(13.0));
    let hours: u64 = closed(&daemon).iter().filter(|((w, _), _)| w == "hour").map(|(_, n)| n).sum();
    let open = daemon.sample(&["driftd_open_window_rows", "window=\"hour\""]).unwrap();
    // 13 came: 1 late for the hour alone, 2 late for all.
    assert_eq!(hours as f64 + open, 10.0);
    daemon.stop();
}

#[test]
fn rows_without_a_time_take_that_of_the_path_or_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), columns(&trained()).split_off(1));
    let windows = WINDOWS.replace("size = \"1h\"", "size = \"1h\"\nidle_timeout = \"1s\"");
    let rows: Vec<Row> = vec![(0, 5, 1); 7];
    let untimed = || columns(&rows).split_off(1);
    let logs = folder.path().join("logs");
    write(&logs.join("dt=2026-02-03/hour=04/a.parquet"), untimed());
    write(&logs.join("2026/02/04/b.parquet"), untimed());
    write(&logs.join("c.parquet"), untimed());
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_769_000_000);
    let file = std::fs::File::options().append(true).open(logs.join("c.parquet")).unwrap();
    file.set_modified(time).unwrap();
    let mut daemon = Daemon::start(&config(folder.path(), &windows));
    daemon.wait_for("three windows", |d| {
        closed(d).keys().filter(|(window, _)| window == "hour").count() == 3
    });
    let hours = closed(&daemon);
    for end in [1_770_094_800, 1_770_166_800, 1_769_000_400] {
        assert_eq!(hours.get(&("hour".to_owned(), end)), Some(&7), "{end}: {hours:?}");
    }
    assert_eq!(daemon.sample(&["driftd_source_untimed_rows_total"]), Some(21.0));
    daemon.stop();
}

/// However many panes are counted with each reading, the counts are those of one.
#[test]
fn pieces_are_the_whole() {
    let table = MemoryTable::new(vec![
        ("x", floats((0..500).map(|row| f64::from(row * 37 % 101)))),
        ("c", strings((0..500).map(|row| format!("v{}", row % 7)))),
    ]);
    let table = table.cut(200, 64);
    let reference = reference(&table);
    let pane = |slot| PaneKey { slots: vec![slot], bucket: 0 };
    let mut plan = Plan::whole(table.row_groups());
    plan.panes = (0..10).map(pane).collect();
    let assigned = |rows: &u64| Assignment::of((0..*rows as u32).map(|row| row * 7 % 10).collect());
    plan.row_groups = table.row_groups().iter().map(assigned).collect();
    let whole = count_and_encode(&reference, &table, &plan).unwrap();
    let rows = whole.panes.0.iter().map(|(key, pane)| (key.clone(), pane.rows)).collect();
    assert_eq!(whole.bodies.len(), 10);
    for panes in 1..=11 {
        let pieces = count_in_pieces(&reference, &table, &plan, panes).unwrap();
        assert!(pieces.panes.0.is_empty());
        assert_eq!((&pieces.stored, &pieces.bodies), (&rows, &whole.bodies), "{panes}");
    }
}
