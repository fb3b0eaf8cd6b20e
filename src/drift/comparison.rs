//! Two profiles of one feature side by side, with what several measures read made once.

use super::Evidence;
use super::shares::table;
use crate::profile::Mismatch;
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::numeric::{CellPair, NumericProfile};
use crate::profile::numeric_frame::NumericFrame;
use crate::profile::tally::Tally;
use ndarray::{Array2, ArrayView2};

/// A reference and a current profile over one grid.
#[derive(Debug)]
pub struct Comparison<'a> {
    grid: &'a FeatureGrid,
    reference: &'a FeatureProfile,
    current: &'a FeatureProfile,
    cells: Option<CellPair<'a>>,
    bins: Option<Array2<u64>>,
    design_effect: f64,
}

impl<'a> Comparison<'a> {
    /// With the reference that `grid` was cut from. Fails when the profiles were not both counted
    /// on `grid`.
    pub fn new(
        grid: &'a FeatureGrid,
        reference: &'a FeatureProfile,
        current: &'a FeatureProfile,
    ) -> Result<Comparison<'a>, Mismatch> {
        Comparison::of(grid, reference, current, NumericProfile::cell_pair)
    }

    /// With rows that came before, in place of a reference.
    pub fn with_window(
        grid: &'a FeatureGrid,
        before: &'a FeatureProfile,
        current: &'a FeatureProfile,
    ) -> Result<Comparison<'a>, Mismatch> {
        Comparison::of(grid, before, current, NumericProfile::cell_pair_with_window)
    }

    fn of(
        grid: &'a FeatureGrid,
        reference: &'a FeatureProfile,
        current: &'a FeatureProfile,
        pair: impl FnOnce(&'a NumericProfile, &'a NumericFrame, &'a NumericProfile) -> CellPair<'a>,
    ) -> Result<Comparison<'a>, Mismatch> {
        if reference.grid != grid.id || current.grid != grid.id {
            return Err(Mismatch);
        }
        let mut comparison =
            Comparison { grid, reference, current, cells: None, bins: None, design_effect: 1.0 };
        if reference.tally.present() == 0 || current.tally.present() == 0 {
            return Ok(comparison);
        }
        match (&grid.frame, &reference.values, &current.values) {
            (Frame::Numeric(frame), Values::Numeric(reference), Values::Numeric(current)) => {
                let cells = pair(current, frame, reference);
                let bins = |counts| cells.grid.bins(counts);
                let bins = table(&bins(&cells.reference.counts()), &bins(&cells.current.counts()));
                comparison.bins = Some(bins);
                comparison.cells = Some(cells);
            }
            (Frame::Categorical(grid), Values::Categorical(r), Values::Categorical(c)) => {
                comparison.bins = Some(table(&grid.bins(r), &grid.bins(c)));
            }
            _ => {}
        }
        Ok(comparison)
    }

    /// The current rows are a sample of clusters, of which so many rows tell as much as one that
    /// was drawn alone; none when that is not known.
    #[must_use]
    pub fn with_design_effect(self, design_effect: Option<f64>) -> Comparison<'a> {
        Comparison { design_effect: design_effect.unwrap_or(f64::INFINITY), ..self }
    }

    /// What the comparison of so many rows over so many bins rests on.
    pub fn evidence(&self, reference: u64, current: u64, bins: usize) -> Evidence {
        Evidence { reference, current: (current as f64 / self.design_effect) as u64, bins }
    }

    /// Counts per bin, reference above current; none without values on either side.
    pub fn bins(&self) -> Option<ArrayView2<'_, u64>> {
        self.bins.as_ref().map(|bins| bins.view())
    }

    /// Counts per cell; none for categories and without values on either side.
    pub fn cells(&self) -> Option<&CellPair<'a>> {
        self.cells.as_ref()
    }

    pub fn n_bins(&self) -> usize {
        self.bins.as_ref().map_or_else(|| self.grid.n_bins(), Array2::ncols)
    }

    pub fn tallies(&self) -> (Tally, Tally) {
        (self.reference.tally, self.current.tally)
    }

    /// Rows with a value: R and C.
    pub fn present(&self) -> (u64, u64) {
        (self.reference.tally.present(), self.current.tally.present())
    }

    pub fn grid(&self) -> &FeatureGrid {
        self.grid
    }
}
