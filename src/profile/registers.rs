//! The registers of a HyperLogLog sketch that has outgrown a list of what it saw.
//!
//! A value is hashed, and its register keeps the greatest of what comes to it, which takes a few
//! nanoseconds. What a sketch is hashed by, how its size is estimated and how it is stored is
//! Apache DataSketches': a register has what that library's would have.
//!
//! Format: the preamble of `HLL_8`, `org.apache.datasketches.hll.PreambleUtil`.

use datasketches::hll::Coupon;
use std::hash::{Hash, Hasher};

/// 4,096 registers: a relative standard error of 1.6 %, in 4 KiB.
pub const LG_REGISTERS: u8 = 12;
const REGISTERS: usize = 1 << LG_REGISTERS;

/// Bits of a coupon that number a register, in sketches of any size; what it is to keep is above
/// them.
const NUMBER_BITS: u32 = 26;

const PREAMBLE_BYTES: usize = 40;
/// What stands in the first four bytes: the preamble's length in words of four bytes, the version
/// of the format, the family and how many registers.
const PREAMBLE: [u8; 4] = [(PREAMBLE_BYTES / 4) as u8, 1, 7, LG_REGISTERS];
/// The size is not followed as values come, but estimated from the registers.
const OUT_OF_ORDER: u8 = 16;
/// Where it says which kind of sketch it is, …
const MODE: usize = 7;
/// … and what it says of registers of a byte each.
const HLL_8: u8 = 2 << 2 | 2;
/// Registers up to here are added up apart from greater ones.
const FIRST_SUM: u8 = 31;

/// The greatest of what came to each register; 0 where nothing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers([u8; REGISTERS]);

impl Registers {
    /// Those of a sketch as it is stored; none while it is a list.
    pub fn of_sketch(stored: &[u8]) -> Option<Registers> {
        let own = stored.get(PREAMBLE_BYTES..).filter(|_| stored[MODE] == HLL_8)?;
        own.try_into().ok().map(Registers)
    }

    #[inline(always)]
    pub fn insert(&mut self, value: u64) {
        let coupon = number(Coupon::from_value(value));
        let register = &mut self.0[coupon as usize % REGISTERS];
        *register = (*register).max((coupon >> NUMBER_BITS) as u8);
    }

    pub fn merge(&mut self, other: &Registers) {
        self.0.iter_mut().zip(&other.0).for_each(|(into, from)| *into = (*into).max(*from));
    }

    /// The sketch as it is stored.
    pub fn to_sketch(&self) -> Vec<u8> {
        let sum = |own: &dyn Fn(u8) -> bool| -> f64 {
            let own = self.0.iter().filter(|value| own(**value));
            own.fold(0.0, |sum, value| sum + power_of_half(*value))
        };
        let empty = self.0.iter().filter(|value| **value == 0).count() as u32;
        let mut bytes = Vec::with_capacity(PREAMBLE_BYTES + REGISTERS);
        bytes.extend(PREAMBLE);
        bytes.extend([0, OUT_OF_ORDER, 0, HLL_8]);
        for sum in [0.0, sum(&|value| value <= FIRST_SUM), sum(&|value| value > FIRST_SUM)] {
            bytes.extend(sum.to_le_bytes());
        }
        bytes.extend(empty.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.0);
        bytes
    }
}

/// 2^−exponent.
fn power_of_half(exponent: u8) -> f64 {
    f64::from_bits((1_023 - u64::from(exponent)) << 52)
}

/// The 32 bits of a coupon, which are what is hashed of it.
#[inline(always)]
fn number(coupon: Coupon) -> u32 {
    #[derive(Default)]
    struct Number(u32);

    impl Hasher for Number {
        fn finish(&self) -> u64 {
            self.0.into()
        }

        fn write(&mut self, bytes: &[u8]) {
            unreachable!("a coupon is a number of 32 bits, and not {bytes:?}")
        }

        #[inline(always)]
        fn write_u32(&mut self, number: u32) {
            self.0 = number;
        }
    }

    let mut own = Number::default();
    coupon.hash(&mut own);
    own.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use datasketches::hll::{HllSketch, HllType, HllUnion};

    /// As DataSketches itself has them, to the last bit of what is stored but for the size that it
    /// follows as values come.
    #[test]
    fn registers_are_those_of_the_library() {
        for (n, step) in [(2_000u64, 1u64), (100_000, 0x9E37_79B9_7F4A_7C15)] {
            let values = (0..n).map(|i| i.wrapping_mul(step));
            let mut sketch = HllSketch::new(LG_REGISTERS, HllType::Hll8).unwrap();
            let mut registers = Registers([0; REGISTERS]);
            for value in values {
                sketch.update(value);
                registers.insert(value);
            }
            let mut union = HllUnion::new(LG_REGISTERS).unwrap();
            let mut stored = registers.to_sketch();
            union.update(&HllSketch::deserialize(&stored).unwrap());
            assert_eq!(union.composite_estimate(), {
                let mut direct = HllUnion::new(LG_REGISTERS).unwrap();
                direct.update(&sketch);
                direct.composite_estimate()
            });
            let expected = sketch.serialize();
            assert_eq!(Registers::of_sketch(&expected).as_ref(), Some(&registers));
            let followed = 8..16;
            stored[followed.clone()].copy_from_slice(&expected[followed]);
            stored[5] = expected[5];
            assert_eq!(stored, expected, "{n}");
        }
    }

    #[test]
    fn a_list_has_no_registers() {
        let mut sketch = HllSketch::new(LG_REGISTERS, HllType::Hll8).unwrap();
        assert_eq!(Registers::of_sketch(&sketch.serialize()), None);
        (0..300u64).for_each(|value| sketch.update(value));
        assert_eq!(Registers::of_sketch(&sketch.serialize()), None);
    }
}
