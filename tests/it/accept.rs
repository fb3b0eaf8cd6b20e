//! A window that becomes the reference: verdicts before and after, history, restarts, and what is
//! refused.

use crate::support::daemon::{Daemon, config, send_signal};
use crate::support::prometheus::Prometheus;
use crate::support::table::{floats, strings, times, write};
use crate::support::{repository, run};
use arrow_array::ArrayRef;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::path::{Path, PathBuf};

const HOUR: i64 = 3_600_000_000;
const START: i64 = 1_767_225_600_000_000;

/// Rows of one hour; moved ones are in another unit, with a category that nobody knew.
fn hour(number: i64, n: usize, is_moved: bool) -> Vec<(&'static str, ArrayRef)> {
    let mut random = StdRng::seed_from_u64(number as u64);
    let normal: Vec<f64> = (0..n)
        .map(|_| {
            let [u, v] = [(); 2].map(|()| random.random_range(1e-12..1.0f64));
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        })
        .collect();
    let kinds = (0..n).map(|_| match random.random_range(0..10) {
        0..=2 if is_moved => "new",
        drawn => ["a", "b", "c"][drawn % 3],
    });
    let kinds: Vec<&str> = kinds.collect();
    let time = |at: usize| START + number * HOUR + at as i64 * HOUR / n as i64;
    let scaled = |value: f64| if is_moved { value * 12.0 + 1_000.0 } else { value };
    vec![
        ("ts", times((0..n).map(time))),
        ("amount", floats(normal.iter().map(|value| scaled(*value)))),
        ("still", floats(normal.iter().rev().copied())),
        ("kind", strings(kinds)),
    ]
}

const MORE: &str = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
    lateness = \"0s\"\nidle_timeout = \"3650d\"\n[model.columns]\ntime = \"ts\"\n";

/// A configuration that keeps profiles, and takes requests.
fn configured(folder: &Path) -> PathBuf {
    let path = config(folder, MORE);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[state]\n", "reload = true\n[state]\nprofiles_max = 20\n");
    std::fs::write(&path, text).unwrap();
    write(&folder.join("reference.parquet"), hour(0, 4_000, false));
    path
}

/// Adds the file of an hour, and waits for the window before it.
fn add(daemon: &mut Daemon, folder: &Path, number: i64, is_moved: bool) {
    write(&folder.join(format!("logs/{number}.parquet")), hour(number, 2_000, is_moved));
    let end = (START + number * HOUR) as f64 / 1e6;
    daemon.wait_for_sample(&["driftd_window_end_timestamp_seconds"], end);
}

fn detected(daemon: &Daemon, feature: &str) -> Option<f64> {
    daemon.sample(&["driftd_drift_detected", &format!("feature=\"{feature}\"")])
}

/// Of each feature, whether it has drifted in the latest window.
fn verdicts(daemon: &Daemon) -> [Option<f64>; 3] {
    ["amount", "kind", "still"].map(|feature| detected(daemon, feature))
}

fn accept(daemon: &Daemon, more: &[&str]) -> (i32, String, String) {
    accept_at(&daemon.address, more)
}

fn accept_at(address: &str, more: &[&str]) -> (i32, String, String) {
    let url = format!("http://{address}");
    run(&[&["reference", "accept", "m", "--window", "hour", "--url", &url], more].concat())
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = daemon.get(path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn is_firing(answer: &Value, name: &str, feature: Option<&str>) -> bool {
    let alerts = answer["data"]["alerts"].as_array().into_iter().flatten();
    alerts.filter(|own| own["state"] == "firing").any(|own| {
        let labels = &own["labels"];
        labels["alertname"] == name && feature.is_none_or(|name| labels["feature"] == name)
    })
}

/// The world moves, is accepted, stays, and moves back; what was accepted outlives a restart, and
/// ends when the configured file holds something else.
#[test]
fn an_accepted_window_is_what_windows_are_judged_against() {
    let folder = tempfile::tempdir().unwrap();
    let path = configured(folder.path());
    let mut daemon = Daemon::start(&path);
    write(&folder.path().join("logs/1.parquet"), hour(1, 2_000, false));
    add(&mut daemon, folder.path(), 2, false);
    assert_eq!(verdicts(&daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    add(&mut daemon, folder.path(), 3, true);
    add(&mut daemon, folder.path(), 4, true);
    assert_eq!(verdicts(&daemon), [Some(1.0), Some(1.0), Some(0.0)]);
    // The shipped rules, without what bridges a restart.
    let rules = std::fs::read_to_string(repository("config/alerts.yml")).unwrap();
    let own = folder.path().join("alerts.yml");
    std::fs::write(&own, rules.replace("keep_firing_for: 1m", "keep_firing_for: 0s")).unwrap();
    let prometheus = Prometheus::start_with(folder.path(), &daemon.address, &own, None);
    prometheus.wait_for("the alert", "/api/v1/alerts", |answer| {
        is_firing(answer, "FeatureDrifted", Some("amount")).then_some(())
    });

    let (status, told, error) = accept(&daemon, &[]);
    assert_eq!(status, 0, "{error}");
    assert!(
        told.starts_with("The reference is 1 window hour from 2026-01-01T03:00:00Z to"),
        "{told}"
    );
    let accepted = get(&daemon, "/api/v1/models/m/reference")["accepted"][0].clone();
    assert_eq!((&accepted["window"], &accepted["rows"]), (&"hour".into(), &2_000.into()));
    assert_eq!(accepted["end"], ((START + 4 * HOUR) as f64 / 1e6), "{accepted}");
    // Nothing is judged any more against what was before, and nothing is forgotten.
    assert_eq!(verdicts(&daemon), [None; 3]);
    let at = daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]);
    assert_eq!(at, accepted["accepted"].as_f64());
    prometheus.wait_for("that it resolves, and why", "/api/v1/alerts", |answer| {
        let is_over = !is_firing(answer, "FeatureDrifted", None);
        (is_over && is_firing(answer, "ReferenceAccepted", None)).then_some(())
    });
    let past = get(&daemon, "/api/v1/models/m/windows");
    let past = past["windows"].as_array().unwrap();
    let drifted = |own: &Value| own["features_drifted"].as_u64();
    assert!(past.iter().any(|own| drifted(own) == Some(2)), "{past:?}");
    let listed = &get(&daemon, "/api/v1/models")["models"][0]["reference"];
    assert_eq!(listed["accepted"]["rows"], 2_000, "{listed}");
    let (_, page) = daemon.get("/");
    assert!(page.contains("The reference is 1 window hour from"), "{page}");
    // What closed last is still to be looked at.
    let (_, page) = daemon.get("/models/m");
    assert!(page.contains("No window has closed since.") && page.contains("amount"), "{page}");
    assert!(daemon.log().iter().any(|line| {
        line.contains("audit") && line.contains("accept reference") && line.contains("m/hour")
    }));

    // The hour that was open has closed as it was; the next is judged against what was accepted.
    write(&folder.path().join("logs/5.parquet"), hour(5, 2_000, true));
    add(&mut daemon, folder.path(), 6, true);
    assert_eq!(verdicts(&daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    daemon.stop();
    let mut daemon = Daemon::start(&path);
    assert_eq!(verdicts(&daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    add(&mut daemon, folder.path(), 7, false);
    assert_eq!(verdicts(&daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    add(&mut daemon, folder.path(), 8, false);
    assert_eq!(verdicts(&daemon), [Some(1.0), Some(1.0), Some(0.0)]);
    assert_eq!(daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]), at);

    ends_with_another_file(&mut daemon, folder.path(), at);
    daemon.stop();
    let state = folder.path().join("driftd.db");
    let (status, told, _) = run(&["state", "check", state.to_str().unwrap()]);
    assert_eq!(status, 0, "{told}");
}

/// A file that was touched holds the same, one that was trained anew does not.
fn ends_with_another_file(daemon: &mut Daemon, folder: &Path, at: Option<f64>) {
    let reference = folder.join("reference.parquet");
    let bytes = std::fs::read(&reference).unwrap();
    std::fs::write(&reference, bytes).unwrap();
    assert_eq!(daemon.request("POST", "/-/reload").0, 200);
    assert_eq!(daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]), at);
    write(&reference, hour(100, 5_000, false));
    send_signal(daemon.id(), "HUP");
    daemon.wait_for("the file", |daemon| {
        daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]).is_none()
    });
    write(&folder.join("logs/9.parquet"), hour(9, 2_000, false));
    add(daemon, folder, 10, false);
    assert_eq!(verdicts(daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    let all = get(daemon, "/api/v1/models/m/reference");
    let all = all["accepted"].as_array().unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0]["ended"].as_f64() > at && all[0]["by"].is_null(), "{all:?}");
}

/// Several windows are one reference; every row is counted once all the same.
#[test]
fn a_stretch_of_windows_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = configured(folder.path());
    let mut daemon = Daemon::start(&path);
    write(&folder.path().join("logs/1.parquet"), hour(1, 2_000, true));
    (2..=5).for_each(|number| add(&mut daemon, folder.path(), number, true));
    let time = |number: i64| ((START + number * HOUR) as f64 / 1e6).to_string();
    let (from, to) = (time(3), time(5));
    let (status, told, error) = accept(&daemon, &["--from", &from, "--to", &to]);
    assert_eq!(status, 0, "{error}");
    assert!(told.starts_with("The reference is 2 windows hour from "), "{told}");
    let accepted = &get(&daemon, "/api/v1/models/m/reference")["accepted"][0];
    assert_eq!((&accepted["windows"], &accepted["rows"]), (&2.into(), &4_000.into()));
    // The row of the open window count under the reference that they came under, and once.
    let rows = daemon.sample(&["driftd_source_rows_total"]);
    assert_eq!(rows, Some(10_000.0));
    write(&folder.path().join("logs/6.parquet"), hour(6, 2_000, true));
    add(&mut daemon, folder.path(), 7, true);
    assert_eq!(verdicts(&daemon), [Some(0.0), Some(0.0), Some(0.0)]);
    // What was accepted can be followed by another.
    let (status, _, error) = accept(&daemon, &[]);
    assert_eq!(status, 0, "{error}");
    let all = get(&daemon, "/api/v1/models/m/reference");
    let all = all["accepted"].as_array().unwrap();
    assert!(all.len() == 2 && !all[0]["ended"].is_null() && all[1]["ended"].is_null());
    // And undone.
    let url = format!("http://{}", daemon.address);
    let undo = || run(&["reference", "accept", "m", "--undo", "--url", &url]);
    let (status, told, error) = undo();
    assert!(status == 0 && told.contains("what is configured"), "{error}");
    assert_eq!(daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]), None);
    write(&folder.path().join("logs/8.parquet"), hour(8, 2_000, true));
    add(&mut daemon, folder.path(), 9, true);
    assert_eq!(verdicts(&daemon), [Some(1.0), Some(1.0), Some(0.0)]);
    let (status, _, error) = undo();
    assert!(status == 2 && error.contains("no window was accepted"), "{error}");
    daemon.stop();
}

/// A window that has not closed since is shown no more, however often another was accepted; a
/// reload that comes at the same moment changes nothing of that.
#[test]
fn what_was_judged_before_stays_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = configured(folder.path());
    let day = "[[model.window]]\nname = \"long\"\ntype = \"time\"\nsize = \"4h\"\n\
        lateness = \"0s\"\nidle_timeout = \"3650d\"\n[model.columns]";
    let text = std::fs::read_to_string(&path).unwrap().replace("[model.columns]", day);
    std::fs::write(&path, text).unwrap();
    let mut daemon = Daemon::start(&path);
    (0..4).for_each(|number| {
        write(&folder.path().join(format!("logs/{number}.parquet")), hour(number, 2_000, true));
    });
    write(&folder.path().join("logs/4.parquet"), hour(4, 2_000, true));
    let detected =
        |window: &str| ["driftd_drift_detected", window, "feature=\"amount\""].map(str::to_owned);
    let of = |daemon: &Daemon, window: &str| {
        let parts = detected(window);
        daemon.sample(&parts.each_ref().map(String::as_str))
    };
    let (long, hour_window) = ("window=\"long\"", "window=\"hour\"");
    daemon.wait_for("both", |own| [of(own, long), of(own, hour_window)] == [Some(1.0); 2]);
    assert_eq!(accept(&daemon, &[]).0, 0);
    assert_eq!([of(&daemon, long), of(&daemon, hour_window)], [None; 2]);
    write(&folder.path().join("logs/5.parquet"), hour(5, 2_000, true));
    write(&folder.path().join("logs/6.parquet"), hour(6, 2_000, true));
    daemon.wait_for("an hour", |own| of(own, hour_window) == Some(0.0));
    // Both at once.
    let address = daemon.address.clone();
    let accepting = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| accept_at(&address, &[]));
        for _ in 0..5 {
            send_signal(daemon.id(), "HUP");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        accepting.join().unwrap()
    });
    assert_eq!(accepting.0, 0, "{accepting:?}");
    daemon.wait_for("the reloads", |daemon| {
        daemon.log().iter().filter(|line| line.contains("configuration reloaded")).count() > 0
    });
    assert_eq!([of(&daemon, long), of(&daemon, hour_window)], [None; 2]);
    assert!(daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]).is_some());
    let all = get(&daemon, "/api/v1/models/m/reference");
    assert_eq!(all["accepted"].as_array().unwrap().len(), 2);
    daemon.stop();
}

/// The first files were the reference, a window is, and the first files are it again.
#[test]
fn a_warm_up_gives_way_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = configured(folder.path());
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("path = \"reference.parquet\"", "warm_up_files = 1");
    std::fs::write(&path, text).unwrap();
    write(&folder.path().join("logs/1.parquet"), hour(1, 4_000, false));
    let mut daemon = Daemon::start(&path);
    write(&folder.path().join("logs/2.parquet"), hour(2, 2_000, true));
    add(&mut daemon, folder.path(), 3, true);
    assert_eq!(detected(&daemon, "amount"), Some(1.0));
    let (status, _, error) = accept(&daemon, &[]);
    assert_eq!(status, 0, "{error}");
    daemon.stop();
    let mut daemon = Daemon::start(&path);
    write(&folder.path().join("logs/4.parquet"), hour(4, 2_000, true));
    add(&mut daemon, folder.path(), 5, true);
    assert_eq!(detected(&daemon, "amount"), Some(0.0));
    let (status, _, error) = accept(&daemon, &["--undo"]);
    // The window and the way back exclude each other.
    assert!(status == 2 && error.contains("cannot be used with"), "{error}");
    let url = format!("http://{}", daemon.address);
    let (status, _, error) = run(&["reference", "accept", "m", "--undo", "--url", &url]);
    assert_eq!(status, 0, "{error}");
    write(&folder.path().join("logs/6.parquet"), hour(6, 2_000, true));
    add(&mut daemon, folder.path(), 7, true);
    assert_eq!(detected(&daemon, "amount"), Some(1.0));
    daemon.stop();
}

#[test]
fn what_cannot_be_accepted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = configured(folder.path());
    let mut daemon = Daemon::start(&path);
    let url = format!("http://{}", daemon.address);
    let no_profile = "no window \"hour\" of that time has a profile";
    let (status, _, error) = accept(&daemon, &[]);
    assert!(status == 2 && error.contains(no_profile), "{error}");
    write(&folder.path().join("logs/1.parquet"), hour(1, 40, true));
    add(&mut daemon, folder.path(), 2, true);
    for (arguments, expected) in [
        (&["m", "--window", "hour"][..], "40 rows are too few for a reference"),
        (&["m", "--window", "day"], "no window \"day\"; there are: \"hour\""),
        (&["n", "--window", "hour"], "there is no model \"n\"; there are: m"),
        (&["m", "--window", "hour", "--version", "2"], "no such version of model \"m\""),
        (&["m", "--window", "hour", "--from", "yesterday"], "from: no time, see ISO 8601"),
        (&["m", "--window", "hour", "--from", "2030-01-01"], no_profile),
    ] {
        let command = [&["reference", "accept"], arguments, &["--url", &url]].concat();
        let (status, _, error) = run(&command);
        assert!(status == 2 && error.contains(expected), "{error}");
    }
    assert_eq!(daemon.sample(&["driftd_reference_accepted_timestamp_seconds"]), None);
    daemon.stop();
    // Nor where windows keep nothing.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("profiles_max = 20\n", "")).unwrap();
    let daemon = Daemon::start(&path);
    let (status, _, error) = accept(&daemon, &[]);
    assert!(status == 2 && error.contains("set state.profiles_max = 50"), "{error}");
    daemon.stop();
    // Without reload = true nobody changes anything over HTTP.
    let text = std::fs::read_to_string(&path).unwrap().replace("reload = true\n", "");
    std::fs::write(&path, text).unwrap();
    let daemon = Daemon::start(&path);
    let (status, _, error) = accept(&daemon, &[]);
    assert!(status == 2 && error.contains("set server.reload = true"), "{error}");
    daemon.stop();
    let (status, _, error) = run(&["reference", "accept", "m", "--window", "hour", "--url", &url]);
    assert!(status == 2 && error.contains("no daemon answers"), "{error}");
}
