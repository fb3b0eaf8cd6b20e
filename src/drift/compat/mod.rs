//! Scores as other tools define them, so that a team that comes from one can compare numbers.
//!
//! Each takes its bins, its treatment of empty bins and its unit from the tool, and the counts from
//! the grid: a definition is a view of the cells, so that one more changes no grid and closes no
//! window. A score is the tool's own to the last digits where every value has a cell of its own.
//! Elsewhere rows are spread evenly inside a cell, of which each has a thousandth of the reference
//! at most; how far that leads is in `benches/compat`. None has a test, as none has one at home.

pub mod azure;
mod category_rows;
pub mod deequ;
mod divergences;
mod equal_bins;
pub mod evidently;
pub mod nannyml;
pub mod tfdv;
