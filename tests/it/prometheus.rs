use crate::metrics::{HOSTILE_NAMES, demo, hostile};
use crate::support::daemon::{Daemon, config};
use crate::support::prometheus::Prometheus;
use crate::support::table::{floats, times, write};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Names of firing alerts with the feature they are about.
fn firing(answer: &Value) -> BTreeSet<(String, String)> {
    let label =
        |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    let alerts = answer["data"]["alerts"].as_array().into_iter().flatten();
    alerts
        .filter(|alert| alert["state"] == "firing")
        .map(|alert| (label(alert, "alertname"), label(alert, "feature")))
        .collect()
}

#[test]
fn the_demo_makes_the_named_alerts_fire() {
    let folder = tempfile::tempdir().unwrap();
    let daemon: Daemon = demo(folder.path());
    let prometheus = Prometheus::start(folder.path(), &daemon.address);
    let wanted = [
        ("FeatureDrifted", "AGEP"),
        ("FeatureDrifted", "DREM"),
        ("MissingValuesJump", "SCHL"),
        ("DriftedWindowClosed", ""),
    ];
    let wanted: BTreeSet<_> =
        wanted.map(|(name, feature)| (name.to_owned(), feature.to_owned())).into();
    let found = prometheus.wait_for("the alerts", "/api/v1/alerts", |answer| {
        Some(firing(answer)).filter(|found| found.is_superset(&wanted))
    });
    assert_eq!(found, wanted, "and no other");
    let alerts = prometheus.get("/api/v1/alerts").unwrap();
    let text = alerts.to_string();
    assert!(text.contains("AGEP") && text.contains("4.74"), "what moved and by how much: {text}");
    daemon.stop();
}

/// Twenty windows close between two scrapes, and one in the middle had drifted: no gauge shows it
/// any more, and it alarms all the same.
#[test]
fn a_drifted_window_that_no_scrape_saw_alarms() {
    let folder = tempfile::tempdir().unwrap();
    let column = |rows: u32, shift: f64| {
        let values = (0..rows).map(move |i| f64::from(i * 7_919 % rows) / f64::from(rows) + shift);
        vec![("x", floats(values))]
    };
    write(&folder.path().join("reference.parquet"), column(5_000, 0.0));
    let config = config(folder.path(), "");
    for i in 0..20 {
        let shift = if i == 8 { 0.5 } else { 0.0 };
        write(&folder.path().join(format!("logs/{i:02}.parquet")), column(1_000 + i, shift));
    }
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_files_total", "result=\"counted\""], 20.0);
    assert_eq!(daemon.sample(&["driftd_windows_closed_total", "\"drifted\""]), Some(1.0));
    let prometheus = Prometheus::start(folder.path(), &daemon.address);
    let found = prometheus.wait_for("the alert", "/api/v1/alerts", |answer| {
        Some(firing(answer)).filter(|found| !found.is_empty())
    });
    assert_eq!(found, [("DriftedWindowClosed".to_owned(), String::new())].into());
    daemon.stop();
}

#[test]
fn a_real_prometheus_accepts_any_feature_name() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = hostile(folder.path());
    let prometheus = Prometheus::start(folder.path(), &daemon.address);
    let query = "/api/v1/query?query=driftd_feature_rows";
    let names = prometheus.wait_for("the features", query, |answer| {
        let series = answer["data"]["result"].as_array()?;
        let names = series.iter().filter_map(|s| s["metric"]["feature"].as_str());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        (!names.is_empty()).then_some(names)
    });
    for name in HOSTILE_NAMES {
        assert!(names.contains(name), "{name:?} came back as it was");
    }
    daemon.stop();
}

/// SIGKILL over and over while files and lines come: as a Prometheus sees it that scrapes each
/// second, no counter ever falls, and at the end they are what came.
#[test]
fn no_counter_falls_when_the_daemon_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let column = |rows: u32| vec![("x", floats((0..rows).map(f64::from)))];
    write(&folder.path().join("reference.parquet"), column(2_000));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let stream = "[[model.source]]\nname = \"lines\"\ntype = \"unix\"\npath = \"rows.sock\"\n\
        [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 700\n";
    let config = config(folder.path(), stream);
    let text = std::fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &port);
    std::fs::write(&config, text).unwrap();
    let prometheus = Prometheus::start(folder.path(), &port);
    let (mut files, mut rows) = (0, 0);
    for kill in 0..16u64 {
        let daemon = Daemon::start(&config);
        let socket = UnixStream::connect(folder.path().join("rows.sock"));
        // Lines that the kill loses were never shown; bad ones are rejected.
        let mut socket = socket.unwrap();
        for n in 0..5 {
            write(&folder.path().join(format!("logs/{files:03}.parquet")), column(200 + files));
            rows += u64::from(200 + files);
            files += 1;
            writeln!(socket, "{{\"x\": {n}}}\nno row").unwrap();
            std::thread::sleep(Duration::from_millis(150 + 37 * (kill % 5)));
        }
        daemon.kill();
    }
    let mut daemon = Daemon::start(&config);
    let counted = ["driftd_source_files_total", "\"logs\"", "\"counted\""];
    daemon.wait_for_sample(&counted, f64::from(files));
    assert_eq!(daemon.sample(&["driftd_source_rows_total", "\"logs\""]), Some(rows as f64));
    let query = |query: &str| {
        let path = format!("/api/v1/query?query={query}");
        prometheus.wait_for(query, &path, |answer| {
            let series = answer["data"]["result"].as_array()?;
            let value = |series: &Value| series["value"][1].as_str()?.parse::<f64>().ok();
            let values = series.iter().map(value).collect::<Option<Vec<f64>>>()?;
            (!values.is_empty()).then_some(values)
        })
    };
    let last = query(&format!("driftd_source_rows_total%7Bsource%3D%22logs%22%7D%3D%3D{rows}"));
    assert_eq!(last, [rows as f64]);
    let mut n_series = 0;
    for counter in [
        "source_rows",
        "source_bytes",
        "source_files",
        "source_rows_rejected",
        "source_late_rows",
        "source_untimed_rows",
        "source_replaced_rows",
        "source_errors",
        "windows_closed",
        "window_late_rows",
    ] {
        let span = format!("driftd_{counter}_total%5B10m%5D");
        let seen = query(&format!("count_over_time({span})"));
        assert!(seen.iter().all(|samples| *samples > 8.0), "{counter} was scraped: {seen:?}");
        let resets = query(&format!("resets({span})"));
        assert!(resets.iter().all(|resets| *resets == 0.0), "{counter} fell: {resets:?}");
        n_series += resets.len();
    }
    assert!(n_series > 40, "{n_series}");
    daemon.stop();
}

/// The numbers of one column of a Parquet file.
fn column_of(path: &Path, name: &str) -> Vec<f64> {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches = reader.map(|batch| batch.unwrap().column_by_name(name).unwrap().clone());
    batches.flat_map(|own| own.as_primitive::<Float64Type>().values().to_vec()).collect()
}

/// The rows of the history in Parquet, and the bins of its windows over HTTP.
fn expect_rows(daemon: &Daemon, folder: &Path, arguments: &[&str], means: &[f64]) {
    let rows = folder.join("history.parquet");
    let parquet = ["--format", "parquet"];
    let (status, _, err) =
        crate::support::run(&[arguments, &[rows.to_str().unwrap()], &parquet].concat());
    assert_eq!(status, 0, "{err}");
    let exported: Vec<f64> = column_of(&rows, "mean");
    assert_eq!(exported.len(), means.len());
    assert!(exported.iter().zip(means).all(|(got, mean)| (got - mean).abs() < 1e-12));
    let (_, answer) = daemon.get("/api/v1/models/m/features/x?window=hour&bins=true");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    for window in answer["windows"].as_array().unwrap() {
        let bins = window["feature"]["bins"].as_array().unwrap();
        let rows = |side: &str| bins.iter().map(|bin| bin[side].as_u64().unwrap()).sum::<u64>();
        assert_eq!((rows("reference"), rows("current")), (5_000, 1_500));
    }
}

/// The samples of a series stand together and in order: Python's client asks for that.
pub fn expect_strict(page: &Path) {
    let program = "import sys; from prometheus_client.openmetrics import parser; \
        page = open(sys.argv[1]).read(); families = parser.text_string_to_metric_families(page); \
        print(sum(len(family.samples) for family in families))";
    let read = Command::new("/usr/bin/python3").args(["-c", program]).arg(page).output().unwrap();
    let told = String::from_utf8_lossy(&read.stderr).into_owned();
    let samples: usize = String::from_utf8_lossy(&read.stdout).trim().parse().expect(&told);
    assert!(samples > 100, "{samples}");
}

/// Windows of the past, backfilled, answer a range query with the values that the state has.
#[test]
fn a_history_is_backfilled_into_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let column = |rows: i64, hour: i64| {
        let values =
            (0..rows).map(move |i| ((i * 7_919 % rows) as f64 / rows as f64) * hour as f64);
        let start = 1_767_225_600_000_000 + (hour - 1) * 3_600_000_000;
        vec![("ts", times((0..rows).map(move |i| start + i * 1_000))), ("x", floats(values))]
    };
    write(&folder.path().join("reference.parquet"), column(5_000, 1).split_off(1));
    let window = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
        idle_timeout = \"1s\"\n[model.columns]\ntime = \"ts\"\n";
    let config = config(folder.path(), window);
    for hour in 1..=6 {
        write(&folder.path().join(format!("logs/{hour}.parquet")), column(1_500, hour));
    }
    let mut daemon = Daemon::start(&config);
    let closed = "driftd_windows_closed_total";
    daemon.wait_for_sample(&[closed, "\"drifted\""], 5.0);
    let means: Vec<f64> = (1..=6).map(|hour| f64::from(hour) * 749.5 / 1_500.0).collect();

    let page = folder.path().join("history.om");
    let arguments = ["history", "export", "--config", config.to_str().unwrap(), "--output"];
    let (status, _, err) =
        crate::support::run(&[&arguments[..], &[page.to_str().unwrap()]].concat());
    assert_eq!(status, 0, "while the daemon runs: {err}");
    expect_rows(&daemon, folder.path(), &arguments, &means);
    daemon.stop();
    let blocks = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&page, &folder.path().join("tsdb")])
        .output()
        .unwrap();
    assert!(blocks.status.success(), "{}", String::from_utf8_lossy(&blocks.stderr));

    expect_strict(&page);

    let prometheus = Prometheus::start(folder.path(), "127.0.0.1:1");
    let (start, end) = (1_767_225_600 + 3_600, 1_767_225_600 + 6 * 3_600);
    for (metric, expected) in [
        ("driftd_feature_mean", means),
        ("driftd_features_drifted", vec![0.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("driftd_window_rows", vec![1_500.0; 6]),
    ] {
        let query = format!(
            "/api/v1/query_range?query={metric}%7Bwindow%3D%22hour%22%7D&start={start}&end={end}\
             &step=3600"
        );
        let found = prometheus.wait_for(metric, &query, |answer| {
            let values = answer["data"]["result"][0]["values"].as_array()?;
            let number = |value: &Value| value[1].as_str()?.parse::<f64>().ok();
            values.iter().map(number).collect::<Option<Vec<f64>>>()
        });
        assert_eq!(found.len(), expected.len(), "{metric}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                "{metric}: {found}"
            );
        }
    }
}
