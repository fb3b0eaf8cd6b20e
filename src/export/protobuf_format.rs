//! Samples as `io.prometheus.client.MetricFamily`, the messages that native histograms come in.
//!
//! The messages are those of Prometheus' `client_model`, as far as they are written here. What is
//! a string there is bytes here, so that names are not copied for every sample.

use super::distribution::Distribution;
use super::metric::{Metric as MetricRow, MetricKind};
use super::sample::{Sample, Value};
use crate::monitor::label::label_value;
use crate::profile::exponential_histogram::{ExponentialHistogram, ZERO_THRESHOLD};
use bytes::Bytes;
use prost::Message;

/// What is said of a metric; its samples, each a [`Metric`], follow it as field [`METRICS`].
#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    help: Bytes,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

const METRICS: u32 = 4;

const COUNTER: i32 = 0;
const GAUGE: i32 = 1;
const GAUGE_HISTOGRAM: i32 = 5;

/// Bytes of a sample, about, and of a length at most.
const METRIC_BYTES: usize = 160;
const LENGTH_MAX: usize = 10;

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `Gauge` or `Counter`.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "10")]
    negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

/// Buckets that follow each other: how many are left out before them, and how many they are.
#[derive(Clone, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

/// The samples of one metric, after their length.
pub fn family(samples: &[Sample<'_>]) -> Vec<u8> {
    let MetricRow { name, help, kind, labels, .. } = samples[0].metric;
    let kind = match kind {
        MetricKind::Counter => COUNTER,
        MetricKind::Gauge => GAUGE,
        MetricKind::GaugeHistogram => GAUGE_HISTOGRAM,
    };
    let family = MetricFamily {
        name: Bytes::from_static(name.as_bytes()),
        help: Bytes::from_static(help.as_bytes()),
        kind: Some(kind),
    };
    let mut body = family.encode_to_vec();
    body.reserve(samples.len() * METRIC_BYTES);
    let labels = labels
        .iter()
        .map(|name| LabelPair { name: Bytes::from_static(name.as_bytes()), value: Bytes::new() });
    // One message for all samples: those next to each other have most of their labels in common.
    let mut metric = Metric { labels: labels.collect(), ..Metric::default() };
    for sample in samples {
        set(&mut metric, sample);
        prost::encoding::message::encode(METRICS, &metric, &mut body);
    }
    let mut message = Vec::with_capacity(body.len() + LENGTH_MAX);
    prost::encoding::encode_varint(body.len() as u64, &mut message);
    message.extend(body);
    message
}

fn set(metric: &mut Metric, sample: &Sample<'_>) {
    for (pair, (_, value)) in metric.labels.iter_mut().zip(sample.labels()) {
        let value = label_value(value);
        if pair.value != value.as_bytes() {
            pair.value = Bytes::copy_from_slice(value.as_bytes());
        }
    }
    match (&sample.value, sample.metric.kind) {
        (Value::Distribution(own), _) => metric.histogram = Some(histogram(own)),
        (Value::Number(value), MetricKind::Counter) => {
            metric.counter = Some(Number { value: Some(*value) });
        }
        (Value::Number(value), _) => metric.gauge = Some(Number { value: Some(*value) }),
    }
}

/// With classic buckets, which a Prometheus takes that was asked to, and native ones.
fn histogram(own: &Distribution<'_>) -> Histogram {
    let buckets = own
        .buckets()
        .into_iter()
        .map(|(upper, rows)| Bucket { cumulative_count: Some(rows), upper_bound: Some(upper) });
    let classic = Histogram {
        sample_count: Some(own.total()),
        sample_sum: Some(own.sum),
        buckets: buckets.collect(),
        ..Histogram::default()
    };
    let Some(native) = own.native else { return classic };
    let ExponentialHistogram { schema, zeros, positive, negative } = native;
    let (positive_spans, positive_deltas) = spans(positive);
    let (negative_spans, negative_deltas) = spans(negative);
    Histogram {
        sample_count: Some(native.total()),
        schema: Some(i32::from(*schema)),
        zero_threshold: Some(ZERO_THRESHOLD),
        zero_count: Some(*zeros),
        negative_spans,
        negative_deltas,
        positive_spans,
        positive_deltas,
        ..classic
    }
}

/// Filled buckets as stretches, and by how much the rows of each differ from those before.
fn spans(filled: &[(i32, u64)]) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<BucketSpan>, _) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0, 0);
    for &(index, rows) in filled {
        match spans.last_mut() {
            Some(BucketSpan { length: Some(length), .. }) if index == next => *length += 1,
            _ => spans.push(BucketSpan { offset: Some(index - next), length: Some(1) }),
        }
        deltas.push(rows as i64 - before);
        (next, before) = (index + 1, rows as i64);
    }
    (spans, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_that_follow_each_other_are_a_span() {
        let (spans, deltas) = spans(&[(-3, 5), (-2, 1), (4, 2), (5, 2)]);
        let span = |offset, length| BucketSpan { offset: Some(offset), length: Some(length) };
        assert_eq!(spans, [span(-3, 2), span(5, 2)]);
        assert_eq!(deltas, [5, -4, 1, 0]);
    }
}
