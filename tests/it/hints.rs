//! What newcomers are told where they stumble.

use crate::metrics::demo;
use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, strings, write};
use arrow_array::{ArrayRef, Int64Array};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;

/// A label is in the training file and in no log; the line that leaves it out is one to copy.
#[test]
fn a_column_that_no_file_has_may_be_a_label() {
    let folder = tempfile::tempdir().unwrap();
    let column = || floats((0..2_000).map(f64::from));
    let (train, log) = (folder.path().join("train.parquet"), folder.path().join("log.parquet"));
    write(&train, vec![("x", column()), ("churned", column()), ("b \"c\"", column())]);
    write(&log, vec![("x", column())]);
    let (train, log) = (train.to_str().unwrap(), log.to_str().unwrap());
    let (_, told, _) = run(&["check", "--reference", train, log]);
    let hint = "b \"c\", churned: in the reference and in no file; a label is left out with \
        --exclude \"b \\\"c\\\"\", or columns.exclude = [\"b \\\"c\\\"\"] in a configuration";
    assert!(told.contains(hint), "{told}");
    let excluded = ["--exclude", "churned", "--exclude", "b \"c\""];
    let (status, told, _) = run(&[&["check", "--reference", train, log][..], &excluded].concat());
    assert!(status == 0 && !told.contains("in no file"), "{told}");
}

/// Whoever compares files names them; what watches needs a source as before.
#[test]
fn comparing_needs_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reference.parquet");
    write(&file, vec![("x", floats((0..2_000).map(f64::from)))]);
    let path = config(folder.path(), "");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.split("[[model.source]]").next().unwrap()).unwrap();
    let (path, file) = (path.to_str().unwrap(), file.to_str().unwrap());
    let (status, out, err) = run(&["check", "--config", path, file]);
    assert!(status == 0 && out.contains("no drift"), "{err}");
    let (status, _, err) = run(&["config", "check", path]);
    assert!(status == 2 && err.contains("model.source: is missing"), "{err}");
}

/// What is asked for and not there is named, with what there is; what has no windows is empty.
#[test]
fn what_the_api_does_not_know_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    for (path, told) in [
        ("nobody/windows", "no model \"nobody\"; there are: employment, flights"),
        ("flights/windows?version=3", "no version \"3\"; there are: 2001-01"),
        ("flights/windows?window=month", "no window \"month\"; there are: day, week"),
        ("flights/features/AGEP", "no feature \"AGEP\" in the reference of model \"flights\""),
    ] {
        let (status, body) = daemon.get(&format!("/api/v1/models/{path}"));
        assert!(status == 404 && body.contains(told), "{path}: {status} {body}");
    }
    for path in ["flights/windows?from=2030-01-01", "flights/features/delay?window=week"] {
        assert_eq!(daemon.get(&format!("/api/v1/models/{path}")).0, 200, "{path}");
    }
    daemon.stop();
}

/// Columns that are new, or of another type, are named wherever files are compared.
#[test]
fn columns_that_have_changed_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "[model.columns]\nid = \"request\"\n");
    let numbers = || floats((0..2_000).map(f64::from));
    let texts = || strings((0..2_000).map(|at| format!("t{}", at % 7)));
    let (reference, log) =
        (folder.path().join("reference.parquet"), folder.path().join("logs/1.parquet"));
    write(&reference, vec![("x", numbers()), ("y", numbers()), ("request", texts())]);
    write(&log, vec![("x", texts()), ("y", numbers()), ("fresh", numbers()), ("request", texts())]);
    let told = "of another type: \"x\" (numbers to text); not in the reference: \"fresh\"";
    let (config, reference) = (path.to_str().unwrap(), reference.to_str().unwrap());
    let log = log.to_str().unwrap();
    let (_, out, _) = run(&["check", "--config", config, log]);
    assert!(out.ends_with(&format!("{told}\n")), "{out}");
    let (status, out, err) = run(&["config", "check", config]);
    assert!(status == 0 && out.contains(&format!("1.parquet: {told}\n")), "{out} {err}");
    let grid = folder.path().join("grid.profile");
    let grid = grid.to_str().unwrap();
    run(&["profile", reference, "--output", grid]);
    let (_, _, err) = run(&["profile", "--grid", grid, log, "--output", "/dev/null"]);
    assert!(err.contains("of another type: \"x\" (numbers to text)"), "{err}");
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_window_rows"], 2_000.0);
    // Not again for each file, and when they are as they were.
    write(&folder.path().join("logs/2.parquet"), vec![("x", texts()), ("fresh", numbers())]);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 4_000.0);
    write(&folder.path().join("logs/3.parquet"), vec![("x", numbers()), ("y", numbers())]);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 6_000.0);
    let log = daemon.log().to_vec();
    let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("columns have changed"), 1, "{log:#?}");
    assert_eq!(count("columns are those of the reference again"), 1, "{log:#?}");
    daemon.stop();
}

/// Integers that name something are asked for; those that measure are not.
#[test]
fn a_key_that_repeats_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    let integers = |of: fn(u64) -> u64| {
        Arc::new((0..20_000).map(|at| Some(of(at) as i64)).collect::<Int64Array>()) as ArrayRef
    };
    let table = vec![
        ("user_id", integers(|at| at * 7_919 % 300 * 1_000_003)),
        ("number", integers(|at| 40_000 + at * 7_919 % 5_000)),
        ("income", integers(|at| at * at % 7_001 * 137)),
        ("age", integers(|at| at * 7_919 % 80)),
    ];
    write(&folder.path().join("reference.parquet"), table.clone());
    write(&folder.path().join("logs/1.parquet"), table);
    let (status, out, err) = run(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(status, 0, "{err}");
    let asked = |name: &str| out.contains(&format!("leave it out: columns.exclude = [{name:?}]"));
    let names = ["user_id", "number", "income", "age"];
    assert_eq!(names.map(asked), [true, true, false, false], "{out}");
}

/// Whoever points at CSV is told so, before and after the start.
#[test]
fn a_directory_of_other_files_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    write(&folder.path().join("reference.parquet"), vec![("x", floats([1.0, 2.0, 3.0]))]);
    for name in ["a.csv", "b.jsonl.gz"] {
        fs::write(folder.path().join("logs").join(name), "x\n1\n").unwrap();
    }
    let hint = "2 files are left out for not ending in .parquet, .pq, .parq: a.csv, b.jsonl.gz; \
        format = \"ndjson\" reads such files";
    let (status, out, _) = run(&["config", "check", path.to_str().unwrap()]);
    assert!(status == 0 && out.contains(hint), "{out}");
    let logs = folder.path().join("logs");
    let (status, _, err) =
        run(&["check", "--config", path.to_str().unwrap(), logs.to_str().unwrap()]);
    assert!(status == 2 && err.contains("b.jsonl.gz: no row in it"), "{err}");
    let mut daemon = Daemon::start(&path);
    let hint = hint.replace('"', "\\\"");
    daemon.wait_for("the hint", |d| d.log().iter().any(|line| line.contains(&hint)));
    daemon.stop();
}

/// The models that there are, and where each stands.
#[test]
fn the_api_lists_models() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    let (status, body) = daemon.get("/api/v1/models");
    assert_eq!(status, 200);
    let list: Value = serde_json::from_str(&body).unwrap();
    let models = list["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|own| own["model"].as_str().unwrap()).collect();
    assert_eq!((&list["schema"], names), (&json!(2), vec!["employment", "flights"]));
    let own = &models[0];
    assert_eq!(own["reference"], json!({ "rows": 68_785, "features": 18, "accepted": null }));
    assert_eq!((&own["up"], &own["sources"]), (&json!(true), &json!(["logs"])));
    let latest = &own["windows"][0]["latest"];
    assert_eq!(latest["drifted"], json!(["AGEP", "SCHL", "DREM"]), "{latest}");
    // The same as the last of its past.
    let (_, past) = daemon.get("/api/v1/models/employment/windows?limit=1");
    let past: Value = serde_json::from_str(&past).unwrap();
    assert_eq!(past["windows"][0], *latest);
    daemon.stop();
}

/// A backlog leaves a sum in the log, and what has drifted a warning each.
#[test]
fn a_backlog_does_not_fill_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = demo(folder.path());
    daemon.wait_for("the sum", |daemon| {
        daemon.log().iter().any(|line| line.contains("besides these") && line.contains("flights"))
    });
    let log = daemon.log().to_vec();
    let of = |words: &[&str]| {
        log.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    let drifted = daemon
        .metrics()
        .lines()
        .filter(|line| line.contains("verdict=\"drifted\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum::<usize>();
    let closed = "\"message\":\"window closed\"";
    assert_eq!(of(&["\"level\":\"WARN\"", closed, "\"verdict\":\"drifted\""]), drifted);
    assert!(drifted > 5 && of(&[closed]) < drifted + 40);
    assert!(of(&["\"message\":\"counted\"", "\"model\":\"flights\""]) <= 20, "of 150 files");
    assert!(of(&["besides these"]) < 12);
    daemon.stop();
}

/// A state may be in a folder that is not there yet.
#[test]
fn the_folder_of_the_state_is_made() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("x", floats([1.0, 2.0, 3.0]))]);
    let path = config(folder.path(), "");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"driftd.db\"", "\"some/where/driftd.db\"")).unwrap();
    let daemon = Daemon::start(&path);
    assert!(folder.path().join("some/where/driftd.db").exists());
    daemon.stop();
    // Where it cannot be made, that is said.
    fs::write(folder.path().join("taken"), "").unwrap();
    fs::write(&path, text.replace("\"driftd.db\"", "\"taken/driftd.db\"")).unwrap();
    let (status, _, err) = run(&["run", "--config", path.to_str().unwrap()]);
    assert!(status == 2 && err.contains("cannot create the folder of"), "{status} {err}");
}
