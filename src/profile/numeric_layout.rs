//! How the counts of a numeric feature are stored.
//!
//! A number comes first, which tells what follows. Up to version 3 of the format it was 0, and
//! before that a part of the identity of a grid.

use super::cells::Cells;
use super::distinct::Distinct;
use super::extremes::Extremes;
use super::moments::{Moments, RoundedSums};
use super::numeric::{NumericProfile, Rounded};
use crate::stats::sum::Sum;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What comes first since version 5: after the counts comes the order of rows.
const LAYOUT: u128 = 5;
/// In version 4.
const WITHOUT_ORDER: u128 = 4;

/// What follows the number: the fields of a profile.
struct Fields<P>(P);

impl Serialize for Fields<&NumericProfile> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NumericProfile::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Fields<NumericProfile> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NumericProfile::deserialize(deserializer).map(Fields)
    }
}

/// What versions up to 3 wrote.
#[derive(Deserialize)]
struct ReadBefore {
    native: Option<Cells>,
    narrow: Option<Cells>,
    moments: MomentsBefore,
    extremes: Extremes,
    zeros: u64,
    outliers: u64,
    others: Distinct,
}

#[derive(Deserialize)]
struct MomentsBefore {
    center: f64,
    n: u64,
    first: Sum,
    second: Sum,
    magnitude: f64,
}

impl From<ReadBefore> for NumericProfile {
    fn from(read: ReadBefore) -> NumericProfile {
        let MomentsBefore { center, n, first, second, magnitude } = read.moments;
        NumericProfile {
            // Nobody looked whether they were floats.
            rounded: if read.native.is_some() { Rounded::Doubles } else { Rounded::Nothing },
            native: read.native,
            narrow: read.narrow,
            moments: Moments::of_rounded(RoundedSums { center, n, first, second }, magnitude),
            extremes: read.extremes,
            zeros: read.zeros,
            outliers: read.outliers,
            others: read.others,
            ..NumericProfile::default()
        }
    }
}

impl Serialize for NumericProfile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(3)?;
        tuple.serialize_element(&LAYOUT)?;
        tuple.serialize_element(&Fields(self))?;
        tuple.serialize_element(&self.order)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for NumericProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NumericProfile, D::Error> {
        deserializer.deserialize_tuple(3, Layout)
    }
}

struct Layout;

impl<'de> Visitor<'de> for Layout {
    type Value = NumericProfile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts of a numeric feature")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<NumericProfile, A::Error> {
        let short = || A::Error::custom("counts end too soon");
        match parts.next_element::<u128>()?.ok_or_else(short)? {
            LAYOUT => {
                let Fields(counts) = parts.next_element()?.ok_or_else(short)?;
                let order = parts.next_element()?.ok_or_else(short)?;
                Ok(NumericProfile { order, ..counts })
            }
            WITHOUT_ORDER => {
                Ok(parts.next_element::<Fields<NumericProfile>>()?.ok_or_else(short)?.0)
            }
            _ => Ok(parts.next_element::<ReadBefore>()?.ok_or_else(short)?.into()),
        }
    }
}
