//! Series of a metric that the variables of a dashboard choose.

use crate::export::metric::Metric;
use crate::export::metrics::{STATISTICS, StatisticMetric};

/// Labels that are chosen by variables of every dashboard that has them.
const CHOSEN: [&str; 3] = ["model_name", "model_version", "window"];

/// The label that is chosen besides where a dashboard is of one feature.
const FEATURE: &str = "feature";

/// The name of a label's variable.
pub fn variable_name(label: &str) -> &str {
    match label {
        "model_name" => "model",
        "model_version" => "version",
        _ => label,
    }
}

/// A metric with matchers for the variables that it has labels for, and more.
pub fn selector(metric: &Metric, more: &[&str]) -> String {
    let own = CHOSEN.iter().filter(|label| metric.labels.contains(label));
    let own = own.map(|label| matcher(label));
    let all: Vec<String> = own.chain(more.iter().map(|own| (*own).to_owned())).collect();
    format!("{}{{{}}}", metric.name, all.join(","))
}

/// The same of one feature.
pub fn of_feature(metric: &Metric) -> String {
    selector(metric, &[&matcher(FEATURE)])
}

/// The classic buckets of a histogram, of one feature.
pub fn buckets(metric: &Metric) -> String {
    of_feature(metric).replacen('{', "_bucket{", 1)
}

/// What a variable chooses.
pub fn matcher(label: &str) -> String {
    format!("{label}=~\"${}\"", variable_name(label))
}

/// The statistic of this name, of features and of the reference.
pub fn statistic(name: &str) -> &'static StatisticMetric {
    let is_it =
        |own: &&StatisticMetric| own.feature.name.strip_prefix("driftd_feature_") == Some(name);
    STATISTICS.iter().find(is_it).expect("the table of statistics has it")
}
