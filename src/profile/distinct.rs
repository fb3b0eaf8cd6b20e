//! Distinct values that no cell tells apart: HyperLogLog, with an estimate that does not depend
//! on the order of merging.
//!
//! P. Flajolet et al. (2007); Apache DataSketches' composite estimator. The other estimator
//! (`estimate`, from Heule's HIP) is more accurate for one stream, but changes with the order.

use super::{Accumulator, Mismatch};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 4,096 registers: a relative standard error of 1.6 %, in 4 KiB; small counts are kept exactly,
/// in less.
const LG_K: u8 = 12;

/// A set that only knows its size.
#[derive(Debug, Clone, Default)]
pub struct Distinct(Option<Box<HllUnion>>);

impl Distinct {
    /// How many distinct values were seen, rounded to a whole number.
    pub fn estimate(&self) -> u64 {
        self.0.as_ref().map_or(0, |sketch| sketch.composite_estimate().round() as u64)
    }

    fn sketch(&mut self) -> &mut HllUnion {
        self.0.get_or_insert_with(|| Box::new(HllUnion::new(LG_K).expect("12 is in [4, 21]")))
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_ref().map_or_else(Vec::new, |s| s.to_sketch(HllType::Hll8).serialize())
    }
}

/// Hashes that were handed to a sketch lately. Asking it again would change nothing, and takes ten
/// times as long as looking here.
pub struct Recent([u64; RECENT]);

/// 16 KiB, which leave room for a grid in the first cache.
const RECENT: usize = 2_048;

impl Recent {
    pub fn empty() -> Recent {
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
    pub fn insert(&mut self, hash: u64) -> bool {
        let known = &mut self.0[Recent::place(hash)];
        std::mem::replace(known, hash) != hash
    }
}

impl Accumulator for Distinct {
    /// The hash of a value.
    type Input<'a> = u64;

    fn update(&mut self, hash: u64) {
        self.sketch().update_value(hash);
    }

    fn merge(&mut self, other: &Distinct) -> Result<(), Mismatch> {
        if let Some(other) = &other.0 {
            self.sketch().update(&other.to_sketch(HllType::Hll8));
        }
        Ok(())
    }
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
            distinct.sketch().update(&sketch);
        }
        Ok(distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_was_there() {
        let mut recent = Recent::empty();
        let hashes = (0..10_000u64).map(|i| (i * i) % 3_001).chain([0, u64::MAX, 0, 1]);
        let (mut asked, mut all) = (Distinct::default(), Distinct::default());
        let mut n_asked = 0;
        for hash in hashes {
            all.update(hash);
            if recent.insert(hash) {
                asked.update(hash);
                n_asked += 1;
            }
        }
        assert_eq!(asked.to_bytes(), all.to_bytes());
        assert!(n_asked < 9_000, "{n_asked}");
        assert!(Recent::empty().insert(0));
    }
}
