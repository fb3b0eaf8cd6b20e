//! The bin that each row of a block is in.
//!
//! Counting need not know in which row a value stands; whoever counts rows together with something
//! else of the same row does. A row without a value is in the bin after the last.

use super::block::Block;
use super::categories::{CategoryGrid, category};
use super::column::numbers;
use super::numeric_frame::NumericFrame;
use super::texts::{boolean, row_names};
use crate::feature::Kind;
use arrow_array::Array;
use arrow_buffer::NullBuffer;

/// The bins of numbers.
pub fn number_bins(frame: &NumericFrame, block: &Block) -> Vec<u8> {
    let missing = frame.n_bins() as u8;
    let array = block.by_row();
    let mut values = Vec::with_capacity(array.len());
    numbers(&*array, &mut values);
    let nulls = array.logical_nulls();
    let n_present = array.len() - nulls.as_ref().map_or(0, NullBuffer::null_count);
    // Texts of a path that are no numbers: none of the rows has one.
    if values.len() != n_present {
        return vec![missing; array.len()];
    }
    values.iter_mut().for_each(|value| *value = frame.width.round(*value));
    let bins = frame.grid().bins_of(&values).into_iter().zip(&values);
    let mut bins = bins.map(|(bin, value)| if value.is_nan() { missing } else { bin });
    let is_present = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let bin = |row| if is_present(row) { bins.next() } else { None };
    (0..array.len()).map(bin).map(|bin| bin.unwrap_or(missing)).collect()
}

/// The bins of categories.
pub fn category_bins(grid: &CategoryGrid, kind: Kind, block: &Block) -> Vec<u8> {
    let mut bins = Vec::with_capacity(block.rows());
    row_names(&*block.by_row(), &mut |_, name| {
        let text = name.and_then(|name| std::str::from_utf8(name).ok());
        let text = match kind {
            Kind::Boolean => text.and_then(boolean),
            _ => text,
        };
        bins.push(text.map_or(grid.n_bins(), |own| grid.bin(&category(own))) as u8);
    });
    bins
}

/// One bin for all values.
pub fn presence_bins(block: &Block) -> Vec<u8> {
    let array = block.by_row();
    let nulls = array.logical_nulls();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..array.len()).map(|row| u8::from(is_null(row))).collect()
}
