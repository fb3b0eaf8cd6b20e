use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, strings, write, write_with};
use arrow_array::{ArrayRef, Int64Array};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CLOSED: &str = "driftd_windows_closed_total";
const COUNTED: &str = "result=\"counted\"";
const QUARANTINED: &str = "state=\"quarantined\"";
const NEWLY_QUARANTINED: &str = "result=\"quarantined\"";

/// Rows that fill all cells evenly, shifted by `shift`.
fn column(rows: usize, shift: f64) -> ArrayRef {
    floats((0..rows).map(|i| ((i * 7919) % rows) as f64 / rows as f64 + shift))
}

fn write_file(path: &Path, rows: usize, shift: f64) {
    let texts = strings((0..rows).map(|i| format!("v{}", i % 4)));
    write(path, vec![("x", column(rows, shift)), ("s", texts)]);
}

/// A folder with a reference, and a daemon that watches its `logs`.
fn start(folder: &Path, more: &str) -> Daemon {
    write_file(&folder.join("reference.parquet"), 5_000, 0.0);
    Daemon::start(&config(folder, more))
}

/// Puts a file into place in one step, as careful writers do.
fn place(folder: &Path, name: &str, rows: usize, shift: f64) {
    let hidden = folder.join("logs").join(format!(".{name}.tmp"));
    write_file(&hidden, rows, shift);
    std::fs::rename(hidden, folder.join("logs").join(name)).unwrap();
}

#[test]
fn a_renamed_file_is_on_the_page_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), "reconcile_interval = \"1h\"");
    place(folder.path(), "a.parquet", 1_000, 0.5);
    let took = daemon.wait_for_sample(&["driftd_window_rows"], 1_000.0);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(daemon.sample(&["driftd_drift_detected", "feature=\"x\""]), Some(1.0));
    assert_eq!(daemon.sample(&["driftd_drift_detected", "feature=\"s\""]), Some(0.0));
    daemon.stop();
}

#[test]
fn a_half_written_file_waits_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reconcile_interval = \"100ms\"\nstuck_after = \"1s\"";
    let mut daemon = start(folder.path(), more);
    let whole = folder.path().join("whole.parquet");
    write_file(&whole, 1_000, 0.0);
    let bytes = std::fs::read(whole).unwrap();
    let path = folder.path().join("logs/a.parquet");
    let files = |state: &'static str| ["driftd_source_files", state];
    for part in [4, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..part]).unwrap();
        daemon.wait_for("pending", |d| d.sample(&files("state=\"pending\"")) == Some(1.0));
        assert_eq!(daemon.sample(&["driftd_source_files_total", COUNTED]), Some(0.0));
    }
    daemon.wait_for("stuck", |d| d.sample(&files("state=\"stuck\"")) == Some(1.0));
    assert!(daemon.sample(&["driftd_source_oldest_pending_timestamp_seconds"]).is_some());
    std::fs::write(&path, &bytes).unwrap();
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 1.0);
    for state in ["pending", "stuck", "quarantined"] {
        let label = format!("state=\"{state}\"");
        assert_eq!(daemon.sample(&["driftd_source_files", &label]), Some(0.0));
    }
    daemon.stop();
}

/// Three ways to break a file that has both its ends.
fn break_file(path: &Path, how: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    match how {
        0 => bytes = b"feature,value\nx,1\n".repeat(100),
        // The first page.
        1 => bytes[20..200].fill(0xff),
        // The footer, but for its length and magic.
        _ => bytes[length - 200..length - 8].fill(0xff),
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn broken_files_are_quarantined_and_disturb_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000, 0.0);
    let config = config(folder.path(), "");
    for i in 0..20 {
        let path = folder.path().join(format!("logs/{i:02}.parquet"));
        write_file(&path, 600 + i, 0.0);
        if i % 7 == 3 {
            break_file(&path, i / 7);
        }
    }
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 17.0);
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 3.0);
    assert_eq!(daemon.sample(&[CLOSED, "verdict=\"ok\""]), Some(17.0));
    let rows: usize = (0..20).filter(|i| i % 7 != 3).map(|i| 600 + i).sum();
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(rows as f64));
    let errors: Vec<_> = daemon.log().iter().filter(|line| !line.contains("\"INFO\"")).collect();
    assert_eq!(errors.len(), 3, "{errors:#?}");
    for name in ["03.parquet", "10.parquet", "17.parquet"] {
        assert!(errors.iter().any(|line| line.contains(name) && line.contains("reason")));
    }
    daemon.stop();

    // The quarantine outlives the process; a file that is repaired leaves it.
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 3.0);
    assert_eq!(daemon.sample(&["driftd_source_files_total", NEWLY_QUARANTINED]), Some(3.0));
    place(folder.path(), "10.parquet", 610, 0.0);
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 2.0);
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 18.0);
    daemon.stop();
}

/// A version that cannot be read stands between two that can: the last takes the first's place.
#[test]
fn a_broken_version_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000, 0.0);
    let window = "[[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 5000\n";
    let mut daemon = Daemon::start(&config(folder.path(), window));
    place(folder.path(), "today.parquet", 1_000, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 1_000.0);
    let broken = folder.path().join("broken");
    write_file(&broken, 1_200, 0.0);
    break_file(&broken, 1);
    std::fs::rename(&broken, folder.path().join("logs/today.parquet")).unwrap();
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 1.0);
    assert_eq!(daemon.sample(&["driftd_open_window_rows"]), Some(1_000.0));
    place(folder.path(), "today.parquet", 1_500, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 1_500.0);
    assert_eq!(daemon.sample(&["driftd_source_replaced_rows_total"]), Some(1_000.0));
    assert_eq!(daemon.sample(&["driftd_source_files", QUARANTINED]), Some(0.0));
    daemon.stop();
}

/// Two files of the same schema, sizes, statistics, and other rows.
#[test]
fn identical_footers_are_two_files_and_a_copy_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let codes = |order: [i64; 4]| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| order[i % 4])))
    };
    write(&folder.path().join("reference.parquet"), vec![("x", codes([0, 1, 2, 3]))]);
    let config = config(folder.path(), "");
    let path = |name: &str| folder.path().join("logs").join(name);
    write(&path("a.parquet"), vec![("x", codes([0, 1, 2, 3]))]);
    write(&path("b.parquet"), vec![("x", codes([0, 2, 1, 3]))]);
    let (a, b) =
        (std::fs::read(path("a.parquet")).unwrap(), std::fs::read(path("b.parquet")).unwrap());
    assert!(a != b && a.len() == b.len() && a[a.len() - 300..] == b[b.len() - 300..]);
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 2.0);
    std::fs::copy(path("a.parquet"), path("copy.parquet")).unwrap();
    std::fs::hard_link(path("b.parquet"), path("link.parquet")).unwrap();
    std::fs::rename(path("b.parquet"), path("renamed.parquet")).unwrap();
    daemon.wait_for("duplicates", |d| {
        d.sample(&["driftd_source_files_total", "result=\"duplicate\""]) == Some(3.0)
    });
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(2_000.0));
    assert_eq!(daemon.sample(&[CLOSED, "verdict=\"ok\""]), Some(2.0));
    daemon.stop();
}

#[test]
fn a_drifted_window_among_twenty_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), "");
    for i in 0..20 {
        place(folder.path(), &format!("{i:02}.parquet"), 700 + i, if i == 8 { 0.5 } else { 0.0 });
    }
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 20.0);
    assert_eq!(daemon.sample(&[CLOSED, "verdict=\"drifted\""]), Some(1.0));
    assert_eq!(daemon.sample(&[CLOSED, "verdict=\"ok\""]), Some(19.0));
    daemon.stop();
}

/// A copy of a file in another partition is another file; Feast's folders are looked into.
#[test]
fn folders_of_all_layouts_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000, 0.0);
    let config = config(folder.path(), "");
    let logs = folder.path().join("logs");
    for name in [
        "2026-01-01/a.parquet",
        "b-{i}.parquet/__log_date=2026-01-01/data_0.parquet",
        "dt=2026-01-01/hour=03/c.parquet",
        "dt=2026-01-01/hour=04/c.parquet",
        "_temporary/d.parquet",
        "_delta/e.parquet",
        ".hidden.parquet",
    ] {
        write_file(
            &logs.join(name),
            1_000,
            if name.contains("hour") { 0.001 } else { name.len() as f64 / 1e6 },
        );
    }
    std::fs::write(logs.join("_SUCCESS"), "").unwrap();
    std::fs::write(logs.join("empty.parquet"), "").unwrap();
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 4.0);
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(4_000.0));
    daemon.stop();
}

/// Windows of rows run across files, and their sum does not depend on how rows were split.
#[test]
fn windows_of_rows_run_across_files() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 1500\n\
                [[model.window]]\nname = \"batch\"\ntype = \"batch\"";
    let mut daemon = start(folder.path(), more);
    for i in 0..4 {
        place(folder.path(), &format!("{i}.parquet"), 1_000 + i, 0.0);
    }
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 4.0);
    assert_eq!(daemon.sample(&[CLOSED, "window=\"w\"", "verdict=\"ok\""]), Some(2.0));
    assert_eq!(daemon.sample(&[CLOSED, "window=\"batch\"", "verdict=\"ok\""]), Some(4.0));
    assert_eq!(daemon.sample(&["driftd_open_window_rows", "window=\"w\""]), Some(1_006.0));
    assert_eq!(daemon.sample(&["driftd_window_rows", "window=\"w\""]), Some(1_500.0));
    daemon.stop();
}

#[test]
fn health_is_of_the_process_and_readiness_of_its_work() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), "");
    assert_eq!(daemon.get("/-/healthy").0, 200);
    assert_eq!(daemon.get("/-/ready").0, 200);
    assert_eq!(daemon.get("/nothing").0, 404);
    let (status, report) = daemon.get("/api/v1/report");
    assert_eq!(status, 200);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["schema"], 2);
    let (_, state) = daemon.get("/api/v1/state");
    assert!(state.contains("\"model\":\"m\""));
    daemon.stop();
}

/// A path that is removed and comes back with other content has a record of its own.
#[test]
fn a_path_that_comes_back_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), "reconcile_interval = \"100ms\"");
    place(folder.path(), "a.parquet", 1_000, 0.0);
    daemon.wait_for_sample(&["driftd_source_files_total", COUNTED], 1.0);
    std::fs::remove_file(folder.path().join("logs/a.parquet")).unwrap();
    let looks = daemon.sample(&["driftd_source_last_success_timestamp_seconds"]);
    daemon.wait_for("another look", |d| {
        d.sample(&["driftd_source_last_success_timestamp_seconds"]) > looks
    });
    std::fs::write(folder.path().join("logs/a.parquet"), "not a Parquet file").unwrap();
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 1.0);
    daemon.stop();
    let mut daemon = Daemon::start(&folder.path().join("driftd.toml"));
    daemon.wait_for_sample(&["driftd_source_files", QUARANTINED], 1.0);
    assert!(daemon.log().iter().any(|line| line.contains("still quarantined")));
    assert_eq!(daemon.sample(&["driftd_source_files_total", NEWLY_QUARANTINED]), Some(1.0));
    daemon.stop();
}

/// Counting duplicates is about copies, not about a file whose times change.
#[test]
fn a_touched_file_is_no_second_file() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reconcile_interval = \"100ms\"\nduplicates = \"count\"";
    let mut daemon = start(folder.path(), more);
    place(folder.path(), "a.parquet", 1_000, 0.0);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 1_000.0);
    let file = std::fs::File::open(folder.path().join("logs/a.parquet")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    std::fs::copy(folder.path().join("logs/a.parquet"), folder.path().join("logs/b.parquet"))
        .unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_total"], 2_000.0);
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(2_000.0));
    daemon.stop();
}

#[test]
fn a_half_sent_request_does_not_hold_up_the_end() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path(), "");
    let mut stream = std::net::TcpStream::connect(&daemon.address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let started = std::time::Instant::now();
    daemon.stop();
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_missing_source_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 1_000, 0.0);
    let config = config(folder.path(), "");
    std::fs::remove_dir(folder.path().join("logs")).unwrap();
    let (status, _, err) = crate::support::run(&["run", "--config", config.to_str().unwrap()]);
    assert!(status == 2 && err.contains("source \"logs\": cannot list"), "{err}");
}

/// A file that is overwritten in place, at equal length, while it is read: one version or the
/// other counts, and never something of both.
#[test]
fn a_torn_file_is_never_counted() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reconcile_interval = \"50ms\"\nrewritten = \"count\"\nduplicates = \"count\"";
    let mut daemon = start(folder.path(), more);
    let version = |value: f64| {
        let path = folder.path().join("version.parquet");
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        write_with(&path, vec![("x", floats((0..200_000).map(|_| value)))], properties);
        std::fs::read(&path).unwrap()
    };
    let versions = [version(0.25), version(0.75)];
    assert_eq!(versions[0].len(), versions[1].len());
    let path = folder.path().join("logs/torn.parquet");
    std::fs::write(&path, &versions[0]).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let counted = |daemon: &Daemon| daemon.sample(&["driftd_source_rows_total"]).unwrap_or(0.0);
    for round in 1..40usize {
        let (bytes, before) = (&versions[round % 2], counted(&daemon));
        for (part, bytes) in bytes.chunks(bytes.len() / 4 + 1).enumerate() {
            let offset = part * (versions[0].len() / 4 + 1);
            file.write_all_at(bytes, offset as u64).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(20));
        // Now and then until it is taken for complete.
        if round % 3 == 0 {
            daemon.wait_for("a version is counted", |daemon| counted(daemon) > before);
        }
    }
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    let (_, body) = daemon.get("/api/v1/models/m/features/x?limit=1000");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let windows = body["windows"].as_array().unwrap();
    assert!(windows.len() >= 3, "{} versions were counted", windows.len());
    for window in windows {
        let mean = window["feature"]["mean"].as_f64().unwrap();
        assert!([0.25, 0.75].contains(&mean), "{mean}");
        assert_eq!(window["feature"]["rows"], 200_000);
    }
    daemon.stop();
}

/// The same bytes in two partitions are two files, and rewriting one leaves the other.
#[test]
fn equal_files_of_two_partitions_are_rewritten_apart() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 50000";
    let mut daemon = start(folder.path(), rows);
    let logs = folder.path().join("logs");
    for partition in ["region=north", "region=south"] {
        write_file(&logs.join(partition).join("a.parquet"), 1_000, 0.0);
    }
    daemon.wait_for_sample(&["driftd_open_window_rows"], 2_000.0);
    write_file(&logs.join("region=north/a.parquet"), 700, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 1_700.0);
    let rewritten = ["driftd_source_files_total", "result=\"rewritten\""];
    assert_eq!(daemon.sample(&rewritten), Some(1.0));
    daemon.stop();
}
