//! Numbers of one column chunk without their nulls, as a file stores them.
//!
//! The record-batch reader makes room for every null, which costs more than decoding what lies
//! between them and is undone when the values are counted.

use super::footer::decode_error;
use crate::error::{Fault, Result};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use ::parquet::basic::Type;
use ::parquet::column::page::PageReader;
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{DataType, DoubleType, FloatType, Int32Type, Int64Type};
use ::parquet::schema::types::ColumnDescPtr;
use arrow_array::PrimitiveArray;
use arrow_array::types::{self, ArrowPrimitiveType};
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// Rows decoded at a time: 32 KB of doubles, which stay in the first cache while they are counted.
const BATCH_ROWS: usize = 4_096;

/// The pages of one leaf's chunk.
pub struct LeafPages {
    pub leaf: ColumnDescPtr,
    pub pages: Box<dyn PageReader>,
    /// Rows of the row group.
    pub rows: usize,
}

/// The blocks of a leaf that becomes a column of Arrow's type `becomes`; none where that is more
/// than the numbers that are stored.
pub fn packed_blocks(pages: LeafPages, becomes: &ArrowType) -> Option<Blocks<'static>> {
    let leaf = &pages.leaf;
    let is_flat = leaf.max_rep_level() == 0 && leaf.path().parts().len() == 1;
    Some(match (leaf.physical_type(), becomes) {
        _ if !is_flat => return None,
        (Type::DOUBLE, ArrowType::Float64) => blocks::<DoubleType, types::Float64Type>(pages),
        (Type::FLOAT, ArrowType::Float32) => blocks::<FloatType, types::Float32Type>(pages),
        (Type::INT64, ArrowType::Int64) => blocks::<Int64Type, types::Int64Type>(pages),
        (Type::INT32, ArrowType::Int32) => blocks::<Int32Type, types::Int32Type>(pages),
        _ => return None,
    })
}

fn blocks<P: DataType<T = A::Native>, A: ArrowPrimitiveType>(pages: LeafPages) -> Blocks<'static> {
    let array = |values: Vec<P::T>| PrimitiveArray::<A>::new(values.into(), None);
    read_blocks::<P>(pages, BATCH_ROWS, move |values| Block::new(Arc::new(array(values))))
}

/// Reads so many rows at a time; `block` makes a block of the values of those that have one.
pub fn read_blocks<P: DataType>(
    LeafPages { leaf, pages, rows }: LeafPages,
    batch_rows: usize,
    block: impl Fn(Vec<P::T>) -> Block + 'static,
) -> Blocks<'static> {
    let values = ColumnReaderImpl::<P>::new(leaf, pages);
    let batch_rows = batch_rows.min(rows);
    Box::new(PackedBlocks { values, batch_rows, levels: Vec::new(), block })
}

/// Stored as `P`.
struct PackedBlocks<P: DataType, F> {
    values: ColumnReaderImpl<P>,
    batch_rows: usize,
    /// By row, 1 where it has a value; kept until a block needs it.
    levels: Vec<i16>,
    block: F,
}

impl<P: DataType, F: Fn(Vec<P::T>) -> Block> Iterator for PackedBlocks<P, F> {
    type Item = Result<Block, Fault>;

    fn next(&mut self) -> Option<Result<Block, Fault>> {
        self.levels.clear();
        let mut values = Vec::with_capacity(self.batch_rows);
        let levels = &mut self.levels;
        let read = self.values.read_records(self.batch_rows, Some(levels), None, &mut values);
        let (rows, n_values) = match read {
            Ok((0, ..)) => return None,
            Ok((rows, n_values, _)) => (rows, n_values),
            Err(error) => return Some(Err(decode_error(&error))),
        };
        let block = (self.block)(values);
        if n_values == rows {
            return Some(Ok(block));
        }
        Some(Ok(block.packed(std::mem::take(levels).into())))
    }
}
