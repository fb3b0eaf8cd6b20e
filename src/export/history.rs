//! Closed windows as OpenMetrics with timestamps, for
//! `promtool tsdb create-blocks-from openmetrics`.
//!
//! The samples are those of `/metrics`, at the end of each window: of its event time where it has
//! one, else of the clock. Counters, histograms and what
//! tells of the moment are left out.

use super::ExportConfig;
use super::metric::{Metric, MetricKind};
use super::metrics::{OPEN_WINDOW_ROWS, SERIES_DROPPED};
use super::snapshot::samples;
use super::text_format::{END, LineFormat, labels};
use crate::monitor::figures::WindowFigures;
use crate::monitor::snapshot::{ModelSnapshot, Snapshot, WindowSnapshot};
use crate::time::Timestamp;
use crate::totals::Totals;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Closed windows of any models, under construction.
#[derive(Default)]
pub struct History {
    /// By name, and by labels the lines in the order of their times.
    metrics: BTreeMap<&'static str, (&'static Metric, BTreeMap<String, String>)>,
    /// By model, version, window and millisecond, so that no series has two values at one time:
    /// a window that is closed again, because rows came after all, takes the place of the first.
    windows: BTreeMap<(String, String, String, i64), WindowFigures>,
}

impl History {
    /// Adds a window; later ones take the place of those at the same time.
    pub fn add(&mut self, model: &str, version: &str, figures: WindowFigures) {
        let Some(time) = figures.end.or(figures.closed) else { return };
        let name = (model.to_owned(), version.to_owned(), figures.window.clone());
        self.windows.insert((name.0, name.1, name.2, time.0.div_euclid(1_000)), figures);
    }

    /// The whole document.
    pub fn openmetrics(mut self, config: &ExportConfig) -> String {
        for ((name, version, _, millis), figures) in std::mem::take(&mut self.windows) {
            let window = WindowSnapshot::resumed(&figures.window.clone(), Some(figures));
            let model = ModelSnapshot {
                name,
                version,
                reference: None,
                windows: vec![window],
                predictions: Vec::new(),
                accepted: None,
                totals: Totals::default(),
            };
            let snapshot = Snapshot { generation: 0, models: vec![Arc::new(model)] };
            self.add_window(&snapshot, config, Timestamp(millis * 1_000));
        }
        let (mut page, format) = (String::new(), LineFormat::OpenMetrics);
        for (metric, series) in self.metrics.into_values() {
            format.push_head(&mut page, metric);
            series.into_values().for_each(|lines| page.push_str(&lines));
        }
        page + END
    }

    fn add_window(&mut self, snapshot: &Snapshot, config: &ExportConfig, time: Timestamp) {
        let mut samples = samples(snapshot, config);
        let of_moment = [OPEN_WINDOW_ROWS.name, SERIES_DROPPED.name];
        samples.retain(|metric| {
            metric.kind != MetricKind::Counter && !of_moment.contains(&metric.name)
        });
        for samples in samples.by_metric() {
            let metric = samples[0].metric;
            let (_, series) = self.metrics.entry(metric.name).or_insert((metric, BTreeMap::new()));
            for sample in samples {
                let lines = series.entry(labels(sample)).or_default();
                LineFormat::OpenMetrics.push(lines, sample, Some(time));
            }
        }
    }
}
