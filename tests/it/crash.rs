//! SIGKILL at any moment, over and over: what closes must be what an undisturbed run closes, to the
//! last bit, and every row must be there once.

use crate::support::daemon::{Daemon, config};
use crate::support::driftd;
use crate::support::table::{floats, strings, times, write};
use driftd::store::Store;
use driftd::store::closed_windows::Query;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const FILES: u64 = 60;
const MINUTE: i64 = 60_000_000;
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;

/// No row is ever late, and nothing closes by the clock before the end.
const WINDOWS: &str = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    lateness = \"30d\"\nidle_timeout = \"1h\"\n\
    [[model.window]]\nname = \"sliding\"\ntype = \"time\"\nsize = \"2h\"\nslide = \"30m\"\n\
    lateness = \"30d\"\nidle_timeout = \"1h\"\n\
    [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 3100\n\
    [[model.baseline]]\nname = \"before\"\ntype = \"rolling\"\nwindows = 2\n\
    [model.columns]\ntime = \"ts\"\n";

/// A number that looks random and is always the same.
fn scatter(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ n.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn write_file(path: &Path, file: u64) {
    let rows = 200 + file * 3;
    let number = |row: u64| scatter(file, row);
    let columns = vec![
        ("ts", times((0..rows).map(|row| START + (number(row) % 600) as i64 * MINUTE))),
        ("x", floats((0..rows).map(|row| (number(row + 7) % 10_007) as f64 / 1_000.0))),
        ("name", strings((0..rows).map(|row| format!("v{}", number(row + 13) % 50)))),
    ];
    write(path, columns);
}

fn prepare(folder: &Path) -> std::path::PathBuf {
    let columns = vec![
        ("x", floats((0..20_000).map(|row| (scatter(99, row) % 10_007) as f64 / 1_000.0))),
        ("name", strings((0..20_000).map(|row| format!("v{}", scatter(98, row) % 45)))),
    ];
    write(&folder.join("reference.parquet"), columns);
    std::fs::create_dir_all(folder.join("logs")).unwrap();
    config(folder, WINDOWS)
}

/// What is in the state when everything is counted and closed: the totals, and the figures of
/// every window.
fn outcome(folder: &Path) -> Vec<String> {
    let state = rusqlite::Connection::open(folder.join("driftd.db")).unwrap();
    let mut exact = Vec::new();
    let totals = "SELECT scope || of || name || value FROM total ORDER BY 1";
    let files = "SELECT substr(path, -11) || rows FROM file ORDER BY path";
    let open = "SELECT 'open rows ' || sum(rows) FROM pane_delta";
    for sql in [totals, files, open] {
        let mut statement = state.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        exact.extend(rows.map(|row| row.unwrap().unwrap_or_default()));
    }
    let store = Arc::new(Store::open_read_only(&folder.join("driftd.db")).unwrap());
    for (.., model) in store.models().unwrap() {
        for name in model.window_names().unwrap() {
            let mut windows = model.windows(&name, &Query::default()).unwrap();
            windows.sort_by_key(|figures| figures.slot);
            for mut figures in windows {
                figures.closed = None;
                exact.push(format!("{figures:?}"));
            }
        }
    }
    exact
}

/// Lets a daemon finish what there is, and close it.
fn drain(config: &Path) {
    let text = std::fs::read_to_string(config).unwrap();
    let last = text.replace("idle_timeout = \"1h\"", "idle_timeout = \"1s\"");
    std::fs::write(config, last).unwrap();
    let mut daemon = Daemon::start(config);
    daemon.wait_for_sample(&["driftd_source_files", "state=\"pending\""], 0.0);
    for window in ["window=\"hour\"", "window=\"sliding\""] {
        daemon.wait_for_sample(&["driftd_open_window_rows", window], 0.0);
    }
    daemon.stop();
}

/// To the bit.
fn assert_same(folder: &Path, undisturbed: &[String], seed: u64) {
    let exact = outcome(folder);
    let differs = exact.iter().zip(undisturbed).find(|(got, expected)| got != expected);
    assert_eq!(differs, None, "seed {seed}");
    assert_eq!(exact.len(), undisturbed.len(), "seed {seed}");
}

/// In every round a new process is killed after a random time, and files keep coming.
fn campaign(rounds: std::ops::Range<u64>, kill: impl Fn(&Path, u64)) {
    let undisturbed = tempfile::tempdir().unwrap();
    let config = prepare(undisturbed.path());
    (0..FILES).for_each(|file| write_file(&logs(undisturbed.path(), file), file));
    drain(&config);
    let expected = outcome(undisturbed.path());
    for first in rounds.clone().step_by(20) {
        let folder = tempfile::tempdir().unwrap();
        let config = prepare(folder.path());
        let mut written = 0;
        for seed in first..(first + 20).min(rounds.end) {
            let upto = FILES.min(written + scatter(seed, 1) % 8);
            (written..upto).for_each(|file| write_file(&logs(folder.path(), file), file));
            written = upto;
            kill(&config, seed);
        }
        (written..FILES).for_each(|file| write_file(&logs(folder.path(), file), file));
        drain(&config);
        assert_same(folder.path(), &expected, first);
    }
}

fn logs(folder: &Path, file: u64) -> std::path::PathBuf {
    folder.join(format!("logs/{file:03}.parquet"))
}

/// Kills at random moments: `DRIFTD_KILLS` of them, from the seed `DRIFTD_SEED` on.
#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_counts_twice() {
    let (first, kills) = (number("DRIFTD_SEED", 0), number("DRIFTD_KILLS", 60));
    campaign(first..first + kills, |config, seed| {
        let mut child =
            driftd().args(["run", "--config"]).arg(config).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(20_000 + scatter(seed, 2) % 480_000));
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

fn number(variable: &str, usual: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: a number")))
}

/// Whether processes can be traced: some containers forbid it, and then the random kills are what
/// is left.
fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let traced = traced.expect("needs strace: apt-get install strace");
    if !traced.success() {
        eprintln!("processes cannot be traced here: {traced}");
    }
    traced.success()
}

/// A command that does something at a system call of what runs under it.
fn injecting(call: &str, inject: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", inject]);
    command
}

/// Moments that a random kill hardly hits: at the n-th write or flush of the state, before it
/// takes place.
#[test]
fn killed_between_writes_nothing_is_lost_and_nothing_counts_twice() {
    if !can_trace() {
        return;
    }
    let (first, kills) = (number("DRIFTD_SEED", 0) + 1_000_000, number("DRIFTD_KILLS", 60) / 3);
    campaign(first..first + kills, |config, seed| {
        let call = ["pwrite64", "fdatasync", "ftruncate"][(scatter(seed, 3) % 3) as usize];
        let when = 1 + scatter(seed, 4) % 40;
        let inject = format!("inject={call}:signal=SIGKILL:when={when}");
        // Some never come that far, since there is nothing to write; those end after a second.
        let status = injecting(call, &inject)
            .args([
                "timeout",
                "--signal=KILL",
                "1",
                env!("CARGO_BIN_EXE_driftd"),
                "run",
                "--config",
            ])
            .arg(config)
            .stderr(Stdio::null())
            .status();
        assert!(!status.unwrap().success());
    });
}

/// What the state's files are asked for, and what may be wrong with a disk.
const CALLS: [&str; 9] = [
    "openat",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "fcntl",
    "unlink",
    "renameat2",
];
const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EFBIG", "EINTR"];

/// One system call of the state fails, once. The daemon says so and ends with what to do, or goes
/// on; either way nothing is lost.
#[test]
fn when_a_call_of_the_state_fails_nothing_is_lost_and_nothing_counts_twice() {
    if !can_trace() {
        return;
    }
    let (first, runs) = (number("DRIFTD_SEED", 0) + 2_000_000, number("DRIFTD_KILLS", 60) / 3);
    campaign(first..first + runs, |config, seed| {
        let call = CALLS[(scatter(seed, 3) % CALLS.len() as u64) as usize];
        let error = ERRORS[(scatter(seed, 5) % ERRORS.len() as u64) as usize];
        let when = 1 + scatter(seed, 4) % 12;
        let inject = format!("inject={call}:error={error}:when={when}");
        let mut command = injecting(call, &inject);
        let state = config.with_file_name("driftd.db");
        for ending in ["", "-wal", "-shm", ".new", ".lock"] {
            command.arg("-P").arg(format!("{}{ending}", state.display()));
        }
        command.args(["timeout", "1", env!("CARGO_BIN_EXE_driftd"), "run", "--config"]);
        let output = command.arg(config).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let what = format!("{inject}: {log}");
        assert!(!log.contains("panicked"), "{what}");
        match output.status.code() {
            // It went on until it was asked to stop.
            Some(124) => {}
            Some(2) => assert!(log.contains("driftd.db"), "{what}"),
            status => panic!("{status:?}: {what}"),
        }
    });
}
