//! Record batches as a table: for Arrow streams, for programs that embed driftd, and for tests.

use crate::error::{Fault, Result};
use crate::monitor::table::{Blocks, Table};
use crate::profile::block::Block;
use arrow_array::RecordBatch;
use arrow_schema::Schema;
use xxhash_rust::xxh3::xxh3_64;

/// Record batches of one schema; each is a row group.
#[derive(Debug, Clone)]
pub struct RecordBatchTable {
    schema: Schema,
    batches: Vec<RecordBatch>,
    rows: Vec<u64>,
}

impl RecordBatchTable {
    /// Fails when the batches have different schemas.
    pub fn new(batches: Vec<RecordBatch>) -> Result<RecordBatchTable, Fault> {
        let Some(first) = batches.first() else {
            return Err(Fault::unreadable("no record batch, and hence no schema"));
        };
        let schema = first.schema().as_ref().clone();
        if batches.iter().any(|batch| *batch.schema() != schema) {
            return Err(Fault::unreadable("the record batches have different schemas"));
        }
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).collect();
        Ok(RecordBatchTable { schema, batches, rows })
    }
}

impl Table for RecordBatchTable {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn row_groups(&self) -> &[u64] {
        &self.rows
    }

    /// Of the schema and the sizes; who samples rows without a key gives batches of other sizes,
    /// or a key.
    fn fingerprint(&self) -> u64 {
        xxh3_64(format!("{} {:?}", self.schema, self.rows).as_bytes())
    }

    fn weight(&self, row_group: usize, column: usize) -> u64 {
        self.batches[row_group].column(column).get_array_memory_size() as u64
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        let values = self.batches[row_group].column(column);
        Ok(Box::new(std::iter::once(Ok(Block::new(values.clone())))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, Int64Array};
    use std::sync::Arc;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter([("x", column)]).unwrap()
    }

    #[test]
    fn every_batch_is_a_row_group() {
        let column = |rows: usize| -> ArrayRef { Arc::new(Float64Array::from(vec![1.0; rows])) };
        let table = RecordBatchTable::new(vec![batch(column(3)), batch(column(5))]).unwrap();
        assert_eq!(table.row_groups(), [3, 5]);
        let blocks: Vec<_> = table.read(1, 0).unwrap().map(Result::unwrap).collect();
        assert_eq!(blocks.iter().map(Block::rows).sum::<usize>(), 5);
    }

    #[test]
    fn batches_agree_on_their_schema() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(RecordBatchTable::new(vec![batch(numbers), batch(whole)]).is_err());
        assert!(RecordBatchTable::new(Vec::new()).is_err());
    }
}
