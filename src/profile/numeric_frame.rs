//! What the reference fixes for a numeric feature.

use super::Accumulator;
use super::cells::Cells;
use super::extremes::{Extremes, Span};
use super::grid::NumericGrid;
use super::grid_build::{ATOMS_MAX, SortedReference};
use super::half::half_grid;
use super::moments::MomentsFrame;
use super::narrow_lane::NarrowLane;
use super::percentiles::percentiles_in_cells;
use super::row_order::RowOrder;
use crate::feature::Width;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use xxhash_rust::xxh3::Xxh3;

/// What the reference fixes for a numeric feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "FrameParts", into = "FrameParts")]
pub struct NumericFrame {
    /// The width of the reference's values.
    pub(super) width: Width,
    pub(super) native: NumericGrid,
    /// Only where rounding the reference to single precision changes any value.
    pub(super) narrow: Option<NarrowLane>,
    /// Made when values first come as halves.
    half: OnceLock<Box<NumericGrid>>,
    /// The reference's median.
    center: f64,
    pub(super) moments: MomentsFrame,
    /// Tukey's fences of the reference; none when its quartiles coincide.
    pub(super) fences: Option<(f64, f64)>,
    /// Whether values in cells of many values are counted by hash.
    pub(super) tracks_distinct: bool,
}

/// The parts of a frame that others follow from.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FrameParts {
    pub width: Width,
    pub native: NumericGrid,
    pub narrow: Option<NarrowLane>,
    pub center: f64,
    pub fences: Option<(f64, f64)>,
    pub tracks_distinct: bool,
}

impl From<FrameParts> for NumericFrame {
    fn from(stored: FrameParts) -> NumericFrame {
        let FrameParts { width, native, narrow, center, fences, tracks_distinct } = stored;
        let moments = MomentsFrame::new(center, native.range());
        let half = OnceLock::new();
        NumericFrame { width, native, narrow, half, center, moments, fences, tracks_distinct }
    }
}

impl From<NumericFrame> for FrameParts {
    fn from(frame: NumericFrame) -> FrameParts {
        let NumericFrame { width, native, narrow, center, fences, tracks_distinct, .. } = frame;
        FrameParts { width, native, narrow, center, fences, tracks_distinct }
    }
}

/// How a reference's column came.
#[derive(Debug, Clone, Copy)]
pub struct NumericOrigin<'a> {
    pub width: Width,
    pub is_integer: bool,
    /// `distinct = true` in the feature's configuration.
    pub distinct_wanted: bool,
    /// Where its bins end, where that is not left to the reference.
    pub own_ends: &'a [f64],
}

impl NumericFrame {
    /// The grid of the reference's own width.
    pub fn grid(&self) -> &NumericGrid {
        &self.native
    }

    pub fn new(reference: SortedReference<'_>, origin: NumericOrigin<'_>) -> NumericFrame {
        let finite = reference.finite;
        let native = reference.grid_with_bins(origin.own_ends).into();
        let n_distinct = finite.chunk_by(|a, b| a == b).take(ATOMS_MAX + 1).count();
        let stored = FrameParts {
            width: origin.width,
            narrow: match origin.width {
                Width::F64 => NarrowLane::new(reference, origin.own_ends),
                Width::F32 | Width::F16 => None,
            },
            center: finite.get(finite.len() / 2).copied().unwrap_or(0.0),
            fences: fences(&native, finite),
            tracks_distinct: n_distinct <= ATOMS_MAX || origin.is_integer || origin.distinct_wanted,
            native,
        };
        stored.into()
    }

    /// Whether its bins end where a user wants them to, as far as its width tells ends apart.
    pub fn has_bins(&self, ends: &[f64]) -> bool {
        let rounded = |ends: &[f64]| {
            let mut ends: Vec<f64> = ends.iter().map(|end| self.width.round(*end)).collect();
            ends.dedup();
            ends
        };
        rounded(ends) == rounded(&self.native.bin_ends())
    }

    /// Whether distinct values are counted where cells hold several.
    pub fn tracks_distinct(&self) -> bool {
        self.tracks_distinct
    }

    /// Of the reference's own grid; the narrow one has hardly more.
    pub fn n_cells(&self) -> usize {
        self.native.n_cells()
    }

    pub fn n_bins(&self) -> usize {
        self.native.n_bins()
    }

    /// The grid for values that came as halves.
    pub(super) fn half(&self) -> &NumericGrid {
        self.half.get_or_init(|| Box::new(half_grid(&self.native)))
    }

    /// The order of the reference's rows, from stretches of them.
    pub(super) fn row_order(&self, stretches: &[Vec<f64>]) -> RowOrder {
        let mut order = RowOrder::default();
        for stretch in stretches {
            let values: Vec<f64> = stretch.iter().map(|value| self.width.round(*value)).collect();
            order.update_numbers(&self.native.bins_of(&values));
        }
        order
    }

    pub fn hash_into(&self, hash: &mut Xxh3) {
        self.native.hash_into(hash);
        if let Some(narrow) = &self.narrow {
            narrow.hash_into(hash);
        }
        hash.update(&self.center.to_bits().to_le_bytes());
        for fence in self.fences.iter().flat_map(|(low, high)| [low, high]) {
            hash.update(&fence.to_bits().to_le_bytes());
        }
        let width = match self.width {
            Width::F64 => 0,
            Width::F32 => 1,
            Width::F16 => 2,
        };
        hash.update(&[u8::from(self.tracks_distinct), width]);
    }
}

/// Q1 − 1.5 IQR and Q3 + 1.5 IQR; J. W. Tukey, "Exploratory Data Analysis" (1977).
fn fences(grid: &NumericGrid, finite: &[f64]) -> Option<(f64, f64)> {
    let cells = Cells::of_sorted(grid.edges(), finite);
    let mut extremes = Extremes::default();
    extremes.update(Span { min: *finite.first()?, max: *finite.last()?, exact: None });
    let [low, high] = percentiles_in_cells(grid, &cells.counts(), &extremes, [25, 75])?;
    let reach = 1.5 * (high - low);
    (reach > 0.0).then_some((low - reach, high + reach))
}
