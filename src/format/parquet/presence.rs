//! Whether each row of a column has a value, when nobody asks what it is: of lists, structs and
//! maps, whatever they hold.

use super::footer::decode_error;
use super::packed::LeafPages;
use crate::error::{Fault, Result};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use ::parquet::data_type::DataType;
use arrow_array::BooleanArray;
use arrow_buffer::{BooleanBuffer, NullBuffer};
use std::sync::Arc;

/// Rows told at a time, at most.
const BATCH_ROWS: usize = 4_096;

/// Tells it by the levels of one leaf. Where the column is optional, a row without a value has the
/// definition level 0. So many rows at a time: their values are decoded too.
pub fn presence_blocks(pages: LeafPages, is_optional: bool, batch_rows: usize) -> Blocks<'static> {
    let batch_rows = batch_rows.min(BATCH_ROWS);
    let LeafPages { leaf, pages, .. } = pages;
    match get_column_reader(leaf, pages) {
        ColumnReader::BoolColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::Int32ColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::Int64ColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::Int96ColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::FloatColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::DoubleColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::ByteArrayColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
        ColumnReader::FixedLenByteArrayColumnReader(leaf) => blocks(leaf, is_optional, batch_rows),
    }
}

/// A value in every row, of a column that has no leaf to ask.
pub fn all_present(rows: usize) -> Blocks<'static> {
    let sizes = (0..rows).step_by(BATCH_ROWS).map(move |start| (rows - start).min(BATCH_ROWS));
    Box::new(sizes.map(|rows| Ok(block(BooleanBuffer::new_set(rows)))))
}

fn block(present: BooleanBuffer) -> Block {
    let values = BooleanBuffer::new_set(present.len());
    Block::new(Arc::new(BooleanArray::new(values, Some(NullBuffer::new(present)))))
}

fn blocks<P: DataType>(
    mut leaf: ColumnReaderImpl<P>,
    is_optional: bool,
    batch_rows: usize,
) -> Blocks<'static> {
    let mut definitions: Vec<i16> = Vec::new();
    let mut repetitions: Vec<i16> = Vec::new();
    let mut values = Vec::new();
    let mut next = move || -> Result<Option<Block>, Fault> {
        definitions.clear();
        repetitions.clear();
        values.clear();
        let (defined, repeated) = (Some(&mut definitions), Some(&mut repetitions));
        let (rows, ..) = leaf
            .read_records(batch_rows, defined, repeated, &mut values)
            .map_err(|error| decode_error(&error))?;
        // A leaf that is never null or never repeated has no such levels.
        let starts = |place: &usize| repetitions.get(*place).is_none_or(|level| *level == 0);
        let is_present = |place| !is_optional || definitions.get(place).is_none_or(|l| *l > 0);
        let levels = definitions.len().max(repetitions.len()).max(rows);
        let present: BooleanBuffer = (0..levels).filter(starts).map(is_present).collect();
        Ok((rows > 0).then(|| block(present)))
    };
    Box::new(std::iter::from_fn(move || next().transpose()))
}
