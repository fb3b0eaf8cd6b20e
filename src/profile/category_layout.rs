//! How the counts of a categorical feature are stored.
//!
//! A number comes first, which tells what follows. Up to version 4 of the format it was 0, and
//! before that the identity of a grid; then came the counts without those of hashed cells. Since
//! version 5 it is a layout's number.

use super::categories::CategoryCounts;
use super::distinct::Distinct;
use super::new_values::NewValues;
use super::row_order::RowOrder;
use super::sparse;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What comes first in version 5 …
const LAYOUT_5: u128 = 5;
/// … and since, before the same and the new values by name.
const LAYOUT: u128 = 6;

/// Counts that are mostly 0.
struct Sparse<C>(C);

impl Serialize for Sparse<&[u64]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        sparse::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Sparse<Vec<u64>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        sparse::deserialize(deserializer).map(|stored| Sparse(stored.into_counts()))
    }
}

/// What versions up to 4 wrote after the number.
#[derive(Deserialize)]
struct ReadBefore {
    kept: Vec<u64>,
    seen: u64,
    unseen: u64,
    others: Distinct,
}

impl Serialize for CategoryCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(8)?;
        tuple.serialize_element(&LAYOUT)?;
        tuple.serialize_element(&Sparse(&self.kept[..]))?;
        tuple.serialize_element(&Sparse(&self.hashed[..]))?;
        tuple.serialize_element(&self.seen)?;
        tuple.serialize_element(&self.unseen)?;
        tuple.serialize_element(&self.others)?;
        tuple.serialize_element(&self.order)?;
        tuple.serialize_element(&self.new)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for CategoryCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CategoryCounts, D::Error> {
        deserializer.deserialize_tuple(8, Layout)
    }
}

struct Layout;

impl<'de> Visitor<'de> for Layout {
    type Value = CategoryCounts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts of a categorical feature")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<CategoryCounts, A::Error> {
        let short = || A::Error::custom("counts end too soon");
        let layout = parts.next_element::<u128>()?.ok_or_else(short)?;
        if ![LAYOUT_5, LAYOUT].contains(&layout) {
            let ReadBefore { kept, seen, unseen, others } =
                parts.next_element()?.ok_or_else(short)?;
            let (hashed, new, order) = (Vec::new(), NewValues::default(), RowOrder::default());
            return Ok(CategoryCounts { kept, seen, unseen, others, hashed, new, order });
        }
        let Sparse(kept) = parts.next_element()?.ok_or_else(short)?;
        let Sparse(hashed) = parts.next_element()?.ok_or_else(short)?;
        Ok(CategoryCounts {
            kept,
            hashed,
            seen: parts.next_element()?.ok_or_else(short)?,
            unseen: parts.next_element()?.ok_or_else(short)?,
            others: parts.next_element()?.ok_or_else(short)?,
            order: parts.next_element()?.ok_or_else(short)?,
            new: match layout {
                LAYOUT => parts.next_element()?.ok_or_else(short)?,
                _ => NewValues::default(),
            },
        })
    }
}
