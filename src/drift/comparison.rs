//! Two profiles of one feature side by side, with what several measures read made once.

use super::bin_table::table;
use super::effective_rows;
use super::ranks::Ranks;
use crate::profile::Mismatch;
use crate::profile::categories::{CategoryCounts, CategoryGrid, RareValues};
use crate::profile::cells::Cells;
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::grid::NumericGrid;
use crate::profile::numeric::{CellPair, NumericProfile};
use crate::profile::numeric_frame::NumericFrame;
use crate::profile::tally::Tally;
use crate::profile::value_distribution::ValueDistribution;
use crate::stats::homogeneity::{Homogeneity, grouped};
use ndarray::{Array2, ArrayView2, Axis};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

/// A reference and a current profile over one grid.
#[derive(Debug)]
pub struct Comparison<'a> {
    grid: &'a FeatureGrid,
    reference: &'a FeatureProfile,
    current: &'a FeatureProfile,
    /// The profile is the one that the grid was cut from.
    is_reference: bool,
    counts: Counts<'a>,
    bins: Option<Array2<u64>>,
    /// Made when they are first asked for.
    ranks: OnceCell<Ranks>,
    /// Of rows that are independent.
    homogeneity: OnceCell<Option<Homogeneity>>,
    distributions: OnceCell<Option<(ValueDistribution, ValueDistribution)>>,
}

/// Counts by cell.
#[derive(Debug)]
enum Counts<'a> {
    /// No values on one side, or none that are scored.
    None,
    Numeric(NumericCells<'a>),
    Categorical {
        grid: &'a CategoryGrid,
        /// None where rare values were not counted.
        cells: Option<CategoryCells>,
    },
}

/// Counts per cell of a numeric grid.
#[derive(Debug)]
pub struct NumericCells<'a> {
    pub grid: &'a NumericGrid,
    pub reference: Cow<'a, [u64]>,
    pub current: Cow<'a, [u64]>,
    /// Cells between the least and the greatest value of the reference.
    inside: Range<usize>,
}

/// Counts of named values, and after them of hashed cells.
#[derive(Debug)]
struct CategoryCells {
    rare: RareValues,
    reference: Vec<u64>,
    current: Vec<u64>,
}

/// Counts of both sides, cell by cell, and those of the cells that stand for a value or a stretch
/// of values.
#[derive(Debug)]
pub struct NamedCells<'a> {
    pub reference: &'a [u64],
    pub current: &'a [u64],
    pub cells: Range<usize>,
}

/// Counts of both sides over all cells.
#[derive(Debug)]
struct AllCells<'a> {
    pub reference: Cow<'a, [u64]>,
    pub current: Cow<'a, [u64]>,
    /// By value, and not by the reference's count.
    pub are_ordered: bool,
}

impl<'a> Comparison<'a> {
    /// With the reference that `grid` was cut from. Fails when the profiles were not both counted
    /// on `grid`.
    pub fn new(
        grid: &'a FeatureGrid,
        reference: &'a FeatureProfile,
        current: &'a FeatureProfile,
    ) -> Result<Comparison<'a>, Mismatch> {
        let compared = Comparison::of(grid, reference, current, NumericProfile::cell_pair)?;
        Ok(Comparison { is_reference: true, ..compared })
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
        let (is_reference, counts) = (false, Counts::None);
        let mut comparison = Comparison {
            grid,
            reference,
            current,
            is_reference,
            counts,
            bins: None,
            ranks: OnceCell::new(),
            homogeneity: OnceCell::new(),
            distributions: OnceCell::new(),
        };
        if reference.tally.present() == 0 || current.tally.present() == 0 {
            return Ok(comparison);
        }
        match (&grid.frame, &reference.values, &current.values) {
            (Frame::Numeric(frame), Values::Numeric(reference), Values::Numeric(current)) => {
                let cells = NumericCells::of(pair(current, frame, reference));
                let bins = |counts| cells.grid.bins(counts);
                let (before, now) = (bins(&cells.reference), bins(&cells.current));
                comparison.bins = Some(comparison.with_missing(before, now));
                comparison.counts = Counts::Numeric(cells);
            }
            (Frame::Categorical(grid), Values::Categorical(r), Values::Categorical(c)) => {
                comparison.bins = Some(comparison.with_missing(grid.bins(r), grid.bins(c)));
                let sides = grid.rare().zip(grid.cells(r)).zip(grid.cells(c));
                let cells = sides.map(|((rare, reference), current)| CategoryCells {
                    rare: *rare,
                    reference,
                    current,
                });
                comparison.counts = Counts::Categorical { grid, cells };
            }
            _ => {}
        }
        Ok(comparison)
    }

    /// Counts per bin, reference above current; none without values on either side. Where a user
    /// wants it so, the last are rows without a value.
    pub fn bins(&self) -> Option<ArrayView2<'_, u64>> {
        self.bins.as_ref().map(|bins| bins.view())
    }

    /// The same without rows that have no value.
    pub fn bins_of_values(&self) -> Option<ArrayView2<'_, u64>> {
        let bins = self.bins()?;
        let n = bins.ncols() - usize::from(self.grid.own_bins.has_missing);
        Some(bins.split_at(Axis(1), n).0)
    }

    /// RC/(R+C) of the rows in bins.
    pub fn effective_rows_of_bins(&self) -> f64 {
        match self.grid.own_bins.has_missing {
            true => effective_rows(self.reference.tally.rows, self.current.tally.rows),
            false => self.effective_rows(),
        }
    }

    fn with_missing(&self, mut reference: Vec<u64>, mut current: Vec<u64>) -> Array2<u64> {
        if self.grid.own_bins.has_missing {
            let (before, now) = self.tallies();
            reference.push(before.missing());
            current.push(now.missing());
        }
        table(&reference, &current)
    }

    /// Counts per cell; none for categories and without values on either side.
    pub fn cells(&self) -> Option<&NumericCells<'a>> {
        match &self.counts {
            Counts::Numeric(cells) => Some(cells),
            Counts::None | Counts::Categorical { .. } => None,
        }
    }

    /// Where the values of a number stand among the reference's.
    pub fn ranks(&self) -> Option<&Ranks> {
        let cells = self.cells()?;
        Some(self.ranks.get_or_init(|| Ranks::new(&cells.reference, &cells.current)))
    }

    /// Of the finite values of a number, reference first; none where a side has none.
    pub fn distributions(&self) -> Option<&(ValueDistribution, ValueDistribution)> {
        let cells = self.cells()?;
        let (reference, current) = self.numbers()?;
        let made = self.distributions.get_or_init(|| {
            let of = |own: &NumericProfile, counts: &[u64]| {
                ValueDistribution::new(own.stretches(cells.grid, counts))
            };
            of(reference, &cells.reference).zip(of(current, &cells.current))
        });
        made.as_ref()
    }

    /// The grid of a category and what was counted on it, reference first.
    pub fn categories(&self) -> Option<(&CategoryGrid, &CategoryCounts, &CategoryCounts)> {
        match (&self.grid.frame, &self.reference.values, &self.current.values) {
            (Frame::Categorical(grid), Values::Categorical(r), Values::Categorical(c))
                if self.bins.is_some() =>
            {
                Some((grid, r, c))
            }
            _ => None,
        }
    }

    /// What was counted of a number, reference first.
    fn numbers(&self) -> Option<(&'a NumericProfile, &'a NumericProfile)> {
        match (&self.reference.values, &self.current.values) {
            (Values::Numeric(reference), Values::Numeric(current)) => Some((reference, current)),
            _ => None,
        }
    }

    /// The means of the finite values, reference first.
    pub fn means(&self) -> Option<(f64, f64)> {
        let Frame::Numeric(frame) = &self.grid.frame else { return None };
        let (reference, current) = self.numbers()?;
        reference.mean(frame).zip(current.mean(frame))
    }

    /// The standard deviation of the reference's finite values, of n − 1.
    pub fn stddev_of_reference(&self) -> Option<f64> {
        let Frame::Numeric(frame) = &self.grid.frame else { return None };
        self.numbers()?.0.stddev(frame)
    }

    /// Whether both sides came as whole numbers without a gap, as numpy holds those in integers.
    pub fn are_whole_numbers(&self) -> bool {
        let is_whole = |own: &NumericProfile, tally: Tally| {
            let exact = own.extremes().exact();
            tally.missing() == 0 && exact.is_some_and(|(min, max)| min.scale == 0 && max.scale == 0)
        };
        let (before, now) = self.tallies();
        self.numbers().is_some_and(|(r, c)| is_whole(r, before) && is_whole(c, now))
    }

    /// The cells inside the reference's range, or the values that are compared by name.
    pub fn named_cells(&self) -> Option<NamedCells<'_>> {
        let (reference, current, cells): (&[u64], &[u64], _) = match &self.counts {
            Counts::Numeric(own) => (&own.reference, &own.current, own.inside.clone()),
            Counts::Categorical { cells: Some(own), .. } => {
                (&own.reference, &own.current, 0..own.rare.named)
            }
            Counts::None | Counts::Categorical { cells: None, .. } => return None,
        };
        Some(NamedCells { reference, current, cells })
    }

    /// Counts of the cells that values without a name are hashed into, reference first.
    pub fn hashed_cells(&self) -> Option<(&[u64], &[u64])> {
        let Counts::Categorical { cells: Some(own), .. } = &self.counts else { return None };
        Some((&own.reference[own.rare.named..], &own.current[own.rare.named..]))
    }

    /// How many cells a change of one was looked for in, and what is outside of all.
    pub fn n_named_cells(&self) -> usize {
        match &self.counts {
            Counts::Numeric(own) => own.reference.iter().filter(|rows| **rows > 0).count() + 2,
            Counts::Categorical { cells: Some(own), .. } => own.rare.named + 1,
            Counts::None | Counts::Categorical { cells: None, .. } => 1,
        }
    }

    /// All cells, where they are not the bins; categories by the reference's count.
    fn all_cells(&self) -> Option<AllCells<'_>> {
        match &self.counts {
            Counts::Numeric(NumericCells { reference, current, .. }) => Some(AllCells {
                reference: Cow::Borrowed(reference),
                current: Cow::Borrowed(current),
                are_ordered: true,
            }),
            Counts::Categorical { cells: Some(own), grid } => {
                let mut pairs: Vec<(u64, u64)> =
                    own.reference.iter().copied().zip(own.current.iter().copied()).collect();
                if pairs.len() <= grid.n_bins() {
                    return None;
                }
                pairs.sort_by_key(|(in_reference, _)| std::cmp::Reverse(*in_reference));
                let (reference, current): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
                let (reference, current) = (Cow::Owned(reference), Cow::Owned(current));
                Some(AllCells { reference, current, are_ordered: false })
            }
            Counts::None | Counts::Categorical { cells: None, .. } => None,
        }
    }

    /// All cells of both sides, in groups that are expected to hold rows enough when every `effect`
    /// rows tell as much as one.
    pub fn homogeneity(&self, effect: f64) -> Option<Homogeneity> {
        if effect > 1.0 {
            return self.grouped_cells(effect);
        }
        *self.homogeneity.get_or_init(|| self.grouped_cells(1.0))
    }

    fn grouped_cells(&self, effect: f64) -> Option<Homogeneity> {
        let all = self.all_cells()?;
        let n = self.effective_rows() / effect;
        let (n, least) = match all.are_ordered {
            true => (n.min(self.present().0 as f64 / 4.0), 5.0),
            false => (n, 1.0),
        };
        let groups = grouped(&all.reference, &all.current, n, least);
        Some(Homogeneity::of(groups.into_iter()))
    }

    /// The bin of a cell that has a name.
    pub fn bin_of_cell(&self, cell: usize) -> Option<usize> {
        match &self.counts {
            Counts::None => None,
            Counts::Numeric(own) => Some(own.grid.bin_of_cell(cell)),
            Counts::Categorical { grid, .. } => Some(cell.min(grid.n_bins() - 1)),
        }
    }

    /// Whether a cell can hold more than one value.
    pub fn is_many_valued(&self, cell: usize) -> bool {
        self.cells().is_some_and(|own| own.grid.shared().value(cell))
    }

    /// Rows of values that the reference never had, and what it tells of its rare ones; none where
    /// those cannot be told apart.
    pub fn unseen(&self) -> Option<(u64, RareValues)> {
        let Counts::Categorical { grid, cells: Some(own) } = &self.counts else { return None };
        let Values::Categorical(counts) = &self.current.values else { return None };
        let mut rare = own.rare;
        // A value of one cluster is in many rows, and tells of as many that nobody knows.
        if let Some(groups) = self.reference.known_groups() {
            (rare.once, rare.twice) = (groups.alone, 0);
        }
        (self.is_reference && grid.knows_unseen()).then(|| (counts.unseen(), rare))
    }

    /// Values of both sides beyond the reference's least and greatest finite one; none where it
    /// has none.
    pub fn out_of_range(&self) -> Option<(u64, u64)> {
        let own = self.cells().filter(|own| self.is_reference && own.grid.range().is_some())?;
        let outside = |counts: &[u64]| {
            let (below, above) = (&counts[..own.inside.start], &counts[own.inside.end..]);
            below.iter().chain(above).sum()
        };
        Some((outside(&own.reference), outside(&own.current)))
    }

    pub fn tallies(&self) -> (Tally, Tally) {
        (self.reference.tally, self.current.tally)
    }

    /// Rows with a value: R and C.
    pub fn present(&self) -> (u64, u64) {
        (self.reference.tally.present(), self.current.tally.present())
    }

    /// RC/(R+C) of the rows with a value.
    pub fn effective_rows(&self) -> f64 {
        let (reference, current) = self.present();
        effective_rows(reference, current)
    }

    /// What the order of rows on both sides makes of the design effect, 1 or more: each side adds
    /// to the variance of a difference as its rows do. A side whose order is not known counts as
    /// the other, and a reference of fewer rows than the window as no better than it: few rows show
    /// little of what is rare.
    pub fn effect_of_order(&self) -> f64 {
        let (reference, current) = self.present();
        let (r, c) = (reference as f64, current as f64);
        let of = |own: &FeatureProfile, other: &FeatureProfile| {
            own.design_effect().or_else(|| other.design_effect()).unwrap_or(1.0)
        };
        let (mut before, now) =
            (of(self.reference, self.current), of(self.current, self.reference));
        if r < c {
            before = before.max(now);
        }
        if r + c > 0.0 { ((before * c + now * r) / (r + c)).max(1.0) } else { 1.0 }
    }

    pub fn grid(&self) -> &FeatureGrid {
        self.grid
    }

    pub fn frame(&self) -> &'a Frame {
        &self.grid.frame
    }

    /// What was counted, reference first.
    pub fn profiles(&self) -> (&'a FeatureProfile, &'a FeatureProfile) {
        (self.reference, self.current)
    }
}

impl<'a> NumericCells<'a> {
    fn of(pair: CellPair<'a>) -> NumericCells<'a> {
        let CellPair { grid, reference, current } = pair;
        let counts = |cells: Cow<'a, Cells>| match cells {
            Cow::Borrowed(cells) => cells.counts(),
            Cow::Owned(cells) => Cow::Owned(cells.counts().into_owned()),
        };
        let (reference, current) = (counts(reference), counts(current));
        NumericCells { grid, reference, current, inside: grid.cells_inside() }
    }
}
