//! Everything that is counted of one numeric feature.

use super::cells::{Cells, Placed, narrow};
use super::distinct::{Distinct, Recent};
use super::extremes::{Extremes, Span, survey, without_negative_zero};
use super::grid::{NumericGrid, Repeated};
use super::grid_build::{ATOMS_MAX, SortedReference};
use super::moments::Moments;
use super::percentiles::percentile;
use super::{Accumulator, Mismatch};
use crate::feature::Width;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// What the reference fixes for a numeric feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NumericFrame {
    /// The width of the reference's values.
    width: Width,
    native: NumericGrid,
    /// Only where rounding the reference to single precision changes any value.
    narrow: Option<NarrowLane>,
    /// The reference's median.
    center: f64,
    /// Tukey's fences of the reference; none when its quartiles coincide.
    fences: Option<(f64, f64)>,
    /// Whether values in cells of many values are counted by hash.
    tracks_distinct: bool,
}

/// The reference as if it had come in single precision: a model trained on doubles and served
/// floats must not look like drift.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NarrowLane {
    grid: NumericGrid,
    reference: Cells,
}

/// How a reference's column came.
#[derive(Debug, Clone, Copy)]
pub struct NumericOrigin {
    pub width: Width,
    pub is_integer: bool,
    /// `distinct = true` in the feature's configuration.
    pub distinct_wanted: bool,
}

impl NumericFrame {
    pub fn new(reference: SortedReference<'_>, origin: NumericOrigin) -> NumericFrame {
        let finite = reference.finite;
        let native = reference.grid();
        let n_distinct = finite.chunk_by(|a, b| a == b).take(ATOMS_MAX + 1).count();
        NumericFrame {
            width: origin.width,
            narrow: if origin.width == Width::F64 { NarrowLane::new(reference) } else { None },
            center: finite.get(finite.len() / 2).copied().unwrap_or(0.0),
            fences: fences(&native, finite),
            tracks_distinct: n_distinct <= ATOMS_MAX || origin.is_integer || origin.distinct_wanted,
            native,
        }
    }

    /// Of the reference's own grid; the narrow one has hardly more.
    pub fn n_cells(&self) -> usize {
        self.native.n_cells()
    }

    pub fn n_bins(&self) -> usize {
        self.native.n_bins()
    }

    pub fn hash_into(&self, hash: &mut Xxh3) {
        self.native.hash_into(hash);
        if let Some(narrow) = &self.narrow {
            narrow.grid.hash_into(hash);
        }
        hash.update(&self.center.to_bits().to_le_bytes());
        for fence in self.fences.iter().flat_map(|(low, high)| [low, high]) {
            hash.update(&fence.to_bits().to_le_bytes());
        }
        hash.update(&[u8::from(self.tracks_distinct), u8::from(self.width == Width::F32)]);
    }
}

impl NarrowLane {
    fn new(reference: SortedReference<'_>) -> Option<NarrowLane> {
        let rounded: Vec<f64> = reference.finite.iter().map(|&value| narrow(value)).collect();
        if rounded == reference.finite {
            return None;
        }
        let reference = SortedReference { finite: &rounded, ..reference };
        let grid = reference.grid();
        let mut cells = Cells::of_sorted(&grid, &rounded);
        cells.add_infinities(reference.negative_infinities, reference.positive_infinities);
        Some(NarrowLane { grid, reference: cells })
    }
}

/// Q1 − 1.5 IQR and Q3 + 1.5 IQR; J. W. Tukey, "Exploratory Data Analysis" (1977).
fn fences(grid: &NumericGrid, finite: &[f64]) -> Option<(f64, f64)> {
    let cells = Cells::of_sorted(grid, finite);
    let mut extremes = Extremes::default();
    extremes.update(Span { min: *finite.first()?, max: *finite.last()?, exact: None });
    let quartile = |percent| percentile(grid, &cells.counts(), &extremes, percent);
    let (low, high) = quartile(25).zip(quartile(75))?;
    let reach = 1.5 * (high - low);
    (reach > 0.0).then_some((low - reach, high + reach))
}

/// Counts and sums of one numeric feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericProfile {
    grid: Repeated,
    /// Rows counted on the reference's own grid …
    native: Option<Cells>,
    /// … and rows that came narrower, on the narrow one.
    narrow: Option<Cells>,
    moments: Moments,
    extremes: Extremes,
    zeros: u64,
    outliers: u64,
    /// Finite values in cells that can hold several.
    others: Distinct,
}

/// Present values of one width, with the span as it was written.
#[derive(Debug, Clone, Copy)]
pub struct NumericInput<'a> {
    pub frame: &'a NumericFrame,
    pub width: Width,
    /// No NaN; −0.0 counts as 0.0.
    pub values: &'a [f64],
    /// None without values.
    pub span: Option<Span>,
}

/// A reference's and a window's cell counts over one grid.
#[derive(Debug)]
pub struct CellPair<'a> {
    pub grid: &'a NumericGrid,
    pub reference: Cow<'a, Cells>,
    pub current: Cow<'a, Cells>,
}

impl NumericProfile {
    pub fn new(frame: &NumericFrame) -> NumericProfile {
        NumericProfile {
            grid: Repeated,
            native: None,
            narrow: None,
            moments: Moments::about(frame.center),
            extremes: Extremes::default(),
            zeros: 0,
            outliers: 0,
            others: Distinct::default(),
        }
    }

    /// Both count vectors over one grid, that of the narrower width.
    pub fn cell_pair<'a>(&'a self, frame: &'a NumericFrame, reference: &'a Self) -> CellPair<'a> {
        let (grid, current) = self.cells(frame);
        let reference = match (&self.narrow, &frame.narrow) {
            (Some(_), Some(narrow)) => Cow::Borrowed(&narrow.reference),
            _ => reference.cells(frame).1,
        };
        CellPair { grid, reference, current }
    }

    /// The same with rows that came before: both over the narrow grid when either came narrower.
    pub fn cell_pair_with_window<'a>(
        &'a self,
        frame: &'a NumericFrame,
        before: &'a Self,
    ) -> CellPair<'a> {
        let lane = frame.narrow.as_ref();
        match lane.filter(|_| self.narrow.is_some() || before.narrow.is_some()) {
            Some(lane) => CellPair {
                grid: &lane.grid,
                reference: before.narrow_cells(frame, lane),
                current: self.narrow_cells(frame, lane),
            },
            None => CellPair {
                grid: &frame.native,
                reference: before.cells(frame).1,
                current: self.cells(frame).1,
            },
        }
    }

    /// All rows over one grid; where some rows came narrower than others, over the narrow one.
    pub fn cells<'a>(&'a self, frame: &'a NumericFrame) -> (&'a NumericGrid, Cow<'a, Cells>) {
        match (&self.native, &self.narrow, &frame.narrow) {
            (_, Some(_), Some(lane)) => (&lane.grid, self.narrow_cells(frame, lane)),
            (Some(native), ..) => (&frame.native, Cow::Borrowed(native)),
            (None, ..) => (&frame.native, Cow::Owned(Cells::new(&frame.native))),
        }
    }

    fn narrow_cells<'a>(&'a self, frame: &NumericFrame, lane: &NarrowLane) -> Cow<'a, Cells> {
        match (&self.native, &self.narrow) {
            (None, Some(cells)) => Cow::Borrowed(cells),
            (native, cells) => {
                let mut cells = cells.clone().unwrap_or_else(|| Cells::new(&lane.grid));
                if let Some(native) = native {
                    cells.merge_rounded(&lane.grid, native, &frame.native);
                }
                Cow::Owned(cells)
            }
        }
    }

    /// Bytes that the counts take in memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<NumericProfile>() + self.lanes().map(Cells::bytes).sum::<usize>()
    }

    /// Rows with a value, infinities included.
    pub fn total(&self) -> u64 {
        self.lanes().map(Cells::total).sum()
    }

    pub fn infinities(&self) -> u64 {
        self.lanes().map(Cells::infinities).sum()
    }

    fn lanes(&self) -> impl Iterator<Item = &Cells> {
        self.native.iter().chain(&self.narrow)
    }

    pub fn moments(&self) -> &Moments {
        &self.moments
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
        let atoms = cells.filled().filter(|(cell, _)| grid.atom(*cell).is_some()).count();
        frame.tracks_distinct.then(|| atoms as u64 + self.others.estimate())
    }

    fn update_finite(&mut self, finite: &[f64], span: Span) {
        self.moments.update((finite, span.min.abs().max(span.max.abs())));
        self.extremes.update(span);
    }
}

impl Accumulator for NumericProfile {
    type Input<'a> = NumericInput<'a>;

    fn update(&mut self, input: NumericInput<'_>) {
        let NumericInput { frame, width, values, span } = input;
        let Some(span) = span else { return };
        let Span { min, max, .. } = span;
        let rounded: Vec<f64>;
        let (compared, compared_span) = if width == Width::F64 && frame.width == Width::F32 {
            rounded = values.iter().map(|&value| narrow(value)).collect();
            (&rounded[..], (narrow(min), narrow(max)))
        } else {
            (values, (min, max))
        };
        let (grid, cells) = match &frame.narrow {
            Some(narrow) if width == Width::F32 => (&narrow.grid, &mut self.narrow),
            _ => (&frame.native, &mut self.native),
        };
        let cells = cells.get_or_insert_with(|| Cells::new(grid));
        let placed = Placed { grid, values: compared, span: compared_span };
        if frame.tracks_distinct {
            let mut recent = Recent::empty();
            cells.update_and(placed, |value| {
                let bits = without_negative_zero(value).to_bits();
                if recent.insert(bits) {
                    self.others.update(bits);
                }
            });
        } else {
            cells.update(placed);
        }
        // What lies outside the range of a block need not be looked for in it.
        if min <= 0.0 && 0.0 <= max {
            self.zeros += values.iter().filter(|value| **value == 0.0).count() as u64;
        }
        if let Some((low, high)) = frame.fences.filter(|(low, high)| min < *low || *high < max) {
            let outside = |value: &&f64| (**value < low) | (**value > high);
            self.outliers += values.iter().filter(outside).count() as u64;
        }
        if min.is_finite() && max.is_finite() {
            self.update_finite(values, span);
        } else {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            if let Some((min, max)) = survey(&finite).range {
                self.update_finite(&finite, Span { min, max, ..span });
            }
        }
    }

    fn merge(&mut self, other: &NumericProfile) -> Result<(), Mismatch> {
        for (into, from) in [(&mut self.native, &other.native), (&mut self.narrow, &other.narrow)] {
            match (into, from) {
                (Some(into), Some(from)) => into.merge(from)?,
                (into @ None, Some(from)) => *into = Some(from.clone()),
                (_, None) => {}
            }
        }
        self.zeros += other.zeros;
        self.outliers += other.outliers;
        self.moments.merge(&other.moments)?;
        self.extremes.merge(&other.extremes)?;
        self.others.merge(&other.others)
    }
}
