//! Samples, and all of a page by their metrics.

use super::distribution::Distribution;
use super::metric::Metric;
use std::collections::BTreeMap;

/// Labels that a metric has at most.
const LABELS_MAX: usize = 6;

/// What a sample says.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Number(f64),
    Distribution(Distribution<'a>),
}

/// One sample. It borrows its labels: there can be hundreds of thousands.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub metric: &'static Metric,
    labels: [&'a str; LABELS_MAX],
    pub value: Value<'a>,
}

impl<'a> Sample<'a> {
    /// `values` answer to the metric's labels, in their order.
    pub fn new(
        metric: &'static Metric,
        values: impl IntoIterator<Item = &'a str>,
        value: Value<'a>,
    ) -> Sample<'a> {
        let (mut labels, mut count) = ([""; LABELS_MAX], 0);
        for (label, value) in labels.iter_mut().zip(values) {
            *label = value;
            count += 1;
        }
        assert_eq!(count, metric.labels.len(), "{} has other labels", metric.name);
        Sample { metric, labels, value }
    }

    /// Names and values.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.metric.labels.iter().copied().zip(self.labels)
    }

    /// How many series it is as lines.
    pub fn series(&self) -> usize {
        match &self.value {
            Value::Number(_) => 1,
            Value::Distribution(own) => own.series(),
        }
    }
}

/// Samples by the name of their metric.
#[derive(Default)]
pub struct Samples<'a>(BTreeMap<&'static str, Vec<Sample<'a>>>);

impl<'a> Samples<'a> {
    /// Adds one number; `values` answer to the metric's labels, in their order.
    pub fn add(&mut self, metric: &'static Metric, values: &[&'a str], value: f64) {
        self.push(Sample::new(metric, values.iter().copied(), Value::Number(value)));
    }

    pub fn push(&mut self, sample: Sample<'a>) {
        self.0.entry(sample.metric.name).or_default().push(sample);
    }

    /// Drops the samples of metrics that are not wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&Metric) -> bool) {
        self.0.retain(|_, samples| is_wanted(samples[0].metric));
    }

    /// The samples of one metric after the other, by its name; none has none.
    pub fn by_metric(&self) -> impl Iterator<Item = &[Sample<'a>]> {
        self.0.values().map(Vec::as_slice)
    }
}
