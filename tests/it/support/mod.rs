//! What several tests need: tables in memory, Parquet files, a running daemon.

pub mod daemon;
pub mod prometheus;
pub mod samples;
pub mod streamed;
pub mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The command that was built with these tests.
pub fn driftd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftd"));
    command.env_remove("RUST_LOG").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs it to its end: exit status, standard output, standard error.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = driftd().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The JSON report of a check, and its exit status.
pub fn check_json(reference: &Path, current: &Path) -> (i32, serde_json::Value) {
    let (reference, current) = (reference.to_str().unwrap(), current.to_str().unwrap());
    // What is known of the order of rows is no count.
    let counts = ["--variation", "none", "--format", "json"];
    let (status, out, err) =
        run(&[&["check", "--reference", reference, current][..], &counts].concat());
    assert!(status < 2, "{err}");
    (status, serde_json::from_str(&out).unwrap())
}

/// The features of the first report, by name.
pub fn features(report: &serde_json::Value) -> Vec<(String, serde_json::Value)> {
    let features = report["reports"][0]["features"].as_array().unwrap();
    features.iter().map(|f| (f["name"].as_str().unwrap().to_owned(), f.clone())).collect()
}
