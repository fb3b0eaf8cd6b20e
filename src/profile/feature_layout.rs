//! How the counts of a feature are stored.
//!
//! Up to version 6 of the format nobody counted by cluster. What is counted so comes as one more
//! variant of the values, so that all other counts have the bytes that they always had.

use super::categories::CategoryCounts;
use super::feature::{FeatureProfile, Values};
use super::grid::GridId;
use super::numeric::NumericProfile;
use super::random_groups::RandomGroups;
use super::tally::Tally;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The variants are numbered; the first three are those of [`Values`].
#[derive(Serialize)]
enum Written<'a> {
    Numeric(&'a NumericProfile),
    Categorical(&'a CategoryCounts),
    Opaque(u64),
    Grouped(&'a RandomGroups, &'a Values),
}

#[derive(Deserialize)]
struct Stored {
    grid: GridId,
    tally: Tally,
    values: StoredValues,
}

#[derive(Deserialize)]
enum StoredValues {
    Numeric(Box<NumericProfile>),
    Categorical(CategoryCounts),
    Opaque(u64),
    Grouped(Box<RandomGroups>, Values),
}

impl Serialize for FeatureProfile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = match (&self.groups, &self.values) {
            (Some(groups), values) => Written::Grouped(groups, values),
            (None, Values::Numeric(own)) => Written::Numeric(own),
            (None, Values::Categorical(own)) => Written::Categorical(own),
            (None, Values::Opaque(rows)) => Written::Opaque(*rows),
        };
        let mut fields = serializer.serialize_struct("FeatureProfile", 3)?;
        fields.serialize_field("grid", &self.grid)?;
        fields.serialize_field("tally", &self.tally)?;
        fields.serialize_field("values", &values)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for FeatureProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeatureProfile, D::Error> {
        let Stored { grid, tally, values } = Stored::deserialize(deserializer)?;
        let (values, groups) = match values {
            StoredValues::Numeric(own) => (Values::Numeric(own), None),
            StoredValues::Categorical(own) => (Values::Categorical(own), None),
            StoredValues::Opaque(rows) => (Values::Opaque(rows), None),
            StoredValues::Grouped(groups, values) => (values, Some(groups)),
        };
        Ok(FeatureProfile { grid, tally, values, groups })
    }
}
