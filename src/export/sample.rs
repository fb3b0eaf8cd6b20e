//! Samples by metric, in the form that the encoder takes.

use super::label::label_value;
use super::metrics::{Metric, MetricKind};
use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, MetricFamily, MetricType};
use std::collections::{BTreeMap, HashMap};

/// Families under construction.
#[derive(Default)]
pub struct Samples(BTreeMap<&'static str, MetricFamily>);

impl Samples {
    /// Adds one sample; `values` answer to the metric's labels, in their order.
    pub fn add(&mut self, metric: &'static Metric, values: &[&str], value: f64) {
        assert_eq!(values.len(), metric.labels.len(), "{} has other labels", metric.name);
        let pairs = metric.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(label_value(value).into_owned());
            pair
        });
        let mut sample = prometheus::proto::Metric::from_label(pairs.collect());
        match metric.kind {
            MetricKind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
            MetricKind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
        }
        self.family(metric).mut_metric().push(sample);
    }

    fn family(&mut self, metric: &'static Metric) -> &mut MetricFamily {
        self.0.entry(metric.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                MetricKind::Gauge => MetricType::GAUGE,
                MetricKind::Counter => MetricType::COUNTER,
            });
            family
        })
    }

    pub fn into_families(self) -> Vec<MetricFamily> {
        self.0.into_values().collect()
    }
}

/// The registry's description of a metric.
pub fn desc(metric: &Metric) -> Desc {
    let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
    Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
        .expect("the table's names are valid")
}
