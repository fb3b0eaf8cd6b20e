//! Counts as they are stored. A file of few rows fills few of a grid's cells, and then only those
//! are written, each with the number of empty ones before it.
//!
//! ```text
//! many filled   n, then n counts: a sequence, as version 1 of the format had it
//! few filled    0, n, bytes: for every filled cell twice the number of empty ones before it, when
//!               its count is 1; else that and 1, then the count
//! ```
//!
//! Only for postcard, whose tuples have no length of their own; and for grids, which have cells.
//! Bytes of our own take two thirds of the time that a tuple of numbers takes.

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

impl Stored {
    /// The counts of all cells.
    pub fn into_counts(self) -> Vec<u64> {
        match self {
            Stored::All(counts) => counts,
            Stored::Filled { cells, filled } => {
                let mut counts = vec![0; cells as usize];
                filled.iter().for_each(|(cell, count)| counts[*cell as usize] = *count);
                counts
            }
        }
    }
}

/// The counts of all cells.
pub fn serialize<S: Serializer>(counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let n_filled = counts.iter().filter(|count| **count > 0).count();
    if n_filled * 2 >= counts.len() && !counts.is_empty() {
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
    let mut bytes = Vec::with_capacity(2 * filled.len());
    let mut next = 0;
    for (cell, count) in filled {
        let before = u64::from(cell - std::mem::replace(&mut next, cell + 1));
        if *count == 1 {
            push(2 * before, &mut bytes);
        } else {
            push(2 * before + 1, &mut bytes);
            push(*count, &mut bytes);
        }
    }
    let mut tuple = serializer.serialize_tuple(3)?;
    tuple.serialize_element(&0u64)?;
    tuple.serialize_element(&cells)?;
    tuple.serialize_element(&Bytes(&bytes))?;
    tuple.end()
}

/// Bytes that are written at once; as a sequence they would be written one by one.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Appends a number as LEB128; most take one byte.
#[inline]
fn push(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; none when there is no whole one.
fn pop(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        if byte < 0x80 {
            return (number >> shift == bits).then_some(number);
        }
    }
    None
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
        let short = || A::Error::custom("counts end too soon");
        let checked = |cells: u64| {
            let error = || A::Error::custom("more cells than any grid has");
            if cells <= CELLS_MAX { Ok(cells as u32) } else { Err(error()) }
        };
        let dense = checked(elements.next_element()?.ok_or_else(short)?)?;
        if dense > 0 {
            let counts = (0..dense).map(|_| elements.next_element()?.ok_or_else(short));
            return Ok(Stored::All(counts.collect::<Result<_, _>>()?));
        }
        let cells = checked(elements.next_element()?.ok_or_else(short)?)?;
        let mut bytes: &[u8] = elements.next_element()?.ok_or_else(short)?;
        let mut filled = Vec::new();
        let mut cell = 0;
        while !bytes.is_empty() {
            let step = pop(&mut bytes).ok_or_else(short)?;
            cell += checked(step / 2)?;
            if cell >= cells {
                return Err(A::Error::custom("a count without a cell"));
            }
            let count = if step % 2 == 0 { Some(1) } else { pop(&mut bytes) };
            filled.push((cell, count.ok_or_else(short)?));
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
            super::deserialize(deserializer).map(|stored| Counts(stored.into_counts()))
        }
    }

    fn read(bytes: &[u8]) -> postcard::Result<(Counts, u8)> {
        postcard::from_bytes(bytes)
    }

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn counts_come_back(
            counts in
                prop::collection::vec(prop_oneof![3 => Just(0u64), 1 => any::<u64>()], 0..200),
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
        assert!(read(&[0, 3, 1, 6, 7]).is_err());
        assert!(read(&[0, 3, 1, 5, 7]).is_err());
        assert!(read(&[0, 3, 2, 5, 0x80, 7]).is_err());
        assert!(read(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 7]).is_err());
        assert_eq!(read(&[0, 3, 2, 5, 9, 7]).unwrap(), (Counts(vec![0, 0, 9]), 7));
        assert_eq!(read(&[0, 3, 1, 2, 7]).unwrap(), (Counts(vec![0, 1, 0]), 7));
    }
}
