//! A state at rest in which a bit has flipped, or more.

use crate::support::daemon::{Daemon, config};
use crate::support::driftd;
use crate::support::table::{floats, strings, times, write};
use serde_json::Value;
use std::path::{Path, PathBuf};

const WINDOWS: &str = "reconcile_interval = \"100ms\"\n\
    [[model.window]]\nname = \"rows\"\ntype = \"rows\"\nsize = 700\n\
    [[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    lateness = \"0s\"\nidle_timeout = \"3650d\"\n\
    [[model.baseline]]\nname = \"before\"\ntype = \"previous\"\n\
    [model.columns]\ntime = \"ts\"\n";
/// 2026-01-01T00:00:00Z in microseconds.
const START: i64 = 1_767_225_600_000_000;
const QUARTER: i64 = 900_000_000;

/// 400 rows from one quarter of an hour on.
fn rows(path: &Path, quarter: i64) {
    let numbers = || 0..400i64;
    let columns = vec![
        ("ts", times(numbers().map(|i| START + quarter * QUARTER + i * 1_000_000))),
        ("x", floats(numbers().map(|i| ((i * 37 + quarter) % 101) as f64))),
        ("name", strings(numbers().map(|i| format!("v{}", (i * 7 + quarter) % 5)))),
    ];
    let new = path.with_extension("new");
    write(&new, columns);
    std::fs::rename(new, path).unwrap();
}

/// A state that has counted, and a file that it has not counted yet.
struct State {
    folder: tempfile::TempDir,
    config: PathBuf,
    bytes: Vec<u8>,
}

impl State {
    fn new() -> State {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), WINDOWS);
        rows(&folder.path().join("reference.parquet"), 0);
        let logs = folder.path().join("logs");
        (0..8).for_each(|i| rows(&logs.join(format!("{i}.parquet")), i));
        std::fs::write(logs.join("broken.parquet"), "no Parquet at all").unwrap();
        let mut daemon = Daemon::start(&config);
        daemon.wait_for_sample(&["driftd_source_files_total", "\"counted\""], 8.0);
        daemon.wait_for_sample(&["driftd_source_files", "\"quarantined\""], 1.0);
        daemon.stop();
        rows(&logs.join("more.parquet"), 9);
        let bytes = std::fs::read(folder.path().join("driftd.db")).unwrap();
        State { folder, config, bytes }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("driftd.db")
    }

    /// Starts a daemon where the state has these bytes; its log when it ends at once.
    fn start(&self, bytes: &[u8]) -> Result<Daemon, Vec<String>> {
        std::fs::write(self.path(), bytes).unwrap();
        for ending in ["-wal", "-shm"] {
            std::fs::remove_file(self.folder.path().join(format!("driftd.db{ending}"))).ok();
        }
        let daemon = Daemon::try_spawn(driftd(), &self.config)?;
        match daemon.try_request("GET", "/-/healthy") {
            Ok(_) => Ok(daemon),
            Err(_) => Err(daemon.end().1),
        }
    }
}

/// All that the daemon says of the model.
fn figures(daemon: &Daemon) -> Vec<Value> {
    let json = |path: &str| serde_json::from_str(&daemon.get(path).1).unwrap_or_default();
    let state: Value = json("/api/v1/state");
    let totals = state.pointer("/models/0/totals").cloned().unwrap_or_default();
    let paths = ["windows", "features/x", "features/name"];
    let windows = paths.map(|path| {
        let mut all: Value = json(&format!("/api/v1/models/m/{path}?limit=1000"));
        // The time at which a window closed is another in every run.
        for window in all["windows"].as_array_mut().into_iter().flatten() {
            window["window"]["closed"] = Value::Null;
        }
        all
    });
    [totals].into_iter().chain(windows).collect()
}

/// Whatever happens to the file of a state, the daemon refuses it with its name and what to do, or
/// repairs it and says so, or goes on to the same figures.
#[test]
fn a_state_with_flipped_bits_is_refused_or_gives_the_same_figures() {
    let rounds = std::env::var("DRIFTD_FLIPS").map_or(24, |n| n.parse().unwrap());
    let mut seed: u64 = std::env::var("DRIFTD_SEED").map_or(7, |n| n.parse().unwrap());
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let state = State::new();
    let mut daemon = state.start(&state.bytes).unwrap();
    daemon.wait_for_sample(&["driftd_source_files_total", "\"counted\""], 9.0);
    // Five of 700 rows, and two hours.
    daemon.wait_for("closed windows", |daemon| {
        figures(daemon)[1]["windows"].as_array().is_some_and(|windows| windows.len() == 7)
    });
    let expected = figures(&daemon);
    daemon.stop();
    let [mut refused, mut repaired, mut same] = [0; 3];
    for round in 0..rounds {
        let mut bytes = state.bytes.clone();
        // Anywhere, where SQLite keeps its own things, which is at the starts of pages, and where
        // something is written.
        let at = random(bytes.len());
        let at = match round % 4 {
            0 => at,
            1 => (at & !0x3fff) + at % 128,
            _ => (at..bytes.len()).find(|at| bytes[*at] != 0).unwrap_or(at),
        };
        let what = match round % 12 {
            10 => {
                bytes[at & !511..].iter_mut().take(512).for_each(|byte| *byte = 0);
                format!("round {round}: zeros from byte {}", at & !511)
            }
            11 => {
                bytes.truncate(at);
                format!("round {round}: cut to {at} bytes")
            }
            _ => {
                let bit = random(8);
                bytes[at] ^= 1 << bit;
                format!("round {round}: bit {bit} of byte {at}")
            }
        };
        match state.start(&bytes) {
            Err(log) => {
                let log = log.join("\n");
                let name = state.path().display().to_string();
                let remedy = ["restore a copy", "run the driftd that wrote it"];
                let has_remedy = remedy.iter().any(|remedy| log.contains(remedy));
                assert!(log.contains(&name) && has_remedy, "{what}: {log}");
                refused += 1;
            }
            Ok(mut daemon) => {
                daemon.wait_for(&what, |daemon| figures(daemon) == expected);
                match daemon.log().iter().any(|line| line.contains("built anew")) {
                    true => repaired += 1,
                    false => same += 1,
                }
                daemon.stop();
            }
        }
    }
    eprintln!("{refused} refused, {repaired} repaired, {same} without effect");
    assert!(refused > 0 && same > 0, "{refused} refused, {same} without effect");
}
