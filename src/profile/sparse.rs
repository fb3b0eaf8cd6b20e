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

/// No grid has more cells; what claims more is damaged.
const CELLS_MAX: u64 = 1 << 24;

/// What was stored.
pub enum Stored {
    All(Vec<u64>),
    /// Cell and count, in the order of the cells.
    Filled {
        cells: u32,
        filled: Vec<(u32, u64)>,
    },
}

/// The counts of all cells.
pub fn serialize<S: Serializer>(counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let n_filled = counts.iter().filter(|count| **count > 0).count();
    if n_filled * 2 >= counts.len() {
        return counts.serialize(serializer);
    }
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let filled: Vec<(u32, u64)> = filled.map(|(cell, count)| (cell as u32, *count)).collect();
    serialize_filled(counts.len() as u32, &filled, serializer)
}

/// The counts of few of `cells` cells, in their order.
pub fn serialize_filled<S: Serializer>(
    cells: u32,
    filled: &[(u32, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(3 + 2 * filled.len())?;
    for length in [0, u64::from(cells), filled.len() as u64] {
        tuple.serialize_element(&length)?;
    }
    let mut next = 0;
    for (cell, count) in filled {
        let before = cell - std::mem::replace(&mut next, cell + 1);
        tuple.serialize_element(&u64::from(before))?;
        tuple.serialize_element(count)?;
    }
    tuple.end()
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stored, D::Error> {
    // As many elements as the visitor asks for.
    deserializer.deserialize_tuple(usize::MAX, Counts)
}

struct Counts;

impl<'de> Visitor<'de> for Counts {
    type Value = Stored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts of cells")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Stored, A::Error> {
        let mut next = move || {
            elements.next_element::<u64>()?.ok_or_else(|| A::Error::custom("counts end too soon"))
        };
        let checked = |cells: u64| {
            let error = || A::Error::custom("more cells than any grid has");
            if cells <= CELLS_MAX { Ok(cells as u32) } else { Err(error()) }
        };
        let dense = checked(next()?)?;
        if dense > 0 {
            return Ok(Stored::All((0..dense).map(|_| next()).collect::<Result<_, _>>()?));
        }
        let cells = checked(next()?)?;
        let n_filled = checked(next()?)?;
        let mut filled = Vec::new();
        let mut cell = 0;
        for _ in 0..n_filled {
            cell += checked(next()?)?;
            if cell >= cells {
                return Err(A::Error::custom("a count without a cell"));
            }
            filled.push((cell, next()?));
            cell += 1;
        }
        Ok(Stored::Filled { cells, filled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq)]
    struct Counts(Vec<u64>);

    impl Serialize for Counts {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(&self.0, serializer)
        }
    }

    impl<'de> Deserialize<'de> for Counts {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Counts, D::Error> {
            Ok(Counts(match super::deserialize(deserializer)? {
                Stored::All(counts) => counts,
                Stored::Filled { cells, filled } => {
                    let mut counts = vec![0; cells as usize];
                    filled.iter().for_each(|(cell, count)| counts[*cell as usize] = *count);
                    counts
                }
            }))
        }
    }

    fn read(bytes: &[u8]) -> postcard::Result<(Counts, u8)> {
        postcard::from_bytes(bytes)
    }

    proptest! {
        #[test]
        fn counts_come_back(
            counts in prop::collection::vec(prop_oneof![3 => Just(0u64), 1 => any::<u64>()], 1..200),
        ) {
            let bytes = postcard::to_stdvec(&(Counts(counts.clone()), 7u8)).unwrap();
            prop_assert_eq!(read(&bytes).unwrap(), (Counts(counts), 7));
        }
    }

    #[test]
    fn a_plain_sequence_is_read_too() {
        let bytes = postcard::to_stdvec(&(vec![0u64, 0, 300], 7u8)).unwrap();
        assert_eq!(read(&bytes).unwrap(), (Counts(vec![0, 0, 300]), 7));
    }

    #[test]
    fn damage_is_noticed() {
        assert!(read(&[0, 3, 1, 3, 1, 7]).is_err());
        assert!(read(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 7]).is_err());
        assert_eq!(read(&[0, 3, 1, 2, 9, 7]).unwrap(), (Counts(vec![0, 0, 9]), 7));
    }
}
