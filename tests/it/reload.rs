//! A new configuration for a running daemon.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

const ROWS: &str = "[[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 5000\n";
const SUCCESSFUL: &str = "driftd_config_last_reload_successful";
const OTHER: &str = "[[model]]\nname = \"other\"\n[model.reference]\npath = \"reference.parquet\"\n\
    [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"others\"\n";

fn numbers(rows: usize) -> arrow_array::ArrayRef {
    floats((0..rows).map(|i| ((i * 7_919) % rows) as f64 / rows as f64))
}

fn write_rows(path: &Path, rows: usize) {
    write(path, vec![("x", numbers(rows))]);
}

fn prepare(folder: &Path) {
    write_rows(&folder.join("reference.parquet"), 6_000);
    write_rows(&folder.join("logs/a.parquet"), 3_000);
    std::fs::create_dir_all(folder.join("others")).unwrap();
}

fn reload(daemon: &mut Daemon, expected: f64) {
    let before = daemon.log().iter().filter(|line| line.contains("reloaded")).count();
    daemon.signal("HUP");
    daemon.wait_for("the reload", |d| {
        d.log().iter().filter(|line| line.contains("reloaded")).count() > before
    });
    assert_eq!(daemon.sample(&[SUCCESSFUL]), Some(expected));
}

fn sample_of(daemon: &Daemon, metric: &str, model: &str) -> Option<f64> {
    daemon.sample(&[metric, &format!("model_name=\"{model}\"")])
}

#[test]
fn a_reload_keeps_open_windows_and_leaves_other_models_alone() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let both = format!("{ROWS}{OTHER}");
    let path = config(folder.path(), &both);
    let mut daemon = Daemon::start(&path);
    write_rows(&folder.path().join("others/b.parquet"), 1_000);
    let rows = "driftd_source_rows_total";
    daemon.wait_for("both", |d| {
        sample_of(d, rows, "m") == Some(3_000.0) && sample_of(d, rows, "other") == Some(1_000.0)
    });

    config(folder.path(), &format!("{ROWS}[model.drift]\nthresholds = {{ psi = 0.5 }}\n{OTHER}"));
    reload(&mut daemon, 1.0);
    assert_eq!(daemon.sample(&["driftd_open_window_rows", "\"rows\""]), Some(3_000.0));
    assert_eq!(sample_of(&daemon, rows, "other"), Some(1_000.0), "it never noticed");
    write_rows(&folder.path().join("logs/c.parquet"), 2_000);
    daemon.wait_for_sample(&["driftd_window_rows", "\"rows\""], 5_000.0);
    let psi = ["driftd_drift_threshold", "\"rows\"", "\"psi\""];
    assert_eq!(daemon.sample(&psi), Some(0.5));

    // A model goes, and so do its series.
    config(folder.path(), ROWS);
    reload(&mut daemon, 1.0);
    assert_eq!(sample_of(&daemon, rows, "other"), None);
    assert!(!daemon.metrics().contains("\"other\""));
    // And it comes back where it was.
    config(folder.path(), &both);
    reload(&mut daemon, 1.0);
    daemon.wait_for("its window", |d| sample_of(d, "driftd_window_rows", "other") == Some(1_000.0));
    let counted = ["driftd_source_files_total", "\"other\"", "\"counted\""];
    assert_eq!(daemon.sample(&counted), Some(1.0), "counted once, and the counter goes on");
    daemon.stop();
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let path = config(folder.path(), ROWS);
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_000.0);
    assert_eq!(daemon.sample(&[SUCCESSFUL]), Some(1.0));
    let missing = OTHER.replace("reference.parquet", "nothing.parquet");
    let listen = "[[model.source]]\nname = \"tcp\"\ntype = \"tcp\"\nlisten = \"203.0.113.1:9\"\n";
    for (bad, why) in [
        (format!("{ROWS}sise = 3"), "sise"),
        (format!("{ROWS}{missing}"), "nothing.parquet"),
        (format!("{ROWS}{listen}"), "203.0.113.1:9"),
    ] {
        config(folder.path(), &bad);
        reload(&mut daemon, 0.0);
        assert!(daemon.log().last().unwrap().contains(why), "{:?}", daemon.log().last());
    }
    let other_port = std::fs::read_to_string(config(folder.path(), ROWS)).unwrap();
    std::fs::write(&path, other_port.replace("127.0.0.1:0", "127.0.0.1:9")).unwrap();
    reload(&mut daemon, 0.0);
    assert!(daemon.log().last().unwrap().contains("restart"));
    write_rows(&folder.path().join("logs/c.parquet"), 1_000);
    daemon.wait_for_sample(&["driftd_open_window_rows"], 4_000.0);
    config(folder.path(), ROWS);
    reload(&mut daemon, 1.0);
    daemon.stop();
}

#[test]
fn over_http_only_when_it_is_enabled() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let path = config(folder.path(), ROWS);
    let daemon = Daemon::start(&path);
    assert_eq!(daemon.request("POST", "/-/reload").0, 403);
    daemon.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[server]\n", "[server]\nreload = true\n");
    std::fs::write(&path, &text).unwrap();
    let daemon = Daemon::start(&path);
    assert_eq!(daemon.request("POST", "/-/reload").0, 200);
    assert_eq!(daemon.request("GET", "/-/reload").0, 405);
    std::fs::write(&path, text.replace("size = 5000", "size = 0")).unwrap();
    let (status, body) = daemon.request("POST", "/-/reload");
    assert!(status == 500 && body.contains("model.window.size"), "{body}");
    daemon.stop();
}

/// A socket goes on listening on the same port.
#[test]
fn a_stream_goes_on_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tcp = format!("[[model.source]]\nname = \"tcp\"\ntype = \"tcp\"\nlisten = \"{free}\"\n");
    config(folder.path(), &format!("{tcp}{ROWS}"));
    let mut daemon = Daemon::start(&folder.path().join("driftd.toml"));
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_000.0);
    let mut stream = TcpStream::connect(free).unwrap();
    writeln!(stream, "{{\"x\":0.5}}").unwrap();
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_001.0);
    config(folder.path(), &format!("{tcp}{ROWS}[model.drift]\nrows_min = 7\n"));
    reload(&mut daemon, 1.0);
    let mut stream = TcpStream::connect(free).unwrap();
    writeln!(stream, "{{\"x\":0.5}}").unwrap();
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_002.0);
    daemon.stop();
}

/// The configuration is the same, and the file that it names is not.
#[test]
fn another_reference_at_the_same_place_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    config(folder.path(), &format!("{ROWS}{OTHER}"));
    let mut daemon = Daemon::start(&folder.path().join("driftd.toml"));
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"m\""], 3_000.0);
    let loaded = |d: &mut Daemon, rows: u64| {
        let rows = format!("\"rows\":{rows},");
        let lines = d.log().iter().filter(|line| line.contains("reference loaded"));
        lines.filter(|line| line.contains(&rows)).count()
    };
    daemon.wait_for("both models", |d| loaded(d, 6_000) == 2);
    // Touched, with the same content, it is the same.
    let path = folder.path().join("reference.parquet");
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, content).unwrap();
    reload(&mut daemon, 1.0);
    assert_eq!((loaded(&mut daemon, 6_000), daemon.get("/-/ready").0), (2, 200));
    write_rows(&path, 7_000);
    reload(&mut daemon, 1.0);
    assert_eq!(loaded(&mut daemon, 7_000), 2);
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    // Windows of before closed on their own grid, and what comes now is compared with the new one.
    write_rows(&folder.path().join("logs/b.parquet"), 5_000);
    daemon.wait_for("a window", |d| {
        d.get("/api/v1/report").1.contains("\"reference\":{\"rows\":7000")
    });
    daemon.stop();
}

/// A model that still loads its reference is ready when it has loaded it, whatever is reloaded
/// meanwhile; and a stop does not wait for it.
#[test]
fn a_reload_and_a_stop_while_a_reference_loads() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let many = folder.path().join("many");
    write_rows(&many.join("0.parquet"), 50_000);
    for i in 1..80 {
        std::fs::hard_link(many.join("0.parquet"), many.join(format!("{i}.parquet"))).unwrap();
    }
    let slow = OTHER.replace("reference.parquet", "many");
    let path = config(folder.path(), &format!("{ROWS}{slow}"));
    let mut daemon = Daemon::spawn(&path);
    config(folder.path(), &format!("{ROWS}[model.drift]\nrows_min = 7\n{slow}"));
    daemon.wait_for("the quick model", |d| {
        sample_of(d, "driftd_source_rows_total", "m") == Some(3_000.0)
    });
    let (status, text) = daemon.get("/-/ready");
    assert!(status == 503 && text.contains("not ready: other"), "{status} {text}");
    assert_eq!(daemon.get("/-/healthy").0, 200);
    reload(&mut daemon, 1.0);
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    let loaded = daemon.log().iter().filter(|line| line.contains("reference loaded")).count();
    assert!(loaded >= 2, "ready without its reference");
    daemon.stop();

    std::fs::remove_file(folder.path().join("driftd.db")).unwrap();
    let daemon = Daemon::spawn(&path);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let begun = std::time::Instant::now();
    daemon.signal("TERM");
    let (code, log) = daemon.end();
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    let of_other = |line: &&String| line.contains("reference loaded") && line.contains("other");
    assert_eq!(log.iter().filter(of_other).count(), 0, "it was loaded before");
}

/// A socket moves: to where it cannot be opened, which changes nothing, and to an address that the
/// one of before is in the way of.
#[test]
fn a_socket_moves_only_to_where_it_can() {
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sources = |path: &str, listen: &str| {
        let unix = format!("[[model.source]]\nname = \"u\"\ntype = \"unix\"\npath = \"{path}\"\n");
        let tcp =
            format!("[[model.source]]\nname = \"t\"\ntype = \"tcp\"\nlisten = \"{listen}\"\n");
        config(folder.path(), &format!("{unix}{tcp}{ROWS}"));
    };
    let (here, any) = (free.to_string(), format!("0.0.0.0:{}", free.port()));
    sources("rows.sock", &here);
    let mut daemon = Daemon::start(&folder.path().join("driftd.toml"));
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_000.0);
    sources("nowhere/rows.sock", &here);
    reload(&mut daemon, 0.0);
    assert_eq!(daemon.get("/-/ready").0, 200);
    let mut stream = UnixStream::connect(folder.path().join("rows.sock")).unwrap();
    writeln!(stream, "{{\"x\":0.5}}").unwrap();
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_001.0);
    sources("other.sock", &any);
    reload(&mut daemon, 1.0);
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    let mut stream = UnixStream::connect(folder.path().join("other.sock")).unwrap();
    writeln!(stream, "{{\"x\":0.5}}").unwrap();
    let mut stream = TcpStream::connect(free).unwrap();
    writeln!(stream, "{{\"x\":0.5}}").unwrap();
    daemon.wait_for_sample(&["driftd_open_window_rows"], 3_003.0);
    assert!(!folder.path().join("rows.sock").exists());
    daemon.stop();
}
