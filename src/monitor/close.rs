//! Closing windows: which are due, their panes merged, scored against their baselines.

use super::figures::WindowFigures;
use super::merge::merged;
use super::model::Monitor;
use super::score::{Baseline, WindowLabel, score};
use crate::error::{Result, StateError};
use crate::time::Timestamp;
use crate::window::baseline::BaselineConfig;
use crate::window::cursor::Cursor;
use crate::window::open::PaneCounts;
use crate::window::pane::{Axis, Pane, PaneRange};
use crate::window::period::{Period, PeriodCursor};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Windows by event time that are closed before others have their turn.
const WINDOWS_AT_ONCE: usize = 16;

/// What one step closed, for the journal to write before it is shown.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// Windows that closed, in order.
    pub closed: Vec<Arc<WindowFigures>>,
    /// More windows are due.
    pub more: bool,
}

impl Monitor {
    /// Closes the windows of rows that a plan completed.
    pub fn close(
        &mut self,
        completed: &[(usize, u64)],
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<Closing, StateError> {
        let mut closing = Closing::default();
        for &(window, slot) in completed {
            let figures = self.slot_figures(window, slot, now, counts)?;
            self.note_closed(window, figures, &mut closing);
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
                        let figures = self.slot_figures(window, slot, now, counts)?;
                        self.note_closed(window, figures, &mut closing);
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
                let figures = self.period_figures(window, period, end, now, counts)?;
                self.note_closed(window, figures, closing);
            }
            closing.more |= ends.len() > WINDOWS_AT_ONCE;
            let last =
                ends.iter().nth(WINDOWS_AT_ONCE - 1).filter(|_| ends.len() > WINDOWS_AT_ONCE);
            cursor.close(*last.unwrap_or(&due), now);
        }
        if let Some(end) = cursor.silence(now) {
            let figures = self.period_figures(window, period, end, now, counts)?;
            self.note_closed(window, figures, closing);
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
                        let figures = self.slot_figures(window, slot, now, counts)?;
                        self.note_closed(window, figures, &mut closing);
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
                        let mut figures = self.period_figures(window, period, end, now, counts)?;
                        // It ends here, and windows of another cut come after it.
                        figures.end = figures.end.min(Some(now));
                        self.note_closed(window, figures, &mut closing);
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

    fn note_closed(&mut self, window: usize, figures: WindowFigures, closing: &mut Closing) {
        let figures = Arc::new(figures);
        let latest = &mut self.windows[window].latest;
        let time = |figures: &WindowFigures| figures.end.or(figures.closed);
        if latest.as_ref().is_none_or(|latest| time(latest) <= time(&figures)) {
            *latest = Some(Arc::clone(&figures));
        }
        closing.closed.push(figures);
    }

    fn slot_figures(
        &self,
        window: usize,
        slot: u64,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<WindowFigures, StateError> {
        let range = |numbers| PaneRange { axis: self.layout.axis(window), numbers };
        let label = self.label(window, slot, now);
        self.figures(label, &[range(slot..slot + 1)], counts, |baseline| {
            let slots = baseline.kind.slots(slot);
            if slots.is_empty() { Vec::new() } else { vec![range(slots)] }
        })
    }

    fn period_figures(
        &self,
        window: usize,
        period: Period,
        end: Timestamp,
        now: Timestamp,
        counts: &mut dyn PaneCounts,
    ) -> Result<WindowFigures, StateError> {
        let range = |time: Range<Timestamp>| PaneRange {
            axis: Axis::Bucket,
            numbers: self.layout.bucket(time.start)..self.layout.bucket(time.end),
        };
        let start = period.start(end);
        let label = WindowLabel {
            start: Some(start),
            end: Some(end),
            ..self.label(window, period.slot(end), now)
        };
        self.figures(label, &[range(start..end)], counts, |baseline| {
            baseline.kind.ranges(&period, end).into_iter().map(range).collect()
        })
    }

    fn label(&self, window: usize, slot: u64, now: Timestamp) -> WindowLabel {
        let window = self.config.windows[window].name.clone();
        WindowLabel { window, slot, start: None, end: None, closed: Some(now) }
    }

    fn figures(
        &self,
        label: WindowLabel,
        ranges: &[PaneRange],
        counts: &mut dyn PaneCounts,
        of_baseline: impl Fn(&BaselineConfig) -> Vec<PaneRange>,
    ) -> Result<WindowFigures, StateError> {
        // A file without rows closes its window all the same.
        let pane = merged(&self.open, ranges, counts)?;
        let pane = pane.unwrap_or_else(|| Pane::new(self.reference.grids()));
        let baselines = self.config.baselines.iter().map(|baseline| {
            let pane = merged(&self.open, &of_baseline(baseline), counts)?;
            Ok(Baseline { name: baseline.name.clone(), pane })
        });
        let baselines = baselines.collect::<Result<Vec<_>, StateError>>()?;
        let figures = score(&self.reference, &pane, &baselines, &self.config.drift, label);
        Ok(figures.expect("panes are counted on the model's reference"))
    }
}
