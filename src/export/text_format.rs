//! Samples as lines: Prometheus' text format 0.0.4, and OpenMetrics 1.0, which differ in what is
//! said before the samples of a metric and in the names of a histogram's sum and count.

use super::metric::{Metric, MetricKind};
use super::metrics;
use super::sample::{Sample, Value};
use crate::monitor::label::label_value;
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

/// An upper end as label `le`: as OpenMetrics asks, and as Prometheus 3 makes it of any other, so
/// that a series has one name whoever scrapes it.
fn upper_end(value: f64) -> String {
    if value == f64::INFINITY {
        return "+Inf".to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("it has an exponent");
    let exponent: i32 = exponent.parse().expect("it is a number");
    // Where Go's shortest form changes.
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Prometheus 3.5.3 showed after it had read such ends from a page.
    #[test]
    fn ends_are_as_prometheus_writes_them() {
        for (value, text) in [
            (-1e-7, "-1e-07"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.0, "1.0"),
            (123_456.0, "123456.0"),
            (1_234_567.5, "1.2345675e+06"),
            (12_345_678_901_234_567_890.0, "1.2345678901234567e+19"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(upper_end(value), text);
        }
    }
}
