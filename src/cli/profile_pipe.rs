//! `driftd profile -`: the profile of a stream of Arrow IPC on standard input, for programs that
//! have rows in hand, such as the executors of Spark.

use super::counting::{Counting, current_profile, grids, pane_of_table};
use super::options::{CheckOptions, ConfigChoice};
use crate::error::Fault;
use crate::format::arrow::RecordBatchTable;
use crate::format::ipc_reader::IpcReader;
use crate::monitor::reference::{Profile, Reference};
use crate::monitor::table::Table;
use crate::schema::column_changes::ColumnChanges;
use crate::window::pane::Pane;
use anyhow::{Result, anyhow};
use std::io::Read;
use std::path::Path;

/// Counts on the grid of a reference, some batches at a time, or makes a reference, for which all
/// rows are held.
pub fn profile_pipe(
    grid: Option<&Path>,
    settings: &CheckOptions,
    choice: &ConfigChoice,
) -> Result<Profile> {
    // Locked by each read, as its buffer is.
    let mut input = IpcReader::new(std::io::stdin());
    let first = input.table().map_err(in_pipe)?;
    let names = first.iter().flat_map(|table| table.schema().fields());
    choice.check_names(&names.map(|field| field.name().clone()).collect::<Vec<_>>())?;
    match grid {
        Some(grid) => current(&grids(grid, settings)?, first, input, settings),
        None => reference(first, input, settings),
    }
}

fn current(
    reference: &Reference,
    first: Option<RecordBatchTable>,
    mut input: IpcReader<impl Read>,
    settings: &CheckOptions,
) -> Result<Profile> {
    let counting = Counting::of_pipe(reference, settings)?;
    let (mut all, mut changes) = (Pane::new(reference.grids()), ColumnChanges::default());
    let mut next = first;
    while let Some(table) = next {
        let pane = pane_of_table(reference, &table, &counting, &mut changes).map_err(in_pipe)?;
        all.merge(&pane).map_err(|error| anyhow!("standard input: {error}"))?;
        next = input.table().map_err(in_pipe)?;
    }
    if !changes.is_empty() {
        eprintln!("driftd: {changes}");
    }
    Ok(current_profile(reference, all))
}

fn reference(
    first: Option<RecordBatchTable>,
    mut input: IpcReader<impl Read>,
    settings: &CheckOptions,
) -> Result<Profile> {
    let mut tables = Vec::from_iter(first);
    while let Some(table) = input.table().map_err(in_pipe)? {
        tables.push(table);
    }
    let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
    Ok(Profile::Reference(Reference::build(&tables, &settings.reference, &|| {})?))
}

fn in_pipe(fault: Fault) -> anyhow::Error {
    anyhow!("standard input: {fault}")
}
