//! A table whose rows come in clusters that a column names.

use super::table::{Blocks, Table, first_rows, read_by_row};
use crate::error::{Fault, Result};
use crate::profile::random_groups::{group_of_name, group_of_row};
use crate::profile::texts::row_names;
use crate::schema::columns::twice;
use arrow_buffer::ScalarBuffer;
use arrow_schema::{Field, Schema};
use rayon::prelude::*;
use std::sync::Arc;

/// Every block of it knows the groups of its rows' clusters. A table without the column is as it
/// is, and so is one of which no column is asked for.
pub struct ClusteredTable<'a> {
    table: &'a dyn Table,
    /// By row group; none without the column.
    groups: Option<Vec<ScalarBuffer<u8>>>,
}

impl ClusteredTable<'_> {
    /// Reads the names of all rows. One without a name is a cluster by itself.
    pub fn new<'a>(
        table: &'a dyn Table,
        column: Option<&str>,
    ) -> Result<ClusteredTable<'a>, Fault> {
        let Some(column) = column else { return Ok(ClusteredTable { table, groups: None }) };
        let named = |field: &&Arc<Field>| field.name() == column;
        if table.schema().fields().iter().filter(named).count() > 1 {
            return Err(Fault::unreadable(twice(column)));
        }
        let Some((column, field)) = table.schema().column_with_name(column) else {
            return Ok(ClusteredTable { table, groups: None });
        };
        if field.data_type().is_nested() {
            let (name, kind) = (field.name(), field.data_type());
            let text = format!("columns.cluster: column {name:?} of type {kind} names nothing");
            return Err(Fault::unreadable(text));
        }
        let fingerprint = table.fingerprint();
        let row_groups = first_rows(table).into_par_iter().enumerate().map(|(row_group, start)| {
            let mut groups = Vec::new();
            read_by_row(table, (row_group, column), |names| {
                let start = start + groups.len() as u64;
                row_names(names, &mut |row, name| {
                    let alone = || group_of_row(fingerprint, start + row as u64);
                    groups.push(name.map_or_else(alone, group_of_name));
                });
                Ok(())
            })?;
            Ok(groups.into())
        });
        let groups = row_groups.collect::<Result<_, Fault>>()?;
        Ok(ClusteredTable { table, groups: Some(groups) })
    }
}

impl ClusteredTable<'_> {
    /// Whether it has the column.
    pub fn is_clustered(&self) -> bool {
        self.groups.is_some()
    }
}

impl Table for ClusteredTable<'_> {
    fn schema(&self) -> &Schema {
        self.table.schema()
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
        let blocks = self.table.read(row_group, column)?;
        let Some(groups) = &self.groups else { return Ok(blocks) };
        let (groups, mut row) = (&groups[row_group], 0);
        Ok(Box::new(blocks.map(move |block| {
            let block = block?;
            let (start, end) = (row, row + block.rows());
            row = end;
            if end > groups.len() {
                return Err(Fault::unreadable("more values than the row group has rows"));
            }
            let own = groups.slice(start, block.rows());
            Ok(block.with_groups(own))
        })))
    }
}
