//! What newcomers are told where they stumble.

use crate::metrics::demo;
use crate::support::daemon::config;
use crate::support::table::{floats, write};
use crate::support::{repository, run};
use std::fs;

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

/// An address of a bucket is no path that happens to be missing.
#[test]
fn an_address_is_named_as_one() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("x", floats([1.0, 2.0]))]);
    let path = config(folder.path(), "");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, key) in [
        ("path = \"logs\"", "path = \"s3://bucket/logs\"", "model.source.path"),
        ("\"reference.parquet\"", "\"gs://b/train.parquet\"", "model.reference.path"),
    ] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let (status, _, err) = run(&["config", "check", path.to_str().unwrap()]);
        assert!(status == 2 && err.contains(key), "{err}");
        assert!(err.contains("is an address, and driftd reads files of this machine"), "{err}");
    }
    let reference = repository("fixtures/employment/reference.parquet");
    let given = ["check", "--reference", reference.to_str().unwrap(), "https://host/a.parquet"];
    let (status, _, err) = run(&given);
    assert!(status == 2 && err.contains("is an address"), "{err}");
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
