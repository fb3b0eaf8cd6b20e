//! Samples of the daemon's own work, read from plain counters at each scrape.

use super::metrics;
use super::sample::{Samples, desc};
use crate::telemetry::{
    ErrorReason, FileResult, Level, ProcessTelemetry, RejectReason, SourceTelemetry,
};
use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use std::sync::{Arc, RwLock};

/// A source's name and counters.
#[derive(Debug, Clone)]
pub struct LiveSource {
    pub model: String,
    pub version: String,
    pub source: String,
    pub telemetry: Arc<SourceTelemetry>,
}

/// The sources of all models that are watched.
#[derive(Debug, Clone, Default)]
pub struct LiveSources(Arc<RwLock<Vec<LiveSource>>>);

impl LiveSources {
    /// Exchanges the sources of one model, by its name and version.
    pub fn replace(&self, (model, version): &(String, String), sources: Vec<LiveSource>) {
        let mut all = self.0.write().expect("no writer panics");
        all.retain(|source| source.model != *model || source.version != *version);
        all.extend(sources);
    }
}

/// Everything that is live.
pub struct LiveCollector {
    sources: LiveSources,
    process: Arc<ProcessTelemetry>,
    descs: Vec<Desc>,
}

/// The registry of what is live, the process' own metrics included.
pub fn registry(sources: LiveSources, process: Arc<ProcessTelemetry>) -> Registry {
    let descs = metrics::LIVE.iter().map(|metric| desc(metric)).collect();
    let registry = Registry::new();
    let collectors: [Box<dyn Collector>; 2] = [
        Box::new(LiveCollector { sources, process, descs }),
        Box::new(ProcessCollector::for_self()),
    ];
    for collector in collectors {
        registry.register(collector).expect("every name is registered once");
    }
    registry
}

impl Collector for LiveCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sources = self.sources.0.read().expect("no writer panics");
        let mut samples = Samples::default();
        samples.add(&metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        let errors = self.process.state_write_errors.get();
        samples.add(&metrics::STATE_WRITE_ERRORS, &[], errors as f64);
        let reload = self.process.reload_successful.get();
        samples.add(&metrics::RELOAD_SUCCESSFUL, &[], reload as f64);
        let reloaded = self.process.reload_success.get();
        samples.add(&metrics::RELOAD_SUCCESS_TIME, &[], reloaded as f64 / 1e6);
        sources.iter().for_each(|source| add_source(&mut samples, source));
        samples.families().collect()
    }
}

fn add_source<'a>(samples: &mut Samples<'a>, source: &'a LiveSource) {
    let telemetry = &source.telemetry;
    let labels = [source.model.as_str(), &source.version, &source.source];
    let with = |last: &'static str| -> [&'a str; 4] { [labels[0], labels[1], labels[2], last] };
    for (metric, counter) in [
        (&metrics::SOURCE_ROWS, &telemetry.rows),
        (&metrics::SOURCE_BYTES, &telemetry.bytes),
        (&metrics::SOURCE_LATE, &telemetry.late_rows),
        (&metrics::SOURCE_UNTIMED, &telemetry.untimed_rows),
        (&metrics::SOURCE_REPLACED, &telemetry.replaced_rows),
    ] {
        samples.add(metric, &labels, counter.get() as f64);
    }
    for result in FileResult::ALL {
        let count = telemetry.files(*result).get();
        samples.add(&metrics::SOURCE_FILES_DONE, &with(result.name()), count as f64);
    }
    for reason in RejectReason::ALL {
        let count = telemetry.rejected(*reason).get();
        samples.add(&metrics::SOURCE_REJECTED, &with(reason.name()), count as f64);
    }
    for reason in ErrorReason::ALL {
        let count = telemetry.errors(*reason).get();
        samples.add(&metrics::SOURCE_ERRORS, &with(reason.name()), count as f64);
    }
    for (state, level) in [
        ("pending", &telemetry.files_pending),
        ("stuck", &telemetry.files_stuck),
        ("quarantined", &telemetry.files_quarantined),
    ] {
        samples.add(&metrics::SOURCE_FILES, &with(state), level.get() as f64);
    }
    let mut time = |metric, level: &Level| {
        let micros = level.get();
        if micros > 0 {
            samples.add(metric, &labels, micros as f64 / 1e6);
        }
    };
    time(&metrics::SOURCE_LAST_SUCCESS, &telemetry.last_success);
    time(&metrics::SOURCE_OLDEST_PENDING, &telemetry.oldest_pending);
}
