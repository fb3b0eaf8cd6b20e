//! The finders of the grids that somebody is counting on.

use super::finder::Finder;
use super::grid::NumericGrid;

/// Values that are worth a table of their own; fewer are searched for.
const VALUES_MIN: usize = 2_048;

/// Grids that are counted on in turn: that of a feature, and the one of it as floats.
const KEPT: usize = 2;

static SEARCH: Finder = Finder::Search;

/// The finders that were asked for last. A grid at rest has none, since a table is larger than the
/// grid itself and is made in a few microseconds.
#[derive(Debug, Default)]
pub struct Finders(Vec<(u64, Finder)>);

impl Finders {
    /// What finds so many values of a grid.
    pub fn of(&mut self, grid: &NumericGrid, n_values: usize) -> &Finder {
        if let Some(at) = self.0.iter().position(|(number, _)| *number == grid.number()) {
            return &self.0[at].1;
        }
        if n_values < VALUES_MIN {
            return &SEARCH;
        }
        self.0.truncate(KEPT - 1);
        self.0.insert(0, (grid.number(), grid.finder()));
        &self.0[0].1
    }
}
