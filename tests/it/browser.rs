//! The pages in a real browser: `tests/browser.mjs` looks at daemons that run here.

use crate::metrics::{demo, hostile};
use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use crate::support::{repository, run};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Thousands of features, some of which move.
fn many(folder: &Path) -> Daemon {
    let names: Vec<String> = (0..1_500).map(|at| format!("feature {at}")).collect();
    let table = |shift: f64| {
        let own = names.iter().enumerate();
        own.map(|(at, name)| {
            let shift = if at % 100 == 7 { shift } else { 0.0 };
            (name.as_str(), floats((0..400).map(move |row| f64::from(row) + shift)))
        })
        .collect::<Vec<_>>()
    };
    let path = config(folder, "");
    write(&folder.join("reference.parquet"), table(0.0));
    write(&folder.join("logs/1.parquet"), table(250.0));
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_window_rows"], 400.0);
    daemon
}

/// A model that has had so many files, and gets another while somebody looks.
fn following(folder: &Path, files: u32) -> Daemon {
    let path = config(folder, "");
    let table = |shift: f64| vec![("x", floats((0..400).map(|row| f64::from(row) + shift)))];
    write(&folder.join("reference.parquet"), table(0.0));
    (0..files).for_each(|at| write(&folder.join(format!("logs/{at}.parquet")), table(0.0)));
    write(&folder.join("2.parquet"), table(250.0));
    let mut daemon = Daemon::start(&path);
    let counted = f64::from(files) * 400.0;
    daemon.wait_for_sample(&["driftd_source_rows_total"], counted);
    daemon
}

/// Needs Node.js, Chromium, and a folder with playwright-core and axe-core.
#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_BROWSER is the folder of the modules"]
fn pages_hold_in_a_browser() {
    let modules = std::env::var("DRIFTD_BROWSER").expect("DRIFTD_BROWSER is set");
    let folder = tempfile::tempdir().unwrap();
    let part = |name: &str| {
        let own = folder.path().join(name);
        fs::create_dir(&own).unwrap();
        own
    };
    let (demo, hostile) = (demo(&part("demo")), hostile(&part("hostile")));
    let many = many(&part("many"));
    let (follows, begins) = (part("following"), part("beginning"));
    let (following, beginning) = (following(&follows, 1), following(&begins, 0));
    let report = folder.path().join("report.html");
    let reference = repository("fixtures/employment/reference.parquet");
    let current = repository("fixtures/employment/logs/year=2018/2018-batch-04-faulty.parquet");
    let given = [&reference, &current, &report].map(|path| path.to_str().unwrap());
    let [reference, current, output] = given;
    run(&["check", "--reference", reference, current, "--format", "html", "--output", output]);
    let at = |daemon: &Daemon| format!("http://{}", daemon.address);
    let pages = json!({
        "demo": at(&demo),
        "many": at(&many),
        "hostile": at(&hostile),
        "report": report,
        "following": {
            "url": at(&following),
            "from": follows.join("2.parquet"),
            "to": follows.join("logs/2.parquet"),
        },
        "beginning": {
            "url": at(&beginning),
            "from": begins.join("2.parquet"),
            "to": begins.join("logs/2.parquet"),
        },
    });
    let pages_file = folder.path().join("pages.json");
    fs::write(&pages_file, pages.to_string()).unwrap();
    let mut node = Command::new("node");
    let status = node.arg(repository("tests/browser.mjs")).arg(modules).arg(pages_file).status();
    assert!(status.expect("node runs").success());
    [demo, hostile, many, following, beginning].into_iter().for_each(Daemon::stop);
}
