//! One model: plans and merges what arrives, closes windows, keeps the latest figures.

use super::count::{check_rows, count};
use super::figures::{ReferenceFigures, WindowFigures, WindowVerdict};
use super::reference::Reference;
use super::sample::sample;
use super::score::{WindowLabel, score};
use super::snapshot::{ModelSnapshot, WindowSnapshot};
use super::table::{Table, rows};
use crate::drift::verdict::DriftConfig;
use crate::error::{Error, Result};
use crate::position::Arrival;
use crate::time::Timestamp;
use crate::window::cursor::{Cursor, Place};
use crate::window::pane::{Pane, PaneKey, Panes};
use crate::window::plan::Plan;
use crate::window::sampling::SamplingConfig;
use crate::window::{WindowConfig, WindowKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Windows of rows that one file can fill; all their panes are held until it is counted.
const WINDOWS_AT_ONCE_MAX: u64 = 10_000;

/// What identifies a model, and how its windows are judged.
#[derive(Clone)]
pub struct ModelConfig {
    pub name: String,
    pub version: String,
    pub windows: Vec<WindowConfig>,
    pub drift: DriftConfig,
    /// None counts every row.
    pub sampling: Option<SamplingConfig>,
}

/// What the state remembers of a model.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Per window, in the order of the configuration.
    pub places: Vec<Place>,
    pub panes: Panes,
    pub latest: Vec<Option<WindowFigures>>,
}

/// What one step changed, for the state to commit before it is shown.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Windows that closed, in order.
    pub closed: Vec<Arc<WindowFigures>>,
    /// Panes to write again or, when they are no longer open, to delete.
    pub touched: BTreeSet<PaneKey>,
}

/// A model and its open panes.
pub struct Monitor {
    config: ModelConfig,
    reference: Arc<Reference>,
    reference_figures: Arc<ReferenceFigures>,
    cursors: Vec<Cursor>,
    open: Panes,
    windows: Vec<WindowSnapshot>,
}

impl Monitor {
    pub fn new(config: ModelConfig, reference: Arc<Reference>, remembered: Remembered) -> Monitor {
        let mut latest = remembered.latest.into_iter();
        let windows = config
            .windows
            .iter()
            .map(|window| WindowSnapshot::resumed(&window.name, latest.next().flatten()));
        let mut places = remembered.places.into_iter();
        let cursors = config
            .windows
            .iter()
            .map(|window| Cursor::resume(window.kind, places.next().unwrap_or_default()));
        Monitor {
            windows: windows.collect(),
            cursors: cursors.collect(),
            open: remembered.panes,
            reference_figures: Arc::new(ReferenceFigures::of(&reference)),
            config,
            reference,
        }
    }

    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Which panes the rows of `table` go to, and which rows are counted. Fails when the table's
    /// count of its own rows cannot be believed: everything after depends on it.
    pub fn plan(&self, table: &dyn Table, arrival: Arrival) -> Result<Plan> {
        let n_rows = rows(table);
        for window in &self.config.windows {
            if let WindowKind::Rows { size } = window.kind
                && n_rows / size > WINDOWS_AT_ONCE_MAX
            {
                let (name, n) = (&window.name, n_rows / size);
                return Err(Error::decode(format!(
                    "its {n_rows} rows would close {n} windows {name:?} of {size} rows at once; \
                     {WINDOWS_AT_ONCE_MAX} is the limit"
                )));
            }
        }
        check_rows(&self.reference, table)?;
        let mut plan = Plan::new(&self.cursors, arrival, n_rows);
        if let Some(sampling) = &self.config.sampling {
            // The largest window is that with the most rows to spare.
            let windows = self.cursors.iter().map(|cursor| cursor.window_rows(arrival, n_rows));
            plan.sample = sample(sampling, table, windows.max().unwrap_or(n_rows))?;
        }
        Ok(plan)
    }

    /// Counts `table` apart from everything else; nothing of the model changes.
    pub fn count(&self, table: &dyn Table, plan: &Plan) -> Result<Panes> {
        count(&self.reference, table, plan)
    }

    /// Adds what was counted by `plan`.
    pub fn merge(&mut self, delta: Panes, plan: &Plan, now: Timestamp) -> Change {
        let touched = delta.0.keys().cloned().collect();
        self.open.merge(delta).expect("the delta was counted on this reference");
        self.cursors.clone_from(&plan.cursors);
        self.cursors.iter_mut().for_each(|cursor| cursor.touch(now));
        Change { closed: Vec::new(), touched }
    }

    /// Closes the windows that `plan` completed.
    pub fn close(&mut self, completed: &[(usize, u64)], now: Timestamp, change: &mut Change) {
        for &(window, slot) in completed {
            let figures = Arc::new(self.figures(window, slot, now));
            let shown = &mut self.windows[window];
            let verdict = figures.verdict();
            let index = WindowVerdict::ALL.iter().position(|v| *v == verdict);
            shown.closed[index.expect("every verdict is listed")] += 1;
            shown.latest = Some(Arc::clone(&figures));
            change.closed.push(figures);
        }
        let cursors = &self.cursors;
        let is_open = |window: usize, slot: u64| cursors[window].is_open(slot);
        change.touched.extend(self.open.forget_closed(is_open));
    }

    /// Closes the windows whose time is over.
    pub fn expire(&mut self, now: Timestamp) -> Option<Change> {
        let cursors = self.cursors.iter_mut().enumerate();
        let completed: Vec<(usize, u64)> =
            cursors.filter_map(|(window, cursor)| Some((window, cursor.expire(now)?))).collect();
        if completed.is_empty() {
            return None;
        }
        let mut change = Change::default();
        self.close(&completed, now, &mut change);
        Some(change)
    }

    /// When [`Monitor::expire`] has something to do next.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.cursors.iter().filter_map(Cursor::deadline).min()
    }

    /// The positions of the windows, in the order of the configuration.
    pub fn places(&self) -> Vec<Place> {
        self.cursors.iter().map(Cursor::place).collect()
    }

    /// An open pane; none once all its windows have closed.
    pub fn pane(&self, key: &PaneKey) -> Option<&Pane> {
        self.open.0.get(key)
    }

    pub fn snapshot(&self) -> ModelSnapshot {
        let mut windows = self.windows.clone();
        for (window, cursor) in windows.iter_mut().zip(&self.cursors) {
            window.open_rows = cursor.open_rows();
        }
        ModelSnapshot {
            name: self.config.name.clone(),
            version: self.config.version.clone(),
            reference: Some(Arc::clone(&self.reference_figures)),
            windows,
        }
    }

    fn figures(&self, window: usize, slot: u64, now: Timestamp) -> WindowFigures {
        let merged = self.open.window(window, slot);
        // A file without rows closes its window all the same.
        let pane = merged.unwrap_or_else(|| Pane::new(self.reference.grids()));
        let name = self.config.windows[window].name.clone();
        let label = WindowLabel { window: name, slot, closed: Some(now) };
        score(&self.reference, &pane, &self.config.drift, label)
            .expect("panes are counted on the model's reference")
    }
}
