//! Some rows of one column, as they are handed to whoever counts.

use super::column::doubles;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, UInt32Array};
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
    /// By value, its place in `values`, if these are a dictionary without nulls.
    keys: Option<ScalarBuffer<i32>>,
    /// By row, 1 where there is a value and 0 where not, if rows without one are left out.
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
        Block { values, keys: None, present: None, faults: None, groups: None }
    }

    /// Of each row, which value of a dictionary it has; no value is null.
    pub fn keyed(dictionary: ArrayRef, keys: ScalarBuffer<i32>) -> Block {
        debug_assert_eq!(dictionary.null_count(), 0, "a value for every key");
        Block { keys: Some(keys), ..Block::new(dictionary) }
    }

    /// The same values, but of those rows alone that `present` has a 1 for; the others are null and
    /// have a 0.
    #[must_use]
    pub fn packed(self, present: ScalarBuffer<i16>) -> Block {
        debug_assert_eq!(self.n_values(), n_present(&present), "a value for every 1");
        Block { present: Some(present), ..self }
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
        self.present.as_ref().map_or(self.n_values(), ScalarBuffer::len)
    }

    fn n_values(&self) -> usize {
        self.keys.as_ref().map_or(self.values.len(), ScalarBuffer::len)
    }

    /// All values in the order of their rows, some or all nulls left out.
    pub fn values(&self) -> ArrayRef {
        let Some(keys) = &self.keys else { return Arc::clone(&self.values) };
        let keys = Int32Array::new(keys.clone(), None);
        Arc::new(DictionaryArray::new(keys, Arc::clone(&self.values)))
    }

    /// The values where they are, if they are nothing but doubles. −0.0 and NaN may be among them.
    pub fn doubles(&self) -> Option<&[f64]> {
        if self.keys.is_some() { None } else { doubles(&*self.values) }
    }

    /// All values as keys and what they stand for, where they came like that.
    pub fn by_key(&self) -> Option<(&[i32], &dyn Array)> {
        Some((self.keys.as_deref()?, &*self.values))
    }

    /// A value or a null for every row.
    pub fn by_row(&self) -> ArrayRef {
        let values = match &self.keys {
            Some(keys) => {
                let keys = Int32Array::new(keys.clone(), None);
                take(&*self.values, &keys, None).expect("keys of values")
            }
            None => Arc::clone(&self.values),
        };
        let Some(present) = &self.present else { return values };
        let mut ranks = 0..;
        let rank = |present: &i16| if *present == 1 { ranks.next() } else { None };
        let ranks: UInt32Array = present.iter().map(rank).collect();
        taken(&*values, &ranks)
    }

    /// Rows without a value, faults included.
    pub fn n_missing(&self) -> usize {
        // Logical, since a dictionary's null may be a key that points to a null value.
        self.rows() - self.n_values() + self.values.logical_null_count()
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
            return Block { faults, groups, ..self.slice_values(offset, rows) };
        };
        let before = n_present(&present[..offset]);
        let present = present.slice(offset, rows);
        let values = self.slice_values(before, n_present(&present));
        Block { present: Some(present), faults, groups, ..values }
    }

    /// Some of the values alone.
    fn slice_values(&self, offset: usize, length: usize) -> Block {
        match &self.keys {
            Some(keys) => Block::keyed(Arc::clone(&self.values), keys.slice(offset, length)),
            None => Block::new(self.values.slice(offset, length)),
        }
    }

    /// Those of the values alone whose bit is set.
    fn filter_values(&self, kept: &BooleanBuffer) -> Block {
        let Some(keys) = &self.keys else { return Block::new(filtered(&*self.values, kept)) };
        let own = keys.iter().zip(kept).filter(|(_, kept)| *kept).map(|(key, _)| *key);
        Block::keyed(Arc::clone(&self.values), own.collect())
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
            return Block { faults, groups, ..self.filter_values(kept) };
        };
        let bits = BooleanBuffer::collect_bool(present.len(), |row| present[row] == 1);
        let values = self.filter_values(&filtered_bits(kept, &bits));
        let kept_rows = present.iter().zip(kept).filter(|(_, kept)| *kept);
        let present = kept_rows.map(|(present, _)| *present).collect();
        Block { present: Some(present), faults, groups, ..values }
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
        Block { faults, groups, ..Block::new(taken(&*self.by_row(), &rows)) }
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

    /// The rows by their values, and by the keys of a dictionary.
    fn packed(rows: &[Option<f64>]) -> [Block; 2] {
        let values: Float64Array = rows.iter().flatten().copied().collect();
        let present: ScalarBuffer<i16> =
            rows.iter().map(|value| i16::from(value.is_some())).collect();
        let keys = (0..values.len() as i32).rev().collect();
        let dictionary = values.iter().rev().collect::<Float64Array>();
        let by_key = Block::keyed(Arc::new(dictionary), keys);
        [Block::new(Arc::new(values)), by_key].map(|block| block.packed(present.clone()))
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
            for block in packed(&rows) {
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
}
