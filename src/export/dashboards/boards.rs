//! The dashboards: all models, one feature, the quality of data, the daemon itself.

use super::panel::Display::{Bars, Lines, Number, Table};
use super::panel::Panel;
use super::selector::{buckets, of_feature, selector, statistic};
use crate::export::metric::Metric;
use crate::export::metrics;

/// A dashboard.
pub struct Board {
    pub uid: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// Labels that are chosen, in this order, and the metric that has their values.
    pub variables: Vec<(&'static str, &'static Metric)>,
    pub panels: Vec<Panel>,
}

/// All of them.
pub fn all() -> [Board; 4] {
    [overview(), feature(), quality(), daemon()]
}

const MODEL: [(&str, &Metric); 3] = [
    ("model_name", &metrics::FEATURES_MONITORED),
    ("model_version", &metrics::FEATURES_MONITORED),
    ("window", &metrics::FEATURES_MONITORED),
];

/// Series against what the verdict of their window is against.
fn deciding(series: &str) -> String {
    let decides = selector(&metrics::BASELINE_DECIDES, &[]);
    format!(
        "{series} and on (job, instance, model_name, model_version, window, baseline) \
         {decides} == 1"
    )
}

fn overview() -> Board {
    let drifted = selector(&metrics::FEATURES_DRIFTED, &[]);
    let judged = selector(&metrics::FEATURES_JUDGED, &[]);
    let score = selector(&metrics::DRIFT_SCORE, &[]);
    let threshold = selector(&metrics::DRIFT_THRESHOLD, &[]);
    let closed = selector(&metrics::WINDOWS_CLOSED, &[]);
    let window_closed = selector(&metrics::WINDOW_CLOSED, &[]);
    let detected = selector(&metrics::DRIFT_DETECTED, &[]);
    Board {
        uid: "driftd-overview",
        title: "driftd: overview",
        description: "Which models and features drift.",
        variables: MODEL.to_vec(),
        panels: vec![
            Panel::new(Number, "Features that drift", "In the latest closed windows.")
                .query(format!("sum({})", deciding(&drifted)), ""),
            Panel::new(Number, "Features judged", "Those with rows enough for a verdict.")
                .query(format!("sum({})", deciding(&judged)), ""),
            Panel::new(Number, "Rows of the latest windows", "")
                .query(format!("sum({})", selector(&metrics::WINDOW_ROWS, &[])), ""),
            Panel::new(Number, "Age of the oldest verdict", "Since its window has closed.")
                .unit("s")
                .query(format!("time() - min({window_closed})"), ""),
            Panel::new(Lines, "Share of judged features that drift", "An alert fires at 30 %.")
                .unit("percentunit")
                .query(
                    deciding(&selector(&metrics::FEATURES_DRIFTED_RATIO, &[])),
                    "{{model_name}} {{window}}",
                ),
            Panel::new(Lines, "Windows closed in a day, by verdict", "")
                .query(format!("sum by (verdict) (increase({closed}[1d]))"), "{{verdict}}"),
            Panel::new(
                Lines,
                "Ten highest scores over their thresholds",
                "At 1 a score is at its threshold; a verdict asks for a small p-value besides.",
            )
            .query(
                format!("topk(10, ({}) / {threshold})", deciding(&score)),
                "{{feature}} {{measure}}",
            ),
            Panel::new(Lines, "Rows of each window", "")
                .query(selector(&metrics::WINDOW_ROWS, &[]), "{{model_name}} {{window}}"),
            Panel::new(Table, "Features that drift now", "").query(
                format!("sum by (model_name, window, feature) ({} == 1)", deciding(&detected)),
                "",
            ),
            Panel::new(Table, "What moved", "A word for each; the report has the numbers.").query(
                format!(
                    "count by (model_name, window, feature, reason) ({})",
                    selector(&metrics::DRIFT_REASON, &[])
                ),
                "",
            ),
        ],
    }
}

fn feature() -> Board {
    let mut variables = MODEL.to_vec();
    variables.push(("feature", &statistic("rows").feature));
    let beside = |title, name: &str, unit| {
        let own = statistic(name);
        Panel::new(Lines, title, "Of the window and of the reference.")
            .unit(unit)
            .query(of_feature(&own.feature), "{{window}}")
            .query(of_feature(&own.reference), "{{window}}, reference")
    };
    Board {
        uid: "driftd-feature",
        title: "driftd: one feature",
        description: "Scores against thresholds, and the window beside the reference.",
        variables,
        panels: vec![
            Panel::new(Number, "Drifted", "1 where the verdict is drift.")
                .query(format!("max({})", deciding(&of_feature(&metrics::DRIFT_DETECTED))), ""),
            Panel::new(Number, "Rows", "")
                .query(format!("sum({})", of_feature(&statistic("rows").feature)), ""),
            Panel::new(Table, "Status", "").query(
                format!(
                    "count by (window, status) ({} == 1)",
                    of_feature(&metrics::FEATURE_STATUS)
                ),
                "",
            ),
            Panel::new(Lines, "Scores", "psi, ks and the others have scales of their own.")
                .query(deciding(&of_feature(&metrics::DRIFT_SCORE)), "{{measure}} {{window}}"),
            Panel::new(Lines, "Scores over their thresholds", "Drift begins at 1.").query(
                format!(
                    "({}) / {}",
                    deciding(&of_feature(&metrics::DRIFT_SCORE)),
                    of_feature(&metrics::DRIFT_THRESHOLD)
                ),
                "{{measure}} {{window}}",
            ),
            Panel::new(Lines, "p-values", "Of 0.00001 or less is a verdict made.")
                .query(of_feature(&metrics::DRIFT_P_VALUE), "{{measure}} {{window}}"),
            beside("Mean", "mean", "short"),
            beside("Standard deviation", "stddev", "short"),
            beside("Missing values", "missing_ratio", "percentunit"),
            Panel::new(Lines, "Percentiles", "Family percentiles.")
                .query(of_feature(&metrics::FEATURE_PERCENTILE), "P{{percentile}} {{window}}"),
            Panel::new(Lines, "Percentiles of the reference", "Families percentiles, reference.")
                .query(of_feature(&metrics::REFERENCE_PERCENTILE), "P{{percentile}}"),
            distribution("Values by bucket", &metrics::FEATURE_DISTRIBUTION),
            distribution("The reference by bucket", &metrics::REFERENCE_DISTRIBUTION),
            Panel::new(
                Lines,
                "Percentiles over all instances",
                "10, 50 and 90, from the histograms of family distributions.",
            )
            .query(quantile("0.1"), "P10 {{window}}")
            .query(quantile("0.5"), "P50 {{window}}")
            .query(quantile("0.9"), "P90 {{window}}"),
            beside("Beyond the reference's range", "out_of_range_ratio", "percentunit"),
            beside("Values that the reference never had", "unseen_ratio", "percentunit"),
        ],
    }
}

/// A histogram of now, as bars that each have the rows between their end and the one before.
fn distribution(title: &'static str, metric: &'static Metric) -> Panel {
    Panel::new(Bars, title, "Buckets by their upper ends. Family distributions.")
        .query(format!("sum by (le) ({})", buckets(metric)), "{{le}}")
}

/// Of classic buckets, or of native ones where a Prometheus keeps those.
fn quantile(share: &str) -> String {
    let metric = &metrics::FEATURE_DISTRIBUTION;
    format!(
        "histogram_quantile({share}, sum by (window, le) ({})) or \
         histogram_quantile({share}, sum by (window) ({}))",
        buckets(metric),
        of_feature(metric)
    )
}

fn quality() -> Board {
    let top = |title, name: &str| {
        let series = selector(&statistic(name).feature, &[]);
        Panel::new(Lines, title, "The ten features that have most.")
            .unit("percentunit")
            .query(format!("topk(10, {series})"), "{{model_name}} {{feature}}")
    };
    let grew = |title, metric: &Metric, legend| {
        Panel::new(Lines, title, "In an hour.").query(
            format!("sum by (model_name, source) (increase({}[1h]))", selector(metric, &[])),
            legend,
        )
    };
    let legend = "{{model_name}} {{source}}";
    Board {
        uid: "driftd-quality",
        title: "driftd: quality of data",
        description: "What is missing, new, out of range, late or not a row.",
        variables: MODEL.to_vec(),
        panels: vec![
            top("Missing values", "missing_ratio"),
            top("Values that the reference never had", "unseen_ratio"),
            top("Beyond the reference's range", "out_of_range_ratio"),
            top("Zeros", "zero_ratio"),
            Panel::new(Table, "Features that are not judged, and why", "").query(
                format!(
                    "count by (model_name, window, status, feature) ({} == 1)",
                    selector(&metrics::FEATURE_STATUS, &["status!=\"ok\""])
                ),
                "",
            ),
            grew("Lines that were no rows", &metrics::SOURCE_REJECTED, legend),
            grew("Rows that came too late", &metrics::SOURCE_LATE, legend),
            grew("Rows without a time of their own", &metrics::SOURCE_UNTIMED, legend),
            Panel::new(Lines, "Files by state", "Quarantined ones could not be read.").query(
                format!(
                    "sum by (model_name, source, state) ({})",
                    selector(&metrics::SOURCE_FILES, &[])
                ),
                "{{model_name}} {{source}} {{state}}",
            ),
        ],
    }
}

fn daemon() -> Board {
    let rate = |metric: &Metric| format!("rate({}[$__rate_interval])", selector(metric, &[]));
    Board {
        uid: "driftd-daemon",
        title: "driftd: the daemon",
        description: "Whether it works, how fast, and what it takes.",
        variables: MODEL[..2].to_vec(),
        panels: vec![
            Panel::new(Number, "Models up", "")
                .query(format!("sum({})", selector(&metrics::MODEL_UP, &[])), ""),
            Panel::new(Number, "Restarts of models", "")
                .query(format!("sum({})", selector(&metrics::MODEL_RESTARTS, &[])), ""),
            Panel::new(Number, "Configuration in force", "0 where the last reload was refused.")
                .query(format!("min({})", selector(&metrics::RELOAD_SUCCESSFUL, &[])), ""),
            Panel::new(Number, "Failed writes of the state", "")
                .query(format!("sum({})", selector(&metrics::STATE_WRITE_ERRORS, &[])), ""),
            Panel::new(Lines, "Rows a second", "")
                .query(rate(&metrics::SOURCE_ROWS), "{{model_name}} {{source}}"),
            Panel::new(Lines, "Bytes a second", "")
                .unit("Bps")
                .query(rate(&metrics::SOURCE_BYTES), "{{model_name}} {{source}}"),
            Panel::new(Lines, "Errors of sources in an hour", "").query(
                format!(
                    "sum by (model_name, source, reason) (increase({}[1h]))",
                    selector(&metrics::SOURCE_ERRORS, &[])
                ),
                "{{model_name}} {{source}} {{reason}}",
            ),
            Panel::new(Lines, "Since each model has worked", "").unit("s").query(
                format!("time() - {}", selector(&metrics::MODEL_PROGRESS, &[])),
                "{{model_name}} {{model_version}}",
            ),
            Panel::new(Lines, "Memory", "Resident.")
                .unit("bytes")
                .query("process_resident_memory_bytes{job=\"driftd\"}".to_owned(), "{{instance}}"),
            Panel::new(Lines, "Processor", "Cores in use.").query(
                "rate(process_cpu_seconds_total{job=\"driftd\"}[$__rate_interval])".to_owned(),
                "{{instance}}",
            ),
            Panel::new(Lines, "HTTP connections", "")
                .query(selector(&metrics::HTTP_CONNECTIONS, &[]), "{{instance}}"),
            Panel::new(Table, "Versions", "").query(
                format!("count by (instance, version) ({})", selector(&metrics::BUILD_INFO, &[])),
                "",
            ),
        ],
    }
}
