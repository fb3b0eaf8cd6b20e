//! A table whose columns have the names of the training data.

use super::reference::Reference;
use super::table::{Blocks, Table};
use crate::error::{Fault, Result};
use crate::schema::renaming::Renaming;
use arrow_schema::{Field, Schema};
use std::collections::HashSet;
use std::sync::Arc;

/// A table whose columns are called otherwise.
pub struct RenamedTable<'a> {
    table: &'a dyn Table,
    /// None where nothing is called otherwise.
    schema: Option<Schema>,
}

impl<'a> RenamedTable<'a> {
    pub fn new(
        table: &'a dyn Table,
        renaming: &Renaming,
        reference: &Reference,
    ) -> RenamedTable<'a> {
        let renamed = || renamed_schema(table.schema(), renaming, reference);
        let is_renamed = !renaming.is_empty() && !table.has_training_names();
        let schema = is_renamed.then(renamed);
        RenamedTable { table, schema }
    }
}

/// The schema with the names of the training data. A column that has the name of a feature anyway
/// keeps it, also where another would be called the same.
pub fn renamed_schema(own: &Schema, renaming: &Renaming, reference: &Reference) -> Schema {
    let features: HashSet<&str> = reference.grids().map(|grid| grid.name.as_str()).collect();
    let name_of = |field: &Field| match features.contains(field.name().as_str()) {
        true => field.name().clone(),
        false => renaming.renamed(field.name()).into_owned(),
    };
    let keeps = |field: &&Arc<Field>| name_of(field) == *field.name();
    let mut taken: HashSet<String> =
        own.fields().iter().filter(keeps).map(|own| own.name().clone()).collect();
    let fields = own.fields().iter().map(|field| {
        let name = name_of(field);
        let is_free = name != *field.name() && taken.insert(name.clone());
        if is_free { Field::clone(field).with_name(name) } else { Field::clone(field) }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

impl Table for RenamedTable<'_> {
    fn schema(&self) -> &Schema {
        self.schema.as_ref().unwrap_or_else(|| self.table.schema())
    }

    fn row_groups(&self) -> &[u64] {
        self.table.row_groups()
    }

    fn fingerprint(&self) -> u64 {
        self.table.fingerprint()
    }

    fn weight(&self, row_group: usize, column: usize) -> u64 {
        self.table.weight(row_group, column)
    }

    fn prefetch(&self, row_group: usize, column: usize) {
        self.table.prefetch(row_group, column);
    }

    fn is_read_by_row_group(&self) -> bool {
        self.table.is_read_by_row_group()
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        self.table.read(row_group, column)
    }
}
