//! The reference: what the model was trained on, as grids and counts.

use crate::error::{Error, Fault, Result};
use crate::feature::{Kind, Status};
use crate::profile::codec::{Content, decode, decode_versions, encode, version};
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame};
use crate::profile::own_bins::OwnBins;
use crate::quality::rule::Rule;
use crate::schema::NamePattern;
use crate::schema::columns::ColumnsConfig;
use crate::window::pane::Pane;
use crate::window::sampling::SamplingConfig;
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Features that are encoded together where a reference is kept.
const FEATURES_PER_CHUNK: usize = 256;

/// `[model.feature.NAME]`, as far as the reference needs it.
#[derive(Clone, Default, PartialEq)]
pub struct FeatureConfig {
    pub kind: Option<DeclaredKind>,
    /// Count distinct values of floats too.
    pub distinct: bool,
    pub bins: OwnBins,
}

/// States know a reference by what this says of its features: what there was not before is told
/// only where it is set.
impl fmt::Debug for FeatureConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FeatureConfig { kind, distinct, bins } = self;
        let mut told = f.debug_struct("FeatureConfig");
        told.field("kind", kind).field("distinct", distinct);
        if *bins != OwnBins::default() {
            told.field("bins", bins);
        }
        told.finish()
    }
}

/// What `kind` can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredKind {
    Numeric,
    Categorical,
    Boolean,
    Ignore,
}

impl DeclaredKind {
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            DeclaredKind::Numeric => Some(Kind::Numeric),
            DeclaredKind::Categorical => Some(Kind::Categorical),
            DeclaredKind::Boolean => Some(Kind::Boolean),
            DeclaredKind::Ignore => None,
        }
    }
}

/// What a user says about columns and features.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReferenceConfig {
    pub columns: ColumnsConfig,
    pub features: BTreeMap<String, FeatureConfig>,
}

impl ReferenceConfig {
    /// The columns of logs that are features: not those that are ignored, and not what rows are
    /// sampled by, which the reference need not have.
    pub fn columns_of_logs(&self, sampling: Option<&SamplingConfig>) -> ColumnsConfig {
        let mut columns = self.columns.clone();
        let ignored =
            self.features.iter().filter(|(_, own)| own.kind == Some(DeclaredKind::Ignore));
        let key = sampling.and_then(|sampling| sampling.key.as_deref());
        let others = ignored.map(|(name, _)| name.as_str()).chain(key);
        columns.exclude.extend(others.map(NamePattern::new));
        columns
    }
}

/// Grids and counts of every feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    pub rows: u64,
    pub features: Vec<ReferenceFeature>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceFeature {
    pub grid: FeatureGrid,
    #[serde(deserialize_with = "at_rest")]
    pub profile: FeatureProfile,
}

/// Nothing is added to the counts of a reference.
fn at_rest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FeatureProfile, D::Error> {
    FeatureProfile::deserialize(deserializer).map(FeatureProfile::at_rest)
}

/// The contents of a `.profile` file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Profile {
    /// Grids, and the counts that they were cut from.
    Reference(Reference),
    /// Rows that were counted on the grids of a reference; they add to others on the same grids.
    Current(CurrentProfile),
}

/// What a profile was in version 1 of the format, as far as it is still read.
#[derive(Deserialize)]
enum FirstProfile {
    Reference(Reference),
    Current,
}

/// Counts without their grids, which are the reference's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CurrentProfile {
    /// In the order of the pane's features.
    pub names: Vec<String>,
    pub pane: Pane,
}

impl Profile {
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(Content::Profile, self)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Profile, Fault> {
        if version(bytes) != Some(1) {
            return decode(Content::Profile, bytes);
        }
        match decode_versions(1..=1, Content::Profile, bytes)? {
            FirstProfile::Reference(reference) => Ok(Profile::Reference(reference)),
            FirstProfile::Current => Err(Fault::unreadable(
                "counts of format version 1; count them again with driftd profile --grid",
            )),
        }
    }
}

impl CurrentProfile {
    /// The bytes of a profile of these counts.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        enum ProfileOf<'a> {
            #[expect(dead_code, reason = "it has the place of Profile's")]
            Reference,
            Current(&'a CurrentProfile),
        }
        encode(Content::Profile, &ProfileOf::Current(self))
    }

    /// Fails when a feature was counted on another grid than the reference's.
    pub fn check(&self, reference: &Reference) -> Result<()> {
        let grids: Vec<_> = reference.grids().map(|grid| (&grid.name, grid.id)).collect();
        let profiles = self.pane.features.iter().map(|profile| profile.grid);
        let own: Vec<_> = self.names.iter().zip(profiles).collect();
        if own == grids {
            return Ok(());
        }
        let differs = own.iter().zip(&grids).find(|(own, grid)| own != grid);
        let feature = differs.map_or("their number", |((name, _), _)| name);
        Err(Error::new(format!(
            "counted on other grids ({feature:?}); count it with --grid REFERENCE"
        )))
    }
}

impl Reference {
    /// Whether it was profiled before rare categories were counted.
    pub fn lacks_rare_values(&self) -> bool {
        let lacks = |grid: &FeatureGrid| match &grid.frame {
            Frame::Categorical(categories) => categories.rare().is_none(),
            Frame::Numeric(_) | Frame::Opaque => false,
        };
        self.grids().any(lacks)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|feature| feature.grid.name.as_str())
    }

    pub fn grids(&self) -> impl ExactSizeIterator<Item = &FeatureGrid> {
        self.features.iter().map(|feature| &feature.grid)
    }

    /// Counts on the grids of this reference. A pane that was counted before the reference got more
    /// features has none of theirs.
    pub fn adopt(&self, pane: Pane) -> Pane {
        let grids = self.grids().map(|grid| grid.id);
        if pane.features.iter().map(|feature| feature.grid).eq(grids) {
            return pane;
        }
        pane.rebase(self.grids())
    }

    /// Its profile in chunks of some features each, encoded on all cores.
    pub fn to_chunks(&self) -> Vec<Vec<u8>> {
        let parts = self.features.par_chunks(FEATURES_PER_CHUNK).map(|features| {
            let (rows, features) = (self.rows, features.to_vec());
            Profile::Reference(Reference { rows, features }).to_bytes()
        });
        parts.collect()
    }

    /// The reference that was taken apart.
    pub fn from_chunks(parts: &[Vec<u8>]) -> Result<Reference, Fault> {
        let parts = parts.par_iter().map(|part| match Profile::from_bytes(part)? {
            Profile::Reference(part) => Ok(part),
            Profile::Current(_) => {
                Err(Fault::unreadable("holds the counts of current data, not a reference"))
            }
        });
        let parts = parts.collect::<Result<Vec<Reference>, Fault>>()?;
        let rows = parts.first().map_or(0, |part| part.rows);
        Ok(Reference { rows, features: parts.into_iter().flat_map(|part| part.features).collect() })
    }

    /// The same with what the configuration says about bins, which no profile holds.
    pub fn with_own_bins(mut self, config: &ReferenceConfig) -> Reference {
        for feature in &mut self.features {
            let own = config.features.get(&feature.grid.name);
            feature.grid.own_bins = own.map(|own| own.bins.clone()).unwrap_or_default();
        }
        self
    }

    /// The same with what another says about the bins of its features.
    pub fn seen_as(mut self, other: &Reference) -> Reference {
        let mut own_bins: HashMap<&str, &OwnBins> =
            other.grids().map(|grid| (grid.name.as_str(), &grid.own_bins)).collect();
        for feature in &mut self.features {
            let own = own_bins.remove(feature.grid.name.as_str());
            feature.grid.own_bins = own.cloned().unwrap_or_default();
        }
        self
    }

    /// Whether rules of quality are about features that it has, and can be.
    pub fn check_rules(&self, rules: &[Rule]) -> Result<()> {
        let named = |rule: &Rule| format!("model.rule {:?}", rule.name);
        let features: HashMap<&str, &FeatureGrid> =
            self.grids().map(|grid| (grid.name.as_str(), grid)).collect();
        for (rule, name) in rules.iter().filter_map(|rule| Some((rule, rule.feature.as_ref()?))) {
            let Some(grid) = features.get(name.as_str()) else {
                return Err(Error::new(format!(
                    "{}: the reference has no feature {name:?}",
                    named(rule)
                )));
            };
            if let Some(why) = rule.misfit(grid) {
                return Err(Error::new(format!("{}, feature {name:?}: {why}", named(rule))));
            }
        }
        Ok(())
    }

    /// A reference that was profiled before may know less than the configuration asks for.
    pub fn select(mut self, config: &ReferenceConfig) -> Result<Reference> {
        self.features.retain(|feature| {
            let declared = config.features.get(&feature.grid.name).and_then(|own| own.kind);
            config.columns.is_feature(&feature.grid.name) && declared != Some(DeclaredKind::Ignore)
        });
        for (name, own) in &config.features {
            if own.kind == Some(DeclaredKind::Ignore) {
                continue;
            }
            let Some(feature) = self.features.iter_mut().find(|f| f.grid.name == *name) else {
                let message = format!("feature {name:?}: the profile has no such feature");
                return Err(Error::new(message));
            };
            if own.kind.and_then(DeclaredKind::kind).is_some_and(|kind| kind != feature.grid.kind) {
                return Err(Error::new(format!(
                    "feature {name:?}: the profile holds it as {}; make the profile again with \
                     the kind that the configuration declares",
                    feature.grid.kind
                )));
            }
            check_bins(feature, &own.bins)?;
            feature.grid.own_bins = own.bins.clone();
            if own.kind.is_some() && feature.grid.unscored == Some(Status::Identifier) {
                feature.grid.unscored = None;
            }
        }
        Ok(self)
    }
}

/// Bins are cut when values are profiled.
fn check_bins(feature: &ReferenceFeature, bins: &OwnBins) -> Result<()> {
    let name = &feature.grid.name;
    let has_them = match &feature.grid.frame {
        _ if bins.ends.is_empty() => true,
        Frame::Numeric(frame) => frame.has_bins(&bins.ends),
        Frame::Categorical(_) | Frame::Opaque => return Err(bins_of_no_number(name)),
    };
    match has_them {
        true => Ok(()),
        false => Err(Error::new(format!(
            "feature {name:?}: the profile has other bins; make the profile again with those of \
             the configuration, or leave bins out of it"
        ))),
    }
}

pub(super) fn bins_of_no_number(name: &str) -> Error {
    Error::new(format!("feature {name:?}: bins are ends of numbers, and it is none"))
}
