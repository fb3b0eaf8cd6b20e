//! Everything that is counted of one numeric feature.

use super::cells::{Cells, Placed};
use super::distinct::Distinct;
use super::exponential_histogram::ExponentialHistogram;
use super::extremes::{Extremes, Span, without_negative_zero};
use super::finders::Finders;
use super::grid::NumericGrid;
use super::half::half_cells;
use super::log_cells::LogCells;
use super::moments::Moments;
use super::narrow_lane::NarrowLane;
use super::numeric_frame::NumericFrame;
use super::percentiles::{OrderedCells, PERCENTILES};
use super::repeated_numbers::RepeatedNumbers;
use super::row_order::RowOrder;
use super::survey::{survey, zeros_and_outside};
use super::value_stretches::{ValueStretch, stretches};
use super::wide_cells::Found;
use super::{Accumulator, Mismatch};
use crate::feature::Width;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Counts and sums of one numeric feature. The fields are stored in this order, after a number that
/// tells so (`numeric_layout.rs`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NumericProfile {
    /// Rows counted on the reference's own grid …
    pub(super) native: Option<Cells>,
    /// … rows that came as floats, on the grid of the reference as floats …
    pub(super) narrow: Option<Cells>,
    /// … and rows that came as halves.
    pub(super) half: Option<Cells>,
    pub(super) rounded: Rounded,
    pub(super) moments: Moments,
    pub(super) extremes: Extremes,
    pub(super) zeros: u64,
    pub(super) outliers: u64,
    /// Finite values in cells that can hold several.
    pub(super) others: Distinct,
    /// Values whose cell is wide.
    pub(super) log: LogCells,
    /// How rows resemble those next to them; stored after all else.
    #[serde(skip)]
    pub(super) order: RowOrder,
}

/// Equal counts, in whatever order the rows came.
impl PartialEq for NumericProfile {
    fn eq(&self, other: &NumericProfile) -> bool {
        (&self.native, &self.narrow, &self.half) == (&other.native, &other.narrow, &other.half)
            && (&self.rounded, &self.moments, &self.extremes)
                == (&other.rounded, &other.moments, &other.extremes)
            && (self.zeros, self.outliers) == (other.zeros, other.outliers)
            && (&self.others, &self.log) == (&other.others, &other.log)
    }
}

/// Whether doubles hold nothing but floats, as when a program widens what a model was served. Then
/// they are compared as floats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Rounded {
    /// No double has come.
    #[default]
    Nothing,
    /// Every double so far is a float; counted on the grid of the reference as floats.
    Floats(Cells),
    /// There were others.
    Doubles,
}

impl Rounded {
    fn merge(&mut self, other: &Rounded) -> Result<(), Mismatch> {
        match (&mut *self, other) {
            (_, Rounded::Nothing) | (Rounded::Doubles, _) => {}
            (Rounded::Floats(into), Rounded::Floats(from)) => into.merge(from)?,
            (into, other) => *into = other.clone(),
        }
        Ok(())
    }
}

/// What counting needs room for; kept by whoever counts many blocks.
#[derive(Debug, Default)]
pub struct NumericScratch {
    /// Values rounded to the reference's width.
    rounded: Vec<f64>,
    /// Values whose cell is wide.
    wide: Found,
    /// Values in cells that can hold several.
    shared: Found,
    finders: Finders,
}

/// Present values of one width, with the span as it was written.
#[derive(Debug)]
pub struct NumericInput<'a> {
    pub frame: &'a NumericFrame,
    pub width: Width,
    /// No NaN; −0.0 counts as 0.0.
    pub values: &'a [f64],
    /// The rows that they stand in; none where that is one each.
    pub repeats: Option<RepeatedNumbers<'a>>,
    /// None without values.
    pub span: Option<Span>,
    pub scratch: &'a mut NumericScratch,
}

/// A reference's and a window's cell counts over one grid.
#[derive(Debug)]
pub struct CellPair<'a> {
    pub grid: &'a NumericGrid,
    pub reference: Cow<'a, Cells>,
    pub current: Cow<'a, Cells>,
}

impl NumericProfile {
    /// Both count vectors over one grid, that of the narrower width.
    pub fn cell_pair<'a>(&'a self, frame: &'a NumericFrame, reference: &'a Self) -> CellPair<'a> {
        let width = self.width();
        let (grid, current) = self.cells_as(frame, width);
        let reference = match (width, &frame.narrow) {
            (Width::F32, Some(lane)) => Cow::Borrowed(lane.reference()),
            _ => reference.cells_as(frame, width).1,
        };
        CellPair { grid, reference, current }
    }

    /// The same with rows that came before: both over the grid of the narrowest.
    pub fn cell_pair_with_window<'a>(
        &'a self,
        frame: &'a NumericFrame,
        before: &'a Self,
    ) -> CellPair<'a> {
        let width = self.width().narrower(before.width());
        let (grid, current) = self.cells_as(frame, width);
        CellPair { grid, reference: before.cells_as(frame, width).1, current }
    }

    /// All rows over one grid; where some rows came narrower than others, over theirs.
    pub fn cells<'a>(&'a self, frame: &'a NumericFrame) -> (&'a NumericGrid, Cow<'a, Cells>) {
        self.cells_as(frame, self.width())
    }

    /// A number as those are that are counted in [`cells`](Self::cells).
    pub fn rounded(&self, frame: &NumericFrame, value: f64) -> f64 {
        without_negative_zero(self.width().narrower(frame.width).round(value))
    }

    /// The width to compare in.
    fn width(&self) -> Width {
        match (&self.half, &self.narrow, &self.rounded) {
            (Some(_), ..) => Width::F16,
            (None, Some(_), _) | (.., Rounded::Floats(_)) => Width::F32,
            _ => Width::F64,
        }
    }

    pub(super) fn cells_as<'a>(
        &'a self,
        frame: &'a NumericFrame,
        width: Width,
    ) -> (&'a NumericGrid, Cow<'a, Cells>) {
        match (width, &frame.narrow) {
            (Width::F16, _) => (frame.half(), self.half_cells(frame)),
            (Width::F32, Some(lane)) => (lane.grid(), self.narrow_cells(frame, lane.grid())),
            _ => match &self.native {
                Some(native) => (&frame.native, Cow::Borrowed(native)),
                None => (&frame.native, Cow::Owned(Cells::new(&frame.native))),
            },
        }
    }

    pub(super) fn narrow_cells<'a>(
        &'a self,
        frame: &NumericFrame,
        grid: &NumericGrid,
    ) -> Cow<'a, Cells> {
        let doubles = match (&self.native, &self.rounded) {
            (None, _) => None,
            (Some(_), Rounded::Floats(cells)) => Some(Cow::Borrowed(cells)),
            (Some(native), _) => {
                let mut cells = Cells::new(grid);
                cells.merge_rounded(grid, native, &frame.native);
                Some(Cow::Owned(cells))
            }
        };
        sum(grid, self.narrow.as_ref().map(Cow::Borrowed).into_iter().chain(doubles))
    }

    fn half_cells<'a>(&'a self, frame: &NumericFrame) -> Cow<'a, Cells> {
        let grid = frame.half();
        let native = self.native.as_ref().map(|cells| half_cells(grid, &frame.native, cells));
        let narrow = self.narrow.as_ref().zip(frame.narrow.as_ref());
        let narrow = narrow.map(|(cells, lane)| half_cells(grid, lane.grid(), cells));
        let rounded = native.into_iter().chain(narrow).map(Cow::Owned);
        sum(grid, self.half.as_ref().map(Cow::Borrowed).into_iter().chain(rounded))
    }

    /// In the order of [`PERCENTILES`]; absent without finite values.
    pub fn percentiles(&self, frame: &NumericFrame) -> Option<[f64; PERCENTILES.len()]> {
        let (grid, cells) = self.cells_as(frame, self.width_written());
        let counts = cells.counts();
        let cells = OrderedCells::new(grid, &counts, &self.log, &self.extremes);
        let found = PERCENTILES.map(|percent| cells.percentile(percent));
        found[0]?;
        Some(found.map(Option::unwrap_or_default))
    }

    /// The values by Prometheus' native buckets, infinities included; what lies in a narrow cell is
    /// known within 1 %.
    pub fn exponential_histogram(&self, frame: &NumericFrame) -> ExponentialHistogram {
        let (grid, cells) = self.cells_as(frame, self.width_written());
        ExponentialHistogram::new(grid, &cells.counts(), &self.log, &self.extremes)
    }

    /// Where the finite values lie, of cells that were counted over `grid`.
    pub fn stretches(&self, grid: &NumericGrid, counts: &[u64]) -> Vec<ValueStretch> {
        stretches(grid, counts, &self.log, &self.extremes)
    }

    /// The finite values of ranks, the least being 1: each as near as a percentile. Ranks that no
    /// value has are left out.
    pub fn of_ranks(&self, frame: &NumericFrame, ranks: &[u64]) -> Vec<f64> {
        let (grid, cells) = self.cells_as(frame, self.width_written());
        let counts = cells.counts();
        let cells = OrderedCells::new(grid, &counts, &self.log, &self.extremes);
        ranks.iter().filter_map(|rank| cells.of_rank(*rank)).collect()
    }

    /// The narrowest that values came in.
    pub(super) fn width_written(&self) -> Width {
        match (&self.half, &self.narrow) {
            (Some(_), _) => Width::F16,
            (None, Some(_)) => Width::F32,
            (None, None) => Width::F64,
        }
    }

    /// Bytes that the counts take in memory, about.
    pub fn bytes(&self) -> usize {
        let rounded = match &self.rounded {
            Rounded::Floats(cells) => cells.bytes(),
            Rounded::Nothing | Rounded::Doubles => 0,
        };
        let lanes: usize = self.lanes().map(Cells::bytes).sum();
        size_of::<NumericProfile>() + lanes + rounded + self.log.bytes()
    }

    /// Makes its counts small; nothing is added to them any more.
    pub fn rest(&mut self) {
        let lanes = [&mut self.native, &mut self.narrow, &mut self.half];
        lanes.into_iter().flatten().for_each(Cells::rest);
        if let Rounded::Floats(cells) = &mut self.rounded {
            cells.rest();
        }
        self.log.rest();
    }

    /// Rows with a value, infinities included.
    pub fn total(&self) -> u64 {
        self.lanes().map(Cells::total).sum()
    }

    pub fn infinities(&self) -> u64 {
        self.lanes().map(Cells::infinities).sum()
    }

    fn lanes(&self) -> impl Iterator<Item = &Cells> {
        self.native.iter().chain(&self.narrow).chain(&self.half)
    }

    pub fn mean(&self, frame: &NumericFrame) -> Option<f64> {
        self.moments.mean(&frame.moments)
    }

    pub fn stddev(&self, frame: &NumericFrame) -> Option<f64> {
        self.moments.stddev(&frame.moments)
    }

    pub fn extremes(&self) -> &Extremes {
        &self.extremes
    }

    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Values outside the reference's fences; absent when it has none.
    pub fn outliers(&self, frame: &NumericFrame) -> Option<u64> {
        frame.fences.map(|_| self.outliers)
    }

    /// Distinct finite values: exact where each has a cell; absent where they are not tracked.
    pub fn distinct(&self, frame: &NumericFrame) -> Option<u64> {
        let (grid, cells) = self.cells(frame);
        let counts = cells.counts();
        let finite = 1..counts.len() - 1;
        let atoms = finite.filter(|cell| counts[*cell] > 0 && !grid.shared().value(*cell)).count();
        frame.tracks_distinct.then(|| atoms as u64 + self.others.estimate())
    }

    fn update_finite(&mut self, frame: &NumericFrame, finite: &[f64], span: Span) {
        self.moments.update((&frame.moments, finite, (span.min, span.max)));
        self.extremes.update(span);
    }

    /// Counts values on the grid of the width that they come in.
    fn update_cells(&mut self, input: NumericInput<'_>, (min, max): (f64, f64)) {
        let NumericInput { frame, width, values, repeats, scratch, .. } = input;
        let NumericScratch { rounded, wide, shared, finders } = scratch;
        // Wider values than the reference's are rounded as those were.
        let round = |value: f64| frame.width.round(value);
        let is_wider = width.narrower(frame.width) != width;
        let (compared, span) = match is_wider && values.iter().any(|value| round(*value) != *value)
        {
            true => {
                rounded.clear();
                rounded.extend(values.iter().map(|value| round(*value)));
                (&rounded[..], (round(min), round(max)))
            }
            false => (values, (min, max)),
        };
        let (grid, cells) = match (width, &frame.narrow) {
            _ if is_wider || width == frame.width => (&frame.native, &mut self.native),
            (Width::F16, _) => (frame.half(), &mut self.half),
            (_, Some(lane)) => (lane.grid(), &mut self.narrow),
            (_, None) => (&frame.native, &mut self.native),
        };
        let cells = cells.get_or_insert_with(|| Cells::new(grid));
        let finder = finders.of(grid, compared.len());
        let placed = Placed { grid, finder, values: compared, span };
        if let Some(repeats) = &repeats {
            cells.update_repeated(placed, repeats.rows, |cell, value, rows| {
                if frame.tracks_distinct && grid.shared().value(cell) {
                    self.others.update(without_negative_zero(value).to_bits());
                }
                if grid.wide().by_cell().value(cell) {
                    self.log.add(value, rows);
                }
            });
            let seen = |value: f64| if is_wider { round(value) } else { value };
            repeats.update_order(&mut self.order, grid, seen);
        } else {
            wide.clear();
            if frame.tracks_distinct {
                cells.update_and_find(placed, grid.shared(), shared);
                self.others.update_numbers(shared.values());
                placed.find_wide(wide);
            } else if grid.wide().have_stretches() {
                cells.update(placed);
                placed.find_wide(wide);
            } else {
                cells.update_and_find(placed, grid.wide().by_cell(), wide);
            }
            self.log.update(wide.values());
            for stretch in self.order.stretches(compared.len()) {
                self.order.update_numbers(&grid.bins_of(&compared[stretch]));
            }
        }
        if let (Width::F64, Some(lane)) = (width, &frame.narrow) {
            let rows = repeats.map(|own| own.rows);
            self.update_rounded(lane, (values, rows), (min, max), finders);
        }
    }

    /// Counts doubles as floats, as long as that is what they are.
    fn update_rounded(
        &mut self,
        lane: &NarrowLane,
        (values, rows): (&[f64], Option<&[u64]>),
        span: (f64, f64),
        finders: &mut Finders,
    ) {
        if self.rounded == Rounded::Doubles {
            return;
        }
        if values.iter().any(|value| Width::F32.round(*value) != *value) {
            self.rounded = Rounded::Doubles;
            return;
        }
        let grid = lane.grid();
        let placed = Placed { grid, finder: finders.of(grid, values.len()), values, span };
        if self.rounded == Rounded::Nothing {
            self.rounded = Rounded::Floats(Cells::new(grid));
        }
        if let Rounded::Floats(cells) = &mut self.rounded {
            match rows {
                Some(rows) => cells.update_repeated(placed, rows, |_, _, _| ()),
                None => cells.update(placed),
            }
        }
    }
}

/// All counts of one grid together.
fn sum<'a>(grid: &NumericGrid, parts: impl Iterator<Item = Cow<'a, Cells>>) -> Cow<'a, Cells> {
    let sum = parts.reduce(|mut into, from| {
        into.to_mut().merge(&from).expect("counts of one grid");
        into
    });
    sum.unwrap_or_else(|| Cow::Owned(Cells::new(grid)))
}

impl Accumulator for NumericProfile {
    type Input<'a> = NumericInput<'a>;

    fn update(&mut self, input: NumericInput<'_>) {
        let NumericInput { frame, values, repeats, .. } = input;
        let Some(span) = input.span else { return };
        let Span { min, max, .. } = span;
        self.update_cells(input, (min, max));
        // What lies outside the range of a block need not be looked for in it.
        let fences = frame.fences.filter(|(low, high)| min < *low || *high < max);
        if (min <= 0.0 && 0.0 <= max) || fences.is_some() {
            let nowhere = (f64::NEG_INFINITY, f64::INFINITY);
            let within = fences.unwrap_or(nowhere);
            let (zeros, outside) = match &repeats {
                Some(repeats) => repeats.zeros_and_outside(values, within),
                None => zeros_and_outside(values, within),
            };
            self.zeros += zeros;
            self.outliers += outside;
        }
        if let Some(repeats) = &repeats {
            let finite = || repeats.each(values).filter(|(value, _)| value.is_finite());
            let range = match min.is_finite() && max.is_finite() {
                true => Some((min, max)),
                false => survey(&finite().map(|(value, _)| value).collect::<Vec<f64>>()).range,
            };
            if let Some((min, max)) = range {
                self.moments.update_repeated(&frame.moments, finite(), (min, max));
                self.extremes.update(Span { min, max, ..span });
            }
        } else if min.is_finite() && max.is_finite() {
            self.update_finite(frame, values, span);
        } else {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            if let Some((min, max)) = survey(&finite).range {
                self.update_finite(frame, &finite, Span { min, max, ..span });
            }
        }
    }

    fn merge(&mut self, other: &NumericProfile) -> Result<(), Mismatch> {
        let lanes = [
            (&mut self.native, &other.native),
            (&mut self.narrow, &other.narrow),
            (&mut self.half, &other.half),
        ];
        for (into, from) in lanes {
            match (into, from) {
                (Some(into), Some(from)) => into.merge(from)?,
                (into @ None, Some(from)) => *into = Some(from.clone()),
                (_, None) => {}
            }
        }
        self.rounded.merge(&other.rounded)?;
        self.zeros += other.zeros;
        self.outliers += other.outliers;
        self.moments.merge(&other.moments)?;
        self.extremes.merge(&other.extremes)?;
        self.others.merge(&other.others)?;
        self.order.merge(&other.order);
        self.log.merge(&other.log)
    }
}
