//! One model: plans and adds what arrives, knows where its windows stand.

use super::acceptance::Acceptance;
use super::clustered_table::ClusteredTable;
use super::count::{Delta, check_rows, count, count_and_encode};
use super::event_time::{Timing, event_times};
use super::figures::{ReferenceFigures, WindowFigures};
use super::horizons::horizons;
use super::lateness::{EarlierVersion, Lateness, lateness};
use super::merge::merge_into;
use super::pieces::{count_in_pieces, panes_per_piece};
use super::reference::Reference;
use super::row_sample::sample;
use super::snapshot::{ModelSnapshot, WindowSnapshot};
use super::table::{Table, rows};
use super::window_history::WindowHistory;
use crate::error::{Fault, Result};
use crate::judge::drift_config::DriftConfig;
use crate::judge::evidence::WindowEvidence;
use crate::judge::persistence::RecentVerdicts;
use crate::position::Arrival;
use crate::schema::NamePattern;
use crate::schema::columns::TimeColumn;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::window::WindowConfig;
use crate::window::baseline::BaselineConfig;
use crate::window::cursor::{Cursor, PaneLayout, Place};
use crate::window::open::OpenPanes;
use crate::window::pane::{CLOSED, Horizons, PaneKey};
use crate::window::plan::{PANES_MAX, Plan};
use crate::window::sampling::SamplingConfig;
use std::sync::Arc;

/// What identifies a model, and how its windows are judged.
#[derive(Debug, Clone, PartialEq)]
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
    /// The column that names the cluster of each row.
    pub cluster: Option<String>,
    /// Features that are what the model answered.
    pub predictions: Vec<String>,
    /// Whether windows leave histograms.
    pub distributions: bool,
    /// Features of which windows leave their rows by cell.
    pub cells: Vec<NamePattern>,
    /// Whether windows leave their counts.
    pub profiles: bool,
}

/// What the state has of a model.
#[derive(Debug, Default)]
pub struct Restored {
    /// Per window, in the order of the configuration.
    pub places: Vec<Option<Place>>,
    /// Panes that were counted, and their rows.
    pub panes: Vec<(PaneKey, u64)>,
    pub latest: Vec<Option<WindowFigures>>,
    /// What closed windows have left, oldest first.
    pub evidence: Vec<Vec<WindowEvidence>>,
    /// The same of stretches of a reference in the order of time.
    pub of_reference: Vec<WindowEvidence>,
    pub recent: Vec<RecentVerdicts>,
    /// The window that is the reference.
    pub accepted: Option<Arc<Acceptance>>,
}

/// How rows arrive, and the time of those that have none of their own.
#[derive(Debug, Clone, Copy)]
pub struct ArrivalTime {
    pub arrival: Arrival,
    pub fallback: Timestamp,
    pub now: Timestamp,
}

/// What a file or batch adds to a model, before it is added.
#[derive(Debug)]
pub struct CountedTable {
    pub rows: u64,
    pub delta: Delta,
    pub lateness: Lateness,
    /// Rows whose time is that of the path, the file or the arrival.
    pub untimed: u64,
    /// What an earlier version of the file added to windows that are open, and which is taken out
    /// again.
    pub retracted: Vec<(PaneKey, u64)>,
    plan: Plan,
    /// Of the monitor that the plan was made for.
    generation: u64,
}

/// Windows of rows, by their place in the configuration, and their numbers.
pub type CompletedWindows = Vec<(usize, u64)>;

/// A model and its open panes.
pub struct Monitor {
    pub(super) config: ModelConfig,
    pub(super) layout: PaneLayout,
    pub(super) reference: Arc<Reference>,
    pub(super) reference_figures: Arc<ReferenceFigures>,
    pub(super) cursors: Vec<Cursor>,
    pub(super) open: OpenPanes,
    pub(super) windows: Vec<WindowSnapshot>,
    /// Per window, in the order of the configuration.
    pub(super) histories: Vec<WindowHistory>,
    /// The same.
    pub(super) recent: Vec<RecentVerdicts>,
    /// The window that is the reference.
    accepted: Option<Arc<Acceptance>>,
    /// Grows with every change, since a plan holds for the windows that it was made for.
    generation: u64,
}

impl Monitor {
    pub fn new(config: ModelConfig, reference: Arc<Reference>, restored: Restored) -> Monitor {
        let mut latest = restored.latest.into_iter();
        let windows = config
            .windows
            .iter()
            .map(|window| WindowSnapshot::resumed(&window.name, latest.next().flatten()));
        let mut places = restored.places.into_iter();
        let cursors = config
            .windows
            .iter()
            .map(|window| Cursor::resume(window.kind, places.next().flatten()));
        let cursors: Vec<Cursor> = cursors.collect();
        let mut evidence = restored.evidence.into_iter();
        let steps = config.drift.history;
        let of_reference: Arc<[_]> = restored.of_reference.into_iter().map(Arc::new).collect();
        let histories = config.windows.iter().map(|window| {
            let windows = evidence.next().unwrap_or_default();
            WindowHistory::new(window.kind, steps, Arc::clone(&of_reference), windows)
        });
        let histories = histories.collect();
        let mut recent = restored.recent;
        recent.resize(config.windows.len(), RecentVerdicts::default());
        let layout = PaneLayout::new(&config.windows);
        let horizons = horizons(&cursors, &layout, &config.baselines);
        Monitor {
            windows: windows.collect(),
            histories,
            recent,
            accepted: restored.accepted,
            cursors,
            layout,
            open: OpenPanes::restored(horizons, restored.panes.into_iter()),
            reference_figures: Arc::new(ReferenceFigures::of(&reference, config.distributions)),
            config,
            reference,
            generation: 0,
        }
    }

    /// Waits for rows of these sources before windows close that another has filled.
    pub fn expect(&mut self, sources: &[&str], now: Timestamp) {
        for cursor in &mut self.cursors {
            if let Cursor::Period(cursor) = cursor {
                cursor.expect(sources, now);
            }
        }
    }

    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub fn reference(&self) -> &Arc<Reference> {
        &self.reference
    }

    /// Counts `table` apart from everything else; nothing of the model changes. What an `earlier`
    /// version of the same file added is taken into account. With `encode` the counts come as they
    /// are stored as well, and those of very many panes come so and no other way.
    ///
    /// Fails when the table cannot be read, or when it would go to too many panes at once.
    pub fn count(
        &self,
        table: &dyn Table,
        time: ArrivalTime,
        earlier: Option<&EarlierVersion>,
        encode: bool,
    ) -> Result<CountedTable, Fault> {
        let retracted = earlier.map_or_else(Vec::new, |earlier| self.open_panes(earlier));
        let plan = self.plan(table, time, &retracted)?;
        let table = &ClusteredTable::new(table, self.config.cluster.as_deref())?;
        let delta = match panes_per_piece(&plan, self.reference.features.len()) {
            Some(panes) => count_in_pieces(&self.reference, table, &plan, panes),
            None if encode => count_and_encode(&self.reference, table, &plan),
            None => count(&self.reference, table, &plan),
        }?;
        Ok(CountedTable {
            rows: rows(table),
            delta,
            lateness: lateness(&plan, &self.cursors, &self.layout, earlier),
            untimed: plan.untimed,
            retracted,
            plan,
            generation: self.generation,
        })
    }

    /// The panes of an earlier version of a file that windows are open for; baselines aside.
    pub fn open_panes(&self, earlier: &EarlierVersion) -> Vec<(PaneKey, u64)> {
        earlier.panes.iter().filter(|(key, _)| self.is_open(key)).cloned().collect()
    }

    /// Which panes the rows of `table` go to, and which rows are counted. Fails when the table's
    /// count of its own rows cannot be believed: everything after depends on it.
    ///
    /// Rows that are `retracted`, because their file was rewritten, fill no window any more.
    fn plan(
        &self,
        table: &dyn Table,
        time: ArrivalTime,
        retracted: &[(PaneKey, u64)],
    ) -> Result<Plan, Fault> {
        check_rows(&self.reference, table)?;
        let ArrivalTime { arrival, fallback, now } = time;
        let column = self.config.time.as_ref();
        let timing = self.layout.width().map(|width| Timing { column, width, fallback, now });
        let times = timing.map(|timing| event_times(table, timing)).transpose()?;
        let row_groups = times.as_ref().map(|times| times.row_groups.as_slice());
        let mut cursors = self.cursors.clone();
        remove(&mut cursors, &self.layout, retracted);
        let plan = Plan::new(&cursors, &self.layout, arrival, table.row_groups(), row_groups);
        let mut plan = plan.map_err(|_| {
            Fault::unreadable(format!(
                "its rows would go to more than {PANES_MAX} panes at once, which is the limit; \
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

    /// Adds what was counted of a source; the windows that are complete with it.
    pub fn add(&mut self, source: &str, counted: CountedTable, now: Timestamp) -> CompletedWindows {
        assert_eq!(counted.generation, self.generation, "a plan holds until the next change");
        self.generation += 1;
        let CountedTable { delta, plan, retracted, .. } = counted;
        retracted.iter().for_each(|(key, rows)| self.open.remove(key, *rows));
        self.open.add(delta.panes, merge_into);
        delta.stored.iter().for_each(|(key, rows)| self.open.add_stored(key, *rows));
        // What was retracted is not among the rows of the plan's windows.
        self.cursors = plan.cursors;
        for cursor in &mut self.cursors {
            match cursor {
                Cursor::Slots(cursor) => cursor.touch(now),
                Cursor::Period(cursor) => cursor.note(source, plan.youngest, now),
            }
        }
        plan.completed
    }

    /// Takes rows out of open panes again, because their file is another one now.
    pub fn retract(&mut self, panes: &[(PaneKey, u64)]) {
        self.generation += 1;
        panes.iter().for_each(|(key, rows)| self.open.remove(key, *rows));
        remove(&mut self.cursors, &self.layout, panes);
    }

    /// Whether a window is open that a pane belongs to; baselines aside.
    fn is_open(&self, key: &PaneKey) -> bool {
        self.cursors.iter().enumerate().any(|(window, cursor)| {
            let number = key.number(self.layout.axis(window));
            number != CLOSED
                && match cursor {
                    Cursor::Slots(cursor) => number >= cursor.oldest_open(),
                    Cursor::Period(cursor) => !cursor.is_over(self.layout.start(number)),
                }
        })
    }

    /// Lets go of counts in memory, beyond so many bytes; the journal has them.
    pub fn shrink(&mut self, bytes_max: usize) {
        self.open.shrink(bytes_max);
    }

    /// The positions of the windows, in the order of the configuration.
    pub fn places(&self) -> Vec<Place> {
        self.cursors.iter().map(Cursor::place).collect()
    }

    /// From where on panes are still needed.
    pub fn horizons(&self) -> &Horizons {
        self.open.horizons()
    }

    /// Whatever changes the windows has to say so.
    pub(super) fn windows_moved(&mut self) {
        self.generation += 1;
        self.open.advance(horizons(&self.cursors, &self.layout, &self.config.baselines));
    }

    /// What readers see; `totals` are those that are committed.
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
            predictions: self.config.predictions.clone(),
            accepted: self.accepted.clone(),
            totals: Totals::default(),
        }
    }

    /// Rows that are younger than the windows that have closed.
    fn open_rows(&self, closed: Option<Timestamp>) -> u64 {
        let is_open =
            |key: &PaneKey| self.layout.pane_start(key).is_some_and(|start| closed <= Some(start));
        self.open.iter().filter(|(key, _)| is_open(key)).map(|(_, rows)| rows).sum()
    }
}

/// Takes the rows of panes out of the windows of rows that are open.
fn remove(cursors: &mut [Cursor], layout: &PaneLayout, panes: &[(PaneKey, u64)]) {
    for (window, cursor) in cursors.iter_mut().enumerate() {
        if let Some(cursor) = cursor.slots_mut() {
            let axis = layout.axis(window);
            panes.iter().for_each(|(key, rows)| cursor.remove(key.number(axis), *rows));
        }
    }
}
