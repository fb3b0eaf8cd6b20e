//! Profiles: everything that is known of a feature's values, as counts that add.
//!
//! The reference fixes a [`grid`] per feature; a value only increments the count of its cell.
//! Counts add, so rows may be split over batches, threads, files and machines and merged in any
//! order to the same bits:
//!
//! ```text
//!   rows ──▶ update ──▶ profile ─┐
//!   rows ──▶ update ──▶ profile ─┼─▶ merge ──▶ profile ──▶ figures, scores (reads, `&self`)
//!   rows ──▶ update ──▶ profile ─┘
//! ```
//!
//! Not randomised sketches in the way of a row: their answer would depend on the order of merging.

pub mod accepted;
pub mod block;
pub mod categories;
mod category_layout;
pub mod cells;
pub mod clusters;
pub mod codec;
pub mod column;
pub mod distinct;
pub mod exponential_histogram;
pub mod extremes;
pub mod feature;
mod feature_layout;
pub mod finder;
mod finders;
pub mod grid;
pub mod grid_build;
mod half;
pub mod instants;
mod log_cells;
mod moment_sums;
pub mod moments;
mod narrow_lane;
pub mod new_values;
pub mod numbers;
pub mod numeric;
pub mod numeric_frame;
mod numeric_layout;
pub mod own_bins;
pub mod percentiles;
pub mod random_groups;
mod recut_grid;
mod registers;
mod repeated_numbers;
mod row_bins;
pub mod row_order;
mod small_counts;
mod sparse;
mod survey;
pub mod tally;
pub mod texts;
pub mod value_distribution;
pub mod value_stretches;
pub mod wide_cells;

use std::fmt;

/// The side of a summary that splits and merges.
///
/// `a.merge(&b)` after any split of the rows into `a` and `b` gives what one pass gives, to the
/// bit. Reads are `&self` methods of each type.
pub trait Accumulator: Clone + Send {
    type Input<'a>;

    fn update(&mut self, input: Self::Input<'_>);

    /// Adds `other`; fails when it was counted on another grid, and then changes nothing.
    fn merge(&mut self, other: &Self) -> Result<(), Mismatch>;
}

/// Two profiles were counted on different grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the profiles were counted on different grids; count both against one reference",
        )
    }
}

/// Adds count vectors, cell by cell.
fn merge_counts(into: &mut [u64], from: &[u64]) -> Result<(), Mismatch> {
    if into.len() != from.len() {
        return Err(Mismatch);
    }
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
    Ok(())
}
