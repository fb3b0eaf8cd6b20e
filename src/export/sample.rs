//! Samples by metric, and the form of them that the encoder takes.

use super::label::label_value;
use super::metrics::{Metric, MetricKind};
use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, MetricFamily, MetricType};
use std::collections::{BTreeMap, HashMap};

/// Labels that a metric has at most.
const LABELS_MAX: usize = 6;

/// One sample. It borrows its labels: there can be hundreds of thousands.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub metric: &'static Metric,
    labels: [&'a str; LABELS_MAX],
    value: f64,
}

impl<'a> Sample<'a> {
    /// `values` answer to the metric's labels, in their order.
    pub fn new(
        metric: &'static Metric,
        values: impl IntoIterator<Item = &'a str>,
        value: f64,
    ) -> Sample<'a> {
        let (mut labels, mut count) = ([""; LABELS_MAX], 0);
        for (label, value) in labels.iter_mut().zip(values) {
            *label = value;
            count += 1;
        }
        assert_eq!(count, metric.labels.len(), "{} has other labels", metric.name);
        Sample { metric, labels, value }
    }

    fn encoded(&self) -> prometheus::proto::Metric {
        let pairs = self.metric.labels.iter().zip(self.labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(label_value(value).into_owned());
            pair
        });
        let mut sample = prometheus::proto::Metric::from_label(pairs.collect());
        match self.metric.kind {
            MetricKind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(self.value);
                sample.set_gauge(gauge);
            }
            MetricKind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(self.value);
                sample.set_counter(counter);
            }
        }
        sample
    }
}

/// Samples by the name of their metric.
#[derive(Default)]
pub struct Samples<'a>(BTreeMap<&'static str, Vec<Sample<'a>>>);

impl<'a> Samples<'a> {
    /// Adds one sample; `values` answer to the metric's labels, in their order.
    pub fn add(&mut self, metric: &'static Metric, values: &[&'a str], value: f64) {
        self.push(Sample::new(metric, values.iter().copied(), value));
    }

    pub fn push(&mut self, sample: Sample<'a>) {
        self.0.entry(sample.metric.name).or_default().push(sample);
    }

    /// In the form that the encoder takes, one metric after the other.
    pub fn families(&self) -> impl Iterator<Item = MetricFamily> + '_ {
        self.0.values().map(|samples| {
            let metric = samples[0].metric;
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                MetricKind::Gauge => MetricType::GAUGE,
                MetricKind::Counter => MetricType::COUNTER,
            });
            family.set_metric(samples.iter().map(Sample::encoded).collect());
            family
        })
    }
}

/// The registry's description of a metric.
pub fn desc(metric: &Metric) -> Desc {
    let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
    Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
        .expect("the table's names are valid")
}
