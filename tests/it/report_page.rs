//! The report as a page: the numbers of JSON, names and values as text, nothing from elsewhere.

use crate::metrics::{demo, hostile};
use crate::support::table::{floats, strings, write};
use crate::support::{repository, run};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use driftd::explain::number::{percent, short};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::path::Path;

fn check(format: &str, reference: &Path, current: &Path) -> String {
    let (reference, current) = (reference.to_str().unwrap(), current.to_str().unwrap());
    let (status, out, err) = run(&["check", "--reference", reference, current, "--format", format]);
    assert!(status < 2, "{err}");
    out
}

/// The page's own style, and nothing from anywhere else.
fn expect_contained(page: &str) {
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy =
        format!("content=\"default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'\"");
    assert!(page.contains(&policy), "{}", &page[..600]);
    for word in ["<script", "<link", "<img", "<iframe", "style=", "onerror=", "url(", "http://"] {
        assert!(!page.contains(word), "{word}");
    }
}

/// The section of a feature, from its heading on.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let heading = format!("<h3><bdi>{name}</bdi></h3>");
    let rest = page.split_once(&heading).unwrap_or_else(|| panic!("{name} has no section")).1;
    rest.split("</section>").next().unwrap()
}

#[test]
fn a_page_has_the_numbers_of_json() {
    let reference = repository("fixtures/employment/reference.parquet");
    let current = repository("fixtures/employment/logs/year=2018/2018-batch-04-faulty.parquet");
    let page = check("html", &reference, &current);
    expect_contained(&page);
    let report: Value = serde_json::from_str(&check("json", &reference, &current)).unwrap();
    let features = report["reports"][0]["features"].as_array().unwrap();
    let (mut told, mut facts) = (0, 0);
    for feature in features {
        let own = section(&page, feature["name"].as_str().unwrap());
        for (measure, figures) in feature["measures"].as_object().unwrap() {
            let score = short(figures["score"].as_f64().unwrap());
            let row = format!("<th scope=\"row\">{measure}</th><td class=\"number\">{score}</td>");
            assert!(own.contains(&row), "{row}");
            told += 1;
        }
        let missing = feature["missing_ratio"].as_f64().map(percent).unwrap_or_default();
        let was = feature["reference"]["missing_ratio"].as_f64().map(percent).unwrap_or_default();
        let row =
            format!("missing</th><td class=\"number\">{was}</td><td class=\"number\">{missing}<");
        assert!(own.contains(&row), "{row}");
        let bins = feature["bins"].as_array().map_or(0, Vec::len);
        assert_eq!(own.matches("class=\"bar-reference\"").count(), bins, "{feature}");
        for fact in feature["why"]["text"].as_array().into_iter().flatten() {
            let fact = fact.as_str().unwrap().replace('"', "&quot;");
            assert!(own.contains(&format!("<li><bdi>{fact}</bdi></li>")), "{fact}");
            facts += 1;
        }
    }
    assert!(told > 100 && facts > 8, "{told} {facts}");
    // The worst come first.
    let place = |name: &str| page.find(&format!("<h3><bdi>{name}</bdi></h3>")).unwrap();
    assert!(place("AGEP") < place("ANC") && place("SCHL") < place("ANC"));
}

/// Names and values are text, whatever stands in them, and take no more room than there is.
#[test]
fn names_and_values_are_text() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["<script>alert(1)</script>", "\"quoted\" & 'more'", "\u{202e}right\u{200f}"];
    let long = "x".repeat(10_000);
    let values = ["<img src=x onerror=alert(1)>", "a\u{202e}b", "tab\tand\nline", &long];
    let table = |new: bool| {
        let value = move |row: usize| values_of(row, new);
        names
            .iter()
            .copied()
            .chain([long.as_str()])
            .map(|name| (name, strings((0..4_000).map(value))))
            .chain([("number", floats((0..4_000).map(f64::from)))])
            .collect::<Vec<_>>()
    };
    fn values_of(row: usize, new: bool) -> String {
        let long = "x".repeat(10_000);
        let all = ["<img src=x onerror=alert(1)>", "a\u{202e}b", "tab\tand\nline", &long];
        if new && row.is_multiple_of(3) { "<b>new</b>".to_owned() } else { all[row % 4].to_owned() }
    }
    let (reference, current) =
        (folder.path().join("reference.parquet"), folder.path().join("current.parquet"));
    write(&reference, table(false));
    write(&current, table(true));
    let page = check("html", &reference, &current);
    expect_contained(&page.replace("onerror=alert", "told"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(page.contains("&lt;b&gt;new&lt;/b&gt;") && !page.contains("<b>"));
    assert!(page.contains("tab\\tand\\nline") && !page.contains(values[2]));
    assert!(!page.contains(&"x".repeat(700)) && page.contains('…'));
    // What turns the direction of writing turns that of its own text alone.
    for (at, _) in page.match_indices('\u{202e}') {
        let (open, close) = (page[..at].rfind("<bdi>"), page[..at].rfind("</bdi>"));
        assert!(open > close || page[..at].ends_with("<title>"), "{}", &page[at - 80..at]);
    }
}

/// Of a hundred features less than a megabyte; of thousands a table, and sections of the worst.
#[test]
fn a_page_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let column = |feature: usize, shift: f64| {
        floats(
            (0..1_000).map(move |i| f64::from(i * 7_919 % 1_000) * (1.0 + feature as f64) + shift),
        )
    };
    for (features, bytes_max) in [(100, 1_000_000), (1_000, 4_000_000)] {
        let name: Vec<String> = (0..features).map(|at| format!("feature {at}")).collect();
        let table = |shift: f64| {
            let columns = name.iter().enumerate();
            columns.map(|(at, name)| (name.as_str(), column(at, shift))).collect::<Vec<_>>()
        };
        let (reference, current) =
            (folder.path().join("reference.parquet"), folder.path().join("current.parquet"));
        write(&reference, table(0.0));
        write(&current, table(500.0));
        let page = check("html", &reference, &current);
        assert!(page.len() < bytes_max, "{features} features: {} bytes", page.len());
        assert_eq!(page.matches("<section").count(), features.min(200));
        assert_eq!(page.matches("<tr><th scope=\"row\"><a").count(), features.min(200));
    }
}

/// The daemon's page has a part for each window of each model.
#[test]
fn the_daemon_shows_the_latest_windows() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path());
    let (status, head, page) = daemon.get_with("/api/v1/report.html", "");
    assert!(status == 200 && head.contains("text/html; charset=utf-8"), "{head}");
    let page = String::from_utf8(page).unwrap();
    expect_contained(&page);
    for part in ["employment 2015", "flights 2001-01"] {
        assert!(page.contains(&format!("<h2><bdi>{part}</bdi>")), "{part}");
    }
    assert!(page.contains("2018-batch-04-faulty.parquet"), "the file of a batch window");
    daemon.stop();
    let folder = tempfile::tempdir().unwrap();
    let daemon = hostile(folder.path());
    let (_, _, page) = daemon.get_with("/api/v1/report.html", "");
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("<h2>") && !page.contains("<script"));
    daemon.stop();
}
