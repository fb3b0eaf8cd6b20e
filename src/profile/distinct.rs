//! Distinct values that no cell tells apart: HyperLogLog, with an estimate that does not depend
//! on the order of merging.
//!
//! P. Flajolet et al. (2007); Apache DataSketches' composite estimator. The other estimator
//! (`estimate`, from Heule's HIP) is more accurate for one stream, but changes with the order.

use super::extremes::without_negative_zero;
use super::registers::{LG_REGISTERS, Registers};
use super::{Accumulator, Mismatch};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use pulp::Arch;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values after which it is looked whether there are too many for a list.
const LOOK_AFTER: usize = 1_024;

/// A list that has about so many values, or more, may have become registers.
const LIST_MAX: f64 = 370.0;

/// A set that only knows its size.
#[derive(Debug, Clone, Default)]
pub struct Distinct(Sketch);

/// Small sets are kept exactly, as a list; then each register has a byte.
#[derive(Debug, Clone, Default)]
enum Sketch {
    #[default]
    Empty,
    List(Box<HllUnion>),
    Registers(Box<Registers>),
}

impl Distinct {
    /// How many distinct values were seen, rounded to a whole number.
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            Sketch::Empty => 0,
            Sketch::List(list) => list.composite_estimate().round() as u64,
            Sketch::Registers(registers) => sketch_of(registers).estimate().round() as u64,
        }
    }

    /// Adds numbers, by their bits; −0.0 is 0.0.
    pub fn update_numbers(&mut self, mut values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let mut recent = None;
        let bits = |value: &f64| without_negative_zero(*value).to_bits();
        loop {
            if let Sketch::Registers(registers) = &mut self.0 {
                // In the widest vectors there are instructions that hash faster, too.
                Arch::new().dispatch(|| {
                    values.iter().for_each(|value| registers.insert(bits(value)));
                });
                return;
            }
            let Some(next) = values.chunks(LOOK_AFTER).next() else { return };
            let recent = recent.get_or_insert_with(Recent::empty);
            let list = self.list();
            let new = next.iter().map(bits).filter(|bits| recent.insert(*bits));
            new.for_each(|bits| list.update_value(bits));
            self.look();
            values = &values[next.len()..];
        }
    }

    /// The list, which there must be instead of registers.
    fn list(&mut self) -> &mut HllUnion {
        if let Sketch::Empty = self.0 {
            self.0 = Sketch::List(Box::new(empty_union()));
        }
        match &mut self.0 {
            Sketch::List(list) => list,
            Sketch::Empty | Sketch::Registers(_) => unreachable!("there is a list"),
        }
    }

    /// Goes on with registers where the list has become them.
    fn look(&mut self) {
        if let Sketch::List(list) = &self.0
            && list.estimate() > LIST_MAX
            && let Some(registers) = Registers::of_sketch(&stored(list))
        {
            self.0 = Sketch::Registers(Box::new(registers));
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Sketch::Empty => Vec::new(),
            Sketch::List(list) => stored(list),
            Sketch::Registers(registers) => registers.to_sketch(),
        }
    }
}

fn empty_union() -> HllUnion {
    HllUnion::new(LG_REGISTERS).expect("12 is in [4, 21]")
}

fn union_of(sketch: &HllSketch) -> HllUnion {
    let mut union = empty_union();
    union.update(sketch);
    union
}

fn stored(list: &HllUnion) -> Vec<u8> {
    list.to_sketch(HllType::Hll8).serialize()
}

/// Values that were put on a list lately. Asking it again would change nothing, and takes ten times
/// as long as looking here.
struct Recent([u64; RECENT]);

/// 16 KiB, which leave room for a grid in the first cache.
const RECENT: usize = 2_048;

impl Recent {
    fn empty() -> Recent {
        // Stands at the place of another hash, so that it is never found.
        let mut none = [0; RECENT];
        none[Recent::place(0)] = 1;
        Recent(none)
    }

    /// By Fibonacci hashing: D. E. Knuth, "The Art of Computer Programming" 3, 6.4.
    fn place(hash: u64) -> usize {
        (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - RECENT.ilog2())) as usize
    }

    /// Whether it is new, as far as is remembered.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let known = &mut self.0[Recent::place(hash)];
        std::mem::replace(known, hash) != hash
    }
}

impl Accumulator for Distinct {
    /// The bits of a value.
    type Input<'a> = u64;

    fn update(&mut self, bits: u64) {
        match &mut self.0 {
            Sketch::Registers(registers) => registers.insert(bits),
            Sketch::Empty | Sketch::List(_) => {
                self.list().update_value(bits);
                self.look();
            }
        }
    }

    fn merge(&mut self, other: &Distinct) -> Result<(), Mismatch> {
        match (&mut self.0, &other.0) {
            (_, Sketch::Empty) => {}
            (Sketch::Registers(into), Sketch::Registers(from)) => into.merge(from),
            (Sketch::Registers(into), Sketch::List(list)) => {
                // A list becomes registers beside those of an empty sketch.
                let mut union = union_of(&sketch_of(into));
                union.update(&list.to_sketch(HllType::Hll8));
                *self = Distinct(Sketch::List(Box::new(union)));
                self.look();
            }
            (Sketch::Empty, _) => *self = other.clone(),
            (Sketch::List(list), Sketch::List(from)) => {
                list.update(&from.to_sketch(HllType::Hll8));
                self.look();
            }
            (Sketch::List(list), Sketch::Registers(from)) => {
                list.update(&sketch_of(from));
                self.look();
            }
        }
        Ok(())
    }
}

fn sketch_of(registers: &Registers) -> HllSketch {
    HllSketch::deserialize(&registers.to_sketch()).expect("it is a sketch")
}

impl PartialEq for Distinct {
    fn eq(&self, other: &Distinct) -> bool {
        self.estimate() == other.estimate()
    }
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distinct, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let mut distinct = Distinct::default();
        if !bytes.is_empty() {
            let sketch = HllSketch::deserialize(&bytes).map_err(D::Error::custom)?;
            distinct.list().update(&sketch);
            distinct.look();
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Distinct {
        let mut distinct = Distinct::default();
        distinct.update_numbers(values);
        distinct
    }

    /// However values come, and however many lists and registers are merged.
    #[test]
    fn a_list_that_becomes_registers_forgets_nothing() {
        for n in [0_i64, 1, 300, 383, 384, 385, 600, 2_000, 50_000] {
            let values: Vec<f64> = (0..3 * n).map(|i| (i * i % n.max(1)) as f64).collect();
            let mut library = HllUnion::new(LG_REGISTERS).unwrap();
            values.iter().for_each(|value| library.update_value(value.to_bits()));
            let (together, mut one_by_one) = (of(&values), Distinct::default());
            values.iter().for_each(|value| one_by_one.update(value.to_bits()));
            assert_eq!(together.estimate(), library.composite_estimate().round() as u64);
            assert_eq!(one_by_one.estimate(), together.estimate(), "{n}");
            for parts in [2, 3, 7, 100] {
                let size = values.len().div_ceil(parts).max(1);
                let mut merged = Distinct::default();
                for part in values.chunks(size).rev() {
                    let bytes = postcard::to_stdvec(&of(part)).unwrap();
                    merged.merge(&postcard::from_bytes(&bytes).unwrap()).unwrap();
                }
                assert_eq!(merged.estimate(), together.estimate(), "{n} in {parts}");
            }
        }
    }

    #[test]
    fn what_is_left_out_was_there() {
        let values: Vec<f64> = (0..10_000u64).map(|i| ((i * i) % 301) as f64).collect();
        let mut recent = Recent::empty();
        let n_asked = values.iter().filter(|value| recent.insert(value.to_bits())).count();
        assert!(n_asked < 1_000, "{n_asked}");
        let mut all = Distinct::default();
        values.iter().for_each(|value| all.update(value.to_bits()));
        assert_eq!(of(&values).to_bytes().len(), all.to_bytes().len());
        assert_eq!(of(&values), all);
        assert!(Recent::empty().insert(0));
    }
}
