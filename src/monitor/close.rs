//! Closing windows: which are due, their panes merged, scored against their baselines.

use super::figures::{WindowFigures, WindowVerdict};
use super::model::{Change, Monitor};
use super::score::{Baseline, WindowLabel, score};
use crate::error::Result;
use crate::time::Timestamp;
use crate::window::baseline::BaselineConfig;
use crate::window::cursor::Cursor;
use crate::window::open::PaneParts;
use crate::window::pane::{CLOSED, Pane, PaneKey};
use crate::window::period::{Period, PeriodCursor};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Windows by event time that are closed before others have their turn.
const WINDOWS_AT_ONCE: usize = 16;

/// The panes of a window, or of a part of a baseline.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    axis: usize,
    numbers: Range<u64>,
}

impl Extent {
    pub(super) fn holds(&self, key: &PaneKey) -> bool {
        self.numbers.contains(&key.0[self.axis])
    }
}

impl Monitor {
    /// Closes the windows of rows that a plan completed.
    pub fn close(
        &mut self,
        completed: &[(usize, u64)],
        now: Timestamp,
        parts: &dyn PaneParts,
    ) -> Result<Change> {
        let mut change = Change::default();
        for &(window, slot) in completed {
            let axis = self.axes.of(window);
            let figures = self.slot_figures((window, axis), slot, now, parts)?;
            self.show(window, figures, &mut change);
        }
        self.forget(&mut change);
        Ok(change)
    }

    /// Closes what time has made due, or the first of it; then `more` is set. While a backlog is
    /// being counted, rows are not in the order of their times, and nothing is closed by those;
    /// `is_backlog` says so.
    pub fn advance(
        &mut self,
        now: Timestamp,
        is_backlog: bool,
        parts: &dyn PaneParts,
    ) -> Result<Option<Change>> {
        let mut change = Change::default();
        for window in 0..self.cursors.len() {
            match &mut self.cursors[window] {
                Cursor::Slots(cursor) => {
                    if let Some(slot) = cursor.expire(now) {
                        let axis = self.axes.of(window);
                        let figures = self.slot_figures((window, axis), slot, now, parts)?;
                        self.show(window, figures, &mut change);
                    }
                }
                Cursor::Period(_) if is_backlog => {}
                Cursor::Period(cursor) => {
                    let cursor = cursor.clone();
                    self.advance_period(window, cursor, now, parts, &mut change)?;
                }
            }
        }
        if change.closed.is_empty() {
            return Ok(None);
        }
        self.forget(&mut change);
        Ok(Some(change))
    }

    fn advance_period(
        &mut self,
        window: usize,
        mut cursor: PeriodCursor,
        now: Timestamp,
        parts: &dyn PaneParts,
        change: &mut Change,
    ) -> Result<()> {
        let period = cursor.period;
        let starts = self.pane_starts();
        if let Some(due) = cursor.due(now, starts.last().copied()) {
            let ends = starts.iter().flat_map(|start| {
                period.ends_between(*start, cursor.closed(), due).collect::<Vec<_>>()
            });
            let ends = ends.collect::<BTreeSet<_>>();
            for &end in ends.iter().take(WINDOWS_AT_ONCE) {
                let figures = self.period_figures(window, period, end, now, parts)?;
                self.show(window, figures, change);
            }
            change.more |= ends.len() > WINDOWS_AT_ONCE;
            let last =
                ends.iter().nth(WINDOWS_AT_ONCE - 1).filter(|_| ends.len() > WINDOWS_AT_ONCE);
            cursor.close(*last.unwrap_or(&due), now);
        }
        if let Some(end) = cursor.silence(now) {
            let figures = self.period_figures(window, period, end, now, parts)?;
            self.show(window, figures, change);
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
        parts: &dyn PaneParts,
    ) -> Result<Change> {
        let mut change = Change::default();
        for &window in leaving {
            match self.cursors[window].clone() {
                Cursor::Slots(cursor) => {
                    if let Some(slot) = cursor.open() {
                        let axis = self.axes.of(window);
                        let figures = self.slot_figures((window, axis), slot, now, parts)?;
                        self.show(window, figures, &mut change);
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
                        let mut figures = self.period_figures(window, period, end, now, parts)?;
                        // It ends here, and windows of another cut come after it.
                        figures.end = figures.end.min(Some(now));
                        self.show(window, figures, &mut change);
                    }
                }
            }
        }
        Ok(change)
    }

    /// When [`Monitor::advance`] has something to do next.
    pub fn deadline(&self) -> Option<Timestamp> {
        let starts = self.pane_starts();
        let deadlines = self.cursors.iter().filter_map(|cursor| match cursor {
            Cursor::Slots(cursor) => cursor.deadline(),
            Cursor::Period(cursor) => {
                let is_open = |start: &&Timestamp| !cursor.is_over(**start);
                cursor.deadline(starts.iter().find(is_open).copied())
            }
        });
        deadlines.min()
    }

    /// When the open panes start, in order.
    fn pane_starts(&self) -> BTreeSet<Timestamp> {
        let Some(axis) = self.axes.time() else { return BTreeSet::new() };
        let numbers = self.open.iter().map(|(key, _)| key.0[axis]);
        numbers.filter(|number| *number != CLOSED).map(|number| self.axes.start(number)).collect()
    }

    fn show(&mut self, window: usize, figures: WindowFigures, change: &mut Change) {
        let figures = Arc::new(figures);
        let shown = &mut self.windows[window];
        let verdict = figures.verdict();
        let index = WindowVerdict::ALL.iter().position(|v| *v == verdict);
        shown.closed[index.expect("every verdict is listed")] += 1;
        let time = |figures: &WindowFigures| figures.end.or(figures.closed);
        if shown.latest.as_ref().is_none_or(|latest| time(latest) <= time(&figures)) {
            shown.latest = Some(Arc::clone(&figures));
        }
        change.closed.push(figures);
    }

    /// Drops what neither an open window nor a baseline needs.
    fn forget(&mut self, change: &mut Change) {
        let slots_reach =
            self.config.baselines.iter().map(|baseline| baseline.kind.slots_reach()).max();
        let slots_reach = slots_reach.unwrap_or(0);
        let slots: Vec<u64> = self
            .cursors
            .iter()
            .filter_map(Cursor::slots)
            .map(|cursor| cursor.oldest_open().saturating_sub(slots_reach))
            .collect();
        let oldest = self.oldest_needed();
        let axes = &self.axes;
        change.renamed.extend(self.open.forget(|axis, number| {
            let by_time = || oldest.is_none_or(|oldest| axes.start(number) >= oldest);
            number != CLOSED && slots.get(axis).map_or_else(by_time, |oldest| number >= *oldest)
        }));
    }

    /// The oldest time that an open window or its baselines can need; none while all are needed.
    fn oldest_needed(&self) -> Option<Timestamp> {
        let oldest = self.cursors.iter().filter_map(Cursor::period).map(|cursor| {
            let period = &cursor.period;
            let reaches = self.config.baselines.iter().map(|b| b.kind.reach(period));
            let start = period.start(cursor.closed()?.plus(period.slide));
            Some(start.minus(reaches.max().unwrap_or_default()))
        });
        oldest.min().flatten()
    }

    fn slot_figures(
        &self,
        (window, axis): (usize, usize),
        slot: u64,
        now: Timestamp,
        parts: &dyn PaneParts,
    ) -> Result<WindowFigures> {
        let extent = |numbers| Extent { axis, numbers };
        let label = self.label(window, slot, now);
        self.figures(label, &[extent(slot..slot + 1)], parts, |baseline| {
            let slots = baseline.kind.slots(slot);
            if slots.is_empty() { Vec::new() } else { vec![extent(slots)] }
        })
    }

    fn period_figures(
        &self,
        window: usize,
        period: Period,
        end: Timestamp,
        now: Timestamp,
        parts: &dyn PaneParts,
    ) -> Result<WindowFigures> {
        let (axis, width) = (self.axes.of(window), self.axes.width().unwrap_or(1));
        let number = |time: Timestamp| time.0.div_euclid(width).max(0) as u64;
        let extent = |stretch: Range<Timestamp>| Extent {
            axis,
            numbers: number(stretch.start)..number(stretch.end),
        };
        let start = period.start(end);
        let label = WindowLabel {
            start: Some(start),
            end: Some(end),
            ..self.label(window, period.slot(end), now)
        };
        self.figures(label, &[extent(start..end)], parts, |baseline| {
            baseline.kind.stretches(&period, end).into_iter().map(extent).collect()
        })
    }

    fn label(&self, window: usize, slot: u64, now: Timestamp) -> WindowLabel {
        let window = self.config.windows[window].name.clone();
        WindowLabel { window, slot, start: None, end: None, closed: Some(now) }
    }

    fn figures(
        &self,
        label: WindowLabel,
        extents: &[Extent],
        parts: &dyn PaneParts,
        of_baseline: impl Fn(&BaselineConfig) -> Vec<Extent>,
    ) -> Result<WindowFigures> {
        let merged = self.merged(extents, parts)?;
        // A file without rows closes its window all the same.
        let pane = merged.unwrap_or_else(|| Pane::new(self.reference.grids()));
        let baselines = self.config.baselines.iter().map(|baseline| {
            let pane = self.merged(&of_baseline(baseline), parts)?;
            Ok(Baseline { name: baseline.name.clone(), pane })
        });
        let baselines = baselines.collect::<Result<Vec<_>>>()?;
        let figures = score(&self.reference, &pane, &baselines, &self.config.drift, label);
        Ok(figures.expect("panes are counted on the model's reference"))
    }
}
