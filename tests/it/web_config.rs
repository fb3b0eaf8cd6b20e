//! Web configurations, as promtool and the exporters of Prometheus take them.

use crate::support::repository;
use driftd::net::web_config::WebConfig;
use serde_json::Value;

/// What of promtool's words tells the fault; the rest is Go's way of saying it.
const WORDS: [(&str, &str); 4] = [
    ("no such file", "No such file"),
    ("yaml: unmarshal errors:\n  line 2: field cert_filse not found", "cert_filse"),
    ("yaml: unmarshal errors:\n  line 1: cannot unmarshal", "yaml: "),
    ("client CA's have been", "client CA's have been configured without a Client Auth Policy"),
];

/// Curves that are not spoken, and nothing else is asked for.
const REFUSED: [&str; 1] = ["web_config_noAuth_someCurves.good.yml"];

#[test]
fn files_are_judged_as_promtool_judges_them() {
    let folder = repository("fixtures/exporter-toolkit");
    let said = std::fs::read_to_string(folder.join("promtool.json")).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let faults = said["faults"].as_object().unwrap();
    assert_eq!(faults.len(), 41);
    let mut others = Vec::new();
    for (name, theirs) in faults {
        let ours = WebConfig::load(&folder.join("testdata").join(name));
        let ours = ours.err().map(|error| error.to_string());
        let is_same = match (&ours, theirs.as_str()) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => {
                let told = WORDS.iter().find(|(words, _)| theirs.contains(words));
                ours.contains(told.map_or(theirs, |(_, words)| words))
            }
            (Some(ours), None) => REFUSED.contains(&name.as_str()) && ours.contains("CurveP521"),
            (None, Some(_)) => false,
        };
        if !is_same {
            others.push(format!("{name}: {ours:?}, and not {theirs}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
