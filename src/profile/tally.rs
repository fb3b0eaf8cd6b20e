//! Where rows went that hold no usable value.

use super::block::Block;
use super::{Accumulator, Mismatch};
use arrow_buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

/// Rows by fate. `rows` is the sum of the others and of the present values, which are counted in
/// cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All rows.
    pub rows: u64,
    pub nulls: u64,
    pub nans: u64,
    /// Values of another kind than the feature's.
    pub wrong_type: u64,
    /// Rows that have no such column or key.
    pub absent: u64,
}

impl Tally {
    /// Rows, nulls and faults of a block; NaNs are found when its values are read.
    pub fn of_block(block: &Block) -> Tally {
        let count = |bits: &BooleanBuffer| bits.count_set_bits() as u64;
        let faults = block.faults();
        let (absent, wrong_type) =
            faults.map_or((0, 0), |faults| (count(&faults.absent), count(&faults.wrong_type)));
        let nulls = block.n_missing() as u64 - absent - wrong_type;
        Tally { rows: block.rows() as u64, nulls, nans: 0, wrong_type, absent }
    }

    /// Rows without a usable value. A value of the wrong type or an absent column is as missing
    /// to the model as a null.
    pub fn missing(&self) -> u64 {
        self.nulls + self.nans + self.wrong_type + self.absent
    }

    pub fn present(&self) -> u64 {
        self.rows - self.missing()
    }
}

impl Accumulator for Tally {
    type Input<'a> = Tally;

    fn update(&mut self, input: Tally) {
        self.rows += input.rows;
        self.nulls += input.nulls;
        self.nans += input.nans;
        self.wrong_type += input.wrong_type;
        self.absent += input.absent;
    }

    fn merge(&mut self, other: &Tally) -> Result<(), Mismatch> {
        self.update(*other);
        Ok(())
    }
}
