//! The daemon's pages: every link leads somewhere, names are text, and roles say who sees what.

use crate::metrics::{HOSTILE_NAMES, demo, hostile};
use crate::support::daemon::{Daemon, config};
use crate::support::table::{floats, write};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use std::collections::BTreeSet;

/// A page that is found; nothing of it runs but its own script, or comes from elsewhere.
fn page(daemon: &Daemon, path: &str) -> String {
    let (status, head, body) = daemon.get_with(path, "");
    let body = String::from_utf8(body).unwrap();
    assert!(status == 200 && head.contains("text/html"), "{path}: {head} {body}");
    for word in ["<script ", "style=", "http-equiv=\"refresh\"", "unsafe-inline", "onclick="] {
        assert!(!body.contains(word), "{path}: {word}");
    }
    let hash = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!(body.matches(&open).count(), 1, "{path}: one {tag}");
        let text = body.split_once(&open).unwrap().1.split_once(&close).unwrap().0;
        BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()))
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; \
         script-src 'sha256-{}'; connect-src 'self'",
        hash("style"),
        hash("script")
    );
    assert!(body.contains(&format!("content=\"{policy}\"")), "{path}");
    body
}

/// Where a link leads from a page, as a browser has it.
fn resolved(from: &str, link: &str) -> String {
    let from = from.split('?').next().unwrap();
    if link.starts_with('?') {
        return format!("{from}{link}");
    }
    let mut parts: Vec<&str> = from.split('/').skip(1).collect();
    parts.pop();
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    for part in path.split('/') {
        // As the URL standard has it, dots may be written in either way.
        match part.replace("%2E", ".").as_str() {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("/{}{query}", parts.join("/"))
}

/// The links of a page.
fn links(page: &str) -> Vec<String> {
    let all = page.split("<a href=\"").skip(1);
    all.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

/// All pages that can be reached from the first.
fn walk(daemon: &Daemon) -> Vec<(String, String)> {
    let (mut seen, mut left) = (BTreeSet::new(), vec!["/".to_owned()]);
    let mut pages = Vec::new();
    while let Some(path) = left.pop() {
        let is_page = path == "/" || path.starts_with("/models/");
        if !seen.insert(path.clone()) || seen.len() > 400 {
            continue;
        }
        if !is_page {
            assert_eq!(daemon.get_with(&path, "").0, 200, "{path}");
            continue;
        }
        let text = page(daemon, &path);
        left.extend(links(&text).iter().map(|link| resolved(&path, link)));
        pages.push((path, text));
    }
    pages
}

#[test]
fn every_link_of_the_demo_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    let pages = walk(&daemon);
    assert!(pages.len() > 100, "{} pages", pages.len());
    let (_, first) = &pages[0];
    for part in ["employment 2015", "flights 2001-01", "3 of 17 judged features drifted"] {
        assert!(first.contains(part), "{part}");
    }
    let features = page(&daemon, "/models/employment");
    assert!(features.find(">AGEP<").unwrap() < features.find(">ANC<").unwrap(), "worst first");
    let some = page(&daemon, "/models/employment?name=ag&verdict=drifted");
    let some = some.split_once("id=\"features\"").unwrap().1;
    assert!(
        some.contains(">AGEP<") && !some.contains(">SCHL<") && some.contains("1 of 18 features")
    );
    let one = page(&daemon, "/models/employment/features/AGEP");
    for part in
        ["as if × 12", "mean 41.42 → 500.4", "bar-reference", "driftd_drift_score{model_name="]
    {
        assert!(one.contains(part), "{part}");
    }
    // What is told to be asked is answered.
    let metrics = daemon.metrics();
    let queries = one.split("<code data-copy><bdi>").skip(1);
    let queries: Vec<String> =
        queries.map(|rest| rest.split('<').next().unwrap().replace("&quot;", "\"")).collect();
    assert!(queries.len() > 5);
    for query in queries {
        let prefix = query.trim_end_matches('}');
        assert!(metrics.lines().any(|line| line.starts_with(prefix)), "{query}");
    }
    // Of another window, by its end.
    let past: Vec<String> = links(&one).into_iter().filter(|link| link.contains("&end=")).collect();
    assert_eq!(past.len(), 12);
    let first = page(&daemon, &resolved("/models/employment/features/AGEP", past.last().unwrap()));
    assert!(!first.contains("as if × 12") && first.contains("aria-current=\"true\""));
    let kinds = page(&daemon, "/models/employment?kind=numeric");
    let kinds = kinds.split_once("id=\"features\"").unwrap().1;
    assert!(kinds.contains(">AGEP<") && !kinds.contains(">SCHL<"), "of one kind");
    // The first window of all, where nothing had drifted yet.
    let past: Vec<String> =
        links(&features).into_iter().filter(|link| link.contains("&end=")).collect();
    assert_eq!(past.len(), 12);
    let first = page(&daemon, &resolved("/models/employment", past.last().unwrap()));
    assert!(first.contains("no drift in") && first.contains("It is not the newest"), "{first}");
    for path in [
        "/models/nobody",
        "/models/employment?window=x",
        "/models/employment?slot=99",
        "/models/employment?end=2001-01-01T00:00:00Z",
        "/models/flights/features/AGEP",
        "/models/employment/features/AGEP?slot=99",
    ] {
        assert_eq!(daemon.get(path).0, 404, "{path}");
    }
    daemon.stop();
}

/// Any name can be linked to, and is text.
#[test]
fn features_of_any_name_have_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = hostile(folder.path());
    let pages = walk(&daemon);
    let of_features = pages.iter().filter(|(path, _)| path.contains("/features/"));
    let told: BTreeSet<&str> = of_features.filter_map(|(path, _)| path.split('?').next()).collect();
    assert!(told.len() >= HOSTILE_NAMES.len(), "{told:#?}");
    daemon.stop();
}

/// Thousands of features come in pages.
#[test]
fn many_features_come_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..1_100).map(|at| format!("feature {at}")).collect();
    let table = || {
        let column = || floats((0..400).map(f64::from));
        names.iter().map(|name| (name.as_str(), column())).collect::<Vec<_>>()
    };
    let path = config(folder.path(), "");
    write(&folder.path().join("reference.parquet"), table());
    write(&folder.path().join("logs/1.parquet"), table());
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 400.0);
    let rows = |path: &str| page(&daemon, path).matches("<th scope=\"row\"><a").count();
    assert_eq!(rows("/models/m"), 200);
    assert_eq!(rows("/models/m?page=6"), 100);
    assert_eq!(rows("/models/m?page=99"), 100);
    assert_eq!(rows("/models/m?name=FEATURE+1099"), 1);
    let walked = links(&page(&daemon, "/models/m?page=2"));
    assert!(walked.iter().any(|link| link.ends_with("&page=3")), "{walked:?}");
    daemon.stop();
}

/// A page that has not changed is not made or sent again, as long as nothing closes.
#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    let rows = |n: u32| vec![("x", floats((0..n).map(f64::from)))];
    write(&folder.path().join("reference.parquet"), rows(1_000));
    write(&folder.path().join("logs/1.parquet"), rows(400));
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_window_rows"], 400.0);
    let tag = |head: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with("etag:")).unwrap();
        line.split_once(' ').unwrap().1.trim().to_owned()
    };
    let pages = ["/models/m", "/models/m/features/x"];
    let tags: Vec<String> = pages.iter().map(|path| tag(&daemon.get_with(path, "").1)).collect();
    let again =
        |path: &str, tag: &str| daemon.get_with(path, &format!("If-None-Match: {tag}\r\n")).0;
    for (path, tag) in pages.iter().zip(&tags) {
        assert_eq!(again(path, tag), 304, "{path}");
        assert_eq!(again(path, "\"another\""), 200, "{path}");
    }
    write(&folder.path().join("logs/2.parquet"), rows(500));
    let (mut daemon, again) = (daemon, 200);
    daemon.wait_for_sample(&["driftd_window_rows"], 500.0);
    for (path, tag) in pages.iter().zip(&tags) {
        let status = daemon.get_with(path, &format!("If-None-Match: {tag}\r\n")).0;
        assert_eq!(status, again, "{path}");
    }
    daemon.stop();
}

/// What keeps files from being counted stands on the first page, with the files and why.
#[test]
fn the_first_page_names_what_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    let rows = || vec![("x", floats((0..400).map(f64::from)))];
    write(&folder.path().join("reference.parquet"), rows());
    write(&folder.path().join("logs/1.parquet"), rows());
    // A whole file, as far as its length goes, whose footer is none.
    let bad = [&b"PAR1....."[..], &5_u32.to_le_bytes(), b"PAR1"].concat();
    std::fs::write(folder.path().join("logs/<b>bad.parquet"), bad).unwrap();
    std::fs::write(folder.path().join("logs/notes.csv"), "x\n1\n").unwrap();
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_files", "\"quarantined\""], 1.0);
    daemon.wait_for_sample(&["driftd_window_rows"], 400.0);
    let first = page(&daemon, "/");
    for part in ["1 unreadable", "&lt;b&gt;bad.parquet", "1 ignored", "left out until they change"]
    {
        assert!(first.contains(part), "{part}: {first}");
    }
    daemon.stop();
}
