//! Counts as they are stored. A file of few rows fills few of a grid's cells, and then only those
//! are written, each with the number of empty ones before it.
//!
//! ```text
//! many filled   n, then n counts: a sequence, as version 1 of the format had it
//! few filled    0, n, m, then m times: empty cells before, count
//! ```
//!
//! Only for postcard, whose tuples have no length of their own; and for grids, which have cells.

use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserializer, Serialize, Serializer};
use std::fmt;

/// Cells that are looked at together.
const STRETCH: usize = 16;

/// No grid has more cells; what claims more is damaged.
const CELLS_MAX: u64 = 1 << 24;

pub fn serialize<S: Serializer>(counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let filled = counts.iter().filter(|count| **count > 0).count();
    if filled * 2 >= counts.len() {
        return counts.serialize(serializer);
    }
    let mut tuple = serializer.serialize_tuple(3 + 2 * filled)?;
    for length in [0, counts.len(), filled] {
        tuple.serialize_element(&(length as u64))?;
    }
    let mut next = 0;
    // Most stretches of a sparse grid are empty, and are passed over as a whole.
    for (stretch, counts) in counts.chunks(STRETCH).enumerate() {
        if counts.iter().fold(0, |any, count| any | count) == 0 {
            continue;
        }
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let cell = stretch * STRETCH + at;
            let before = cell - std::mem::replace(&mut next, cell + 1);
            tuple.serialize_element(&(before as u64))?;
            tuple.serialize_element(count)?;
        }
    }
    tuple.end()
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    // As many elements as the visitor asks for.
    deserializer.deserialize_tuple(usize::MAX, Counts)
}

struct Counts;

impl<'de> Visitor<'de> for Counts {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts of cells")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<u64>, A::Error> {
        let mut next = move || {
            elements.next_element::<u64>()?.ok_or_else(|| A::Error::custom("counts end too soon"))
        };
        let checked = |cells: u64| {
            let error = || A::Error::custom("more cells than any grid has");
            if cells <= CELLS_MAX { Ok(cells as usize) } else { Err(error()) }
        };
        let dense = checked(next()?)?;
        if dense > 0 {
            return (0..dense).map(|_| next()).collect();
        }
        let mut counts = vec![0; checked(next()?)?];
        let filled = next()?;
        let mut cell = 0;
        for _ in 0..filled {
            cell += checked(next()?)?;
            let count = counts.get_mut(cell);
            *count.ok_or_else(|| A::Error::custom("a count without a cell"))? = next()?;
            cell += 1;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Counts(#[serde(with = "super")] Vec<u64>, u8);

    proptest! {
        #[test]
        fn counts_come_back(
            counts in prop::collection::vec(prop_oneof![3 => Just(0u64), 1 => any::<u64>()], 1..200),
        ) {
            let counts = Counts(counts, 7);
            let bytes = postcard::to_stdvec(&counts).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Counts>(&bytes).unwrap(), counts);
        }
    }

    #[test]
    fn a_plain_sequence_is_read_too() {
        let bytes = postcard::to_stdvec(&(vec![0u64, 0, 300], 7u8)).unwrap();
        assert_eq!(postcard::from_bytes::<Counts>(&bytes).unwrap(), Counts(vec![0, 0, 300], 7));
    }

    #[test]
    fn damage_is_noticed() {
        assert!(postcard::from_bytes::<Counts>(&[0, 3, 1, 3, 1, 7]).is_err());
        assert!(postcard::from_bytes::<Counts>(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 7]).is_err());
        let read = postcard::from_bytes::<Counts>(&[0, 3, 1, 2, 9, 7]).unwrap();
        assert_eq!(read, Counts(vec![0, 0, 9], 7));
    }
}
