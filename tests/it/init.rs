//! `driftd init`: what it guesses, and that it runs.

use crate::support::daemon::Daemon;
use crate::support::run;
use crate::support::table::{floats, strings, times, write};
use arrow_array::{ArrayRef, Int64Array};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const ROWS: i64 = 3_000;

fn integers(value: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new((0..ROWS).map(value).collect::<Int64Array>())
}

/// A table with a column for each role, and names that a configuration has to quote.
fn table(is_training: bool) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = vec![
        ("__index_level_0__", integers(|i| i)),
        ("customer_id", strings((0..ROWS).map(|i| format!("c{i}")))),
        ("ts", times((0..ROWS).map(|i| 1_767_225_600_000_000 + i * 60_000_000))),
        ("updated", times((0..ROWS).map(|i| 1_767_225_600_000_000 + i * 60_000_000))),
        ("plan", integers(|i| i % 5)),
        ("odd \"name\" # here", floats((0..ROWS).map(|i| (i * 7_919 % ROWS) as f64 / 7.0))),
        ("line\nbreak", integers(|i| i % 3)),
        ("y_pred", floats((0..ROWS).map(|i| (i % 997) as f64 / 997.0))),
    ];
    if is_training {
        columns.push(("left", integers(|i| i % 2)));
    }
    columns
}

fn init(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (train, logs) = (at("train.parquet"), at("logs"));
    run(&[&["init", &train, &logs][..], more].concat())
}

#[test]
fn a_configuration_is_guessed_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    write(&folder.path().join("train.parquet"), table(true));
    write(&folder.path().join("logs/1.parquet"), table(false));
    let file = folder.path().join("driftd.toml");
    let output = ["--output", file.to_str().unwrap()];
    let (status, _, err) = init(folder.path(), &output);
    assert!(status == 0 && err.contains("driftd config check"), "{err}");
    let text = fs::read_to_string(&file).unwrap();
    for line in [
        "time = \"ts\" # a column of times",
        "id = \"customer_id\" # its values hardly repeat",
        "label = \"left\" # in the training file only",
        "    \"__index_level_0__\", # the index of a data frame",
        "    \"updated\", # a column of times; another column is the time",
        "# [model.feature.\"plan\"] # 5 values",
        "# [model.feature.\"line\\u000Abreak\"] # 3 values",
        "prediction = [\"y_pred\"] # by its name; watched as any feature",
        "type = \"time\" # by the time of the rows",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\nis not in\n{text}");
    }
    // Also with what it only suggests.
    let suggested =
        text.replace("\n# [model.feature", "\n[model.feature").replace("\n# kind", "\nkind");
    for text in [&text, &suggested] {
        fs::write(&file, text.replace("127.0.0.1:9797", "127.0.0.1:0")).unwrap();
        let (status, out, err) = run(&["config", "check", file.to_str().unwrap()]);
        assert!(status == 0 && out.contains("4 features"), "{out}{err}");
    }
    let mut daemon = Daemon::start(&file);
    daemon.wait_for_sample(&["driftd_source_rows_total"], ROWS as f64);
    daemon.stop();
    let (status, _, err) = init(folder.path(), &output);
    assert!(status == 2 && err.contains("is there already; replace it with --yes"), "{err}");
    assert_eq!(init(folder.path(), &[&output[..], &["--yes"]].concat()).0, 0);
}

/// Without logs, or before the first file, names alone tell; what cannot be is said.
#[test]
fn without_logs_names_tell() {
    let folder = tempfile::tempdir().unwrap();
    let (train, logs) = (folder.path().join("train.parquet"), folder.path().join("logs"));
    let columns = || {
        vec![("x", floats((0..ROWS).map(|i| (i % 991) as f64))), ("target", integers(|i| i % 2))]
    };
    write(&train, columns());
    let train_text = train.to_str().unwrap();
    let (status, out, err) = run(&["init", train_text]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("label = \"target\" # by its name; there are no logs yet"), "{out}");
    assert!(out.contains("path = \"logs\" # put the directory of your logs here"), "{out}");
    let (status, _, err) = run(&["init", train_text, logs.to_str().unwrap()]);
    assert!(status == 2 && err.contains("no directory"), "{err}");
    fs::create_dir(&logs).unwrap();
    let (status, out, _) = run(&["init", train_text, logs.to_str().unwrap()]);
    assert!(status == 0 && out.contains("no Parquet file in it yet"), "{out}");
    write(&train, vec![("ts", times((0..9).map(|i| i * 1_000_000)))]);
    let (status, _, err) = run(&["init", train_text]);
    assert!(status == 2 && err.contains("no column looks like a feature: \"ts\""), "{err}");
}
