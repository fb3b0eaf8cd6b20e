//! What lines are read for: features by their keys, and what is wrong with lines.

use crate::feature::Kind;
use crate::profile::feature::FeatureGrid;
use crate::schema::binding::Wanted;
use crate::schema::columns::{ColumnsConfig, column_names};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use arrow_schema::Schema;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Names of unknown keys that a batch remembers.
const UNKNOWN_NAMES_MAX: usize = 20;

/// What lines are read for; made once per source from the reference.
#[derive(Debug)]
pub struct LineSchema {
    features: Vec<LineFeature>,
    /// Where in `features` a key is.
    places: HashMap<String, usize>,
    /// Says which keys are left out on purpose.
    columns: ColumnsConfig,
    /// Where in `features` the time of a row is.
    time: Option<usize>,
    /// Names of objects that have features inside: of `user.age` `user`.
    insides: HashSet<String>,
}

impl LineSchema {
    pub fn new(features: Vec<LineFeature>, columns: ColumnsConfig) -> LineSchema {
        let own = features.iter().enumerate().map(|(place, own)| (own.name.clone(), place));
        let originals = features.iter().enumerate().flat_map(|(place, own)| {
            columns.renaming.originals(&own.name).into_iter().map(move |name| (name, place))
        });
        // What has the name anyway keeps it.
        let places: HashMap<String, usize> = originals.chain(own).collect();
        let dots = |name: &str| -> Vec<String> {
            name.match_indices('.').map(|(dot, _)| name[..dot].to_owned()).collect()
        };
        let insides = places.keys().flat_map(|name| dots(name)).collect();
        LineSchema { places, features, columns, time: None, insides }
    }

    /// Whether a name of logs stands for that of a feature.
    pub fn is_alias(&self, name: &str, place: usize) -> bool {
        self.features[place].name != name
    }

    /// Where the feature of this name is; `likely` is looked at first.
    pub fn place(&self, name: &str, likely: usize) -> Option<usize> {
        match self.features.get(likely) {
            Some(feature) if feature.name == name => Some(likely),
            _ => self.places.get(name).copied(),
        }
    }

    /// Whether an object of this name has features inside.
    pub fn has_inside(&self, name: &str) -> bool {
        self.insides.contains(name)
    }

    /// Whether a key of this name should be a feature, and is none.
    pub fn is_missed(&self, name: &str) -> bool {
        self.columns.is_feature(&self.columns.renaming.renamed(name))
    }

    /// The feature of this name is the time of a row.
    pub fn with_time(mut self, name: Option<&str>) -> LineSchema {
        self.time = name.and_then(|name| self.places.get(name).copied());
        self
    }

    pub fn features(&self) -> &[LineFeature] {
        &self.features
    }

    /// Where among the features the time of a row is.
    pub fn time_place(&self) -> Option<usize> {
        self.time
    }

    /// The column with the time of a row.
    pub fn time(&self) -> Option<&str> {
        self.time.map(|place| self.features[place].name.as_str())
    }
}

impl LineSchema {
    /// What is wrong with rows that have these columns: each that is no feature, in every row.
    pub fn unknown_columns(&self, schema: &Schema, rows: u64) -> LineFaults {
        let is_unknown = |name: &&str| !self.places.contains_key(*name) && self.is_missed(name);
        let unknown: Vec<&str> = column_names(schema).filter(is_unknown).collect();
        LineFaults {
            unknown_keys: unknown.len() as u64 * rows,
            unknown_names: unknown.into_iter().take(UNKNOWN_NAMES_MAX).map(str::to_owned).collect(),
            ..LineFaults::default()
        }
    }
}

/// What a line's value is read as.
#[derive(Debug, Clone)]
pub struct LineFeature {
    pub name: String,
    pub kind: Kind,
    /// Codes may come as numbers.
    pub declared: bool,
}

impl LineFeature {
    /// A value that names its row: read as a text, whatever it is.
    pub fn key(name: &str) -> LineFeature {
        LineFeature { name: name.to_owned(), kind: Kind::Categorical, declared: true }
    }
}

impl From<&FeatureGrid> for LineFeature {
    fn from(grid: &FeatureGrid) -> LineFeature {
        let Wanted { name, kind, declared, has_codes } = grid.wanted();
        LineFeature { name: name.to_owned(), kind, declared: declared || has_codes }
    }
}

/// What was wrong with lines.
#[derive(Debug, Default)]
pub struct LineFaults {
    /// Lines that are no rows.
    pub rejected: Rejected,
    /// Why the first of them is none, and how it begins.
    pub first_rejected: Option<(RejectReason, String)>,
    /// Keys that are no feature, each time that one comes.
    pub unknown_keys: u64,
    /// Some of their names.
    pub unknown_names: BTreeSet<String>,
}

impl LineFaults {
    pub fn note_unknown(&mut self, key: &str) {
        self.unknown_keys += 1;
        if self.unknown_names.len() < UNKNOWN_NAMES_MAX && !self.unknown_names.contains(key) {
            self.unknown_names.insert(key.to_owned());
        }
    }
}
