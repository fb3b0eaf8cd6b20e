//! Closed windows as OpenMetrics with timestamps, for
//! `promtool tsdb create-blocks-from openmetrics`.
//!
//! The samples are those of `/metrics`, at the end of each window: of its event time where it has
//! one, else of the clock. Counters and what tells of the moment are left out.

use super::ExportConfig;
use super::metrics::{OPEN_WINDOW_ROWS, SERIES_DROPPED};
use super::page::text;
use crate::monitor::figures::WindowFigures;
use crate::monitor::snapshot::{ModelSnapshot, Snapshot, WindowSnapshot};
use crate::time::Timestamp;
use crate::totals::Totals;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One metric's lines.
#[derive(Default)]
struct Family {
    head: Vec<String>,
    /// By name and labels, in the order of their times.
    samples: BTreeMap<String, Vec<String>>,
}

/// Closed windows of any models, under construction.
#[derive(Default)]
pub struct History {
    families: BTreeMap<String, Family>,
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
            let (reference, totals) = (None, Totals::default());
            let model = ModelSnapshot { name, version, reference, windows: vec![window], totals };
            let snapshot = Snapshot { generation: 0, models: vec![Arc::new(model)] };
            self.add_page(&text(&snapshot, config), Timestamp(millis * 1_000));
        }
        let mut page = String::new();
        for family in self.families.into_values() {
            for line in family.head.iter().chain(family.samples.values().flatten()) {
                page.push_str(line);
                page.push('\n');
            }
        }
        page + "# EOF\n"
    }

    fn add_page(&mut self, page: &str, time: Timestamp) {
        let mut family = None;
        for line in page.lines() {
            if line.starts_with("# HELP") {
                let name = line.split(' ').nth(2).unwrap_or_default();
                let is_of_moment = [OPEN_WINDOW_ROWS.name, SERIES_DROPPED.name].contains(&name);
                family = (!is_of_moment && !name.ends_with("_total")).then(|| {
                    let family = self.families.entry(name.to_owned()).or_default();
                    family.head.clear();
                    family
                });
            }
            let Some(family) = &mut family else { continue };
            if line.starts_with('#') {
                family.head.push(line.to_owned());
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
                let sample = format!("{series} {value} {:.3}", time.as_seconds());
                family.samples.entry(series.to_owned()).or_default().push(sample);
            }
        }
    }
}
