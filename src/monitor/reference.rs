//! The reference: what the model was trained on, as grids and counts.
//!
//! Columns are read in parallel, one at a time per core; the values of a column are held only
//! while its grid is cut.

use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::feature::{Kind, Status};
use crate::profile::Accumulator;
use crate::profile::categories::{CategoryGrid, category};
use crate::profile::codec::{Content, decode, encode};
use crate::profile::column::{numbers, texts};
use crate::profile::feature::{FeatureGrid, FeatureInput, FeatureProfile, Frame, boolean_text};
use crate::profile::grid_build::SortedReference;
use crate::profile::numeric::{NumericFrame, NumericOrigin};
use crate::schema::binding::{Binding, bind};
use crate::schema::columns::{ColumnsConfig, unique_names};
use crate::schema::kinds;
use crate::window::pane::Pane;
use arrow_schema::DataType;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Rows from which an identifier can be told from a feature.
const IDENTIFIER_ROWS_MIN: u64 = 1_000;

/// Rows over which grids are cut from a sample; the counts are always of every row.
const SAMPLE_ROWS: u64 = 20_000_000;

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
#[derive(Debug, Clone, Default)]
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

    pub fn from_bytes(bytes: &[u8]) -> Result<Profile> {
        decode(Content::Profile, bytes)
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
        Err(Error::new(
            ErrorKind::Mismatch,
            format!("counted on other grids ({feature:?}); count it with --grid REFERENCE"),
        ))
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
            return Err(Error::config("the reference has no files"));
        };
        config.columns.check(first.schema())?;
        let columns = columns(first.schema(), config)?;
        check_tables(tables, &columns)?;
        let features = columns
            .into_par_iter()
            .map(|column| {
                let name = column.name.clone();
                let feature = build_feature(tables, column);
                step();
                feature.map_err(|error| error.context(format_args!("column {name:?}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = tables.iter().map(|table| super::table::rows(*table)).sum();
        Ok(Reference { rows, features })
    }

    /// A reference that was profiled before may know less than the configuration asks for.
    pub fn select(mut self, config: &ReferenceConfig) -> Result<Reference> {
        self.features.retain(|feature| {
            let declared = config.features.get(&feature.grid.name).and_then(|own| own.kind);
            config.columns.is_feature(&feature.grid.name) && declared != Some(DeclaredKind::Ignore)
        });
        for (name, own) in &config.features {
            let Some(feature) = self.features.iter().find(|f| f.grid.name == *name) else {
                continue;
            };
            if own.kind.and_then(DeclaredKind::kind).is_some_and(|kind| kind != feature.grid.kind) {
                return Err(Error::config(format!(
                    "feature {name:?}: the profile holds it as {}; make the profile again with \
                     the kind that the configuration declares",
                    feature.grid.kind
                )));
            }
        }
        Ok(self)
    }
}

/// One column of the reference that becomes a feature.
struct Column {
    name: String,
    kind: Kind,
    declared: bool,
    data_type: DataType,
    distinct: bool,
}

fn columns(schema: &arrow_schema::Schema, config: &ReferenceConfig) -> Result<Vec<Column>> {
    let names = unique_names(schema);
    if let Some(name) = config.features.keys().find(|name| !names.contains(name)) {
        return Err(Error::config(format!("feature {name:?}: the reference has no such column")));
    }
    let mut columns = Vec::new();
    for (name, field) in names.into_iter().zip(schema.fields()) {
        let own = config.features.get(&name).copied().unwrap_or_default();
        if own.kind == Some(DeclaredKind::Ignore) || !config.columns.is_feature(&name) {
            continue;
        }
        // A path tells when and where rows were written more often than what they are: a date
        // among the features would drift by itself. It has to be asked for.
        let in_path = kinds::is_partition(field);
        if in_path && !config.features.contains_key(&name) && config.columns.include.is_none() {
            continue;
        }
        let data_type = field.data_type().clone();
        let declared = own.kind.and_then(DeclaredKind::kind);
        let unreadable = |kind: &Kind| !in_path && !kinds::is_readable_as(&data_type, *kind, true);
        if let Some(kind) = declared.filter(unreadable) {
            return Err(Error::config(format!(
                "feature {name:?}: a column of type {data_type} cannot be {kind}"
            )));
        }
        columns.push(Column {
            name,
            kind: declared.unwrap_or_else(|| kinds::infer(&data_type)),
            declared: declared.is_some(),
            data_type,
            distinct: own.distinct,
        });
    }
    Ok(columns)
}

/// Every file of the reference must have the columns of the first.
fn check_tables(tables: &[&dyn Table], columns: &[Column]) -> Result<()> {
    for (index, table) in tables.iter().enumerate().skip(1) {
        let wanted = columns.iter().map(|c| (c.name.as_str(), c.kind, c.declared));
        for (column, binding) in columns.iter().zip(bind(table.schema(), wanted)) {
            let fault = match binding {
                Binding::Column { .. } => continue,
                Binding::Absent => "is missing",
                Binding::Retyped => "is of another type",
            };
            return Err(Error::config(format!(
                "column {:?} {fault} in file {} of the reference; its files must agree",
                column.name,
                index + 1
            )));
        }
    }
    Ok(())
}

fn build_feature(tables: &[&dyn Table], column: Column) -> Result<ReferenceFeature> {
    let rows: u64 = tables.iter().map(|table| super::table::rows(*table)).sum();
    let (frame, unscored) = match column.kind {
        Kind::Numeric | Kind::Temporal => numeric_frame(tables, &column, rows)?,
        Kind::Categorical | Kind::Boolean => categorical_frame(tables, &column, rows)?,
        Kind::Unsupported => (Frame::Opaque, Some(Status::Unsupported)),
    };
    let grid = FeatureGrid::new(column.name.clone(), column.kind, column.declared, unscored, frame);
    let mut profile = FeatureProfile::new(&grid);
    let mut scratch = Vec::new();
    let width = kinds::width(&column.data_type);
    for_each_block(tables, &column, |block| {
        profile.update(FeatureInput { grid: &grid, width, block, scratch: &mut scratch });
    })?;
    profile.assert_complete();
    if profile.tally.rows != rows {
        let found = profile.tally.rows;
        return Err(Error::decode(format!("{found} values for {rows} rows; the file is damaged")));
    }
    Ok(ReferenceFeature { grid, profile })
}

fn for_each_block(
    tables: &[&dyn Table],
    column: &Column,
    mut f: impl FnMut(&crate::profile::column::Block),
) -> Result<()> {
    for table in tables {
        let wanted = [(column.name.as_str(), column.kind, column.declared)];
        let Binding::Column { column, .. } = bind(table.schema(), wanted.into_iter())[0] else {
            unreachable!("the tables were checked");
        };
        for row_group in 0..table.row_groups().len() {
            for block in table.read(row_group, column)? {
                f(&block?);
            }
        }
    }
    Ok(())
}

fn numeric_frame(
    tables: &[&dyn Table],
    column: &Column,
    rows: u64,
) -> Result<(Frame, Option<Status>)> {
    let mut values = Vec::with_capacity(rows.min(SAMPLE_ROWS) as usize);
    let mut block_values = Vec::new();
    let mut position = 0;
    for_each_block(tables, column, |block| {
        block_values.clear();
        numbers(&*block.array, &mut block_values);
        for &value in &block_values {
            if is_sampled(position, rows) && !value.is_nan() {
                values.push(value);
            }
            position += 1;
        }
    })?;
    values.sort_unstable_by(f64::total_cmp);
    let negative = values.partition_point(|value| *value == f64::NEG_INFINITY);
    let finite = values.partition_point(|value| *value < f64::INFINITY);
    let reference = SortedReference {
        finite: &values[negative..finite],
        negative_infinities: negative as u64,
        positive_infinities: (values.len() - finite) as u64,
    };
    let is_integer = kinds::is_integer(&column.data_type);
    let all_distinct = || values.windows(2).all(|pair| pair[0] < pair[1]);
    let is_identifier = is_integer && values.len() as u64 >= IDENTIFIER_ROWS_MIN && all_distinct();
    let unscored = !column.declared && (column.kind == Kind::Temporal || is_identifier);
    let width = kinds::width(&column.data_type);
    let origin = NumericOrigin { width, is_integer, distinct_wanted: column.distinct };
    let frame = Frame::Numeric(Box::new(NumericFrame::new(reference, origin)));
    Ok((frame, unscored.then_some(Status::Identifier)))
}

/// A sample that depends on the position alone: the golden ratio's multiples (Weyl's sequence)
/// spread evenly over any stretch of rows, sorted or not.
fn is_sampled(position: u64, rows: u64) -> bool {
    if rows <= SAMPLE_ROWS {
        return true;
    }
    let spread = position.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u128::from(spread) * u128::from(rows) < (u128::from(SAMPLE_ROWS) << 64)
}

fn categorical_frame(
    tables: &[&dyn Table],
    column: &Column,
    rows: u64,
) -> Result<(Frame, Option<Status>)> {
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    let is_boolean = column.kind == Kind::Boolean;
    // A string column over half distinct is an identifier: its values need not be kept to know.
    let identifies = |distinct: usize, present: u64| {
        !column.declared && present >= IDENTIFIER_ROWS_MIN && distinct as u64 * 2 > present
    };
    for_each_block(tables, column, |block| {
        texts(&*block.array, |text, n| {
            if let Some(text) = boolean_text(is_boolean, text)
                && !identifies(counts.len(), rows)
            {
                let text = category(text);
                match counts.get_mut(&*text) {
                    Some(rows) => *rows += n,
                    None => {
                        counts.insert(text.into(), n);
                    }
                }
            }
        });
    })?;
    let present = counts.values().sum();
    let is_identifier = identifies(counts.len(), rows) || identifies(counts.len(), present);
    if is_identifier {
        counts.clear();
    }
    let frame = Frame::Categorical(CategoryGrid::from_counts(&counts));
    Ok((frame, is_identifier.then_some(Status::Identifier)))
}
