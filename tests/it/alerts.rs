use crate::support::repository;
use std::process::Command;

/// Runs one of Prometheus' tools in the repository; what it printed when it failed.
pub fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name)
        .args(arguments)
        .current_dir(repository(""))
        .output()
        .unwrap_or_else(|error| panic!("{name} is needed (Debian: prometheus): {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn rules_and_configuration_are_valid() {
    tool("promtool", &["check", "rules", "config/alerts.yml"]);
    tool("promtool", &["check", "config", "config/prometheus.yml"]);
    tool("amtool", &["check-config", "config/alertmanager.yml"]);
}

#[test]
fn rules_fire_when_they_should_and_only_then() {
    let tests = std::fs::read_dir(repository("fixtures/alerts")).unwrap();
    let tests: Vec<String> =
        tests.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    assert!(tests.len() >= 5);
    let arguments = ["test", "rules"].into_iter().chain(tests.iter().map(String::as_str));
    tool("promtool", &arguments.collect::<Vec<_>>());
}
