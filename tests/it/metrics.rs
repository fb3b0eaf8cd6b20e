use crate::support::daemon::{Daemon, config};
use crate::support::repository;
use crate::support::table::{floats, write};
use expect_test::expect_file;
use std::io::Write;
use std::process::{Command, Stdio};

/// Lints a page as Prometheus' authors do.
pub fn lint(page: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The demo with a state and a port of its own.
pub fn demo(folder: &std::path::Path) -> Daemon {
    demo_with(folder, "")
}

/// The same with other families, where they are said.
pub fn demo_with(folder: &std::path::Path, families: &str) -> Daemon {
    let text = std::fs::read_to_string(repository("config/driftd.toml")).unwrap();
    let text = text
        .replace("127.0.0.1:9797", "127.0.0.1:0")
        .replace("../target/driftd.db", folder.join("driftd.db").to_str().unwrap())
        .replace("../fixtures", repository("fixtures").to_str().unwrap());
    let own = text.lines().find(|line| line.starts_with("families = ")).map(str::to_owned);
    let text = match own.filter(|_| !families.is_empty()) {
        Some(own) => text.replace(&own, families),
        None => text,
    };
    let path = folder.join("driftd.toml");
    std::fs::write(&path, text).unwrap();
    let mut daemon = Daemon::start(&path);
    for (model, files) in [("employment", 12.0), ("flights", 150.0)] {
        let model = format!("model_name=\"{model}\"");
        daemon.wait_for_sample(&["driftd_source_files_total", &model, "result=\"counted\""], files);
    }
    // The last day and the last week close by the clock, since nothing comes after them.
    for window in ["window=\"day\"", "window=\"week\""] {
        daemon.wait_for_sample(&["driftd_open_window_rows", window], 0.0);
    }
    daemon
}

/// The page but for what depends on the moment or the process. `UPDATE_EXPECT=1` rewrites.
#[test]
fn the_demo_page_is_as_agreed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    let page = daemon.metrics();
    lint(&page);
    let stable = page.lines().filter(|line| {
        let is_sample = !line.starts_with('#');
        let is_time = is_sample && line.contains("_timestamp_seconds");
        !line.contains("process_") && !is_time
    });
    let stable: String = stable.flat_map(|line| [line, "\n"]).collect();
    expect_file![repository("fixtures/metrics/demo.prom")].assert_eq(&stable);
    daemon.stop();
}

/// 2016 does not drift, the top code of later years and the faults do; of the flights, whose days
/// differ by weather, an airport on two days.
#[test]
fn the_demo_finds_what_there_is_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    let page = daemon.metrics();
    let drifted: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("driftd_drift_detected") && line.ends_with(" 1"))
        .filter(|line| line.contains("\"reference\""))
        .filter_map(|line| line.split("feature=\"").nth(1)?.split('"').next())
        .collect();
    assert_eq!(drifted, ["AGEP", "DREM", "SCHL"]);
    // AGEP from 2017 on, when the survey moved its top code; two days on which one airport had
    // twice its share of the flights.
    for (window, ok, drifted) in [("batch", 4.0, 8.0), ("day", 148.0, 2.0), ("week", 22.0, 0.0)] {
        let window = format!("window=\"{window}\"");
        let closed =
            |verdict: &str| daemon.sample(&["driftd_windows_closed_total", &window, verdict]);
        assert_eq!((closed("\"ok\""), closed("\"drifted\"")), (Some(ok), Some(drifted)));
    }
    daemon.stop();
}

pub const HOSTILE_NAMES: [&str; 14] = [
    ".",
    "..",
    "quote\"d",
    "back\\slash",
    "line\nfeed",
    "carriage\rreturn",
    "emoji 🚲",
    "rtl \u{202e}abc",
    "le",
    "nul\0",
    "tab\tbed",
    "{a=\"b\"}",
    "# HELP x",
    "\u{2028}",
];

/// A daemon whose features have names that nobody should give.
pub fn hostile(folder: &std::path::Path) -> Daemon {
    let long = "n".repeat(10_000);
    let names = HOSTILE_NAMES.iter().copied().chain([long.as_str(), ""]);
    let columns = names.map(|name| (name, floats((0..1_000).map(f64::from))));
    let columns: Vec<_> = columns.collect();
    write(&folder.join("reference.parquet"), columns.clone());
    let config = config(folder, "");
    write(&folder.join("logs/a.parquet"), columns);
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_window_rows"], 1_000.0);
    daemon
}

#[test]
fn any_feature_name_makes_a_valid_page() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = hostile(folder.path());
    let page = daemon.metrics();
    lint(&page);
    for escaped in
        ["feature=\"quote\\\"d\"", "feature=\"back\\\\slash\"", "feature=\"line\\nfeed\""]
    {
        assert!(page.contains(escaped), "{escaped}");
    }
    assert!(page.lines().all(|line| line.len() < 600));
    daemon.stop();
}

/// Whole features are dropped, the same ones each time, and how many series is said.
#[test]
fn the_series_budget_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..50).map(|i| format!("f{i:02}")).collect();
    let columns = |shift: f64| -> Vec<_> {
        names
            .iter()
            .map(|name| (name.as_str(), floats((0..1_000).map(|i| f64::from(i) + shift))))
            .collect()
    };
    write(&folder.path().join("reference.parquet"), columns(0.0));
    let config = config(folder.path(), "[export]\nseries_max = 300");
    write(&folder.path().join("logs/a.parquet"), columns(0.0));
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_window_rows"], 1_000.0);
    let page = daemon.metrics();
    let series = page.lines().filter(|line| line.contains("feature=\"")).count();
    let per_feature = page.lines().filter(|line| line.contains("feature=\"f00\"")).count();
    assert_eq!(series, 300 / per_feature * per_feature);
    let dropped = daemon.sample(&["driftd_series_dropped"]).unwrap() as usize;
    assert_eq!(series + dropped, 50 * per_feature);
    assert!(page.contains("feature=\"f05\"") && !page.contains("feature=\"f49\""));
    daemon.stop();
}
