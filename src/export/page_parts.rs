//! Pages in parts, which are written on all cores.

use super::exposition::Format;
use super::protobuf_format;
use super::sample::{Sample, Samples};
use super::text_format::LineFormat;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Samples that are written together, where a metric's can be written apart.
const PART_SAMPLES: usize = 8_192;

/// Bytes of a line, about.
const LINE_BYTES: usize = 160;

/// The page of samples in parts. Each part is handed to `finish` where it was written; parts are
/// written on all cores.
pub fn write_parts<T: Send>(
    samples: &Samples<'_>,
    format: Format,
    finish: impl Fn(Vec<u8>) -> T + Sync,
) -> Vec<T> {
    let part_max = match format {
        Format::Text | Format::OpenMetrics => PART_SAMPLES,
        // Its length stands before the samples of a metric.
        Format::Protobuf => usize::MAX,
    };
    let of_metrics = samples.by_metric().flat_map(|samples| {
        let parts = samples.chunks(part_max).enumerate();
        parts.map(|(part, samples)| (part == 0, samples))
    });
    let parts: Vec<(bool, &[Sample<'_>])> = of_metrics.collect();
    on_all_cores(parts.len(), |at| {
        let (is_first, samples) = parts[at];
        finish(match format {
            Format::Text => lines(LineFormat::Prometheus, is_first, samples),
            Format::OpenMetrics => lines(LineFormat::OpenMetrics, is_first, samples),
            Format::Protobuf => protobuf_format::family(samples),
        })
    })
}

/// What `work` makes of each number below `n`, in their order.
fn on_all_cores<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let of_core = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= n {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(n)).map(|_| scope.spawn(of_core)).collect();
        let done = threads.into_iter().map(|own| own.join().expect("writing does not panic"));
        done.flatten().collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Samples of one metric, the first of them after what is said of it.
fn lines(format: LineFormat, is_first: bool, samples: &[Sample<'_>]) -> Vec<u8> {
    let mut page = String::with_capacity(samples.len() * LINE_BYTES);
    if is_first {
        format.push_head(&mut page, samples[0].metric);
    }
    samples.iter().for_each(|sample| format.push(&mut page, sample, None));
    page.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::metric::MetricKind;
    use crate::export::metrics::{BUILD_INFO, DRIFT_SCORE, WINDOWS_CLOSED};
    use crate::export::sample::Value;
    use prometheus::TextEncoder;
    use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
    use proptest::prelude::*;

    /// In the form that the library's encoder takes.
    fn encoded(sample: &Sample<'_>) -> Metric {
        let pairs = sample.labels().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        let Value::Number(value) = sample.value else { unreachable!("only numbers are tried") };
        let (mut gauge, mut counter) = (Gauge::default(), Counter::default());
        gauge.set_value(value);
        counter.set_value(value);
        match sample.metric.kind {
            MetricKind::Counter => metric.set_counter(counter),
            _ => metric.set_gauge(gauge),
        }
        metric
    }

    fn families(samples: &Samples<'_>) -> Vec<MetricFamily> {
        let families = samples.by_metric().map(|samples| {
            let (metric, mut family) = (samples[0].metric, MetricFamily::default());
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                MetricKind::Counter => MetricType::COUNTER,
                _ => MetricType::GAUGE,
            });
            family.set_metric(samples.iter().map(encoded).collect());
            family
        });
        families.collect()
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// The library's encoder says what a line is.
        #[test]
        fn text_is_what_the_encoder_writes(
            names in prop::collection::vec(r#"[a"\\\né🙂{},= ]{0,12}"#, 1..4),
            values in prop::collection::vec(-1e300..1e300f64, 1..6),
        ) {
            let mut samples = Samples::default();
            for (place, value) in values.iter().enumerate() {
                let name = names[place % names.len()].as_str();
                samples.add(&DRIFT_SCORE, &[name, "", "w", name, "reference", "psi"], *value);
                samples.add(&WINDOWS_CLOSED, &[name, "1", "w", "ok"], value.abs());
                samples.add(&BUILD_INFO, &[name], 1.0);
            }
            let expected = TextEncoder::new().encode_to_string(&families(&samples)).unwrap();
            let page = write_parts(&samples, Format::Text, |text| text).concat();
            prop_assert_eq!(String::from_utf8(page).unwrap(), expected);
        }
    }
}
