//! Numbers that stand in several rows each: what is done for a value is done once.

use super::grid::NumericGrid;
use super::row_order::RowOrder;

/// The rows of some values.
#[derive(Debug, Clone, Copy)]
pub struct RepeatedNumbers<'a> {
    /// By value, its rows; one at least.
    pub rows: &'a [u64],
    /// By row, its place in the dictionary.
    pub keys: &'a [i32],
    /// All values that rows can have, and perhaps more.
    pub dictionary: &'a [f64],
}

impl RepeatedNumbers<'_> {
    /// Each of the values, which `rows` are of, and its rows.
    pub fn each<'v>(&self, values: &'v [f64]) -> impl Iterator<Item = (f64, u64)> + use<'_, 'v> {
        values.iter().copied().zip(self.rows.iter().copied())
    }

    /// Rows whose value is 0, and rows whose value lies outside of `low` to `high`.
    pub fn zeros_and_outside(&self, values: &[f64], (low, high): (f64, f64)) -> (u64, u64) {
        let sum = |is_counted: &dyn Fn(f64) -> bool| {
            self.each(values).filter(|(value, _)| is_counted(*value)).map(|(_, rows)| rows).sum()
        };
        (sum(&|value| value == 0.0), sum(&|value| value < low || high < value))
    }

    /// Adds stretches of the rows in their order, each value as `round` makes it.
    pub fn update_order(
        &self,
        order: &mut RowOrder,
        grid: &NumericGrid,
        round: impl Fn(f64) -> f64,
    ) {
        for stretch in order.stretches(self.keys.len()) {
            let own = self.keys[stretch].iter().map(|key| round(self.dictionary[*key as usize]));
            order.update_numbers(&grid.bins_of(&own.collect::<Vec<f64>>()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::super::block::Block;
    use super::super::feature::{FeatureGrid, FeatureInput, FeatureProfile, Frame, Scratch};
    use super::super::grid_build::SortedReference;
    use super::super::numeric_frame::{NumericFrame, NumericOrigin};
    use crate::feature::{Kind, Width};
    use arrow_array::{Array, ArrayRef, Float32Array, Float64Array, Int64Array};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use std::sync::Arc;

    /// Few values, so that they stand in many rows each.
    fn dictionary() -> impl Strategy<Value = ArrayRef> {
        let double = prop_oneof![
            6 => -9.0..9.0f64,
            2 => (-9..9i32).prop_map(f64::from),
            1 => any::<f64>().prop_filter("no NaN", |value| !value.is_nan()),
            1 => Just(-0.0),
        ];
        let sizes = 1..30;
        let integer = prop_oneof![3 => -9..9i64, 1 => any::<i64>()];
        prop_oneof![
            prop::collection::vec(double, sizes.clone())
                .prop_map(|own| Arc::new(Float64Array::from(own)) as ArrayRef),
            prop::collection::vec(-9.0..9.0f32, sizes.clone())
                .prop_map(|own| Arc::new(Float32Array::from(own)) as ArrayRef),
            prop::collection::vec(integer, sizes)
                .prop_map(|own| Arc::new(Int64Array::from(own)) as ArrayRef),
        ]
    }

    fn grid(reference: &[f64], width: Width, distinct_wanted: bool) -> FeatureGrid {
        let mut finite: Vec<f64> = reference.iter().map(|value| width.round(*value)).collect();
        finite.sort_unstable_by(f64::total_cmp);
        let reference =
            SortedReference { finite: &finite, negative_infinities: 0, positive_infinities: 0 };
        let origin = NumericOrigin { width, is_integer: false, distinct_wanted, own_ends: &[] };
        let frame = Frame::Numeric(Box::new(NumericFrame::new(reference, origin)));
        FeatureGrid::new("feature".into(), Kind::Numeric, false, None, frame)
    }

    fn counted(grid: &FeatureGrid, width: Width, blocks: &[Block]) -> FeatureProfile {
        let mut profile = FeatureProfile::new(grid);
        let mut scratch = Scratch::default();
        for block in blocks {
            profile.update(FeatureInput { grid, width, block, scratch: &mut scratch });
        }
        profile.assert_complete();
        profile
    }

    proptest! {
        #![proptest_config(crate::testing::cases(96))]

        /// By key or one by one, in whatever blocks: the same counts and sums, and the same order.
        #[test]
        fn keys_count_as_their_rows_do(
            dictionary in dictionary(),
            rows in prop::collection::vec(prop::option::weighted(0.9, any::<Index>()), 64..900),
            reference in prop::collection::vec(-9.0..9.0f64, 1..1_200),
            (reference_width, distinct) in (
                prop_oneof![Just(Width::F64), Just(Width::F32)], any::<bool>(),
            ),
            at in any::<Index>(),
        ) {
            let is_float = dictionary.as_any().is::<Float32Array>();
            let width = if is_float { Width::F32 } else { Width::F64 };
            let grid = grid(&reference, reference_width, distinct);
            let key = |row: &Index| row.index(dictionary.len()) as i32;
            let keys = rows.iter().flatten().map(key).collect();
            let present = rows.iter().map(|row| i16::from(row.is_some())).collect();
            let keyed = Block::keyed(Arc::clone(&dictionary), keys).packed(present);
            let each = Block::new(keyed.by_row());
            prop_assert!(each.by_key().is_none());
            let cut = at.index(rows.len());
            let parts = |block: &Block| {
                [block.slice(0, cut), block.slice(cut, rows.len() - cut)]
            };
            for (keyed, each) in [(vec![keyed.clone()], vec![each.clone()]), (
                parts(&keyed).to_vec(), parts(&each).to_vec(),
            )] {
                let (keyed, each) = (counted(&grid, width, &keyed), counted(&grid, width, &each));
                prop_assert_eq!(keyed.design_effect(), each.design_effect());
                prop_assert_eq!(keyed, each);
            }
        }
    }
}
