//! Samples as lines: Prometheus' text format 0.0.4, and OpenMetrics 1.0, which differ in what is
//! said before the samples of a metric and in the names of a histogram's sum and count.

use super::metric::{Metric, MetricKind};
use super::metrics;
use super::sample::{Sample, Value};
use crate::monitor::label::{label_value, upper_end};
use crate::time::Timestamp;
use std::fmt::Write;

/// What differs between the formats of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// Format 0.0.4.
    Prometheus,
    OpenMetrics,
}

/// Ends a page of OpenMetrics.
pub const END: &str = "# EOF\n";

impl LineFormat {
    /// What is said of a metric before its samples.
    pub fn push_head(self, page: &mut String, metric: &Metric) {
        let Metric { name, help, kind, .. } = metric;
        let (name, kind) = match (self, kind) {
            // There a counter's family has the name without its ending, which may be a gauge's.
            (LineFormat::OpenMetrics, MetricKind::Counter) => {
                let family = name.trim_end_matches("_total");
                let is_taken = metrics::all().any(|other| other.name == family);
                if is_taken { (*name, "unknown") } else { (family, kind.name()) }
            }
            (LineFormat::OpenMetrics, MetricKind::GaugeHistogram) => (*name, "gaugehistogram"),
            _ => (*name, kind.name()),
        };
        writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("memory takes it");
    }

    /// The lines of a sample.
    pub fn push(self, page: &mut String, sample: &Sample<'_>, time: Option<Timestamp>) {
        let mut line = |suffix: &str, upper: Option<f64>, value: f64| {
            page.push_str(sample.metric.name);
            page.push_str(suffix);
            push_labels(page, sample, upper);
            page.push(' ');
            push_number(page, value);
            if let Some(time) = time {
                write!(page, " {:.3}", time.as_seconds()).expect("memory takes it");
            }
            page.push('\n');
        };
        match &sample.value {
            Value::Number(value) => line("", None, *value),
            Value::Distribution(own) => {
                for (upper, rows) in own.buckets() {
                    line("_bucket", Some(upper), rows as f64);
                }
                let (sum, count) = match self {
                    LineFormat::Prometheus => ("_sum", "_count"),
                    LineFormat::OpenMetrics => ("_gsum", "_gcount"),
                };
                line(sum, None, own.sum);
                line(count, None, own.total() as f64);
            }
        }
    }
}

/// The labels of a sample as they stand in a line.
pub fn labels(sample: &Sample<'_>) -> String {
    let mut text = String::new();
    push_labels(&mut text, sample, None);
    text
}

fn push_labels(page: &mut String, sample: &Sample<'_>, upper: Option<f64>) {
    let mut separator = '{';
    for (name, value) in sample.labels() {
        page.push(separator);
        page.push_str(name);
        page.push_str("=\"");
        push_escaped(page, &label_value(value));
        page.push('"');
        separator = ',';
    }
    if let Some(upper) = upper {
        write!(page, "{separator}le=\"{}\"", upper_end(upper)).expect("memory takes it");
        separator = ',';
    }
    if separator == ',' {
        page.push('}');
    }
}

/// A label's value with what the formats escape.
fn push_escaped(page: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        let (before, after) = rest.split_at(at);
        page.push_str(before);
        page.push_str(match after.as_bytes()[0] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &after[1..];
    }
    page.push_str(rest);
}

fn push_number(page: &mut String, value: f64) {
    match value {
        f64::INFINITY => page.push_str("+Inf"),
        f64::NEG_INFINITY => page.push_str("-Inf"),
        _ => write!(page, "{value}").expect("memory takes it"),
    }
}
