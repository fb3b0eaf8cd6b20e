//! Profiles of closed windows: what they counted, to be judged again and added up.

use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, strings, times, write};
use serde_json::Value;
use std::path::Path;

const START: i64 = 1_767_225_600_000_000;
const HOUR: i64 = 3_600_000_000;

/// Rows of one hour; a later one is moved.
fn hour(folder: &Path, name: &str, hour: i64, rows: i64) {
    let value = move |i: i64| ((i * 7_919 % rows) as f64 / rows as f64) * (1.0 + hour as f64 / 8.0);
    let text = move |i: i64| ["a", "b", "c"][((i + hour) % 3) as usize];
    let columns = vec![
        ("ts", times((0..rows).map(move |i| START + (hour - 1) * HOUR + i * 1_000))),
        ("x", floats((0..rows).map(value))),
        ("s", strings((0..rows).map(text))),
    ];
    write(&folder.join(name), columns);
}

fn start(folder: &Path, state: &str) -> (String, Daemon) {
    hour(folder, "reference.parquet", 1, 5_000);
    let window = "[[model.window]]\nname = \"hour\"\ntype = \"time\"\nsize = \"1h\"\n\
        idle_timeout = \"1s\"\n[[model.window]]\nname = \"two\"\ntype = \"time\"\nsize = \"2h\"\n\
        slide = \"1h\"\nidle_timeout = \"1s\"\n[model.columns]\ntime = \"ts\"\n";
    let path = config(folder, window);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[state]\n", &format!("[state]\n{state}\n"))).unwrap();
    for number in 1..=5 {
        hour(folder, &format!("logs/{number}.parquet"), number, 1_000 + 100 * number);
    }
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 6_500.0);
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"hour\""], 0.0);
    daemon.wait_for_sample(&["driftd_open_window_rows", "\"two\""], 0.0);
    (path.to_str().unwrap().to_owned(), daemon)
}

/// A window out of the state, and a sum of three, are what their files are.
#[test]
fn a_profile_is_what_its_window_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (config, daemon) = start(folder.path(), "profiles_max = 50");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (profile, reference) = (at("window.profile"), at("reference.parquet"));
    let check = |inputs: &[&str]| {
        let given = ["check", "--reference", &reference, "--config", &config, "--format", "json"];
        let (status, out, err) = run(&[&given[..], inputs].concat());
        assert!(status < 2, "{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        report["reports"][0]["features"].clone()
    };
    let all = ["history", "profile", "--config", &config, "--window", "hour", "--output", &profile];
    let (status, _, err) = run(&all);
    assert_eq!(status, 0, "while the daemon runs: {err}");
    assert!(err.contains("1 windows \"hour\", 1500 rows"), "{err}");
    assert_eq!(check(&[&profile]), check(&[&at("logs/5.parquet")]));
    let of_three = ["--from", "2026-01-01T02:00:00Z", "--to", "2026-01-01T04:30:00Z"];
    let (status, _, err) = run(&[&all[..], &of_three].concat());
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("3 windows \"hour\", 3900 rows"), "{err}");
    let files = [2, 3, 4].map(|number| at(&format!("logs/{number}.parquet")));
    let files = files.each_ref().map(String::as_str);
    assert_eq!(check(&[&profile]), check(&files));
    // Rows of windows that slide would count twice.
    let of_two = all.map(|word| if word == "hour" { "two" } else { word });
    assert_eq!(run(&of_two).0, 0);
    for (arguments, fault) in [
        ([&of_two[..], &["--from", "2026-01-01"]].concat(), "overlap"),
        (all.iter().filter(|w| !["--window", "hour"].contains(w)).copied().collect(), "hour, two"),
        ([&all[..], &["--model", "other"]].concat(), "no such model"),
        ([&all[..], &["--from", "2027-01-01"]].concat(), "has a profile"),
    ] {
        let (status, _, err) = run(&arguments);
        assert!(status == 2 && err.contains(fault), "{fault}: {status} {err}");
    }
    daemon.stop();
}

/// As many as are asked for, and within the bytes of the history, before windows go.
#[test]
fn the_oldest_profiles_go_first() {
    for (state, profiles) in [("profiles_max = 2", 2), ("profiles_max = 0", 0), ("", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let (_, daemon) = start(folder.path(), state);
        daemon.stop();
        let state = rusqlite::Connection::open(folder.path().join("driftd.db")).unwrap();
        let of = |window: &str| {
            let sql =
                "SELECT count(*) FROM closed_window w JOIN window_profile p ON p.window = w.id
                       WHERE w.window = ?1";
            state.query_row(sql, [window], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((of("hour"), of("two")), (profiles, profiles));
    }
    let folder = tempfile::tempdir().unwrap();
    let (_, daemon) = start(folder.path(), "profiles_max = 50\nhistory_max = \"14KB\"");
    daemon.stop();
    let state = rusqlite::Connection::open(folder.path().join("driftd.db")).unwrap();
    let number = |sql: &str| state.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let profiles = number("SELECT count(*) FROM window_profile");
    let bytes = "SELECT (SELECT sum(bytes) FROM closed_window)
                      + (SELECT coalesce(sum(length(body)), 0) FROM window_profile)";
    assert!((1..11).contains(&profiles), "{profiles} of {} bytes", number(bytes));
    assert!(number(bytes) <= 14 << 10);
    assert_eq!(number("SELECT count(*) FROM closed_window"), 11);
}
