//! Files that other tools write: the same rows come to the same figures whatever they are written
//! as, and what is none is told.

use crate::support::daemon::{Daemon, config};
use crate::support::streamed::{array, assert_same, bytes, csv, fixture, gzip};
use crate::support::table::{floats, strings, write};
use crate::support::{check_json, features, repository};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// The stream's rows in every form: a name, a format, bytes.
fn forms() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    vec![
        ("a.jsonl", "ndjson", bytes("rows.jsonl")),
        ("a.ndjson.gz", "ndjson", gzip(&bytes("rows.jsonl"))),
        ("a.jsonl.zst", "ndjson", zstd(&bytes("rows.jsonl"))),
        ("a.csv", "csv", csv()),
        ("a.csv.gz", "csv", gzip(&csv())),
        ("a.arrows", "arrow", bytes("plain.arrows")),
        ("b.arrow", "arrow", bytes("zstd.arrows")),
        ("c.arrow", "arrow", bytes("dictionary.arrows")),
        ("a.json", "json", array()),
    ]
}

fn check(current: &Path) -> Value {
    check_json(&fixture("reference.parquet"), current).1
}

#[test]
fn a_file_counts_the_same_whatever_it_is_written_as() {
    let folder = tempfile::tempdir().unwrap();
    let expected = check(&fixture("rows.parquet"));
    for (name, format, content) in forms() {
        // A document is told by its format alone.
        if format != "json" {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_same(name, &check(&path), &expected);
        }
    }
}

/// A daemon whose one source is a directory of these files.
fn start(folder: &Path, format: &str, more: &str) -> Daemon {
    let path = config(folder, more);
    let text = std::fs::read_to_string(&path).unwrap();
    let source = format!("path = \"logs\"\nformat = \"{format}\"\nquiet = \"300ms\"");
    std::fs::write(&path, text.replace("path = \"logs\"", &source)).unwrap();
    Daemon::start(&path)
}

#[test]
fn a_directory_is_read_in_its_format() {
    let expected = check(&fixture("rows.parquet"));
    for (name, format, content) in forms() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(fixture("reference.parquet"), folder.path().join("reference.parquet"))
            .unwrap();
        let mut daemon = start(folder.path(), format, "[model.drift]\nvariation = \"none\"");
        std::fs::write(folder.path().join("logs").join(name), &content).unwrap();
        // Another format lies beside.
        std::fs::write(folder.path().join("logs/notes.txt"), "x").unwrap();
        daemon.wait_for_sample(&["driftd_window_rows"], 600.0);
        let (_, live) = daemon.get("/api/v1/report");
        assert_same(name, &serde_json::from_str(&live).unwrap(), &expected);
        daemon.wait_for_sample(&["driftd_source_bytes_total"], content.len() as f64);
        // The same content under another name is known.
        std::fs::write(folder.path().join("logs").join(format!("x{name}")), &content).unwrap();
        daemon.wait_for_sample(&["driftd_source_files_total", "duplicate"], 1.0);
        daemon.wait_for_sample(&["driftd_source_rows_total"], 600.0);
        daemon.stop();
    }
}

/// What BentoML, SageMaker and KServe log has the same 40 rows.
#[test]
fn logs_of_servers_are_read() {
    let log = repository("fixtures/logs/bentoml/data/data.0.log");
    let rows = std::fs::read_to_string(log).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mean = |name: &str| {
        let values: Vec<f64> = rows.iter().filter_map(|row| row[name].as_f64()).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    // Of some requests the answer was not captured, and of one it is in another file.
    for (format, folder, scores) in [
        ("bentoml", "bentoml", 40),
        ("sagemaker", "sagemaker", 33),
        ("kserve", "kserve", 38),
        ("kserve", "kserve-csv", 40),
        ("kserve", "kserve-parquet", 40),
    ] {
        let logs = repository("fixtures/logs").join(folder);
        let folder = tempfile::tempdir().unwrap();
        let ages = floats((0..1_000).map(|n| 20.0 + f64::from(n % 400) / 10.0));
        let codes = strings((0..1_000).map(|n| ["1", "3", "5"][n % 3]));
        let answers = floats((0..1_000).map(|n| f64::from(n) / 1e3));
        let columns = vec![("AGEP", ages), ("MAR", codes), ("score", answers)];
        write(&folder.path().join("reference.parquet"), columns);
        let columns = "[model.columns]\ntime = \"timestamp\"\nprediction = \"score\"\n\
            [[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 40\n";
        let path = config(folder.path(), columns);
        let source = format!(
            "path = {:?}\nformat = \"{format}\"\nquiet = \"300ms\"\nnames = [\"AGEP\", \"MAR\"]\n\
             response_names = [\"score\"]\n",
            logs.to_str().unwrap()
        );
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("path = \"logs\"\n", &source)).unwrap();
        let mut daemon = Daemon::start(&path);
        daemon.wait_for_sample(&["driftd_window_rows"], 40.0);
        daemon.wait_for_sample(&["driftd_source_rows_total"], 40.0);
        daemon.wait_for_sample(&["driftd_feature_missing_ratio", "AGEP"], 0.1);
        let missing = f64::from(40 - scores) / 40.0;
        daemon.wait_for_sample(&["driftd_feature_missing_ratio", "score"], missing);
        // All rows have their time.
        daemon.wait_for_sample(&["driftd_source_untimed_rows_total"], 0.0);
        let (_, report) = daemon.get("/api/v1/report");
        let report: Value = serde_json::from_str(&report).unwrap();
        let own = features(&report);
        let found = own[0].1["mean"].as_f64().unwrap();
        assert!((found - mean("AGEP")).abs() < 1e-9, "{format}: {found}");
        assert_eq!(own[1].1["distinct"].as_f64(), Some(3.0), "{format}");
        if scores == 40 {
            let found = own[2].1["mean"].as_f64().unwrap();
            assert!((found - mean("score")).abs() < 1e-9, "{format}: {found}");
        }
        let roles: Vec<Option<&str>> = own.iter().map(|own| own.1["role"].as_str()).collect();
        assert_eq!(roles, [None, None, Some("prediction")]);
        daemon.stop();
    }
}

/// Lines that are none are counted by their reason and told of once; the others count. A file
/// without any row is set aside.
#[test]
fn what_is_no_row_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("x", floats((0..500).map(f64::from)))]);
    let mut daemon = start(folder.path(), "ndjson", "");
    let log = |name: &str| folder.path().join("logs").join(name);
    std::fs::write(log("a.jsonl"), "{\"x\":1}\nno\n[2]\n\n{\"x\":3}").unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "\"malformed\""], 1.0);
    daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "not_an_object"], 1.0);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 4.0);
    assert!(daemon.log().iter().any(|line| line.contains("such as this one")));
    std::fs::write(log("b.jsonl"), b"PAR1\x00\xff\x00 no lines PAR1").unwrap();
    daemon.wait_for_sample(&["driftd_source_files", "quarantined"], 1.0);
    assert!(daemon.log().iter().any(|line| line.contains("no row in it")));
    // Half of a packed file is no file.
    let packed = gzip(&bytes("rows.jsonl"));
    std::fs::write(log("c.jsonl.gz"), &packed[..packed.len() / 2]).unwrap();
    daemon.wait_for_sample(&["driftd_source_files", "quarantined"], 2.0);
    daemon.stop();
}

/// A file that is written to is waited for; one that grows after it was counted counts anew in
/// place of what it was.
#[test]
fn a_file_that_grows_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("x", floats((0..500).map(f64::from)))]);
    let window = "[[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 51\n";
    let mut daemon = start(folder.path(), "ndjson", window);
    let path = folder.path().join("logs/a.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    for n in 0..50 {
        writeln!(file, "{{\"x\":{n}}}").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_ne!(daemon.sample(&["driftd_source_files_total", "counted"]), Some(1.0), "{n}");
    }
    daemon.wait_for_sample(&["driftd_source_files_total", "counted"], 1.0);
    writeln!(file, "{{\"x\":50}}").unwrap();
    daemon.wait_for_sample(&["driftd_source_files_total", "rewritten"], 1.0);
    daemon.wait_for_sample(&["driftd_window_rows"], 51.0);
    daemon.wait_for_sample(&["driftd_feature_mean"], 25.0);
    daemon.stop();
}

/// Logs that call columns otherwise: Feast's views in Parquet, and objects in JSON.
#[test]
fn columns_have_the_names_of_the_training_data() {
    let numbers = || floats((0..500).map(f64::from));
    let rename = "[model.columns]\nrename = { \"view__*\" = \"*\", \"user.*\" = \"*\" }\n\
        [[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 500\n";
    for format in ["parquet", "ndjson"] {
        let folder = tempfile::tempdir().unwrap();
        let reference = vec![("x", numbers()), ("user.id.n", numbers())];
        write(&folder.path().join("reference.parquet"), reference);
        let mut daemon = start(folder.path(), format, rename);
        let logs = folder.path().join("logs");
        if format == "parquet" {
            let logged = vec![("view__x", numbers()), ("user.id.n", numbers())];
            write(&logs.join("a.parquet"), logged);
        } else {
            let line =
                |n: u32| format!("{{\"user\":{{\"x\":{n},\"id\":{{\"n\":{n}}},\"other\":[1]}}}}\n");
            std::fs::write(logs.join("a.jsonl"), (0..500).map(line).collect::<String>()).unwrap();
        }
        for feature in ["\"x\"", "\"user.id.n\""] {
            daemon.wait_for_sample(&["driftd_feature_mean", feature], 249.5);
            daemon.wait_for_sample(&["driftd_feature_missing_ratio", feature], 0.0);
        }
        daemon.stop();
    }
}
