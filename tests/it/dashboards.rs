//! Dashboards: every query of every panel and variable finds something in the demo.

use crate::metrics::demo_with;
use crate::support::prometheus::Prometheus;
use crate::support::run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Text in a query of an address.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// What a dashboard asks, variables first; `label_values` asks for series of the metric.
fn queries(board: &Value) -> Vec<String> {
    let variables = board["templating"]["list"].as_array().unwrap();
    let variables = variables.iter().filter_map(|own| own["query"]["query"].as_str());
    let variables = variables.map(|query| {
        let (metric, label) =
            query.strip_prefix("label_values(").unwrap().rsplit_once(", ").unwrap();
        format!("count by ({}) ({metric})", label.trim_end_matches(')'))
    });
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    variables.chain(expressions).collect()
}

fn boards(folder: &Path) -> Vec<(String, Value)> {
    let output = folder.join("dashboards");
    let (status, names, err) = run(&["dashboards", "--output", output.to_str().unwrap()]);
    assert_eq!(status, 0, "{err}");
    let boards = names.lines().filter(|name| name.ends_with(".json"));
    let read = boards.map(|name| {
        let text = std::fs::read_to_string(name).unwrap();
        (name.to_owned(), serde_json::from_str(&text).unwrap())
    });
    read.collect()
}

#[test]
fn every_query_finds_something_in_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let families = "families = [\"drift\", \"quality\", \"moments\", \"percentiles\", \
        \"reference\", \"distributions\"]";
    let daemon = demo_with(folder.path(), families);
    let prometheus = Prometheus::start(folder.path(), &daemon.address);
    let mut empty = Vec::new();
    let mut asked = 0;
    for (name, board) in boards(folder.path()) {
        for query in queries(&board) {
            let query = query
                .replace("=~\"$feature\"", "=~\"AGEP|delay|destination\"")
                .replace("$__rate_interval", "1m");
            let query = ["$model", "$version", "$window"]
                .iter()
                .fold(query, |query, variable| query.replace(variable, ".*"));
            assert!(!query.contains('$'), "{query}");
            let path = format!("/api/v1/query?query={}", encoded(&query));
            // Rates need two scrapes.
            let deadline = Instant::now() + Duration::from_secs(15);
            let mut answer = Value::Null;
            let is_found = |answer: &Value| {
                answer["data"]["result"].as_array().is_some_and(|all| !all.is_empty())
            };
            while !is_found(&answer) && Instant::now() < deadline {
                answer = prometheus.get(&path).unwrap_or_default();
                std::thread::sleep(Duration::from_millis(100));
            }
            asked += 1;
            if !is_found(&answer) {
                empty.push(format!("{name}: {query}: {answer}"));
            }
        }
    }
    assert!(empty.is_empty(), "{}", empty.join("\n"));
    assert!(asked > 60, "{asked} queries");
    daemon.stop();
}

/// Panels stand beside each other, and every metric that is asked for is driftd's or the process'.
#[test]
fn dashboards_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (_, table, _) = run(&["metrics"]);
    let known: BTreeSet<&str> = table.lines().filter_map(|line| line.split('\t').next()).collect();
    let boards = boards(folder.path());
    assert_eq!(boards.len(), 4);
    for (name, board) in boards {
        let mut taken = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {} lies on another", panel["title"]);
                }
            }
        }
        let variables = board["templating"]["list"].as_array().unwrap();
        let variables: BTreeSet<&str> =
            variables.iter().map(|own| own["name"].as_str().unwrap()).collect();
        for query in queries(&board) {
            for variable in query.split('$').skip(1) {
                let end = variable.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
                let variable = &variable[..end];
                let is_known = variables.contains(variable) || variable == "__rate_interval";
                assert!(is_known, "{name}: ${variable}");
            }
            let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for metric in words.filter(|word| word.starts_with("driftd_")) {
                let metric = metric.trim_end_matches("_bucket");
                assert!(known.contains(metric), "{name}: {metric}");
            }
        }
    }
}
