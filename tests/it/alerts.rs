use crate::support::daemon::config;
use crate::support::{repository, run};
use std::path::{Path, PathBuf};
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

/// The rules of a configuration, which promtool takes.
fn written_rules(folder: &Path, config: &Path) -> PathBuf {
    let rules = folder.join("rules.yml");
    let paths = (config.to_str().unwrap(), rules.to_str().unwrap());
    let (status, _, err) = run(&["rules", "--config", paths.0, "--output", paths.1]);
    assert_eq!(status, 0, "{err}");
    tool("promtool", &["check", "rules", paths.1]);
    rules
}

/// Features that are said to matter more or less have alerts of another severity.
#[test]
fn severities_follow_importance() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[model.feature.\"a.b\\\"c\"]\nimportance = \"high\"\n\
        [model.feature.low]\nimportance = \"low\"\n\
        [model.feature.usual]\nimportance = \"normal\"\n\
        [[model]]\nname = \"n\"\n[model.reference]\npath = \"reference.parquet\"\n\
        [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"more\"\n\
        [model.feature.low]\nimportance = \"high\"\n";
    let config = config(folder.path(), more);
    let rules = written_rules(folder.path(), &config);
    let mut test = "rule_files: [rules.yml]\ntests:\n- interval: 1m\n  input_series:\n".to_owned();
    let mut expected = String::new();
    let input = |labels: &str, name: &str, rest: &str| {
        let series = format!("{name}{{job=\"driftd\",instance=\"a\",{labels}{rest}}}");
        format!("  - series: '{series}'\n    values: 1x9\n")
    };
    // The dot of a name stands for itself.
    for (model, feature, severity) in [
        ("m", r#"a.b\"c"#, "critical"),
        ("m", r#"axb\"c"#, "warning"),
        ("m", "low", "info"),
        ("m", "usual", "warning"),
        ("m", "unnamed", "warning"),
        ("n", "low", "critical"),
        ("n", r#"a.b\"c"#, "warning"),
    ] {
        let window = format!("model_name=\"{model}\",model_version=\"\",window=\"w\"");
        let labels = format!("{window},feature=\"{feature}\"");
        test += &input(&labels, "driftd_drift_detected", ",baseline=\"reference\"");
        test += &input(&labels, "driftd_drift_called", ",baseline=\"reference\",measure=\"psi\"");
        test += &input(&labels, "driftd_feature_status", ",status=\"ok\"");
        let decides = input(&window, "driftd_baseline_decides", ",baseline=\"reference\"");
        if !test.contains(&decides) {
            test += &decides;
        }
        let alert = format!(
            "ALERTS{{alertname=\"FeatureDrifted\",model_name=\"{model}\",feature=\"{feature}\",\
             severity=\"{severity}\"}}"
        );
        let one = format!("count({alert}) or vector(0)");
        let every =
            alert.split(",severity").next().map(|all| format!("count({all}}}) or vector(0)"));
        for expression in [one, every.unwrap()] {
            expected += &format!(
                "  - expr: '{expression}'\n    eval_time: 5m\n    \
                 exp_samples: [{{labels: '{{}}', value: 1}}]\n"
            );
        }
    }
    test += &format!("  promql_expr_test:\n{expected}");
    let file = folder.path().join("rules.test.yml");
    std::fs::write(&file, test).unwrap();
    tool("promtool", &["test", "rules", file.to_str().unwrap()]);
    // Without importance the rules are those that are shipped.
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.split("[model.feature").next().unwrap()).unwrap();
    written_rules(folder.path(), &config);
    let rules = std::fs::read_to_string(&rules).unwrap();
    assert_eq!(rules.matches("alert: FeatureDrifted").count(), 1);
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
    written_rules(folder.path(), &config);
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
