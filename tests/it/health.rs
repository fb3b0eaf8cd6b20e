//! A part that fails is seen, and the rest goes on.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use std::path::Path;

const ROWS: &str = "reconcile_interval = \"200ms\"\n\
    [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 5000\n";
const OTHER: &str = "[[model]]\nname = \"other\"\n[model.reference]\npath = \"reference.parquet\"\n\
    [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"others\"\n";

fn write_rows(path: &Path, rows: usize, shift: f64) {
    let value = |i: usize| ((i * 7_919) % rows) as f64 / rows as f64 + shift;
    write(path, vec![("x", floats((0..rows).map(value)))]);
}

fn of_model(daemon: &Daemon, metric: &str, model: &str) -> Option<f64> {
    daemon.sample(&[metric, &format!("model_name=\"{model}\"")])
}

/// The counts of an open window are damaged below the daemon, and repaired again.
#[test]
fn a_model_that_fails_is_started_again_and_others_never_notice() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    std::fs::create_dir_all(path("others")).unwrap();
    let mut daemon = Daemon::start(&config(folder.path(), &format!("{ROWS}{OTHER}")));
    write_rows(&path("logs/a.parquet"), 3_000, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"rows\""], 3_000.0);
    let last = of_model(&daemon, "driftd_model_last_progress_timestamp_seconds", "m");
    assert!(last.is_some_and(|seconds| seconds > 1.7e9), "{last:?}");

    let state = rusqlite::Connection::open(path("driftd.db")).unwrap();
    let whole: Vec<u8> =
        state.query_row("SELECT body FROM pane_delta", [], |row| row.get(0)).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    state.execute("UPDATE pane_delta SET body = ?1", [&damaged]).unwrap();
    // Changed by a reload, the model reads its open windows anew when one of them closes.
    let changed = format!("{ROWS}[model.drift]\nthresholds = {{ psi = 0.5 }}\n{OTHER}");
    config(folder.path(), &changed);
    daemon.signal("HUP");
    write_rows(&path("logs/b.parquet"), 3_000, 0.25);
    daemon.wait_for("the failure", |d| of_model(d, "driftd_model_up", "m") == Some(0.0));
    let names = "1 of 2 models are ready; not ready: m\n";
    assert_eq!(daemon.get("/-/ready"), (503, names.to_owned()));
    assert_eq!(of_model(&daemon, "driftd_model_up", "other"), Some(1.0));
    write_rows(&path("others/b.parquet"), 1_000, 0.0);
    daemon.wait_for("the other model", |d| {
        of_model(d, "driftd_source_rows_total", "other") == Some(1_000.0)
    });
    assert_eq!(daemon.get("/-/healthy").0, 200, "it is being started again");
    let log = daemon.log().join("\n");
    assert!(log.contains("pane_delta") && log.contains("started again"), "{log}");

    state.execute("UPDATE pane_delta SET body = ?1", [&whole]).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows", "\"rows\""], 5_000.0);
    assert_eq!(of_model(&daemon, "driftd_model_up", "m"), Some(1.0));
    assert!(of_model(&daemon, "driftd_model_restarts_total", "m").unwrap() >= 1.0);
    assert_eq!(daemon.sample(&["driftd_open_window_rows", "\"rows\""]), Some(1_000.0));
    assert_eq!(of_model(&daemon, "driftd_source_rows_total", "m"), Some(6_000.0));
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    daemon.stop();
}

/// `driftd run 2>&1 | logger`, and the logger ends.
#[test]
fn it_goes_on_without_a_reader_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    let mut daemon = Daemon::start(&config(folder.path(), "reconcile_interval = \"200ms\""));
    daemon.close_log();
    for i in 1..=5_u8 {
        write_rows(&path(&format!("logs/{i}.parquet")), 1_000, f64::from(i) / 100.0);
        // Something to log each time.
        std::fs::write(path(&format!("logs/{i}-broken.parquet")), [i; 64]).unwrap();
        let counted = ["driftd_source_rows_total", "\"m\""];
        daemon.wait_for_sample(&counted, 1_000.0 * f64::from(i));
    }
    assert_eq!(daemon.get("/-/healthy").0, 200);
    daemon.stop();
}

/// A log that nobody reads, and one on a full disk.
#[test]
fn it_goes_on_whatever_becomes_of_its_log() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (unread, writer) = std::io::pipe().unwrap();
    for log in [std::process::Stdio::from(full), std::process::Stdio::from(writer)] {
        let folder = tempfile::tempdir().unwrap();
        write_rows(&folder.path().join("reference.parquet"), 6_000, 0.0);
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let path = config(folder.path(), "reconcile_interval = \"200ms\"");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("127.0.0.1:0", &address.to_string())).unwrap();
        // More lines than a pipe holds.
        for i in 0..500_u16 {
            write_rows(&folder.path().join(format!("logs/{i}.parquet")), 10 + usize::from(i), 0.0);
        }
        let mut daemon = Daemon::unread(&path, &address.to_string(), log);
        let counted = ["driftd_source_files_total", "result=\"counted\""];
        daemon.wait_for_sample(&counted, 500.0);
        assert_eq!(daemon.get("/-/healthy").0, 200);
        daemon.stop();
    }
    drop(unread);
}

/// As on a file system that does not answer: a named pipe that nobody writes.
#[test]
fn a_reference_that_never_loads_holds_up_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    std::fs::create_dir_all(path("others")).unwrap();
    let pipe = path("never.parquet");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let never = OTHER.replace("reference.parquet", "never*");
    let config = config(folder.path(), &format!("{ROWS}{never}"));
    let mut daemon = Daemon::spawn(&config);
    write_rows(&path("logs/a.parquet"), 3_000, 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"rows\""], 3_000.0);
    let names = "1 of 2 models are ready; not ready: other\n";
    assert_eq!(daemon.get("/-/ready"), (503, names.to_owned()));
    assert_eq!(daemon.get("/-/healthy").0, 200);
    let begun = std::time::Instant::now();
    daemon.signal("TERM");
    let (code, log) = daemon.end();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(code, Some(0), "{log:#?}");
}

/// A start that fails ends the process with its reason, and at once.
#[test]
fn a_start_that_fails_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reference.parquet"), "PAR1 no Parquet PAR1").unwrap();
    let begun = std::time::Instant::now();
    let daemon = Daemon::spawn(&config(folder.path(), ROWS));
    let (code, log) = daemon.end();
    assert_eq!(code, Some(2), "{log:#?}");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert!(log.iter().any(|line| line.contains("reference.parquet")), "{log:#?}");
}

/// A model hangs in a system call, as on a file system that does not answer: the watchdog is fed no
/// more after a minute, and with it gone `/-/healthy` says which model it is.
#[test]
#[ignore = "it takes a minute and a half; tests/run long"]
fn a_stalled_model_is_told_to_systemd() {
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_rows(&path("reference.parquet"), 6_000, 0.0);
    std::fs::create_dir_all(path("others")).unwrap();
    let config = config(folder.path(), &format!("{ROWS}{OTHER}"));
    let systemd = UnixDatagram::bind(path("notify.sock")).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let hangs = path("logs/hangs.parquet");
    let mut command = std::process::Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=openat", "-P"]).arg(&hangs);
    command.args(["-e", "inject=openat:delay_enter=80s", env!("CARGO_BIN_EXE_driftd")]);
    command.env("NOTIFY_SOCKET", path("notify.sock")).env("WATCHDOG_USEC", "3000000");
    let mut daemon = Daemon::spawn_as(command, &config);
    let fed = || {
        let mut message = [0; 256];
        systemd.recv(&mut message).is_ok_and(|n| message[..n].starts_with(b"WATCHDOG=1"))
    };
    daemon.wait_for("readiness", |d| d.get("/-/ready").0 == 200);
    assert!((0..5).any(|_| fed()));
    write_rows(&hangs, 1_000, 0.0);
    let begun = Instant::now();
    while daemon.get("/-/healthy").0 == 200 {
        fed();
        assert!(begun.elapsed() < Duration::from_secs(75), "it was never seen");
    }
    assert!(begun.elapsed() > Duration::from_secs(55), "{:?}", begun.elapsed());
    assert_eq!(daemon.get("/-/healthy"), (503, "stalled: m \n".to_owned()));
    // What was sent before is read first.
    while fed() {}
    assert!(!fed(), "it is fed although a model has stalled");
    // The others never notice.
    write_rows(&path("others/a.parquet"), 1_000, 0.0);
    daemon.wait_for("the other model", |d| {
        of_model(d, "driftd_source_rows_total", "other") == Some(1_000.0)
    });
    daemon.wait_for("the end of it", |d| d.get("/-/healthy").0 == 200);
    daemon.stop();
}
