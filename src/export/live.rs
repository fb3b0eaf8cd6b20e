//! Samples of the daemon's own work, read at each scrape: gauges as they are, and counters of
//! sources as they are in the state, so that they go on after a restart.

use super::metrics;
use super::process::add_process;
use super::sample::Samples;
use crate::monitor::snapshot::{Published, Snapshot};
use crate::telemetry::{
    ErrorReason, FileResult, Gauge, ModelTelemetry, ProcessTelemetry, RejectReason, SourceTelemetry,
};
use crate::time::Timestamp;
use crate::totals::{self, OF_SOURCES, Totals};
use std::sync::{Arc, RwLock};

/// A source's name and gauges.
#[derive(Debug, Clone)]
pub struct LiveSource {
    pub name: String,
    /// Whether rows can be sent to it.
    pub listens: bool,
    /// Whether it reads what waits elsewhere.
    pub has_lag: bool,
    pub telemetry: Arc<SourceTelemetry>,
}

/// A model that is watched.
#[derive(Debug, Clone)]
pub struct LiveModel {
    pub name: String,
    pub version: String,
    /// When the state first knew of it.
    pub created: Timestamp,
    pub telemetry: Arc<ModelTelemetry>,
    pub sources: Vec<LiveSource>,
}

/// All models that are watched.
#[derive(Debug, Clone, Default)]
pub struct LiveModels(Arc<RwLock<Vec<LiveModel>>>);

impl LiveModels {
    /// Adds a model, in place of one of its name and version.
    pub fn replace(&self, model: LiveModel) {
        self.remove(&model.name, &model.version);
        self.0.write().expect("no writer panics").push(model);
    }

    /// A model, if it is watched.
    pub fn of(&self, name: &str, version: &str) -> Option<LiveModel> {
        let all = self.0.read().expect("no writer panics");
        all.iter().find(|model| model.name == name && model.version == version).cloned()
    }

    /// Models that are up and have not been seen to work since this time.
    pub fn stalled_since(&self, since: Timestamp) -> Vec<String> {
        let all = self.0.read().expect("no writer panics");
        let is_stalled = |telemetry: &ModelTelemetry| {
            let progress = telemetry.last_progress.get();
            let waits = telemetry.is_queued.get() == 1;
            telemetry.up.get() == 1 && !waits && progress > 0 && progress < since.0
        };
        let stalled = all.iter().filter(|model| is_stalled(&model.telemetry));
        stalled.map(|model| format!("{} {}", model.name, model.version)).collect()
    }

    pub fn remove(&self, name: &str, version: &str) {
        let mut all = self.0.write().expect("no writer panics");
        all.retain(|model| model.name != name || model.version != version);
    }
}

/// Everything that is live.
pub struct Live {
    pub models: LiveModels,
    pub published: Arc<Published>,
    pub process: Arc<ProcessTelemetry>,
    /// Where people reach the daemon.
    pub external_url: Option<String>,
}

impl Live {
    /// What `write` makes of its samples as they are now, the process' own included.
    pub fn write<T>(&self, write: impl FnOnce(&Samples<'_>) -> T) -> T {
        let (models, snapshot) =
            (self.models.0.read().expect("no writer panics"), self.published.load());
        let mut samples = Samples::default();
        add_about(&mut samples, self.external_url.as_deref());
        let connections = self.process.http_connections.get();
        samples.add(&metrics::HTTP_CONNECTIONS, &[], connections as f64);
        let errors = self.process.state_write_errors.get();
        samples.add(&metrics::STATE_WRITE_ERRORS, &[], errors as f64);
        let reload = self.process.reload_successful.get();
        samples.add(&metrics::RELOAD_SUCCESSFUL, &[], reload as f64);
        let reloaded = self.process.reload_success.get();
        samples.add(&metrics::RELOAD_SUCCESS_TIME, &[], reloaded as f64 / 1e6);
        add_remote_write(&mut samples, &self.process);
        let none = Totals::default();
        for model in models.iter() {
            let labels = [model.name.as_str(), &model.version];
            samples.add(&metrics::MODEL_CREATED, &labels, model.created.as_seconds());
            add_model(&mut samples, labels, &model.telemetry);
            let totals = totals_of(&snapshot, model).unwrap_or(&none);
            for source in &model.sources {
                let labels = [labels[0], labels[1], source.name.as_str()];
                add_counters(&mut samples, labels, totals);
                add_gauges(&mut samples, labels, &source.telemetry);
                if source.listens {
                    let connections = source.telemetry.connections.get();
                    samples.add(&metrics::SOURCE_CONNECTIONS, &labels, connections as f64);
                }
                if source.has_lag {
                    let lag = source.telemetry.lag.get();
                    samples.add(&metrics::SOURCE_LAG, &labels, lag as f64);
                }
                if source.listens || source.has_lag {
                    let waiting = source.telemetry.waiting_bytes.get();
                    samples.add(&metrics::SOURCE_WAITING, &labels, waiting as f64);
                }
            }
        }
        add_process(&mut samples);
        write(&samples)
    }
}

/// Which driftd it is, and where people reach it.
pub fn add_about<'a>(samples: &mut Samples<'a>, external_url: Option<&'a str>) {
    samples.add(&metrics::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    if let Some(url) = external_url {
        samples.add(&metrics::SERVER_INFO, &[url], 1.0);
    }
}

fn add_remote_write(samples: &mut Samples<'_>, process: &ProcessTelemetry) {
    if process.remote_write_is_on.get() == 0 {
        return;
    }
    for (result, counter) in
        [("sent", &process.remote_write_sent), ("failed", &process.remote_write_failed)]
    {
        samples.add(&metrics::REMOTE_WRITE_SAMPLES, &[result], counter.get() as f64);
    }
    let success = process.remote_write_success.get();
    if success > 0 {
        samples.add(&metrics::REMOTE_WRITE_SUCCESS, &[], success as f64 / 1e6);
    }
}

fn add_model<'a>(samples: &mut Samples<'a>, labels: [&'a str; 2], telemetry: &ModelTelemetry) {
    samples.add(&metrics::MODEL_UP, &labels, telemetry.up.get() as f64);
    samples.add(&metrics::MODEL_RESTARTS, &labels, telemetry.restarts.get() as f64);
    let progress = telemetry.last_progress.get();
    if progress > 0 {
        samples.add(&metrics::MODEL_PROGRESS, &labels, progress as f64 / 1e6);
    }
}

/// The counters of a model as they were last committed.
fn totals_of<'a>(snapshot: &'a Snapshot, model: &LiveModel) -> Option<&'a Totals> {
    let mut models = snapshot.models.iter();
    let model = models.find(|m| m.name == model.name && m.version == model.version)?;
    Some(&model.totals)
}

fn add_counters<'a>(samples: &mut Samples<'a>, labels: [&'a str; 3], totals: &Totals) {
    let source = labels[2];
    let with = |last: &'static str| -> [&'a str; 4] { [labels[0], labels[1], labels[2], last] };
    let total = |name: &str| totals.get(OF_SOURCES, source, name) as f64;
    for (metric, name) in [
        (&metrics::SOURCE_ROWS, totals::ROWS),
        (&metrics::SOURCE_BYTES, totals::BYTES),
        (&metrics::SOURCE_LATE, totals::ROWS_LATE),
        (&metrics::SOURCE_UNTIMED, totals::ROWS_UNTIMED),
        (&metrics::SOURCE_REPLACED, totals::ROWS_REPLACED),
        (&metrics::SOURCE_UNKNOWN_KEYS, totals::UNKNOWN_KEYS),
    ] {
        samples.add(metric, &labels, total(name));
    }
    for result in FileResult::ALL {
        let files = totals::files(totals, source, *result);
        samples.add(&metrics::SOURCE_FILES_DONE, &with(result.name()), files as f64);
    }
    for reason in RejectReason::ALL {
        samples.add(&metrics::SOURCE_REJECTED, &with(reason.name()), total(reason.total()));
    }
    for reason in ErrorReason::ALL {
        samples.add(&metrics::SOURCE_ERRORS, &with(reason.name()), total(reason.total()));
    }
}

fn add_gauges<'a>(samples: &mut Samples<'a>, labels: [&'a str; 3], telemetry: &'a SourceTelemetry) {
    for (state, gauge) in [
        ("pending", &telemetry.files_pending),
        ("stuck", &telemetry.files_stuck),
        ("quarantined", &telemetry.files_quarantined),
        ("ignored", &telemetry.files_ignored),
    ] {
        let labels = [labels[0], labels[1], labels[2], state];
        samples.add(&metrics::SOURCE_FILES, &labels, gauge.get() as f64);
    }
    let mut time = |metric, gauge: &Gauge| {
        let micros = gauge.get();
        if micros > 0 {
            samples.add(metric, &labels, micros as f64 / 1e6);
        }
    };
    time(&metrics::SOURCE_LAST_SUCCESS, &telemetry.last_success);
    time(&metrics::SOURCE_OLDEST_PENDING, &telemetry.oldest_pending);
}
