//! Counts by the size of a value, for percentiles where the cells of a grid are wide.
//!
//! A grid is fine where its reference has values. A window that moved may lie in few of its cells,
//! or between values that are nearly zero. So values whose cell is wide are counted by their
//! logarithm as well: 35 cells for every doubling, each 2 % wide, whose middle is within 1 % of any
//! value in it. C. Masson, J. E. Rim and H. K. Lee, "DDSketch" (2019), give the bound.

use super::extremes::without_negative_zero;
use super::small_counts::SmallCounts;
use super::{Accumulator, Mismatch, sparse};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Cells per doubling.
const PER_OCTAVE: usize = 35;

/// Where the cells of a doubling begin: the fractions of 2^(i/35), in the 52 bits of a double.
const STARTS: [u64; PER_OCTAVE] = [
    0x0_0000_0000_0000,
    0x0_51ed_3525_4d7b,
    0x0_a57d_e9c1_6bc7,
    0x0_faba_81d4_e5df,
    0x1_51ab_8c56_eea2,
    0x1_aa59_c411_5e7d,
    0x2_04ce_1081_1781,
    0x2_6111_86ba_e675,
    0x2_bf2d_6a54_f7da,
    0x3_1f2b_2e54_f85d,
    0x3_8114_7622_f886,
    0x3_e4f3_1681_2c30,
    0x4_4ad1_1688_9e7b,
    0x4_b2b8_b0aa_f3c7,
    0x5_1cb4_53b9_536c,
    0x5_88ce_a3f0_93be,
    0x5_f712_7c0a_c32a,
    0x6_678a_ee56_29f8,
    0x6_da43_45d1_e0ad,
    0x7_4f47_0750_17a0,
    0x7_c6a1_f29e_2ce6,
    0x8_4060_03b2_ae5c,
    0x8_bc8d_73e1_6610,
    0x9_3b36_bb15_8fff,
    0x9_bc68_9112_58c0,
    0xa_402f_eeb9_c533,
    0xa_c69a_0f5a_241c,
    0xb_4fb4_7202_2b1a,
    0xb_db8c_dadb_e120,
    0xc_6a31_548e_794d,
    0xc_fbb0_31a7_41a5,
    0xd_9018_0e09_c9e4,
    0xe_2777_d067_6770,
    0xe_c1de_abbe_3c14,
    0xf_5f5c_20df_e5f2,
];

const FRACTION_BITS: u32 = 52;
const FRACTION: u64 = (1 << FRACTION_BITS) - 1;
/// A fraction is looked up by its first bits; no two cells begin with the same.
const LOOKUP_BITS: u32 = 8;
const LOOKUP: usize = 1 << LOOKUP_BITS;

/// By first bits, the cell of the least such fraction.
const FIRST: [u8; LOOKUP] = first();

const fn first() -> [u8; LOOKUP] {
    let mut table = [0; LOOKUP];
    let mut bits = 0;
    while bits < LOOKUP {
        let least = (bits as u64) << (FRACTION_BITS - LOOKUP_BITS);
        let mut cell = 0;
        while cell + 1 < PER_OCTAVE && STARTS[cell + 1] <= least {
            cell += 1;
        }
        table[bits] = cell as u8;
        bits += 1;
    }
    table
}

/// Positive doubles have the cells above that of zero, negative ones those below.
const ZERO: usize = 2_047 * PER_OCTAVE;
const CELLS: usize = 2 * ZERO + 1;

/// The cell of a finite value; greater values have greater cells.
#[inline]
fn cell(value: f64) -> usize {
    let bits = value.to_bits();
    let fraction = bits & FRACTION;
    let octave = (bits >> FRACTION_BITS) as usize & 0x7ff;
    let first = usize::from(FIRST[(fraction >> (FRACTION_BITS - LOOKUP_BITS)) as usize]);
    let next = STARTS.get(first + 1).is_some_and(|start| *start <= fraction);
    let place = octave * PER_OCTAVE + first + usize::from(next);
    match value {
        0.0 => ZERO,
        _ if value > 0.0 => ZERO + 1 + place.min(ZERO - 1),
        _ => ZERO - 1 - place.min(ZERO - 1),
    }
}

/// The least value of a cell above zero, by its place from there.
fn start(place: usize) -> f64 {
    let octave = (place / PER_OCTAVE) as u64;
    f64::from_bits(octave << FRACTION_BITS | STARTS[place % PER_OCTAVE])
}

/// The value that stands for those of a cell.
fn middle(cell: usize) -> f64 {
    let place = match cell.abs_diff(ZERO) {
        0 => return 0.0,
        above => above - 1,
    };
    let (low, high) = (start(place), start(place + 1).min(f64::MAX));
    // The harmonic mean is as far from both ends, in parts of them.
    let middle = low * (2.0 / (low / high + 1.0));
    if cell > ZERO { middle } else { -middle }
}

/// Counts of values whose cell in a grid is wide.
#[derive(Debug, Clone)]
pub struct LogCells(Counts);

type CountMap = HashMap<u32, u64, BuildHasherDefault<CellHasher>>;

#[derive(Debug, Clone)]
enum Counts {
    Open(CountMap),
    /// Those that nothing is added to: filled cells, ascending, and their counts.
    Small(Box<[u32]>, SmallCounts),
}

impl Default for LogCells {
    fn default() -> LogCells {
        LogCells(Counts::Open(CountMap::default()))
    }
}

impl PartialEq for LogCells {
    fn eq(&self, other: &LogCells) -> bool {
        self.filled() == other.filled()
    }
}

/// Spreads the numbers of cells, which nobody chooses to collide (D. E. Knuth, "The Art of Computer
/// Programming" 3, 6.4).
#[derive(Debug, Clone, Copy, Default)]
struct CellHasher(u64);

impl Hasher for CellHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!("{bytes:?} is no cell")
    }

    fn write_u32(&mut self, cell: u32) {
        self.0 = u64::from(cell).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// A filled cell: its lower end, exclusive, its upper end, inclusive, and its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogStretch {
    pub lower: f64,
    pub upper: f64,
    pub rows: u64,
}

impl LogStretch {
    fn new(cell: usize, rows: u64) -> LogStretch {
        let least = 0f64.next_down();
        let (lower, upper) = match cell.abs_diff(ZERO) {
            0 => (least, 0.0),
            above => {
                // What is nearest to zero has the first cell.
                let from = if above == 1 { 0f64.next_up() } else { start(above - 1) };
                let last = if above == ZERO { f64::MAX } else { start(above).next_down() };
                match cell > ZERO {
                    true => (without_negative_zero(from.next_down()), last),
                    false => ((-last).next_down(), -from),
                }
            }
        };
        LogStretch { lower, upper, rows }
    }
}

impl LogCells {
    /// Filled cells, ascending.
    pub fn stretches(&self) -> Vec<LogStretch> {
        let filled = self.filled().into_iter();
        filled.map(|(cell, rows)| LogStretch::new(cell as usize, rows)).collect()
    }

    /// The counts of the cells that `is_wanted` says of their values.
    pub fn filtered(&self, is_wanted: impl Fn(f64) -> bool) -> LogCells {
        let own = self.filled().into_iter().filter(|(cell, _)| is_wanted(middle(*cell as usize)));
        LogCells(Counts::Open(own.collect()))
    }

    pub fn total(&self) -> u64 {
        match &self.0 {
            Counts::Open(counts) => counts.values().sum(),
            Counts::Small(_, counts) => counts.to_counts().iter().sum(),
        }
    }

    /// Holds its counts in as few bytes as they take; until more is added to them.
    pub fn rest(&mut self) {
        let (cells, counts): (Vec<u32>, Vec<u64>) = self.filled().into_iter().unzip();
        if let Some(counts) = SmallCounts::of(&counts) {
            self.0 = Counts::Small(cells.into(), counts);
        }
    }

    /// The counts, to add to.
    fn open(&mut self) -> &mut CountMap {
        if let Counts::Small(..) = &self.0 {
            self.0 = Counts::Open(self.filled().into_iter().collect());
        }
        match &mut self.0 {
            Counts::Open(counts) => counts,
            Counts::Small(..) => unreachable!("it was just opened"),
        }
    }

    /// Adds a finite value that so many rows have.
    pub fn add(&mut self, value: f64, rows: u64) {
        *self.open().entry(cell(value) as u32).or_default() += rows;
    }

    /// Bytes that the counts take in memory.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Counts::Open(counts) => counts.capacity() * size_of::<(u32, u64)>(),
            Counts::Small(cells, counts) => size_of_val(&**cells) + counts.bytes(),
        }
    }

    /// Cell and count of those that are filled, in their order.
    fn filled(&self) -> Vec<(u32, u64)> {
        match &self.0 {
            Counts::Open(counts) => {
                let mut filled: Vec<_> = counts.iter().map(|own| (*own.0, *own.1)).collect();
                filled.sort_unstable();
                filled
            }
            Counts::Small(cells, counts) => cells.iter().copied().zip(counts.to_counts()).collect(),
        }
    }

    /// The values that stand for those of each filled cell, within 1 %, and how many there are.
    pub fn middles(&self) -> impl Iterator<Item = (f64, u64)> {
        self.filled().into_iter().map(|(cell, rows)| (middle(cell as usize), rows))
    }

    /// The value of this rank, counted from 1; within 1 %.
    pub fn at(&self, rank: u64) -> Option<f64> {
        let mut below = 0;
        let found = self.filled().into_iter().find(|(_, count)| {
            below += count;
            below >= rank
        });
        found.map(|(cell, _)| middle(cell as usize))
    }
}

impl Accumulator for LogCells {
    /// Finite values.
    type Input<'a> = &'a [f64];

    fn update(&mut self, values: &[f64]) {
        let counts = self.open();
        values.iter().for_each(|value| *counts.entry(cell(*value) as u32).or_default() += 1);
    }

    fn merge(&mut self, other: &LogCells) -> Result<(), Mismatch> {
        let counts = self.open();
        match &other.0 {
            Counts::Open(from) => {
                from.iter().for_each(|(cell, count)| *counts.entry(*cell).or_default() += count);
            }
            Counts::Small(..) => {
                let from = other.filled().into_iter();
                from.for_each(|(cell, count)| *counts.entry(cell).or_default() += count);
            }
        }
        Ok(())
    }
}

impl Serialize for LogCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        sparse::serialize_filled(CELLS as u32, &self.filled(), serializer)
    }
}

impl<'de> Deserialize<'de> for LogCells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LogCells, D::Error> {
        match sparse::deserialize(deserializer)? {
            sparse::Stored::Filled { cells, filled } if cells as usize == CELLS => {
                Ok(LogCells(Counts::Open(filled.into_iter().collect())))
            }
            _ => Err(serde::de::Error::custom("counts of other cells")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal() -> impl Strategy<Value = f64> {
        any::<f64>().prop_filter("normal", |value| value.is_normal())
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn a_cell_is_two_per_cent_wide(value in normal()) {
            let found = middle(cell(value));
            prop_assert!((found - value).abs() <= 0.01 * value.abs(), "{found} for {value}");
        }

        #[test]
        fn cells_have_the_order_of_values(a in any::<f64>(), b in any::<f64>()) {
            let finite = a.is_finite() && b.is_finite();
            prop_assert!(!finite || a > b || cell(a) <= cell(b));
        }

        /// Any split gives the counts of one pass, and they come back from the state.
        #[test]
        fn counts_add(values in prop::collection::vec(-9.0..9.0f64, 0..300), at in 0..300usize) {
            let of = |values: &[f64]| {
                let mut cells = LogCells::default();
                cells.update(values);
                cells
            };
            let (a, b) = values.split_at(at.min(values.len()));
            let (whole, mut merged, right) = (of(&values), of(a), of(b));
            merged.merge(&right).unwrap();
            prop_assert_eq!(&merged, &whole);
            let bytes = postcard::to_stdvec(&whole).unwrap();
            prop_assert_eq!(postcard::from_bytes::<LogCells>(&bytes).unwrap(), whole);
        }
    }

    proptest! {
        #[test]
        fn a_cell_ends_where_the_next_begins(value in any::<f64>()) {
            if value.is_finite() {
                let own = LogStretch::new(cell(value), 1);
                prop_assert!(own.lower < value && value <= own.upper, "{own:?} of {value}");
                prop_assert_eq!(cell(own.upper), cell(value));
                prop_assert_eq!(cell(own.lower.next_up()), cell(value));
                prop_assert!(cell(own.lower.max(f64::MIN)) + 1 >= cell(value));
            }
        }
    }

    #[test]
    fn every_rank_has_a_value() {
        let mut cells = LogCells::default();
        cells.update(&[-3.0, 0.0, 5e-324, 7.0, f64::MAX]);
        let at: Vec<f64> = (1..=5).map(|rank| cells.at(rank).unwrap()).collect();
        assert!((at[0] + 3.0).abs() < 0.03 && at[1] == 0.0 && at[2] < 1e-300);
        assert!((at[3] - 7.0).abs() < 0.07 && at[4].is_finite());
        assert_eq!(cells.at(6), None);
    }
}
