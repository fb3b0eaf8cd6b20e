//! Samples as requests of remote write, in both versions of Prometheus' specification.
//!
//! The messages are those of `prometheus/prompb` and `io.prometheus.write.v2`, as far as they are
//! written here.

use super::metric::{Metric, MetricKind};
use super::sample::{Sample, Samples, Value};
use crate::monitor::label::{label_value, upper_end};
use prost::Message;
use std::collections::{BTreeMap, HashMap};

/// Series in a request, as many as Prometheus itself sends at most by default.
const SERIES_MAX: usize = 2_000;

/// The NaN that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

const NAME: &str = "__name__";

/// Which version of the specification a receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteVersion {
    /// 1.0, `prometheus.WriteRequest`.
    One,
    /// 2.0, `io.prometheus.write.v2.Request`.
    Two,
}

impl WriteVersion {
    pub const ALL: [WriteVersion; 2] = [WriteVersion::One, WriteVersion::Two];

    pub fn name(self) -> &'static str {
        match self {
            WriteVersion::One => "1.0",
            WriteVersion::Two => "2.0",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            WriteVersion::One => "application/x-protobuf",
            WriteVersion::Two => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// Header `X-Prometheus-Remote-Write-Version`.
    pub fn header(self) -> &'static str {
        match self {
            WriteVersion::One => "0.1.0",
            WriteVersion::Two => "2.0.0",
        }
    }
}

/// The labels of one series, by name, as they stand in a message of version 1.0.
#[derive(Clone, PartialEq, Message)]
struct LabelSet {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `Sample` of both versions.
#[derive(Clone, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    time: i64,
}

/// `TimeSeries` of version 1.0, without its labels.
#[derive(Clone, PartialEq, Message)]
struct PointsOne {
    #[prost(message, repeated, tag = "2")]
    points: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
struct RequestOne {
    #[prost(bytes = "vec", repeated, tag = "1")]
    series: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct RequestTwo {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SeriesTwo>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesTwo {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    points: Vec<Point>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
}

const COUNTER: i32 = 1;
const GAUGE: i32 = 2;
const GAUGE_HISTOGRAM: i32 = 4;

/// A series and its value now.
struct Written {
    labels: Vec<u8>,
    metric: &'static Metric,
    value: f64,
}

/// What is written at one time, and what was at the time before.
pub struct SeriesWriter {
    /// Of every series, beside its own.
    labels: BTreeMap<String, String>,
    written: Vec<Written>,
    /// Series of the time before, and the metric that they are of.
    before: HashMap<Vec<u8>, &'static Metric>,
}

/// A request that is ready to be sent.
pub struct WriteRequest {
    /// Compressed in blocks, as Snappy does it.
    pub body: Vec<u8>,
    pub samples: u64,
}

impl SeriesWriter {
    pub fn new(labels: BTreeMap<String, String>) -> SeriesWriter {
        SeriesWriter { labels, written: Vec::new(), before: HashMap::new() }
    }

    /// Takes the series of samples.
    pub fn take(&mut self, samples: &Samples<'_>) {
        for sample in samples.by_metric().flatten() {
            match &sample.value {
                Value::Number(value) => self.add(sample, "", None, *value),
                Value::Distribution(own) => {
                    for (upper, rows) in own.buckets() {
                        self.add(sample, "_bucket", Some(upper), rows as f64);
                    }
                    self.add(sample, "_sum", None, own.sum);
                    self.add(sample, "_count", None, own.total() as f64);
                }
            }
        }
    }

    fn add(&mut self, sample: &Sample<'_>, suffix: &str, upper: Option<f64>, value: f64) {
        let own = sample.labels().map(|(name, value)| (name, label_value(value).into_owned()));
        let own = own.filter(|(_, value)| !value.is_empty());
        let name = format!("{}{suffix}", sample.metric.name);
        let upper = upper.map(|upper| ("le", upper_end(upper)));
        let shared = self.labels.iter().map(|(name, value)| (name.as_str(), value.clone()));
        // What a sample says itself counts.
        let labels: BTreeMap<&str, String> =
            shared.chain(own).chain(upper).chain([(NAME, name)]).collect();
        let labels = labels.into_iter().map(|(name, value)| Label { name: name.to_owned(), value });
        let labels = LabelSet { labels: labels.collect() }.encode_to_vec();
        self.written.push(Written { labels, metric: sample.metric, value });
    }

    /// The requests that write everything that was taken, at this time in milliseconds; series of
    /// the time before that are none any more end with it.
    pub fn requests(&mut self, time: i64, version: WriteVersion) -> Vec<WriteRequest> {
        let mut written = std::mem::take(&mut self.written);
        let now = written.iter().map(|own| (own.labels.clone(), own.metric));
        let before = std::mem::replace(&mut self.before, now.collect());
        let ended = before.into_iter().filter(|(labels, _)| !self.before.contains_key(labels));
        let stale = f64::from_bits(STALE);
        written.extend(ended.map(|(labels, metric)| Written { labels, metric, value: stale }));
        let requests = written.chunks(SERIES_MAX).map(|series| {
            let message = match version {
                WriteVersion::One => message_one(series, time),
                WriteVersion::Two => message_two(series, time),
            };
            let body = snap::raw::Encoder::new().compress_vec(&message);
            let body = body.expect("a request is no four gigabytes");
            WriteRequest { body, samples: series.len() as u64 }
        });
        requests.collect()
    }
}

fn message_one(series: &[Written], time: i64) -> Vec<u8> {
    let series = series.iter().map(|own| {
        let mut series = own.labels.clone();
        let points = PointsOne { points: vec![Point { value: own.value, time }] };
        points.encode(&mut series).expect("memory takes it");
        series
    });
    RequestOne { series: series.collect() }.encode_to_vec()
}

fn message_two(series: &[Written], time: i64) -> Vec<u8> {
    let mut symbols = Symbols::default();
    // What nobody has said is the first.
    symbols.place("");
    let series = series.iter().map(|own| {
        let set = LabelSet::decode(own.labels.as_slice()).expect("it was written here");
        let names = set.labels.iter().flat_map(|own| [&own.name, &own.value]);
        let labels = names.map(|text| symbols.place(text)).collect();
        let kind = match own.metric.kind {
            MetricKind::Counter => COUNTER,
            MetricKind::Gauge => GAUGE,
            MetricKind::GaugeHistogram => GAUGE_HISTOGRAM,
        };
        let metadata = Some(Metadata { kind, help: symbols.place(own.metric.help) });
        SeriesTwo { labels, points: vec![Point { value: own.value, time }], metadata }
    });
    let series = series.collect();
    RequestTwo { symbols: symbols.texts, series }.encode_to_vec()
}

/// Texts of a request, each once.
#[derive(Default)]
struct Symbols {
    texts: Vec<String>,
    places: HashMap<String, u32>,
}

impl Symbols {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::metrics::{BUILD_INFO, WINDOW_ROWS};

    fn texts(version: WriteVersion, request: &WriteRequest) -> Vec<(String, f64)> {
        let message = snap::raw::Decoder::new().decompress_vec(&request.body).unwrap();
        let text = |labels: &[Label]| {
            let labels = labels.iter().map(|own| format!("{}={}", own.name, own.value));
            labels.collect::<Vec<_>>().join(",")
        };
        match version {
            WriteVersion::One => {
                let request = RequestOne::decode(&*message).unwrap();
                let series = request.series.iter().map(|own| {
                    let labels = LabelSet::decode(own.as_slice()).unwrap().labels;
                    (text(&labels), PointsOne::decode(own.as_slice()).unwrap().points[0].value)
                });
                series.collect()
            }
            WriteVersion::Two => {
                let request = RequestTwo::decode(&*message).unwrap();
                assert_eq!(request.symbols[0], "");
                let symbol = |place: &u32| request.symbols[*place as usize].clone();
                let series = request.series.iter().map(|own| {
                    let pairs = own.labels.chunks(2);
                    let labels =
                        pairs.map(|own| Label { name: symbol(&own[0]), value: symbol(&own[1]) });
                    (text(&labels.collect::<Vec<_>>()), own.points[0].value)
                });
                series.collect()
            }
        }
    }

    #[test]
    fn labels_are_sorted_and_series_that_go_end() {
        for version in WriteVersion::ALL {
            let shared = [("instance", "a"), ("zone", "z"), ("version", "of nobody")];
            let shared = shared.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut writer = SeriesWriter::new(shared.into());
            let mut samples = Samples::default();
            samples.add(&WINDOW_ROWS, &["m", "", "w"], 7.0);
            samples.add(&BUILD_INFO, &["1"], 1.0);
            writer.take(&samples);
            let first = writer.requests(1_000, version);
            let rows = "__name__=driftd_window_rows,instance=a,model_name=m,\
                        version=of nobody,window=w,zone=z";
            let info = "__name__=driftd_build_info,instance=a,version=1,zone=z";
            let expected = [(info.to_owned(), 1.0), (rows.to_owned(), 7.0)];
            assert_eq!(texts(version, &first[0]), expected);
            let mut samples = Samples::default();
            samples.add(&BUILD_INFO, &["1"], 1.0);
            writer.take(&samples);
            let second = texts(version, &writer.requests(2_000, version)[0]);
            assert_eq!(second[0].0, info);
            assert_eq!((second[1].0.as_str(), second[1].1.to_bits()), (rows, STALE));
            writer.take(&samples);
            assert_eq!(writer.requests(3_000, version)[0].samples, 1);
        }
    }

    #[test]
    fn many_series_are_several_requests() {
        let names: Vec<String> = (0..4_500).map(|n| n.to_string()).collect();
        let mut samples = Samples::default();
        names.iter().for_each(|name| samples.add(&BUILD_INFO, &[name], 1.0));
        let mut writer = SeriesWriter::new(BTreeMap::new());
        writer.take(&samples);
        let requests = writer.requests(1, WriteVersion::Two);
        assert_eq!(requests.iter().map(|own| own.samples).collect::<Vec<_>>(), [2_000, 2_000, 500]);
    }
}
