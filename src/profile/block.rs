//! Some rows of one column, as they are handed to whoever counts.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use arrow_select::filter::filter;
use arrow_select::take::take;
use std::sync::Arc;

/// Some rows of one column.
///
/// What is counted need not know which row a value stands in. So a source may leave out the rows
/// without a value, and say which they were: nothing is padded only to be skipped again.
#[derive(Debug, Clone)]
pub struct Block {
    values: ArrayRef,
    /// By row, 1 where there is a value and 0 where not, if `values` leaves those out.
    present: Option<ScalarBuffer<i16>>,
    faults: Option<ValueFaults>,
    /// By row, the group of its cluster.
    groups: Option<ScalarBuffer<u8>>,
}

/// Rows whose value is missing for another reason than null.
#[derive(Debug, Clone)]
pub struct ValueFaults {
    pub absent: BooleanBuffer,
    pub wrong_type: BooleanBuffer,
}

impl Block {
    /// A value or a null for every row.
    pub fn new(values: ArrayRef) -> Block {
        Block { values, present: None, faults: None, groups: None }
    }

    /// The values of those rows that `present` has a 1 for; the others are null and have a 0.
    pub fn packed(values: ArrayRef, present: ScalarBuffer<i16>) -> Block {
        debug_assert_eq!(values.len(), n_present(&present), "a value for every 1");
        Block { values, present: Some(present), faults: None, groups: None }
    }

    /// The same rows, of which some hold no value of the column's type and are null. Only sources
    /// without a schema of their own have any.
    #[must_use]
    pub fn with_faults(self, faults: ValueFaults) -> Block {
        Block { faults: Some(faults), ..self }
    }

    /// The same rows, each with the group of its cluster.
    #[must_use]
    pub fn with_groups(self, groups: ScalarBuffer<u8>) -> Block {
        debug_assert_eq!(groups.len(), self.rows(), "a group for every row");
        Block { groups: Some(groups), ..self }
    }

    pub fn rows(&self) -> usize {
        self.present.as_ref().map_or(self.values.len(), ScalarBuffer::len)
    }

    /// All values in the order of their rows, some or all nulls left out.
    pub fn values(&self) -> &dyn Array {
        &*self.values
    }

    /// A value or a null for every row.
    pub fn by_row(&self) -> ArrayRef {
        let Some(present) = &self.present else { return Arc::clone(&self.values) };
        let mut ranks = 0..;
        let rank = |present: &i16| if *present == 1 { ranks.next() } else { None };
        let ranks: UInt32Array = present.iter().map(rank).collect();
        taken(&*self.values, &ranks)
    }

    /// Rows without a value, faults included.
    pub fn n_missing(&self) -> usize {
        // Logical, since a dictionary's null may be a key that points to a null value.
        self.rows() - self.values.len() + self.values.logical_null_count()
    }

    pub fn faults(&self) -> Option<&ValueFaults> {
        self.faults.as_ref()
    }

    /// By row, the group of its cluster, where clusters are known.
    pub fn groups(&self) -> Option<&[u8]> {
        self.groups.as_deref()
    }

    #[must_use]
    pub fn slice(&self, offset: usize, rows: usize) -> Block {
        let faults = self.faults.as_ref().map(|faults| ValueFaults {
            absent: faults.absent.slice(offset, rows),
            wrong_type: faults.wrong_type.slice(offset, rows),
        });
        let groups = self.groups.as_ref().map(|groups| groups.slice(offset, rows));
        let Some(present) = &self.present else {
            let values = self.values.slice(offset, rows);
            return Block { values, present: None, faults, groups };
        };
        let before = n_present(&present[..offset]);
        let present = present.slice(offset, rows);
        let values = self.values.slice(before, n_present(&present));
        Block { values, present: Some(present), faults, groups }
    }

    /// The rows whose bit is set.
    #[must_use]
    pub fn filter(&self, kept: &BooleanBuffer) -> Block {
        let faults = self.faults.as_ref().map(|faults| ValueFaults {
            absent: filtered_bits(&faults.absent, kept),
            wrong_type: filtered_bits(&faults.wrong_type, kept),
        });
        let groups = self.groups.as_ref().map(|groups| {
            let own = groups.iter().zip(kept).filter(|(_, kept)| *kept);
            own.map(|(group, _)| *group).collect()
        });
        let Some(present) = &self.present else {
            return Block { values: filtered(&*self.values, kept), present: None, faults, groups };
        };
        let bits = BooleanBuffer::collect_bool(present.len(), |row| present[row] == 1);
        let values = filtered(&*self.values, &filtered_bits(kept, &bits));
        let kept_rows = present.iter().zip(kept).filter(|(_, kept)| *kept);
        let present = kept_rows.map(|(present, _)| *present).collect();
        Block { values, present: Some(present), faults, groups }
    }

    /// The rows with these numbers, in their order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Block {
        let groups = self.groups.as_ref();
        let groups = groups.map(|own| rows.iter().map(|row| own[*row as usize]).collect());
        let rows = UInt32Array::from(rows.to_vec());
        let bits = |bits: &BooleanBuffer| {
            let bits = taken(&BooleanArray::new(bits.clone(), None), &rows);
            bits.as_boolean().values().clone()
        };
        let faults = self.faults.as_ref().map(|faults| ValueFaults {
            absent: bits(&faults.absent),
            wrong_type: bits(&faults.wrong_type),
        });
        Block { values: taken(&*self.by_row(), &rows), present: None, faults, groups }
    }
}

fn n_present(present: &[i16]) -> usize {
    present.iter().filter(|present| **present == 1).count()
}

fn filtered(array: &dyn Array, kept: &BooleanBuffer) -> ArrayRef {
    filter(array, &BooleanArray::new(kept.clone(), None)).expect("a bit for every row")
}

fn filtered_bits(bits: &BooleanBuffer, kept: &BooleanBuffer) -> BooleanBuffer {
    let bits = filtered(&BooleanArray::new(bits.clone(), None), kept);
    bits.as_boolean().values().clone()
}

fn taken(array: &dyn Array, rows: &UInt32Array) -> ArrayRef {
    take(array, rows, None).expect("rows of the block")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Float64Array;
    use arrow_array::types::Float64Type;
    use proptest::prelude::*;

    fn packed(rows: &[Option<f64>]) -> Block {
        let values: Float64Array = rows.iter().flatten().copied().collect();
        Block::packed(
            Arc::new(values),
            rows.iter().map(|value| i16::from(value.is_some())).collect(),
        )
    }

    fn read(block: &Block) -> Vec<Option<f64>> {
        let array = block.by_row();
        assert_eq!(block.rows(), array.len());
        assert_eq!(block.n_missing(), array.null_count());
        array.as_primitive::<Float64Type>().iter().collect()
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        /// Left out or not, a null is a row like any other.
        #[test]
        fn rows_are_found_without_their_nulls(
            rows in prop::collection::vec(prop::option::of(0.0..9.0f64), 1..200),
            (from, to) in (0.0..1.0f64, 0.0..1.0f64),
            kept in prop::collection::vec(any::<bool>(), 200),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
        ) {
            let block = packed(&rows);
            prop_assert_eq!(&read(&block), &rows);

            let at = |share: f64| (share * rows.len() as f64) as usize;
            let (start, end) = (at(from.min(to)), at(from.max(to)));
            prop_assert_eq!(&read(&block.slice(start, end - start)), &rows[start..end]);

            let part = block.slice(start, rows.len() - start);
            let kept: BooleanBuffer = kept[start..rows.len()].iter().copied().collect();
            let own = rows[start..].iter().zip(&kept).filter(|(_, kept)| *kept);
            let expected: Vec<_> = own.map(|(row, _)| *row).collect();
            prop_assert_eq!(read(&part.filter(&kept)), expected);

            let order: Vec<u32> = order.iter().map(|at| at.index(rows.len()) as u32).collect();
            let expected: Vec<_> = order.iter().map(|row| rows[*row as usize]).collect();
            prop_assert_eq!(read(&block.take(&order)), expected);
        }
    }
}
