//! The columns of tables that become a reference.
//!
//! They are read in parallel, one at a time per core; the values of a column are held only while
//! its grid is cut.

use super::build::{Column, build_feature};
use super::clustered_table::ClusteredTable;
use super::reference::{
    DeclaredKind, Reference, ReferenceConfig, ReferenceFeature, bins_of_no_number,
};
use super::table::{Table, guarded, rows};
use crate::error::{Error, Fault, Result};
use crate::feature::Kind;
use crate::schema::column_type::ColumnType;
use crate::schema::columns::twice;
use crate::schema::kinds;
use arrow_schema::Field;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// The columns that become features, in the order in which they first come.
pub struct ReferenceColumns<'t> {
    tables: Vec<ClusteredTable<'t>>,
    columns: Vec<Column>,
}

impl<'t> ReferenceColumns<'t> {
    /// Looks at all columns. What the tables say of them is put together, so that neither their
    /// order nor a part without values changes anything.
    pub fn of(tables: &[&'t dyn Table], config: &ReferenceConfig) -> Result<ReferenceColumns<'t>> {
        if tables.is_empty() {
            return Err(Error::new("the reference has no files"));
        }
        let column = config.columns.cluster.as_deref();
        let clustered = tables.iter().map(|table| ClusteredTable::new(*table, column));
        let clustered = clustered.collect::<Result<Vec<_>, Fault>>()?;
        let is_clustered = clustered.iter().any(ClusteredTable::is_clustered);
        let own: Vec<&dyn Table> = clustered.iter().map(|own| own as &dyn Table).collect();
        let columns = columns(&own, config, is_clustered)?;
        Ok(ReferenceColumns { tables: clustered, columns })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Profiles some of them. `step` is called once per column read.
    pub fn build(&self, part: Range<usize>, step: &(dyn Fn() + Sync)) -> Result<Reference> {
        let tables: Vec<&dyn Table> = self.tables.iter().map(|own| own as &dyn Table).collect();
        let features = self.columns[part].par_iter().map(|column| {
            let feature = guarded(|| build_feature(&tables, column))
                .map(|(grid, profile)| ReferenceFeature { grid, profile: profile.at_rest() });
            step();
            feature.map_err(|fault| fault.context(format_args!("column {:?}", column.name)))
        });
        let features = features.collect::<Result<Vec<_>, Fault>>()?;
        let rows = tables.iter().map(|table| rows(*table)).sum();
        Ok(Reference { rows, features })
    }
}

impl Reference {
    /// Profiles the tables as one reference. `step` is called once per column read.
    pub fn build(
        tables: &[&dyn Table],
        config: &ReferenceConfig,
        step: &(dyn Fn() + Sync),
    ) -> Result<Reference> {
        let columns = ReferenceColumns::of(tables, config)?;
        columns.build(0..columns.len(), step)
    }
}

/// A column of some of the tables, before anybody asks whether it is a feature.
struct Found<'a> {
    column_type: ColumnType,
    /// Its number in each of the tables that have it.
    places: Vec<Option<usize>>,
    fields: Vec<&'a Field>,
    /// Some table has two of the name.
    is_twice: bool,
}

/// All columns, by name, in the order in which they first come.
fn found<'a>(tables: &[&'a dyn Table]) -> (Vec<&'a str>, HashMap<&'a str, Found<'a>>) {
    let mut names = Vec::new();
    let mut all: HashMap<&str, Found<'_>> = HashMap::new();
    for (number, table) in tables.iter().enumerate() {
        for (column, field) in table.schema().fields().iter().enumerate() {
            let own = all.entry(field.name()).or_insert_with(|| {
                names.push(field.name().as_str());
                Found {
                    column_type: ColumnType::default(),
                    places: vec![None; tables.len()],
                    fields: Vec::new(),
                    is_twice: false,
                }
            });
            own.is_twice |= own.places[number].replace(column).is_some();
            own.column_type.add(field);
            own.fields.push(field);
        }
    }
    (names, all)
}

fn columns(
    tables: &[&dyn Table],
    config: &ReferenceConfig,
    is_clustered: bool,
) -> Result<Vec<Column>> {
    let (names, mut found) = found(tables);
    config.columns.check(&names.iter().copied().collect())?;
    if let Some(name) = config.features.keys().find(|name| !found.contains_key(name.as_str())) {
        return Err(Error::new(format!("feature {name:?}: the reference has no such column")));
    }
    let mut columns = Vec::new();
    for name in names {
        let own = config.features.get(name).cloned().unwrap_or_default();
        if own.kind == Some(DeclaredKind::Ignore) || !config.columns.is_feature(name) {
            continue;
        }
        let Found { column_type, places, fields, is_twice } =
            found.remove(name).expect("every name was found once");
        // A date of a path would drift by itself. It has to be asked for.
        let is_asked = config.features.contains_key(name) || config.columns.include.is_some();
        if column_type.is_in_paths_alone() && !is_asked {
            continue;
        }
        if is_twice {
            return Err(Error::new(twice(name)));
        }
        let declared = own.kind.and_then(DeclaredKind::kind);
        let kind = kind(name, declared, &column_type, &fields)?;
        if !own.bins.ends.is_empty() && kind != Kind::Numeric {
            return Err(bins_of_no_number(name));
        }
        columns.push(Column {
            name: name.to_owned(),
            kind,
            declared: declared.is_some(),
            width: column_type.width(),
            is_integer: column_type.is_integer(),
            is_double: column_type.is_double(),
            are_bytes: declared.is_none() && column_type.are_bytes(),
            distinct: own.distinct,
            own_bins: own.bins,
            is_clustered,
            places,
        });
    }
    Ok(columns)
}

/// The kind of a column: the one that was declared, if every file can be read as that, or the one
/// that all files have in common.
fn kind(
    name: &str,
    declared: Option<Kind>,
    column_type: &ColumnType,
    fields: &[&Field],
) -> Result<Kind> {
    let Some(kind) = declared else {
        return column_type.kind().map_err(|(a, b)| {
            Error::new(format!(
                "column {name:?} is {a} in some files of the reference and {b} in others; declare \
                 its kind, or leave it out with columns.exclude"
            ))
        });
    };
    let unreadable =
        |field: &&&Field| !kinds::is_partition(field) && !kinds::can_be(field.data_type(), kind);
    match fields.iter().find(unreadable) {
        Some(field) => Err(Error::new(format!(
            "feature {name:?}: a column of type {} cannot be {kind}",
            field.data_type()
        ))),
        None => Ok(kind),
    }
}
