use crate::support::daemon::config;
use crate::support::{repository, run};
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

/// For each window of a configuration, and under a name that guides use: written, checked, and
/// fired by promtool.
#[test]
fn rules_are_written_for_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[[model.window]]\nname = \"hour \\\"a\\\"\"\ntype = \"time\"\nsize = \"1h\"\n\
        lateness = \"10m\"\nidle_timeout = \"5m\"\n[model.columns]\ntime = \"ts\"\n\
        [[model.window]]\nname = \"batch\"\ntype = \"batch\"\n";
    let config = config(folder.path(), more);
    let rules = folder.path().join("rules.yml");
    let arguments =
        ["rules", "--config", config.to_str().unwrap(), "--output", rules.to_str().unwrap()];
    let (status, _, err) = run(&arguments);
    assert_eq!(status, 0, "{err}");
    tool("promtool", &["check", "rules", rules.to_str().unwrap()]);
    let window = "window=\"hour \\\"a\\\"\"";
    let model = "model_name=\"m\",model_version=\"\"";
    let input =
        |series: &str, values: &str| format!("  - series: {series}\n    values: '{values}x200'\n");
    let closed = "driftd_window_closed_timestamp_seconds";
    let closed = |window| format!("{closed}{{job=\"driftd\",instance=\"a\",{model},{window}}}");
    let more = "feature=\"x\",baseline=\"reference\",measure=\"psi\"";
    let score = format!("driftd_drift_score{{{model},{window},{more}}}");
    let expected = |expression: &str, time: &str, labels: &str, value: f64| {
        format!(
            "  - expr: {expression}\n    eval_time: {time}\n    \
             exp_samples: [{{labels: '{labels}', value: {value}}}]\n"
        )
    };
    let late = "count(ALERTS{alertname=\"NoWindowClosed\",window=~\"hour.*\"}) or vector(0)";
    // Twice an hour, the lateness and the silence: 135 minutes after it has closed.
    let test = [
        "rule_files: [rules.yml]\ntests:\n- interval: 1m\n  input_series:\n".to_owned(),
        input(&closed(window), "1"),
        input(&closed("window=\"batch\""), "1"),
        input(&score, "0.3"),
        "  promql_expr_test:\n".to_owned(),
        expected(late, "134m", "{}", 0.0),
        expected(late, "137m", "{}", 1.0),
        expected(
            "ai_data_drift_score",
            "5m",
            "ai_data_drift_score{model_name=\"m\", feature=\"x\"}",
            0.3,
        ),
    ];
    let test = test.concat();
    let file = folder.path().join("rules.test.yml");
    std::fs::write(&file, test).unwrap();
    tool("promtool", &["test", "rules", file.to_str().unwrap()]);
}
