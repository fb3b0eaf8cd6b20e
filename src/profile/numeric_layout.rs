//! How the counts of a numeric feature are stored.
//!
//! A number comes first, which tells what follows. Up to version 3 of the format it was 0, and
//! before that a part of the identity of a grid.

use super::cells::Cells;
use super::distinct::Distinct;
use super::extremes::Extremes;
use super::log_cells::LogCells;
use super::moments::{Moments, RoundedSums};
use super::numeric::{NumericProfile, Rounded};
use crate::stats::sum::Sum;
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What comes first since version 4.
const LAYOUT: u128 = 4;

/// What follows the number.
#[derive(Serialize)]
struct Written<'a> {
    native: &'a Option<Cells>,
    narrow: &'a Option<Cells>,
    half: &'a Option<Cells>,
    rounded: &'a Rounded,
    moments: &'a Moments,
    extremes: &'a Extremes,
    zeros: u64,
    outliers: u64,
    others: &'a Distinct,
    log: &'a LogCells,
}

#[derive(Deserialize)]
struct Read {
    native: Option<Cells>,
    narrow: Option<Cells>,
    half: Option<Cells>,
    rounded: Rounded,
    moments: Moments,
    extremes: Extremes,
    zeros: u64,
    outliers: u64,
    others: Distinct,
    log: LogCells,
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

impl From<Read> for NumericProfile {
    fn from(read: Read) -> NumericProfile {
        let Read { native, narrow, half, rounded, moments, extremes, .. } = read;
        let Read { zeros, outliers, others, log, .. } = read;
        NumericProfile {
            native,
            narrow,
            half,
            rounded,
            moments,
            extremes,
            zeros,
            outliers,
            others,
            log,
        }
    }
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
        let NumericProfile { native, narrow, half, rounded, moments, extremes, .. } = self;
        let NumericProfile { others, log, .. } = self;
        let (zeros, outliers) = (self.zeros, self.outliers);
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&LAYOUT)?;
        tuple.serialize_element(&Written {
            native,
            narrow,
            half,
            rounded,
            moments,
            extremes,
            zeros,
            outliers,
            others,
            log,
        })?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for NumericProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NumericProfile, D::Error> {
        deserializer.deserialize_tuple(2, Layout)
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
            LAYOUT => Ok(parts.next_element::<Read>()?.ok_or_else(short)?.into()),
            _ => Ok(parts.next_element::<ReadBefore>()?.ok_or_else(short)?.into()),
        }
    }
}
