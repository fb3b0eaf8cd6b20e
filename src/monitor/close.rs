//! Closing windows: which are due, their panes merged, scored against their baselines.

use super::cell_rows::CellRows;
use super::figures::{ReferenceFigures, WindowFigures};
use super::merge::{merged, sum_up};
use super::model::Monitor;
use super::reference::CurrentProfile;
use super::score::{Baseline, ScoredWindow, WindowLabel, score};
use super::window_history::Remembered;
use crate::drift::Comparison;
use crate::error::{Result, StateError};
use crate::feature::Status;
use crate::time::Timestamp;
use crate::window::WindowKind;
use crate::window::baseline::{BaselineConfig, BaselineKind};
use crate::window::cursor::Cursor;
use crate::window::open::PaneCounts;
use crate::window::pane::{Axis, Pane, PaneRange};
use crate::window::period::{Period, PeriodCursor};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Windows by event time that are closed before others have their turn.
const WINDOWS_AT_ONCE: usize = 16;

/// A window that closed.
#[derive(Debug, Clone)]
pub struct ClosedWindow {
    pub figures: Arc<WindowFigures>,
    /// What it was compared with.
    pub reference: Arc<ReferenceFigures>,
    /// What is remembered of it; none where it has rows in common with a window that is
    /// remembered.
    pub remembered: Option<Remembered>,
    /// The bytes of a profile of what it counted, where that is kept.
    pub profile: Option<Arc<Vec<u8>>>,
}

/// What one step closed, for the journal to write before it is shown.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// Windows that closed, in order.
    pub closed: Vec<ClosedWindow>,
    /// More windows are due.
    pub more: bool,
}

impl Monitor {
    /// Closes the windows of rows that a plan completed; of those that are a file each, which.
    pub fn close(
        &mut self,
        completed: &[(usize, u64)],
        file: Option<&str>,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<Closing, StateError> {
        let mut closing = Closing::default();
        for &(window, slot) in completed {
            let mut scored = self.slot_window(window, slot, now, counts)?;
            if let WindowKind::Batch { .. } = self.config.windows[window].kind {
                scored.figures.file = file.map(str::to_owned);
            }
            self.note_closed(window, scored, &mut closing);
        }
        self.windows_moved();
        Ok(closing)
    }

    /// Closes what time has made due, or the first of it; then `more` is set. While a backlog is
    /// being counted, rows are not in the order of their times, and nothing is closed by those;
    /// `is_backlog` says so.
    pub fn advance(
        &mut self,
        now: Timestamp,
        is_backlog: bool,
        counts: &mut dyn PaneCounts,
    ) -> Result<Closing, StateError> {
        let mut closing = Closing::default();
        for window in 0..self.cursors.len() {
            match &mut self.cursors[window] {
                Cursor::Slots(cursor) => {
                    if let Some(slot) = cursor.expire(now) {
                        let scored = self.slot_window(window, slot, now, counts)?;
                        self.note_closed(window, scored, &mut closing);
                    }
                }
                Cursor::Period(_) if is_backlog => {}
                Cursor::Period(cursor) => {
                    let cursor = cursor.clone();
                    self.advance_period(window, cursor, now, counts, &mut closing)?;
                }
            }
        }
        self.windows_moved();
        Ok(closing)
    }

    fn advance_period(
        &mut self,
        window: usize,
        mut cursor: PeriodCursor,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
        closing: &mut Closing,
    ) -> Result<(), StateError> {
        let period = cursor.period;
        let starts = self.pane_starts();
        if let Some(due) = cursor.due(now, starts.last().copied()) {
            let ends = starts.iter().flat_map(|start| {
                period.ends_between(*start, cursor.closed(), due).collect::<Vec<_>>()
            });
            let ends = ends.collect::<BTreeSet<_>>();
            for &end in ends.iter().take(WINDOWS_AT_ONCE) {
                self.sum_up(period, end);
                let scored = self.period_window(window, period, end, now, counts)?;
                self.note_closed(window, scored, closing);
            }
            closing.more |= ends.len() > WINDOWS_AT_ONCE;
            let last =
                ends.iter().nth(WINDOWS_AT_ONCE - 1).filter(|_| ends.len() > WINDOWS_AT_ONCE);
            cursor.close(*last.unwrap_or(&due), now);
        }
        if let Some(end) = cursor.silence(now) {
            let scored = self.period_window(window, period, end, now, counts)?;
            self.note_closed(window, scored, closing);
        }
        self.cursors[window] = Cursor::Period(cursor);
        Ok(())
    }

    /// Closes what is open of some windows as it is, because nothing can be added to it any more.
    /// Windows that overlap are closed as far as they hold rows that no window has shown yet.
    pub fn leave(
        &mut self,
        leaving: &[usize],
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<Closing, StateError> {
        let mut closing = Closing::default();
        for &window in leaving {
            match self.cursors[window].clone() {
                Cursor::Slots(cursor) => {
                    if let Some(slot) = cursor.open() {
                        let scored = self.slot_window(window, slot, now, counts)?;
                        self.note_closed(window, scored, &mut closing);
                    }
                }
                Cursor::Period(cursor) => {
                    let (period, starts) = (cursor.period, self.pane_starts());
                    let Some(youngest) = starts.last() else { continue };
                    let upto = period.ends(*youngest).0;
                    let ends = starts.iter().flat_map(|start| {
                        period.ends_between(*start, cursor.closed(), upto).collect::<Vec<_>>()
                    });
                    for end in ends.collect::<BTreeSet<_>>() {
                        let mut scored = self.period_window(window, period, end, now, counts)?;
                        // It ends here, and windows of another cut come after it.
                        scored.figures.end = scored.figures.end.min(Some(now));
                        self.note_closed(window, scored, &mut closing);
                    }
                }
            }
        }
        Ok(closing)
    }

    /// When [`Monitor::advance`] has something to do next.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let starts = self.pane_starts();
        let deadlines = self.cursors.iter().filter_map(|cursor| match cursor {
            Cursor::Slots(cursor) => cursor.deadline(),
            Cursor::Period(cursor) => {
                let is_open = |start: &&Timestamp| !cursor.is_over(**start);
                cursor.deadline(starts.iter().find(is_open).copied(), now)
            }
        });
        deadlines.min()
    }

    /// When the open panes start, in order.
    fn pane_starts(&self) -> BTreeSet<Timestamp> {
        self.open.iter().filter_map(|(key, _)| self.layout.pane_start(key)).collect()
    }

    fn note_closed(&mut self, window: usize, scored: ScoredWindow, closing: &mut Closing) {
        let ScoredWindow { mut figures, evidence, pane } = scored;
        let profile = pane.map(|pane| {
            let names = self.reference.grids().map(|grid| grid.name.clone());
            // Encoded at once: the counts of many windows may be more than memory holds.
            Arc::new(CurrentProfile { names: names.collect(), pane }.to_bytes())
        });
        let remembered = self.histories[window].push(evidence);
        if let Some(persistence) = self.config.drift.persistence {
            for feature in &mut figures.features {
                let (name, drifted) = (&feature.name, feature.drifted);
                if feature.status != Status::Muted {
                    feature.persistent = self.recent[window].add(name, drifted, persistence);
                }
            }
        }
        let figures = Arc::new(figures);
        let latest = &mut self.windows[window].latest;
        let time = |figures: &WindowFigures| figures.end.or(figures.closed);
        if latest.as_ref().is_none_or(|latest| time(latest) <= time(&figures)) {
            *latest = Some(Arc::clone(&figures));
        }
        let reference = Arc::clone(&self.reference_figures);
        closing.closed.push(ClosedWindow { figures, reference, remembered, profile });
    }

    fn slot_window(
        &self,
        window: usize,
        slot: u64,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<ScoredWindow, StateError> {
        let range = |numbers| PaneRange { axis: self.layout.axis(window), numbers };
        let label = self.label(window, slot, now);
        self.scored(window, label, &[range(slot..slot + 1)], counts, |baseline| {
            let slots = baseline.kind.slots(slot);
            if slots.is_empty() { Vec::new() } else { vec![range(slots)] }
        })
    }

    /// Adds up the panes that the windows after this one have as well.
    fn sum_up(&mut self, period: Period, end: Timestamp) {
        if period.slide >= period.size {
            return;
        }
        let baselines = self.config.baselines.iter();
        let times = baselines.flat_map(|baseline| baseline.kind.ranges(&period, end));
        let times = times.chain([period.start(end)..end]);
        let ranges: Vec<PaneRange> = times.map(|time| self.stretch(time)).collect();
        sum_up(&mut self.open, &ranges);
    }

    /// The panes of a stretch of event time.
    fn stretch(&self, time: Range<Timestamp>) -> PaneRange {
        let numbers = self.layout.bucket(time.start)..self.layout.bucket(time.end);
        PaneRange { axis: Axis::Bucket, numbers }
    }

    fn period_window(
        &self,
        window: usize,
        period: Period,
        end: Timestamp,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<ScoredWindow, StateError> {
        let range = |time: Range<Timestamp>| self.stretch(time);
        let start = period.start(end);
        let label = WindowLabel {
            start: Some(start),
            end: Some(end),
            ..self.label(window, period.slot(end), now)
        };
        self.scored(window, label, &[range(start..end)], counts, |baseline| {
            baseline.kind.ranges(&period, end).into_iter().map(range).collect()
        })
    }

    fn label(&self, window: usize, slot: u64, now: Timestamp) -> WindowLabel {
        let window = self.config.windows[window].name.clone();
        let compared = Some(self.reference_figures.content);
        WindowLabel { window, slot, compared, closed: Some(now), ..WindowLabel::default() }
    }

    fn scored(
        &self,
        window: usize,
        label: WindowLabel,
        ranges: &[PaneRange],
        counts: &mut dyn PaneCounts,
        of_baseline: impl Fn(&BaselineConfig) -> Vec<PaneRange>,
    ) -> Result<ScoredWindow, StateError> {
        // A file without rows closes its window all the same.
        let pane = merged(&self.open, ranges, counts)?;
        let pane = pane.unwrap_or_else(|| Pane::new(self.reference.grids()));
        let baselines = self.config.baselines.iter().map(|baseline| {
            let pane = merged(&self.open, &of_baseline(baseline), counts)?;
            let (name, decides) = (baseline.name.clone(), baseline.decides);
            let is_seasonal = matches!(baseline.kind, BaselineKind::SameHourOfWeek { .. });
            Ok(Baseline { name, pane, decides, is_seasonal })
        });
        let baselines = baselines.collect::<Result<Vec<_>, StateError>>()?;
        let past: Vec<_> = self.histories[window].before(label.slot).cloned().collect();
        let drift = &self.config.drift;
        let scored = score(&self.reference, &pane, &baselines, &past, drift, label);
        let mut scored = scored.expect("panes are counted on the model's reference");
        if self.config.distributions {
            self.add_histograms(&mut scored.figures, &pane);
        }
        if !self.config.cells.is_empty() {
            self.add_cells(&mut scored.figures, &pane);
        }
        scored.pane = (self.config.profiles && pane.rows > 0).then_some(pane);
        Ok(scored)
    }

    fn add_histograms(&self, figures: &mut WindowFigures, pane: &Pane) {
        let grids = &self.reference.features;
        let features = figures.features.par_iter_mut().zip(grids).zip(&pane.features);
        features.for_each(|((figures, reference), profile)| {
            figures.histogram = profile.histogram(&reference.grid).map(Box::new);
        });
    }

    fn add_cells(&self, figures: &mut WindowFigures, pane: &Pane) {
        let grids = &self.reference.features;
        let features = figures.features.par_iter_mut().zip(grids).zip(&pane.features);
        let is_wanted = |name: &str| self.config.cells.iter().any(|own| own.matches(name));
        features.filter(|((figures, _), _)| is_wanted(&figures.name)).for_each(
            |((figures, reference), profile)| {
                let compared = Comparison::new(&reference.grid, &reference.profile, profile);
                let compared = compared.expect("panes are counted on the model's reference");
                figures.cells = CellRows::of(&compared).map(Box::new);
            },
        );
    }
}
