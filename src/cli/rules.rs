//! `driftd rules`: the shipped alerting rules for a configuration at hand, and the recording rules
//! of a fleet.

use super::output;
use crate::config::{Config, Importance, Model, load};
use crate::export::metrics::FEATURE_STATUS;
use crate::monitor::label::label_value;
use crate::settings::units::duration_text;
use crate::window::{WindowConfig, WindowKind};
use anyhow::{Context, Result};
use serde_yaml_ng::{Mapping, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const SHIPPED: &str = include_str!("../../config/alerts.yml");
const FLEET: &str = include_str!("../../config/fleet.yml");

/// The alert that is written for each window, and how long it waits as it is shipped.
const PER_WINDOW: &str = "NoWindowClosed";
const SHIPPED_WAIT: Duration = Duration::from_secs(26 * 3_600);

/// Alerts of single features, whose severity follows their importance.
const PER_FEATURE: [&str; 3] = ["FeatureDrifted", "FeatureGone", "MissingValuesJump"];

/// From the mildest.
const SEVERITIES: [&str; 3] = ["info", "warning", "critical"];

#[derive(clap::Args)]
pub struct RulesArguments {
    /// The configuration whose models and windows they are for
    #[arg(long, value_name = "FILE", required_unless_present = "fleet")]
    config: Option<PathBuf>,
    /// The recording rules instead that compute scores of all that several daemons have counted,
    /// from the rows by cell that export.cells has them export
    #[arg(long, conflicts_with = "config")]
    fleet: bool,
    /// Where they go [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &RulesArguments) -> Result<ExitCode> {
    let text = match &arguments.config {
        Some(config) => rules(&load(config)?)?,
        None => FLEET.to_owned(),
    };
    output::write(arguments.output.as_deref(), text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn rules(config: &Config) -> Result<String> {
    let mut rules: Value = serde_yaml_ng::from_str(SHIPPED).context("the shipped rules")?;
    let groups = rules["groups"].as_sequence_mut().context("the shipped rules have groups")?;
    for group in groups.iter_mut() {
        let own = group["rules"].as_sequence_mut().context("a group has rules")?;
        let written = own.iter().flat_map(|rule| match rule["alert"].as_str() {
            Some(PER_WINDOW) => {
                windows(config).map(|(m, w)| no_window_closed(rule, m, w)).collect()
            }
            Some(name) if PER_FEATURE.contains(&name) => by_importance(rule, config),
            _ => vec![rule.clone()],
        });
        *own = written.collect();
    }
    groups.push(names(config));
    let text = serde_yaml_ng::to_string(&rules).context("rules are YAML")?;
    Ok(format!("# Written by driftd rules; what each is for stands in config/alerts.yml.\n{text}"))
}

fn windows(config: &Config) -> impl Iterator<Item = (&Model, &WindowConfig)> {
    config.models.iter().flat_map(|model| model.model.windows.iter().map(move |own| (model, own)))
}

/// Fires when a window is late by as much as its own length, instead of after a day.
fn no_window_closed(shipped: &Value, model: &Model, window: &WindowConfig) -> Value {
    let wait = match &window.kind {
        WindowKind::Time(period) => 2 * period.slide + period.lateness + period.idle_timeout,
        WindowKind::Batch { .. } | WindowKind::Rows { .. } => SHIPPED_WAIT,
    };
    let mut rule = shipped.clone();
    let matchers = matchers(model, &[("window", &window.name)]);
    let of_model = self::matchers(model, &[]);
    rule["expr"] = Value::String(format!(
        "time() - (\n  driftd_window_closed_timestamp_seconds{{{matchers}}} > 0\n  \
         or on (job, instance, model_name, model_version, window)\n    \
         0 * driftd_open_window_rows{{{matchers}}}\n      \
         + on (job, instance, model_name, model_version) group_left () \
         driftd_reference_accepted_timestamp_seconds{{{of_model}}}\n) > {}\n",
        wait.as_secs()
    ));
    let description = &mut rule["annotations"]["description"];
    if let Some(text) = description.as_str() {
        *description = Value::String(text.replace("26h", &duration_text(wait)));
    }
    rule
}

/// A rule for the features of each importance: its severity is one above or below that which is
/// shipped.
fn by_importance(shipped: &Value, config: &Config) -> Vec<Value> {
    let of = |importance: &[Importance]| {
        let models = config.models.iter().zip(&config.importance);
        let models = models.filter_map(|(model, all)| {
            let own = all.iter().filter(|(_, own)| importance.contains(own));
            let names: Vec<String> = own.map(|(name, _)| literal(&label_value(name))).collect();
            let features = format!("feature=~\"{}\"", escaped(&names.join("|")));
            let matchers = format!("{},{features}", matchers(model, &[]));
            (!names.is_empty()).then(|| format!("{}{{{matchers}}}", FEATURE_STATUS.name))
        });
        models.collect::<Vec<_>>().join(" or ")
    };
    let all = of(&[Importance::High, Importance::Low]);
    if all.is_empty() {
        return vec![shipped.clone()];
    }
    let severity = shipped["labels"]["severity"].as_str().unwrap_or_default();
    let severity = SEVERITIES.iter().position(|own| *own == severity).unwrap_or(1);
    let rule = |operator: &str, features: String, severity: usize| {
        let mut rule = shipped.clone();
        let expression = shipped["expr"].as_str().unwrap_or_default().trim_end();
        rule["expr"] = Value::String(format!(
            "(\n{expression}\n)\n{operator} on (job, instance, model_name, model_version, window, \
             feature) ({features})\n"
        ));
        rule["labels"]["severity"] = Value::from(SEVERITIES[severity.min(SEVERITIES.len() - 1)]);
        (!features.is_empty()).then_some(rule)
    };
    let rules = [
        rule("and", of(&[Importance::High]), severity + 1),
        rule("unless", all, severity),
        rule("and", of(&[Importance::Low]), severity.saturating_sub(1)),
    ];
    rules.into_iter().flatten().collect()
}

/// A text as a regular expression that it alone matches (Go's `regexp.QuoteMeta`).
fn literal(text: &str) -> String {
    let special = |c: &char| r"\.+*?()|[]{}^$".contains(*c);
    text.chars().flat_map(|c| special(&c).then_some('\\').into_iter().chain([c])).collect()
}

/// The score under a name that guides use: psi of a model's first window against the reference, of
/// the version that has moved most.
fn names(config: &Config) -> Value {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for model in &config.models {
        let Some(window) = model.model.windows.first() else { continue };
        let more =
            [("window", window.name.as_str()), ("baseline", "reference"), ("measure", "psi")];
        let score = format!("driftd_drift_score{{{}}}", matchers(model, &more));
        by_name.entry(&model.model.name).or_default().push(score);
    }
    let rules = by_name.into_values().map(|scores| {
        let scores = scores.join(" or ");
        let expression = format!("max by (model_name, feature) ({scores})");
        mapping([
            ("record", Value::from("ai_data_drift_score")),
            ("expr", Value::String(expression)),
        ])
    });
    mapping([("name", Value::from("driftd_names")), ("rules", Value::Sequence(rules.collect()))])
}

/// Of a model, its version, and more.
fn matchers(model: &Model, more: &[(&str, &str)]) -> String {
    let own = [("model_name", model.model.name.as_str()), ("model_version", &model.model.version)];
    let all =
        own.iter().chain(more).map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
    all.collect::<Vec<_>>().join(",")
}

/// A value between quotes, as PromQL has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (Value::from(key), value));
    Value::Mapping(entries.collect::<Mapping>())
}
