//! One model: plans and merges what arrives, knows where its windows stand.

use super::count::{Delta, check_rows, count, count_and_encode};
use super::event_time::{Timing, event_times};
use super::figures::{ReferenceFigures, WindowFigures};
use super::merge::merge_into;
use super::reference::Reference;
use super::sample::sample;
use super::snapshot::{ModelSnapshot, WindowSnapshot};
use super::table::{Table, rows};
use crate::drift::verdict::DriftConfig;
use crate::error::{Error, Result};
use crate::position::Arrival;
use crate::schema::columns::TimeColumn;
use crate::time::Timestamp;
use crate::window::WindowConfig;
use crate::window::baseline::BaselineConfig;
use crate::window::cursor::{Axes, Cursor, Place};
use crate::window::open::{OpenPanes, Renamed};
use crate::window::pane::{CLOSED, PaneKey, Panes};
use crate::window::plan::{PANES_MAX, Plan};
use crate::window::sampling::SamplingConfig;
use std::sync::Arc;

/// What identifies a model, and how its windows are judged.
#[derive(Clone)]
pub struct ModelConfig {
    pub name: String,
    pub version: String,
    pub windows: Vec<WindowConfig>,
    /// Besides the reference.
    pub baselines: Vec<BaselineConfig>,
    pub drift: DriftConfig,
    /// None counts every row.
    pub sampling: Option<SamplingConfig>,
    /// The column with the time of each row.
    pub time: Option<TimeColumn>,
}

/// What the state remembers of a model.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Per window, in the order of the configuration.
    pub places: Vec<Option<Place>>,
    /// Open panes and their rows.
    pub panes: Vec<(PaneKey, u64)>,
    pub latest: Vec<Option<WindowFigures>>,
}

/// What one step changed, for the state to commit before it is shown.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Windows that closed, in order.
    pub closed: Vec<Arc<WindowFigures>>,
    /// Panes that are called otherwise, or not needed any more.
    pub renamed: Vec<Renamed>,
    /// More windows are due.
    pub more: bool,
}

/// Where rows without a time of their own belong, and the clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub fallback: Timestamp,
    pub now: Timestamp,
}

/// A model and its open panes.
pub struct Monitor {
    pub(super) config: ModelConfig,
    pub(super) axes: Axes,
    pub(super) reference: Arc<Reference>,
    reference_figures: Arc<ReferenceFigures>,
    pub(super) cursors: Vec<Cursor>,
    pub(super) open: OpenPanes,
    pub(super) windows: Vec<WindowSnapshot>,
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
            .map(|window| Cursor::resume(window.kind, places.next().flatten()));
        let mut open = OpenPanes::default();
        remembered.panes.into_iter().for_each(|(key, rows)| open.restore(key, rows));
        Monitor {
            windows: windows.collect(),
            cursors: cursors.collect(),
            axes: Axes::new(&config.windows),
            open,
            reference_figures: Arc::new(ReferenceFigures::of(&reference)),
            config,
            reference,
        }
    }

    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub fn axes(&self) -> &Axes {
        &self.axes
    }

    /// Which panes the rows of `table` go to, and which rows are counted. Fails when the table's
    /// count of its own rows cannot be believed: everything after depends on it.
    ///
    /// Rows that will give way to these, because their file was rewritten, fill no window any more.
    pub fn plan(
        &self,
        table: &dyn Table,
        arrival: Arrival,
        moment: Moment,
        gives_way: &[(PaneKey, u64)],
    ) -> Result<Plan> {
        check_rows(&self.reference, table)?;
        let Moment { fallback, now } = moment;
        let column = self.config.time.as_ref();
        let timing = self.axes.width().map(|width| Timing { column, width, fallback, now });
        let times = timing.map(|timing| event_times(table, timing)).transpose()?;
        let row_groups = times.as_ref().map(|times| times.row_groups.as_slice());
        let mut cursors = self.cursors.clone();
        gives_way.iter().for_each(|(key, rows)| remove(&mut cursors, &self.axes, key, *rows));
        let plan = Plan::new(&cursors, &self.axes, arrival, table.row_groups(), row_groups);
        let mut plan = plan.map_err(|_| {
            Error::decode(format!(
                "its rows would go to more than {PANES_MAX} windows at once, which is the limit; \
                 larger windows or smaller files are the remedy"
            ))
        })?;
        if let Some(times) = times {
            plan.youngest = times.youngest;
            plan.untimed = if self.config.time.is_some() { times.untimed } else { 0 };
        }
        if let Some(sampling) = &self.config.sampling {
            let n_rows = rows(table);
            // The largest window is that with the most rows to spare.
            let slots = self.cursors.iter().filter_map(Cursor::slots);
            let windows = slots.map(|cursor| cursor.window_rows(arrival, n_rows));
            plan.sample = sample(sampling, table, windows.max().unwrap_or(n_rows))?;
        }
        Ok(plan)
    }

    /// Counts `table` apart from everything else; nothing of the model changes.
    pub fn count(&self, table: &dyn Table, plan: &Plan) -> Result<Panes> {
        count(&self.reference, table, plan)
    }

    /// Counts `table` as [`count`](Self::count) does, for the state as well.
    pub fn count_and_encode(&self, table: &dyn Table, plan: &Plan) -> Result<Delta> {
        count_and_encode(&self.reference, table, plan)
    }

    /// Adds what was counted by `plan`.
    pub fn merge(&mut self, delta: Panes, plan: &Plan, now: Timestamp) {
        self.open.add(delta, merge_into);
        self.cursors.clone_from(&plan.cursors);
        for (window, cursor) in self.cursors.iter_mut().enumerate() {
            match cursor {
                Cursor::Slots(cursor) => cursor.touch(now),
                Cursor::Period(cursor) => {
                    let late = plan
                        .stretches
                        .iter()
                        .filter(|(number, _)| cursor.is_late(self.axes.start(**number)));
                    self.windows[window].late += late.map(|(_, rows)| rows).sum::<u64>();
                    cursor.note(plan.youngest, now);
                }
            }
        }
    }

    /// Rows of a plan that all windows by event time have closed without, by the start of their
    /// pane.
    pub fn late(&self, plan: &Plan) -> Vec<(Timestamp, u64)> {
        let is_over = |start| {
            let mut periods = self.cursors.iter().filter_map(Cursor::period);
            periods.all(|cursor| cursor.is_over(start))
        };
        let starts = plan.stretches.iter().map(|(number, rows)| (self.axes.start(*number), *rows));
        starts.filter(|(start, _)| is_over(*start)).collect()
    }

    /// Whether a window is open that a pane belongs to; baselines aside.
    pub fn is_open(&self, key: &PaneKey) -> bool {
        self.cursors.iter().enumerate().any(|(window, cursor)| {
            let number = key.0[self.axes.of(window)];
            number != CLOSED
                && match cursor {
                    Cursor::Slots(cursor) => number >= cursor.oldest_open(),
                    Cursor::Period(cursor) => !cursor.is_over(self.axes.start(number)),
                }
        })
    }

    /// Takes rows out of an open pane again, because their file was replaced.
    pub fn remove(&mut self, key: &PaneKey, rows: u64) {
        self.open.remove(key, rows);
        remove(&mut self.cursors, &self.axes, key, rows);
    }

    /// Lets go of counts that the state has as well, beyond so many bytes.
    pub fn shrink(&mut self, bytes_max: usize) {
        self.open.shrink(bytes_max);
    }

    /// The positions of the windows, in the order of the configuration.
    pub fn places(&self) -> Vec<Place> {
        self.cursors.iter().map(Cursor::place).collect()
    }

    pub fn snapshot(&self) -> ModelSnapshot {
        let mut windows = self.windows.clone();
        for (window, cursor) in windows.iter_mut().zip(&self.cursors) {
            window.open_rows = match cursor {
                Cursor::Slots(cursor) => cursor.open_rows(),
                Cursor::Period(cursor) => self.open_rows(cursor.closed()),
            };
        }
        ModelSnapshot {
            name: self.config.name.clone(),
            version: self.config.version.clone(),
            reference: Some(Arc::clone(&self.reference_figures)),
            windows,
        }
    }

    /// Rows that are younger than the windows that have closed.
    fn open_rows(&self, closed: Option<Timestamp>) -> u64 {
        let Some(axis) = self.axes.time() else { return 0 };
        let is_open =
            |key: &PaneKey| key.0[axis] != CLOSED && closed <= Some(self.axes.start(key.0[axis]));
        self.open.iter().filter(|(key, _)| is_open(key)).map(|(_, rows)| rows).sum()
    }
}

fn remove(cursors: &mut [Cursor], axes: &Axes, key: &PaneKey, rows: u64) {
    for (window, cursor) in cursors.iter_mut().enumerate() {
        if let Some(cursor) = cursor.slots_mut() {
            cursor.remove(key.0[axes.of(window)], rows);
        }
    }
}
