//! Samples of the process itself: processor time, memory, files.

use super::metric::MetricKind;
use super::metrics::PROCESS;
use super::sample::Samples;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

/// Adds what the machine tells of this process; what it does not tell is left out.
pub fn add_process(samples: &mut Samples<'_>) {
    let told = ProcessCollector::for_self().collect();
    for metric in PROCESS {
        let family = told.iter().find(|family| family.name() == metric.name);
        let Some(sample) = family.and_then(|family| family.get_metric().first()) else { continue };
        let value = match metric.kind {
            MetricKind::Counter => sample.get_counter().get_value(),
            _ => sample.get_gauge().get_value(),
        };
        samples.add(metric, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_told_is_shown() {
        let (mut samples, told) = (Samples::default(), ProcessCollector::for_self().collect());
        add_process(&mut samples);
        assert_eq!(samples.by_metric().count(), told.len());
    }
}
