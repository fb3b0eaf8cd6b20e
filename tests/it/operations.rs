//! What whoever runs driftd does with its state, step by step as `deploy/README.md` has it.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use crate::support::{driftd, run};
use std::path::Path;

const WINDOW: &str = "[[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 5000\n";

fn add(folder: &Path, name: &str, from: u32) {
    let values = floats((from..from + 1_000).map(|n| f64::from(n % 977)));
    write(&folder.join("logs").join(name), vec![("x", values)]);
}

fn prepared(folder: &Path) -> std::path::PathBuf {
    let path = config(folder, WINDOW);
    write(&folder.join("reference.parquet"), vec![("x", floats((0..5_000).map(f64::from)))]);
    path
}

/// Rows that were counted, and rows of the open window.
fn counted(daemon: &mut Daemon, rows: f64) {
    daemon.wait_for_sample(&["driftd_source_rows_total"], rows);
    daemon.wait_for_sample(&["driftd_open_window_rows"], rows % 5_000.0);
}

fn duplicates(daemon: &Daemon) -> Option<f64> {
    daemon.sample(&["driftd_source_files_total", "result=\"duplicate\""])
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    std::fs::create_dir_all(to.join("logs")).unwrap();
    for name in names {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// A backup of a daemon that runs, put in place of the state after more has come: what came after
/// it is counted then, and nothing twice.
#[test]
fn a_backup_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, path) = (folder.path(), prepared(folder.path()));
    let mut daemon = Daemon::start(&path);
    add(folder, "1.parquet", 0);
    add(folder, "2.parquet", 1_000);
    counted(&mut daemon, 2_000.0);
    let (state, backup) = (folder.join("driftd.db"), folder.join("backup.db"));
    let name = |path: &Path| path.display().to_string();
    let (status, _, error) = run(&["state", "backup", &name(&state), &name(&backup)]);
    assert_eq!(status, 0, "{error}");
    add(folder, "3.parquet", 2_000);
    counted(&mut daemon, 3_000.0);
    daemon.kill();
    assert_eq!(run(&["state", "check", &name(&backup)]).0, 0);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("driftd.db{ending}")));
    }
    std::fs::copy(&backup, &state).unwrap();
    let mut daemon = Daemon::start(&path);
    counted(&mut daemon, 3_000.0);
    assert_eq!(duplicates(&daemon), Some(0.0));
    daemon.stop();
}

/// Another machine, where the same logs lie at another place: nothing is counted twice, and the
/// reference is not profiled anew.
#[test]
fn a_state_moves_to_another_machine() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [from, to] = folders.each_ref().map(tempfile::TempDir::path);
    let path = prepared(from);
    let mut daemon = Daemon::start(&path);
    add(from, "1.parquet", 0);
    add(from, "2.parquet", 1_000);
    counted(&mut daemon, 2_000.0);
    daemon.stop();
    let names =
        ["driftd.db", "driftd.toml", "reference.parquet", "logs/1.parquet", "logs/2.parquet"];
    copy(from, to, &names);
    let mut daemon = Daemon::start(&to.join("driftd.toml"));
    add(to, "3.parquet", 2_000);
    counted(&mut daemon, 3_000.0);
    assert!(
        daemon.log().iter().any(|line| {
            line.contains("reference loaded") && line.contains("\"from\":\"state\"")
        })
    );
    daemon.stop();
}

/// What an image asks whether its daemon is well: also where there are no certificates, which plain
/// HTTP does not need, and whatever proxy the environment names.
#[test]
fn health_is_asked_without_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(&prepared(folder.path()));
    let ask = |url: &str| {
        let mut command = driftd();
        command.args(["healthy", "--url", url]);
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            command.env(name, "/nonexistent");
        }
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(name, "http://127.0.0.1:1");
        }
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let url = format!("http://{}", daemon.address);
    assert_eq!(ask(&url), (0, "driftd is healthy.\n".to_owned()));
    daemon.stop();
    let (status, told) = ask(&url);
    assert!(status == 1 && told.contains("refused"), "{told}");
}
