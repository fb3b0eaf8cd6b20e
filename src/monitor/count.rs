//! Counting one table: a task per row group and column, on all cores.
//!
//! A worker decodes one column chunk and counts it while the values are in cache; it touches
//! nothing shared until its chunk is done. The delta belongs to the table alone and is thrown away
//! if any task fails.

use super::parts::Parts;
use super::reference::Reference;
use super::table::{Table, guarded, rows};
use crate::error::{Error, Result};
use crate::profile::Accumulator;
use crate::profile::clusters::Clusters;
use crate::profile::feature::{FeatureGrid, FeatureInput, FeatureProfile};
use crate::schema::binding::{Binding, bind};
use crate::window::pane::{Pane, Panes};
use crate::window::plan::{Assignment, PaneIndex, Plan};
use crate::window::sampling::Kept;
use rayon::prelude::*;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;

thread_local! {
    /// The numbers of one block; kept per worker so that no task allocates it again.
    static SCRATCH: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// One column chunk to decode and count.
struct Task {
    feature: usize,
    row_group: usize,
    binding: (usize, crate::feature::Width),
    weight: u64,
}

/// Counts of one feature, by pane of the plan.
type Counts = BTreeMap<PaneIndex, Counted>;

/// Counts of one feature in one pane.
struct Counted {
    profile: FeatureProfile,
    clusters: Clusters,
}

/// What the rows of a row group are to be counted by.
struct Rows<'a> {
    assignment: &'a Assignment,
    kept: &'a Kept,
    /// Note how the row groups differ.
    clustered: bool,
}

/// Counts the rows of `table` into the panes of `plan`, or those that are in its sample.
pub fn count(reference: &Reference, table: &dyn Table, plan: &Plan) -> Result<Panes> {
    let grids: Vec<&FeatureGrid> = reference.grids().collect();
    let wanted = grids.iter().map(|grid| (grid.name.as_str(), grid.kind, grid.declared));
    let bindings = bind(table.schema(), wanted);
    assert_eq!(plan.row_groups.len(), table.row_groups().len(), "a plan belongs to its table");
    let counts: Vec<Mutex<Counts>> = grids.iter().map(|_| Mutex::default()).collect();

    // Taken one by one, in their order; those that come next are fetched meanwhile.
    let tasks = tasks(table, &bindings, plan);
    let ahead = rayon::current_num_threads();
    let taken = tasks.iter().enumerate().inspect(|(index, _)| {
        if let Some(next) = tasks.get(index + ahead) {
            table.prefetch(next.row_group, next.binding.0);
        }
    });
    let faults = taken.par_bridge().filter_map(|(_, task)| {
        let grid = grids[task.feature];
        let rows = Rows {
            assignment: &plan.row_groups[task.row_group],
            kept: plan.sample.row_group(task.row_group),
            clustered: plan.sample.is_clustered(),
        };
        match count_chunk(grid, table, task, &rows) {
            Ok(part) => {
                let counts = counts[task.feature].lock();
                merge(&mut counts.expect("no task panics while it merges"), part);
                None
            }
            Err(error) => {
                let error = error.context(format_args!("column {:?}", grid.name));
                Some(((task.feature, task.row_group), error))
            }
        }
    });
    // The first fault in the file's order, not the first that a worker came upon.
    if let Some((_, error)) = faults.min_by_key(|(place, _)| *place) {
        return Err(error);
    }

    let mut panes = empty_panes(plan, &grids);
    for (index, counts) in counts.into_iter().enumerate() {
        let counts = counts.into_inner().expect("no task panics while it merges");
        fill(&mut panes, index, counts, bindings[index]);
    }
    let keys = plan.panes.iter().cloned();
    Ok(Panes(keys.zip(panes).filter(|(_, pane)| pane.rows > 0).collect()))
}

/// The panes of the plan with their rows, before any feature is filled in.
fn empty_panes(plan: &Plan, grids: &[&FeatureGrid]) -> Vec<Pane> {
    let mut panes: Vec<Pane> =
        plan.panes.iter().map(|_| Pane::new(grids.iter().copied())).collect();
    for (row_group, assignment) in plan.row_groups.iter().enumerate() {
        let kept = plan.sample.row_group(row_group);
        assignment.for_each_run(|pane, start, rows| {
            if let Some(pane) = panes.get_mut(usize::from(pane)) {
                pane.rows += rows;
                pane.rows_kept += kept.count(start, rows);
            }
        });
    }
    if plan.sample.is_clustered() {
        let clusters = vec![Clusters::default(); grids.len()];
        panes.iter_mut().for_each(|pane| pane.clusters.clone_from(&clusters));
    }
    panes
}

/// Fails when nothing but the table's own word says how many rows it has, and that is wrong. Where
/// a feature is read, its values are counted anyway.
pub fn check_rows(reference: &Reference, table: &dyn Table) -> Result<()> {
    let wanted = reference.grids().map(|grid| (grid.name.as_str(), grid.kind, grid.declared));
    let is_read = |binding: &Binding| matches!(binding, Binding::Column { .. });
    if rows(table) == 0 || bind(table.schema(), wanted).iter().any(is_read) {
        return Ok(());
    }
    for (row_group, &claimed) in table.row_groups().iter().enumerate() {
        let columns = 0..table.schema().fields().len();
        let Some(cheapest) = columns.min_by_key(|column| table.weight(row_group, *column)) else {
            return Err(Error::decode(format!("it claims {claimed} rows and has no column")));
        };
        let mut counted = 0;
        guarded(|| {
            table.read(row_group, cheapest)?.try_for_each(|block| {
                counted += block?.rows() as u64;
                Ok(())
            })
        })?;
        if counted != claimed {
            return Err(Error::decode(format!("it claims {claimed} rows and has {counted}")));
        }
    }
    Ok(())
}

/// Every bound column of every row group, the most expensive first, so that no core ends up with
/// a long chunk when the others are done.
fn tasks(table: &dyn Table, bindings: &[Binding], plan: &Plan) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (feature, binding) in bindings.iter().enumerate() {
        let Binding::Column { column, width } = *binding else { continue };
        for (row_group, &rows) in table.row_groups().iter().enumerate() {
            if rows > 0 && *plan.sample.row_group(row_group) != Kept::Nothing {
                let weight = table.weight(row_group, column);
                tasks.push(Task { feature, row_group, binding: (column, width), weight });
            }
        }
    }
    tasks.sort_by_key(|task| Reverse(task.weight));
    tasks
}

/// Decodes and counts one chunk.
fn count_chunk(
    grid: &FeatureGrid,
    table: &dyn Table,
    task: &Task,
    rows: &Rows<'_>,
) -> Result<Counts> {
    SCRATCH.with_borrow_mut(|scratch| guarded(|| count_blocks(grid, table, task, rows, scratch)))
}

fn count_blocks(
    grid: &FeatureGrid,
    table: &dyn Table,
    task: &Task,
    rows: &Rows<'_>,
    scratch: &mut Vec<f64>,
) -> Result<Counts> {
    let (column, width) = task.binding;
    let mut counts = Counts::new();
    let mut parts = Parts::new(rows.assignment, rows.kept);
    for block in table.read(task.row_group, column)? {
        parts.split(&block?, |pane, block| {
            let counted = counts.entry(pane).or_insert_with(|| Counted {
                profile: FeatureProfile::new(grid),
                clusters: Clusters::default(),
            });
            counted.profile.update(FeatureInput { grid, width, block, scratch });
        })?;
    }
    parts.finish(table.row_groups()[task.row_group])?;
    for counted in counts.values_mut() {
        counted.profile.assert_complete();
        if rows.clustered {
            counted.clusters.update(&counted.profile.cluster_bins(grid));
        }
    }
    Ok(counts)
}

fn merge(into: &mut Counts, from: Counts) {
    for (key, counted) in from {
        match into.get_mut(&key) {
            Some(into) => {
                into.profile.merge(&counted.profile).expect("one grid per feature");
                into.clusters.merge(&counted.clusters).expect("one grid per feature");
            }
            None => {
                into.insert(key, counted);
            }
        }
    }
}

/// Puts one feature's counts into the panes, or the rows that no column was read for.
fn fill(panes: &mut [Pane], index: usize, mut counts: Counts, binding: Binding) {
    for (place, pane) in panes.iter_mut().enumerate() {
        let profile = &mut pane.features[index];
        match binding {
            Binding::Absent => profile.add_absent(pane.rows_kept),
            Binding::Retyped => profile.add_retyped(pane.rows_kept),
            Binding::Column { .. } => {
                if let Some(counted) = counts.remove(&(place as PaneIndex)) {
                    *profile = counted.profile;
                    if let Some(clusters) = pane.clusters.get_mut(index) {
                        *clusters = counted.clusters;
                    }
                }
            }
        }
    }
}
