//! States of past schemas, made by the driftd of their time (`fixtures/state/make.py`).

use crate::support::daemon::{Daemon, config};
use crate::support::repository;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use serde_json::Value;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

const ROWS: &str = "reconcile_interval = \"200ms\"\n\
    [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 1000\n";
const TIME: &str = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    lateness = \"0s\"\nidle_timeout = \"3650d\"\n\
    [[model.window]]\nname = \"sliding\"\ntype = \"time\"\nsize = \"3h\"\nslide = \"1h\"\n\
    lateness = \"0s\"\nidle_timeout = \"3650d\"\n\
    [[model.baseline]]\nname = \"before\"\ntype = \"previous\"\n\
    [model.columns]\ntime = \"ts\"\n";

fn unpacked(name: &str) -> Vec<u8> {
    let packed = std::fs::read(repository("fixtures/state").join(name)).unwrap();
    zstd::stream::decode_all(packed.as_slice()).unwrap()
}

/// The state as if it had been made here, with the files that it has counted.
fn restore(folder: &Path, schema: u32) -> std::path::PathBuf {
    let windows = if schema >= 3 { format!("{ROWS}{TIME}") } else { ROWS.to_owned() };
    let path = config(folder, &windows);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("name = \"m\"", "name = \"churn\"\nversion = \"7\"");
    std::fs::write(&path, text).unwrap();
    let fixtures = repository("fixtures/state");
    std::fs::copy(fixtures.join("reference.parquet"), folder.join("reference.parquet")).unwrap();
    for file in std::fs::read_dir(fixtures.join("logs")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join("logs").join(file.file_name())).unwrap();
    }
    std::fs::write(folder.join("driftd.db"), unpacked(&format!("schema{schema}.db.zst"))).unwrap();
    let state = rusqlite::Connection::open(folder.join("driftd.db")).unwrap();
    let here = folder.canonicalize().unwrap();
    let sql = "UPDATE path SET path = CAST(replace(CAST(path AS TEXT), '/srv/churn', ?1) AS BLOB)";
    state.create_scalar_function("row_sum", -1, FunctionFlags::default(), row_sum).unwrap();
    state.execute(sql, [here.to_str().unwrap()]).unwrap();
    if schema == 1 {
        // It hashed otherwise, so that its files are known by path and stat.
        for file in std::fs::read_dir(folder.join("logs")).unwrap() {
            adopt_stat(&state, &here.join("logs").join(file.unwrap().file_name()));
        }
    }
    if schema >= 3 {
        let sql = "UPDATE reference SET files = replace(files, '/srv/churn', ?1)";
        state.execute(sql, [here.to_str().unwrap()]).unwrap();
    }
    if schema >= 5 {
        let sums = "UPDATE path SET sum = row_sum('path', source, path, dev, ino, size, mtime_ns,
                        ctime_ns, quarantined, content);
                    UPDATE reference SET sum = row_sum('reference', model, settings, files);";
        state.execute_batch(sums).unwrap();
    }
    path
}

/// What states have had beside every row since schema 5: the first 32 bits of the XXH3 of, for each
/// value, its type, its length and its bytes.
fn row_sum(values: &Context<'_>) -> rusqlite::Result<i64> {
    let mut all = Vec::new();
    for at in 0..values.len() {
        let (kind, bytes) = match values.get_raw(at) {
            ValueRef::Null => (0, vec![]),
            ValueRef::Integer(value) => (1, value.to_le_bytes().to_vec()),
            ValueRef::Real(value) => (2, value.to_le_bytes().to_vec()),
            ValueRef::Text(text) => (3, text.to_vec()),
            ValueRef::Blob(bytes) => (4, bytes.to_vec()),
        };
        all.push(kind);
        all.extend((bytes.len() as u64).to_le_bytes());
        all.extend(bytes);
    }
    Ok(i64::from(xxh3_64(&all) as u32))
}

/// The state knows the file as it is.
fn adopt_stat(state: &rusqlite::Connection, path: &Path) {
    let metadata = path.metadata().unwrap();
    let nanoseconds = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    let sql = "UPDATE path SET dev = ?2, ino = ?3, mtime_ns = ?4, ctime_ns = ?5 WHERE path = ?1";
    let values = rusqlite::params![
        path.as_os_str().as_bytes(),
        metadata.dev() as i64,
        metadata.ino() as i64,
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    ];
    assert_eq!(state.execute(sql, values).unwrap(), 1);
}

fn json(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = daemon.get(path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn totals(daemon: &Daemon) -> Value {
    json(daemon, "/api/v1/state")["models"][0]["totals"].take()
}

fn answers(daemon: &Daemon) -> Vec<(&'static str, Value)> {
    let model = "/api/v1/models/churn";
    let windows =
        |path: &str| json(daemon, &format!("{model}/{path}?limit=1000"))["windows"].take();
    vec![
        ("windows", windows("windows")),
        ("x", windows("features/x")),
        ("name", windows("features/name")),
    ]
}

/// When a window closed by the clock is another time in every run.
fn without_closed(mut windows: Value) -> Value {
    for window in windows.as_array_mut().unwrap() {
        window["window"]["closed"] = Value::Null;
    }
    windows
}

/// Nothing lost, nothing counted twice: what was open, late, rewritten and closed goes on as it
/// would have under the driftd that wrote it.
#[test]
fn a_state_of_schema_3_is_taken_over_whole() {
    taken_over_whole(3);
}

#[test]
fn a_state_of_schema_4_is_taken_over_whole() {
    taken_over_whole(4);
}

#[test]
fn a_state_of_schema_6_is_taken_over_whole() {
    taken_over_whole(6);
}

#[test]
fn a_state_of_schema_7_is_taken_over_whole() {
    taken_over_whole(7);
}

#[test]
fn a_state_of_schema_8_is_taken_over_whole() {
    taken_over_whole(8);
}

#[test]
fn a_state_of_schema_10_is_taken_over_whole() {
    taken_over_whole(10);
}

#[test]
fn a_state_of_schema_9_is_taken_over_whole() {
    taken_over_whole(9);
}

fn taken_over_whole(schema: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = restore(folder.path(), schema);
    let expected = unpacked(&format!("schema{schema}.expected.json.zst"));
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    assert_eq!(totals(&daemon), expected["before"]["totals"]);
    for (name, answer) in answers(&daemon) {
        assert_eq!(answer, expected["before"][name], "{name}");
    }
    // A counter of before goes on.
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(2_400.0));
    let later = repository("fixtures/state/later");
    for file in ["0-e.parquet", "1-b.parquet", "2-f.parquet"] {
        let before = daemon.sample(&["driftd_source_rows_total"]);
        let place = folder.path().join("logs").join(&file[2..]);
        std::fs::copy(later.join(file), place.with_extension("tmp")).unwrap();
        std::fs::rename(place.with_extension("tmp"), place).unwrap();
        daemon.wait_for(file, |d| d.sample(&["driftd_source_rows_total"]) > before);
        // What is due closes when all files have been looked at.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
    }
    let got = totals(&daemon);
    for scope in ["sources", "windows"] {
        for (of, names) in expected["after"]["totals"][scope].as_object().unwrap() {
            let verdicts = |names: &Value| -> u64 {
                VERDICTS.iter().filter_map(|name| names[name].as_u64()).sum()
            };
            assert_eq!(verdicts(&got[scope][of]), verdicts(names), "{scope} {of}");
            let counted = names.as_object().unwrap().iter();
            for (name, value) in counted.filter(|(name, _)| !VERDICTS.contains(&name.as_str())) {
                assert_eq!(got[scope][of][name], *value, "{scope} {of} {name}");
            }
        }
    }
    for (name, answer) in answers(&daemon) {
        let expected = counted(without_closed(expected["after"][name].clone()));
        assert_close(&counted(without_closed(answer)), &expected, name);
    }
    daemon.stop();
}

const VERDICTS: [&str; 3] = ["ok", "drifted", "unjudged"];

/// What was counted, without what versions make of it.
fn counted(mut answer: Value) -> Value {
    match &mut answer {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = counted(item.take())),
        Value::Object(members) => {
            let judged = |name: &str| {
                [
                    "verdict",
                    "status",
                    "drifted",
                    "called",
                    "why",
                    "reference",
                    "variation",
                    "measures",
                    "baselines",
                ]
                .contains(&name)
                    || name.starts_with("features_")
            };
            members.retain(|name, _| !judged(name));
            members.values_mut().for_each(|value| *value = counted(value.take()));
        }
        _ => {}
    }
    answer
}

/// The same, but for the last digits of a number: sums used to be rounded.
fn assert_close(got: &Value, expected: &Value, place: &str) {
    match (got, expected) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            // Percentiles used to be cut linearly inside of wide cells.
            let within = if place.contains("percentiles") { 0.05 } else { 1e-12 };
            assert!((a - b).abs() <= within * a.abs().max(b.abs()).max(0.1), "{place}: {a}, {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            a.iter().zip(b).for_each(|(a, b)| assert_close(a, b, place));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{place}");
            a.iter().for_each(|(key, a)| assert_close(a, &b[key], &format!("{place} {key}")));
        }
        _ => assert_eq!(got, expected, "{place}"),
    }
}

/// Of the two schemas before, the ledger is kept, and the log says what is not.
#[test]
fn of_older_states_the_ledger_is_kept() {
    for schema in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = restore(folder.path(), schema);
        let mut daemon = Daemon::start(&path);
        let told = daemon.log().iter().find(|line| line.contains("a state of an old format"));
        let told = told.expect("it says what is dropped").clone();
        for part in [
            format!("\"version\":{schema}"),
            "\"files\":5".into(),
            "\"open_rows\":400".into(),
            "\"windows\":2".into(),
        ] {
            assert!(told.contains(&part), "{told} has no {part}");
        }
        daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
        let counted = ["driftd_source_files_total", "result=\"counted\""];
        assert_eq!(daemon.sample(&counted), Some(5.0), "schema {schema}: nothing is counted again");
        assert_eq!(daemon.sample(&["driftd_open_window_rows"]), Some(0.0));
        std::fs::copy(
            repository("fixtures/state/later/0-e.parquet"),
            folder.path().join("logs/e.parquet"),
        )
        .unwrap();
        daemon.wait_for_sample(&["driftd_open_window_rows"], 700.0);
        daemon.stop();
    }
}
