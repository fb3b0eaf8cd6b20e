use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, strings, write};
use crate::support::{check_json, features, run};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

const ROWS: usize = 100_000;

struct Row {
    x: f64,
    n: i64,
    s: String,
}

fn rows(count: usize) -> impl Iterator<Item = Row> {
    (0..count).map(move |i| Row {
        x: ((i * 7_919) % 10_007) as f64 / 10.0,
        n: (i % 50) as i64,
        s: format!("v{}", (i * i) % 9),
    })
}

fn write_rows(path: &Path, count: usize) {
    let n = arrow_array::Int64Array::from_iter_values(rows(count).map(|row| row.n));
    let columns = vec![
        ("x", floats(rows(count).map(|row| row.x))),
        ("n", std::sync::Arc::new(n) as arrow_array::ArrayRef),
        ("s", strings(rows(count).map(|row| row.s))),
    ];
    write(path, columns);
}

fn start(folder: &Path, window: &str) -> Daemon {
    write_rows(&folder.join("reference.parquet"), 20_000);
    let path = config(folder, "");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "type = \"directory\"\npath = \"logs\"",
        "type = \"tcp\"\nlisten = \"127.0.0.1:0\"",
    );
    std::fs::write(&path, format!("{text}{window}")).unwrap();
    Daemon::start(&path)
}

fn connect(daemon: &Daemon) -> TcpStream {
    TcpStream::connect(daemon.stream_address.as_ref().unwrap()).unwrap()
}

/// Over a Unix socket the same lines come to the same as over TCP.
#[test]
fn a_unix_socket_takes_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("reference.parquet"), 20_000);
    let path = config(folder.path(), "");
    let text = std::fs::read_to_string(&path).unwrap();
    let unix = "type = \"unix\"\npath = \"rows.sock\"\nmode = \"0600\"";
    let window = "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = 5000\n\
                  [model.drift]\nvariation = \"none\"\n";
    let text = text.replace("type = \"directory\"\npath = \"logs\"", unix);
    std::fs::write(&path, format!("{text}{window}")).unwrap();
    let mut daemon = Daemon::start(&path);
    let socket = folder.path().join("rows.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    for row in rows(5_000) {
        let Row { x, n, s } = row;
        writeln!(stream, "{{\"s\":\"{s}\",\"n\":{n},\"x\":{x}}}").unwrap();
    }
    drop(stream);
    daemon.wait_for_sample(&["driftd_window_rows"], 5_000.0);
    let file = folder.path().join("same.parquet");
    write_rows(&file, 5_000);
    let (_, report) = check_json(&folder.path().join("reference.parquet"), &file);
    let (_, live) = daemon.get("/api/v1/report");
    let live: serde_json::Value = serde_json::from_str(&live).unwrap();
    for ((name, lines), (_, file)) in features(&live).iter().zip(features(&report)) {
        assert_eq!(lines["measures"], file["measures"], "{name}");
    }
    assert!(daemon.log().iter().any(|line| line.contains("rows.sock")));
    daemon.stop();
    assert!(!socket.exists());
}

/// The rows of a stream and of a file are the same rows.
#[test]
fn lines_count_as_the_same_rows_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let window = format!(
        "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = {ROWS}\nevery = \"1h\"\n\
         [model.drift]\nvariation = \"none\"\n"
    );
    let mut daemon = start(folder.path(), &window);
    let mut lines = String::new();
    for (i, row) in rows(ROWS).enumerate() {
        lines += &format!("{{\"s\":\"{}\",\"n\":{},\"x\":{}}}\n", row.s, row.n, row.x);
        if i % 1_000 == 17 {
            lines += ["{\"x\": 1", "[1, 2]", "nonsense", "{\"x\": 1e999}"][i / 1_000 % 4];
            lines += "\n";
        }
    }
    connect(&daemon).write_all(lines.as_bytes()).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows"], ROWS as f64);
    let rejected = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        daemon.sample(&["driftd_source_rows_rejected_total", &label]).unwrap()
    };
    assert_eq!((rejected("malformed"), rejected("not_an_object")), (75.0, 25.0));
    assert_eq!(daemon.sample(&["driftd_source_rows_total"]), Some(ROWS as f64 + 100.0));

    let file = folder.path().join("same.parquet");
    write_rows(&file, ROWS);
    let (_, from_file) = check_json(&folder.path().join("reference.parquet"), &file);
    let (_, from_stream) = daemon.get("/api/v1/report");
    let from_stream = serde_json::from_str(&from_stream).unwrap();
    for ((name, file), (_, stream)) in features(&from_file).iter().zip(features(&from_stream)) {
        for key in [
            "rows",
            "status",
            "drifted",
            "measures",
            "percentiles",
            "distinct",
            "null_ratio",
            "zero_ratio",
            "out_of_range_ratio",
            "outlier_ratio",
            "unseen_ratio",
            "mean",
            "stddev",
        ] {
            assert_eq!(file[key], stream[key], "{name}: {key}");
        }
        // Integers are written as such where they come as such.
        for key in ["min", "max"] {
            assert_eq!(file[key].as_f64(), stream[key].as_f64(), "{name}: {key}");
        }
    }
    daemon.stop();
}

#[test]
fn a_stream_is_cut_by_time_when_rows_do_not_come() {
    let folder = tempfile::tempdir().unwrap();
    let window = "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = 100\nevery = \"1s\"\n";
    let mut daemon = start(folder.path(), window);
    // The connection stays open, and its last line has no end yet.
    let mut connection = connect(&daemon);
    connection.write_all(b"{\"x\":1.5,\"n\":1,\"s\":\"v1\"}\n{\"x\":2").unwrap();
    daemon.wait_for_sample(&["driftd_window_rows"], 1.0);
    connection.write_all(b".5}\n").unwrap();
    daemon.wait_for("the second window", |d| {
        d.sample(&["driftd_windows_closed_total", "verdict=\"unjudged\""]) == Some(2.0)
    });
    daemon.stop();
}

/// A connection that pauses when its rows have just been handed over is read on.
#[test]
fn a_pause_after_a_full_batch_ends() {
    let folder = tempfile::tempdir().unwrap();
    let window =
        "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = 100000\nevery = \"1h\"\n";
    let mut daemon = start(folder.path(), window);
    let mut connection = connect(&daemon);
    connection.write_all("{}\n".repeat(8_192).as_bytes()).unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_total"], 8_192.0);
    // Longer than a batch waits for more.
    std::thread::sleep(std::time::Duration::from_millis(300));
    connection.write_all(b"{}\n").unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_total"], 8_193.0);
    daemon.stop();
}

/// What was read when the daemon is asked to stop is in the state.
#[test]
fn a_stop_keeps_open_rows() {
    let folder = tempfile::tempdir().unwrap();
    let window = "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = 1000\nevery = \"1h\"\n";
    let mut daemon = start(folder.path(), window);
    let mut connection = connect(&daemon);
    connection.write_all("{\"x\":1.0,\"n\":1,\"s\":\"v1\"}\n".repeat(600).as_bytes()).unwrap();
    daemon.wait_for_sample(&["driftd_open_window_rows"], 600.0);
    daemon.stop();
    let mut daemon = Daemon::start(&folder.path().join("driftd.toml"));
    assert_eq!(daemon.sample(&["driftd_open_window_rows"]), Some(600.0));
    let mut connection = connect(&daemon);
    connection.write_all("{\"x\":1.0,\"n\":1,\"s\":\"v1\"}\n".repeat(400).as_bytes()).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows"], 1_000.0);
    daemon.stop();
}

/// A key draws the same rows from a socket as from a file, also where it is no feature.
#[test]
fn a_keyed_sample_of_a_stream_is_that_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let window = format!(
        "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = {ROWS}\nevery = \"1h\"\n\
         [model.sampling]\nrate = 0.2\nkey = \"request\"\n[model.drift]\nvariation = \"none\"\n"
    );
    let mut daemon = start(folder.path(), &window);
    let mut lines = String::new();
    for (i, row) in rows(ROWS).enumerate() {
        lines += &format!("{{\"request\":{i},\"n\":{},\"x\":{}}}\n", row.n, row.x);
    }
    connect(&daemon).write_all(lines.as_bytes()).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows"], ROWS as f64);

    let file = folder.path().join("same.parquet");
    let request = arrow_array::Int64Array::from_iter_values(0..ROWS as i64);
    let columns = vec![
        ("request", std::sync::Arc::new(request) as arrow_array::ArrayRef),
        ("x", floats(rows(ROWS).map(|row| row.x))),
    ];
    write(&file, columns);
    let config = folder.path().join("driftd.toml");
    let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
    let (_, out, err) = run(&["check", "--config", config, file, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{err}"));
    let kept = report["reports"][0]["current"]["rows_kept"].as_f64();
    assert!((kept.unwrap() / (0.2 * ROWS as f64) - 1.0).abs() < 0.02);
    assert_eq!(daemon.sample(&["driftd_window_rows_kept"]), kept);
    let x = |features: Vec<(String, serde_json::Value)>| {
        let x = features.into_iter().find(|(name, _)| name == "x");
        x.unwrap().1["measures"].clone()
    };
    let (_, from_stream) = daemon.get("/api/v1/report");
    let from_stream = serde_json::from_str(&from_stream).unwrap();
    assert_eq!(x(features(&report)), x(features(&from_stream)));
    daemon.stop();
}
