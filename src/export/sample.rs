//! Samples by metric, and the form of them that the encoder takes.

use super::label::label_value;
use super::metrics::{Metric, MetricKind};
use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, MetricFamily, MetricType};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// Labels that a metric has at most.
const LABELS_MAX: usize = 6;

/// Samples that are written together.
const PART_SAMPLES: usize = 8_192;

/// Bytes of a line, about.
const LINE_BYTES: usize = 160;

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

    /// A line of format 0.0.4.
    fn write(&self, page: &mut String) {
        page.push_str(self.metric.name);
        let mut separator = '{';
        for (name, value) in self.metric.labels.iter().zip(self.labels) {
            page.push(separator);
            page.push_str(name);
            page.push_str("=\"");
            push_escaped(page, &label_value(value));
            page.push('"');
            separator = ',';
        }
        if !self.metric.labels.is_empty() {
            page.push('}');
        }
        writeln!(page, " {}", self.value).expect("memory takes it");
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

impl Samples<'_> {
    /// The text of all in parts, format 0.0.4: what the encoder writes of
    /// [`families`](Samples::families), without its two strings for each label. Each part is handed
    /// to `finish` where it was written; parts are written on all cores.
    pub fn texts<T: Send>(&self, finish: impl Fn(String) -> T + Sync) -> Vec<T> {
        let of_metrics = self.0.values().flat_map(|samples| {
            let parts = samples.chunks(PART_SAMPLES).enumerate();
            parts.map(|(part, samples)| (part == 0, samples))
        });
        let parts: Vec<(bool, &[Sample<'_>])> = of_metrics.collect();
        let text = |(is_first, samples): &(bool, &[Sample<'_>])| finish(text(*is_first, samples));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let of_core = parts.len().div_ceil(cores).max(1);
        std::thread::scope(|scope| {
            let written = parts
                .chunks(of_core)
                .map(|own| scope.spawn(|| own.iter().map(&text).collect::<Vec<T>>()));
            let written: Vec<_> = written.collect();
            let texts = written.into_iter().map(|own| own.join().expect("writing does not panic"));
            texts.flatten().collect()
        })
    }
}

/// Samples of one metric, after what is said of it.
fn text(is_first: bool, samples: &[Sample<'_>]) -> String {
    let mut page = String::with_capacity(samples.len() * LINE_BYTES);
    if is_first {
        let Metric { name, help, kind, .. } = samples[0].metric;
        let kind = kind.name();
        writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("memory takes it");
    }
    samples.iter().for_each(|sample| sample.write(&mut page));
    page
}

/// A label's value with what the format escapes.
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

/// The registry's description of a metric.
pub fn desc(metric: &Metric) -> Desc {
    let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
    Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
        .expect("the table's names are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::metrics::{BUILD_INFO, DRIFT_SCORE, WINDOWS_CLOSED};
    use prometheus::TextEncoder;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// The library's encoder says what a line is.
        #[test]
        fn text_is_what_the_encoder_writes(
            names in prop::collection::vec(r#"[a"\\\né🙂{},= ]{0,12}"#, 1..4),
            values in prop::collection::vec(any::<f64>(), 1..6),
        ) {
            let mut samples = Samples::default();
            for (place, value) in values.iter().enumerate() {
                let name = names[place % names.len()].as_str();
                samples.add(&DRIFT_SCORE, &[name, "", "w", name, "reference", "psi"], *value);
                samples.add(&WINDOWS_CLOSED, &[name, "1", "w", "ok"], value.abs());
                samples.add(&BUILD_INFO, &[name], 1.0);
            }
            let families: Vec<MetricFamily> = samples.families().collect();
            let expected = TextEncoder::new().encode_to_string(&families).unwrap();
            prop_assert_eq!(samples.texts(|text| text).concat(), expected);
        }
    }
}
