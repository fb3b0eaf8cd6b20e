//! The reference: what the model was trained on, as grids and counts.
//!
//! Columns are read in parallel, one at a time per core; the values of a column are held only
//! while its grid is cut.

use super::build::{Column, build_feature};
use super::table::{Table, guarded};
use crate::error::{Error, Fault, Result};
use crate::feature::{Kind, Status, Width};
use crate::profile::codec::{Content, decode, decode_versions, encode, version};
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use crate::schema::binding::{Binding, bind};
use crate::schema::columns::{ColumnsConfig, unique_names};
use crate::schema::kinds;
use crate::window::pane::Pane;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Features that are encoded together where a reference is kept.
const FEATURES_PER_CHUNK: usize = 256;

/// `[model.feature.NAME]`, as far as the reference needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureConfig {
    pub kind: Option<DeclaredKind>,
    /// Count distinct values of floats too.
    pub distinct: bool,
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
    fn kind(self) -> Option<Kind> {
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

/// Grids and counts of every feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    pub rows: u64,
    pub features: Vec<ReferenceFeature>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceFeature {
    pub grid: FeatureGrid,
    pub profile: FeatureProfile,
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
    pub fn grids(&self) -> impl ExactSizeIterator<Item = &FeatureGrid> {
        self.features.iter().map(|feature| &feature.grid)
    }

    /// Profiles the tables as one reference. The first decides which features there are and of
    /// what type. `step` is called once per column read.
    pub fn build(
        tables: &[&dyn Table],
        config: &ReferenceConfig,
        step: &(dyn Fn() + Sync),
    ) -> Result<Reference> {
        let Some(first) = tables.first() else {
            return Err(Error::new("the reference has no files"));
        };
        config.columns.check(first.schema())?;
        let mut columns = columns(first.schema(), config)?;
        check_tables(tables, &mut columns)?;
        let features = columns
            .into_par_iter()
            .map(|column| {
                let feature = guarded(|| build_feature(tables, &column))
                    .map(|(grid, profile)| ReferenceFeature { grid, profile });
                step();
                feature.map_err(|fault| fault.context(format_args!("column {:?}", column.name)))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let rows = tables.iter().map(|table| super::table::rows(*table)).sum();
        Ok(Reference { rows, features })
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
            if own.kind.is_some() && feature.grid.unscored == Some(Status::Identifier) {
                feature.grid.unscored = None;
            }
        }
        Ok(self)
    }
}

fn columns(schema: &arrow_schema::Schema, config: &ReferenceConfig) -> Result<Vec<Column>> {
    let names = unique_names(schema);
    let known: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
    if let Some(name) = config.features.keys().find(|name| !known.contains(name.as_str())) {
        return Err(Error::new(format!("feature {name:?}: the reference has no such column")));
    }
    let mut columns = Vec::new();
    for (name, field) in names.into_iter().zip(schema.fields()) {
        let own = config.features.get(name.as_ref()).copied().unwrap_or_default();
        if own.kind == Some(DeclaredKind::Ignore) || !config.columns.is_feature(&name) {
            continue;
        }
        // A path tells when and where rows were written more often than what they are: a date
        // among the features would drift by itself. It has to be asked for.
        let in_path = kinds::is_partition(field);
        if in_path
            && !config.features.contains_key(name.as_ref())
            && config.columns.include.is_none()
        {
            continue;
        }
        let data_type = field.data_type().clone();
        let declared = own.kind.and_then(DeclaredKind::kind);
        let unreadable = |kind: &Kind| !in_path && !kinds::is_readable_as(&data_type, *kind, true);
        if let Some(kind) = declared.filter(unreadable) {
            return Err(Error::new(format!(
                "feature {name:?}: a column of type {data_type} cannot be {kind}"
            )));
        }
        columns.push(Column {
            name: name.into_owned(),
            kind: declared.unwrap_or_else(|| kinds::infer(&data_type)),
            declared: declared.is_some(),
            width: kinds::width(&data_type),
            is_integer: kinds::is_integer(&data_type),
            distinct: own.distinct,
            places: Vec::new(),
        });
    }
    Ok(columns)
}

/// Every file of the reference must have the columns of the first; the narrowest type counts.
fn check_tables(tables: &[&dyn Table], columns: &mut [Column]) -> Result<()> {
    for (index, table) in tables.iter().enumerate() {
        let wanted = columns.iter().map(|c| (c.name.as_str(), c.kind, c.declared));
        let bindings = bind(table.schema(), wanted);
        for (own, binding) in columns.iter_mut().zip(bindings) {
            let fault = match binding {
                Binding::Column { column, width } => {
                    if width == Width::F32 {
                        own.width = width;
                    }
                    own.is_integer &= kinds::is_integer(table.schema().field(column).data_type());
                    own.places.push(column);
                    continue;
                }
                Binding::Absent => "is missing",
                Binding::Retyped => "is of another type",
            };
            return Err(Error::new(format!(
                "column {:?} {fault} in file {} of the reference; its files must agree",
                own.name,
                index + 1
            )));
        }
    }
    Ok(())
}
