//! Requests and responses that come by themselves, and are one row.

use crate::support::daemon::{Daemon, send_through_kills};
use crate::support::features;
use crate::support::table::{floats, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const PATH: &str = "/api/v1/models/m/events";

/// A model whose features are `x`, and `score`, which it answers.
fn prepare(folder: &Path, wait: &str, rows: u64) -> PathBuf {
    let values = || floats((0..1_000).map(|n| f64::from(n) / 1e3));
    write(&folder.join("reference.parquet"), vec![("x", values()), ("score", values())]);
    let path = folder.join("driftd.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[state]\npath = \"driftd.db\"\n\
         [[model]]\nname = \"m\"\n[model.reference]\npath = \"reference.parquet\"\n\
         [model.columns]\nprediction = [\"score\"]\n\
         [[model.source]]\nname = \"requests\"\ntype = \"http\"\ndurable = true\n\
         names = [\"x\"]\nresponse_names = [\"score\"]\nresponse_wait = \"{wait}\"\n\
         [[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = {rows}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// One side of an inference, as KServe's logger sends it.
fn event(id: u64, side: &str, values: &[f64]) -> Vec<u8> {
    let data = match side {
        "request" => json!({ "instances": values.iter().map(|x| [x]).collect::<Vec<_>>() }),
        _ => json!({ "predictions": values }),
    };
    let kind = format!("org.kubeflow.serving.inference.{side}");
    let source = "http://localhost:9081/";
    let id = id.to_string();
    json!({ "specversion": "1.0", "id": id, "source": source, "type": kind, "data": data })
        .to_string()
        .into_bytes()
}

fn post(daemon: &Daemon, body: &[u8]) -> Value {
    let (status, answer) = daemon.post(&daemon.address, PATH, "", body);
    assert_eq!(status, 202, "{answer}");
    answer
}

fn figures(daemon: &Daemon) -> Vec<(String, Value)> {
    let (_, report) = daemon.get("/api/v1/report");
    features(&serde_json::from_str(&report).unwrap())
}

/// Whichever side comes first, each row has what was answered for it. What is not answered in time
/// counts without, and an answer to nothing does not count.
#[test]
fn a_request_and_its_response_are_a_row() {
    const ROWS: u64 = 3_000 + 2 * 30 + 5;
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&prepare(folder.path(), "2s", ROWS));
    // More rows than are read as one.
    let many: Vec<f64> = (0..3_000).map(|n| f64::from(n) / 4e3).collect();
    let answered: Vec<f64> = many.iter().map(|x| x / 2.0).collect();
    assert_eq!(post(&daemon, &event(1_000, "request", &many))["accepted"], 3_000);
    let told = json!({ "accepted": 0, "rejected": [], "answers": 1 });
    assert_eq!(post(&daemon, &event(1_000, "response", &answered)), told);
    let mut scores = answered.iter().sum::<f64>();
    for n in 0..30_u64 {
        let (x, score) = ([0.5, 0.25], [n as f64 / 30.0, 0.75]);
        let (first, second) =
            if n % 2 == 0 { ("request", "response") } else { ("response", "request") };
        for side in [first, second] {
            post(&daemon, &event(n, side, if side == "request" { &x } else { &score }));
        }
        scores += score.iter().sum::<f64>();
    }
    // Sent again, both count once.
    assert_eq!(post(&daemon, &event(3, "request", &[0.5, 0.25]))["duplicates"], 1);
    assert_eq!(post(&daemon, &event(3, "response", &[0.1, 0.75]))["duplicates"], 1);
    for n in 100..104 {
        post(&daemon, &event(n, "request", &[0.5]));
        post(&daemon, &event(n + 100, "response", &[0.5]));
    }
    // An answer of other rows is none for it.
    post(&daemon, &event(300, "request", &[0.5]));
    post(&daemon, &event(300, "response", &[0.5, 0.5]));
    daemon.wait_for_sample(&["driftd_window_rows"], ROWS as f64);
    let missing = 5.0 / ROWS as f64;
    daemon.wait_for_sample(&["driftd_feature_missing_ratio", "\"score\""], missing);
    daemon.wait_for_sample(&["driftd_feature_missing_ratio", "\"x\""], 0.0);
    daemon.wait_for_sample(&["driftd_source_errors_total", "unanswered"], 5.0);
    daemon.wait_for_sample(&["driftd_source_errors_total", "unmatched"], 4.0);
    let own = figures(&daemon);
    let mean = own.iter().find(|(name, _)| name == "score").unwrap().1["mean"].as_f64().unwrap();
    let expected = scores / (ROWS - 5) as f64;
    assert!((mean - expected).abs() < 1e-12, "{mean} and not {expected}");
    daemon.stop();
}

/// A side that was taken waits for the other over any end of the process.
#[test]
fn sides_find_each_other_after_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "1h", 1_000_000);
    let next = |daemon: &Daemon, sent: u64| {
        let (id, side) = (sent / 2, ["request", "response"][(sent % 2) as usize]);
        daemon.try_post(&daemon.address, PATH, "", &event(id, side, &[0.5]))
    };
    let mut sent = send_through_kills(&path, 4, next);
    let mut daemon = Daemon::start(&path);
    // What was not answered last may have been taken.
    let end = (sent / 2 + 10) * 2;
    while sent < end {
        assert_eq!(next(&daemon, sent).unwrap().0, 202);
        sent += 1;
    }
    daemon.wait_for_sample(&["driftd_source_rows_total"], (sent / 2) as f64);
    daemon.wait_for_sample(&["driftd_source_waiting_bytes"], 0.0);
    daemon.wait_for_sample(&["driftd_source_errors_total", "unanswered"], 0.0);
    daemon.stop();
}

/// Without the disk nothing can wait, and that is said.
#[test]
fn waiting_needs_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "2s", 10);
    let text = std::fs::read_to_string(&path).unwrap().replace("durable = true\n", "");
    std::fs::write(&path, text).unwrap();
    let (status, _, told) = crate::support::run(&["config", "check", path.to_str().unwrap()]);
    assert_ne!(status, 0);
    assert!(told.contains("set durable = true"), "{told}");
}
