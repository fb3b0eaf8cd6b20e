use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, write};
use std::path::Path;
use std::time::Duration;

const COUNTED: [&str; 2] = ["driftd_source_files_total", "result=\"counted\""];
const FILES: usize = 200;

fn write_file(path: &Path, rows: usize) {
    let values = (0..rows).map(|i| ((i * 7919) % rows) as f64 / rows as f64);
    write(path, vec![("x", floats(values))]);
}

/// Rows over all runs of the daemon, from the state.
fn total_rows(daemon: &Daemon) -> u64 {
    let (_, state) = daemon.get("/api/v1/state");
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    state["models"][0]["totals"]["sources"]["logs"]["rows"].as_u64().unwrap_or(0)
}

/// SIGKILL in the middle of 200 files, over and over: every row once, and the last window is on
/// the page before the first new file.
#[test]
fn killed_in_the_middle_every_row_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000);
    let more = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 1777\n\
                [[model.window]]\nname = \"batch\"\ntype = \"batch\"";
    let config = config(folder.path(), more);
    for i in 0..FILES {
        write_file(&folder.path().join(format!("logs/{i:03}.parquet")), 1_000 + i);
    }
    let rows: usize = (0..FILES).map(|i| 1_000 + i).sum();
    for kill_after in [350, 500, 650] {
        let daemon = Daemon::spawn(&config);
        std::thread::sleep(Duration::from_millis(kill_after));
        daemon.kill();
    }
    let mut daemon = Daemon::spawn(&config);
    daemon.wait_for("all files", |d| total_rows(d) == rows as u64);
    // The page follows its commit.
    let open = ["driftd_open_window_rows", "window=\"rows\""];
    daemon.wait_for_sample(&open, (rows % 1_777) as f64);
    daemon.stop();

    let state = rusqlite::Connection::open(folder.path().join("driftd.db")).unwrap();
    let number = |sql: &str| state.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    assert_eq!(number("SELECT count(*) FROM file"), FILES);
    assert_eq!(number("SELECT sum(rows) FROM file"), rows);
    let windows = "SELECT sum(value) FROM total WHERE scope = 'windows' AND of = 'rows'
                   AND name IN ('ok', 'drifted', 'unjudged')";
    assert_eq!(number(windows), rows / 1_777);

    // Nothing is left to do for another process.
    let mut daemon = Daemon::spawn(&config);
    // The last windows are on the page before anything was listed.
    assert!(daemon.sample(&["driftd_window_rows", "window=\"batch\""]).unwrap() >= 1_000.0);
    assert!(daemon.sample(&["driftd_drift_score", "\"ks\"", "window=\"batch\""]).is_some());
    daemon.wait_for("ready", |d| d.get("/-/ready").0 == 200);
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    // Counters go on.
    assert_eq!(daemon.sample(&COUNTED), Some(FILES as f64));
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(rows as f64));
    let closed = |verdict| {
        daemon.sample(&["driftd_windows_closed_total", "window=\"rows\"", verdict]).unwrap()
    };
    let closed = closed("\"ok\"") + closed("\"drifted\"") + closed("\"unjudged\"");
    assert_eq!(closed, (rows / 1_777) as f64);
    daemon.stop();
}

#[test]
fn two_daemons_cannot_share_a_state() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 1_000);
    let config = config(folder.path(), "");
    let daemon = Daemon::start(&config);
    let (status, _, err) = crate::support::run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(status, 2);
    assert!(err.contains("in use by another driftd"), "{err}");
    daemon.stop();
}

#[test]
fn a_damaged_or_newer_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 1_000);
    let config = config(folder.path(), "");
    Daemon::start(&config).stop();
    let path = folder.path().join("driftd.db");
    let refused = |what: &str| {
        let (status, _, err) = crate::support::run(&["run", "--config", config.to_str().unwrap()]);
        assert!(status == 2 && err.contains(what), "{err}");
        assert!(err.contains("driftd.db"), "{err}");
    };
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused("schema version 99");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..100].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    refused("state");
}

/// A start that fails leaves the state as it was: neither do open rows go, nor do their panes get
/// a wrong name.
#[test]
fn a_failed_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000);
    let rows = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 5000";
    let config = config(folder.path(), rows);
    write_file(&folder.path().join("logs/a.parquet"), 3_000);
    let mut daemon = Daemon::start(&config);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_000.0);
    daemon.stop();

    let good = std::fs::read_to_string(&config).unwrap();
    let batch = "[[model.window]]\nname = \"batch\"\ntype = \"batch\"";
    let wrong = format!("{good}{batch}\n[model.columns]\nlabel = \"nothing\"\n");
    std::fs::write(&config, wrong).unwrap();
    let (status, _, err) = crate::support::run(&["run", "--config", config.to_str().unwrap()]);
    assert!(status == 2 && err.contains("no column \"nothing\""), "{err}");

    std::fs::write(&config, &good).unwrap();
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.sample(&["driftd_open_window_rows"]), Some(3_000.0));
    daemon.stop();

    // A window more leaves the others as they are.
    std::fs::write(&config, format!("{good}{batch}\n")).unwrap();
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.sample(&["driftd_open_window_rows", "window=\"rows\""]), Some(3_000.0));
    daemon.stop();
}

/// A reference is profiled once; only another content or another configuration of its columns is
/// a reason to read it again.
#[test]
fn a_known_reference_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let reference = folder.path().join("reference.parquet");
    write_file(&reference, 5_000);
    let config = config(folder.path(), "");
    write_file(&folder.path().join("logs/a.parquet"), 3_000);
    let start = |from: &str| {
        let mut daemon = Daemon::start(&config);
        let loaded = daemon.log().iter().find(|line| line.contains("reference loaded")).cloned();
        let loaded = loaded.expect("one is loaded");
        assert!(loaded.contains(&format!("\"from\":\"{from}\"")), "{loaded}");
        daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
        let (_, report) = daemon.get("/api/v1/report");
        daemon.stop();
        report
    };
    let report = start("files");
    assert_eq!(start("state"), report);
    // Moved to another place: the stat is another, the content is not.
    let copy = folder.path().join("copy.parquet");
    std::fs::copy(&reference, &copy).unwrap();
    std::fs::rename(&copy, &reference).unwrap();
    assert_eq!(start("state"), report);
    assert_eq!(start("state"), report);

    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}[model.feature.x]\ndistinct = true\n")).unwrap();
    start("files");
    write_file(&reference, 5_001);
    start("files");
    start("state");
}

/// A disk that is full: the daemon says so, goes on answering, and loses nothing.
#[test]
fn a_state_that_cannot_be_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), 5_000);
    let config = config(folder.path(), "");
    Daemon::start(&config).stop();
    let mut daemon = Daemon::limited(&config, 70);
    for i in 0..5 {
        write_file(&folder.path().join(format!("logs/{i}.parquet")), 1_500 + i);
    }
    daemon.wait_for("a failure", |d| {
        d.sample(&["driftd_state_write_errors_total"]).unwrap_or(0.0) >= 2.0
    });
    assert_eq!(daemon.sample(&COUNTED), Some(0.0), "nothing is told that is not in the state");
    daemon.kill();
    let mut daemon = Daemon::start(&config);
    daemon.wait_for("all files", |d| total_rows(d) == 7_510);
    daemon.stop();
}

/// A stopped daemon leaves one file, a running one can be copied, and both can be looked at.
#[test]
fn a_state_is_whole_in_one_file_and_can_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let columns = |rows: usize| vec![("x", floats((0..rows).map(|row| (row % 97) as f64 / 7.0)))];
    write(&folder.path().join("reference.parquet"), columns(2_000));
    let rows = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 700\n";
    let path = config(folder.path(), rows);
    write(&folder.path().join("logs/a.parquet"), columns(1_000));
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 1_000.0);
    let state = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let backup = |to: &str| run(&["state", "backup", &state("driftd.db"), &state(to)]);
    assert_eq!(backup("copy.db").0, 0);
    assert!(backup("copy.db").2.contains("overwrites nothing"));
    // Whatever is being written meanwhile.
    for _ in 0..5 {
        let (status, out, err) = run(&["state", "check", &state("driftd.db")]);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
    }
    daemon.stop();
    assert!(!folder.path().join("driftd.db-wal").metadata().is_ok_and(|wal| wal.len() > 0));
    std::fs::copy(state("driftd.db"), state("moved.db")).unwrap();
    for name in ["copy.db", "moved.db"] {
        let (status, out, err) = run(&["state", "check", &state(name)]);
        assert_eq!((status, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("1 models, 1 counts of open panes, 1 closed windows"), "{out}");
    }
    // One digit, a row that is gone, a trigger that is, and an entry of an index: SQLite itself
    // finds all of them right.
    let no_triggers = "DROP TRIGGER total_removed; DROP TRIGGER total_changed;";
    for (fault, sql) in [
        ("table total: 1 of 4 rows", "UPDATE total SET value = value + 1 WHERE name = 'rows'"),
        ("table pane_delta: 1 of 1 rows", "UPDATE pane_delta SET body = substr(body, 1, 40)"),
        ("definitions", no_triggers),
        ("table file has 1 rows, and 2 were", "UPDATE table_sum SET rows = 2 WHERE name = 'file'"),
        ("table file has other rows", "UPDATE table_sum SET sum = 2 WHERE name = 'file'"),
    ] {
        std::fs::copy(state("copy.db"), state("driftd.db")).unwrap();
        let damaged = rusqlite::Connection::open(state("driftd.db")).unwrap();
        damaged.execute_batch(sql).unwrap();
        drop(damaged);
        let (status, out, _) = run(&["state", "check", &state("driftd.db")]);
        assert!(status == 2 && out.contains(fault), "{fault}: {out}");
        let (status, _, err) = run(&["run", "--config", path.to_str().unwrap()]);
        let names = [fault, &state("driftd.db"), "restore a copy"];
        assert!(status == 2 && names.iter().all(|name| err.contains(name)), "{fault}: {err}");
    }
}

#[test]
fn a_state_that_is_emptied_or_goes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let columns = || vec![("x", floats((0..2_000).map(f64::from)))];
    write(&folder.path().join("reference.parquet"), columns());
    let path = config(folder.path(), "");
    std::fs::write(folder.path().join("driftd.db"), b"").unwrap();
    let (status, _, err) = run(&["run", "--config", path.to_str().unwrap()]);
    assert!(status == 2 && err.contains("driftd.db") && err.contains("start anew"), "{err}");
    std::fs::remove_file(folder.path().join("driftd.db")).unwrap();
    // A name that leads elsewhere still does when the state was made.
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let link = folder.path().join("driftd.db");
    std::os::unix::fs::symlink("elsewhere/state.db", &link).unwrap();
    Daemon::start(&path).stop();
    assert!(link.symlink_metadata().unwrap().is_symlink() && link.exists());
    std::fs::remove_file(&link).unwrap();
    let mut daemon = Daemon::start(&path);
    for file in ["driftd.db", "driftd.db-wal", "driftd.db-shm"] {
        std::fs::rename(folder.path().join(file), folder.path().join(format!("{file}.away")))
            .unwrap();
    }
    write(&folder.path().join("logs/a.parquet"), columns());
    daemon.wait_for("an error", |daemon| {
        daemon.sample(&["driftd_state_write_errors_total"]) > Some(0.0)
    });
    let told = |line: &String| line.contains("was removed or replaced");
    daemon.wait_for("a line", |daemon| daemon.log().iter().any(told));
    for file in ["driftd.db", "driftd.db-wal", "driftd.db-shm"] {
        std::fs::rename(folder.path().join(format!("{file}.away")), folder.path().join(file))
            .unwrap();
    }
    daemon.wait_for_sample(&["driftd_source_rows_total"], 2_000.0);
    daemon.stop();
}
