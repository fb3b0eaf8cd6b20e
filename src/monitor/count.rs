//! Counting one table: a task per row group and column, on all cores.
//!
//! A worker decodes one column chunk and counts it while the values are in cache; it touches
//! nothing shared until its chunk is done. The delta belongs to the table alone and is thrown away
//! if any task fails.

use super::encoded::{EncodedProfiles, EncodedRange, Encoder};
use super::pane_splitter::PaneSplitter;
use super::reference::Reference;
use super::table::{Table, guarded, rows};
use crate::error::{Fault, Result};
use crate::profile::Accumulator;
use crate::profile::clusters::Clusters;
use crate::profile::feature::{FeatureGrid, FeatureInput, FeatureProfile, Scratch};
use crate::schema::binding::{Binding, bind};
use crate::window::pane::{Pane, PaneBytes, PaneKey, Panes};
use crate::window::plan::{Assignment, PaneIndex, Plan};
use crate::window::sampling::Kept;
use rayon::prelude::*;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;

thread_local! {
    /// Kept per worker, so that no task allocates it again.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// One column chunk to decode and count.
struct Task {
    feature: usize,
    row_group: usize,
    binding: (usize, crate::feature::Width),
    weight: u64,
}

/// Counts of one feature, by pane of the plan.
type Counts = BTreeMap<PaneIndex, Box<PaneFeature>>;

/// Counts of one feature in one pane.
struct PaneFeature {
    profile: FeatureProfile,
    clusters: Clusters,
    /// Where the profile is encoded, once it is complete and if it is to be stored.
    encoded: Option<EncodedRange>,
}

impl PaneFeature {
    fn new(grid: &FeatureGrid) -> Box<PaneFeature> {
        let (profile, clusters) = (FeatureProfile::new(grid), Clusters::default());
        Box::new(PaneFeature { profile, clusters, encoded: None })
    }
}

/// What the tasks of one feature have come to.
#[derive(Default)]
struct FeatureCounts {
    counts: Counts,
    /// Chunks that are still to be counted.
    tasks: usize,
}

/// What a table adds to the panes of its plan.
#[derive(Debug, Default)]
pub struct Delta {
    pub panes: Panes,
    /// Each pane as it is stored, where that was asked for or nothing else is kept.
    pub bodies: BTreeMap<PaneKey, Vec<u8>>,
    /// Rows of panes that are nowhere but in `bodies`.
    pub stored: BTreeMap<PaneKey, u64>,
}

/// What the rows of a row group are to be counted by.
struct Rows<'a> {
    assignment: &'a Assignment,
    kept: &'a Kept,
    /// Note how the row groups differ.
    clustered: bool,
}

/// Counts the rows of `table` into the panes of `plan`, or those that are in its sample.
pub fn count(reference: &Reference, table: &dyn Table, plan: &Plan) -> Result<Delta, Fault> {
    count_into(reference, table, plan, None)
}

/// Counts as [`count`] does, and encodes the counts of each feature where its last chunk was
/// counted, while they are in cache.
pub fn count_and_encode(
    reference: &Reference,
    table: &dyn Table,
    plan: &Plan,
) -> Result<Delta, Fault> {
    count_into(reference, table, plan, Some(Encoder::new()))
}

fn count_into(
    reference: &Reference,
    table: &dyn Table,
    plan: &Plan,
    encoder: Option<Encoder>,
) -> Result<Delta, Fault> {
    let grids: Vec<&FeatureGrid> = reference.grids().collect();
    let bindings = bind(table.schema(), grids.iter().map(|grid| grid.wanted()))?;
    assert_eq!(plan.row_groups.len(), table.row_groups().len(), "a plan belongs to its table");
    let mut features: Vec<FeatureCounts> = Vec::new();
    features.resize_with(grids.len(), FeatureCounts::default);
    let tasks = tasks(table, &bindings, plan);
    tasks.iter().for_each(|task| features[task.feature].tasks += 1);
    let features: Vec<Mutex<FeatureCounts>> = features.into_iter().map(Mutex::new).collect();

    // Taken one by one, in their order; those that come next are fetched meanwhile.
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
                let feature = features[task.feature].lock();
                feature.expect("no task panics while it merges").add(part, encoder.as_ref());
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
    let features = features.into_iter();
    let features = features.map(|f| f.into_inner().expect("no task panics while it merges").counts);
    let encoded = encoder.map(Encoder::finish);
    Ok(put_together(plan, &grids, &bindings, features, encoded.as_ref()))
}

/// The counts of all features, pane by pane.
fn put_together(
    plan: &Plan,
    grids: &[&FeatureGrid],
    bindings: &[Binding],
    features: impl Iterator<Item = Counts>,
    encoded: Option<&EncodedProfiles>,
) -> Delta {
    let mut panes = empty_panes(plan, grids.len());
    let mut bytes: Vec<PaneBytes> = panes.iter().map(|_| PaneBytes::of(grids.len())).collect();
    for ((grid, binding), mut counts) in grids.iter().zip(bindings).zip(features) {
        for (place, pane) in panes.iter_mut().enumerate() {
            let counted = counts.remove(&(place as PaneIndex));
            let counted = counted.unwrap_or_else(|| uncounted(grid, *binding, pane.rows_kept));
            match (encoded, &counted.encoded) {
                (Some(encoded), Some(own)) => bytes[place].push(encoded.get(own)),
                (Some(_), None) => bytes[place].push_profile(&counted.profile),
                (None, _) => {}
            }
            pane.features.push(counted.profile);
            if plan.sample.is_clustered() {
                pane.clusters.push(counted.clusters);
            }
        }
    }
    let mut delta = Delta::default();
    for ((key, pane), bytes) in plan.panes.iter().zip(panes).zip(bytes) {
        if pane.rows > 0 {
            if encoded.is_some() {
                delta.bodies.insert(key.clone(), bytes.finish(&pane));
            }
            delta.panes.0.insert(key.clone(), pane);
        }
    }
    delta
}

/// The panes of the plan with their rows, before any feature is in.
fn empty_panes(plan: &Plan, n_features: usize) -> Vec<Pane> {
    let pane = |_: &PaneKey| Pane {
        rows: 0,
        rows_kept: 0,
        features: Vec::with_capacity(n_features),
        clusters: Vec::new(),
    };
    let mut panes: Vec<Pane> = plan.panes.iter().map(pane).collect();
    for (row_group, assignment) in plan.row_groups.iter().enumerate() {
        let kept = plan.sample.row_group(row_group);
        assignment.for_each_run(|pane, start, rows| {
            if let Some(pane) = panes.get_mut(pane as usize) {
                pane.rows += rows;
                pane.rows_kept += kept.count(start, rows);
            }
        });
    }
    panes
}

/// Fails when nothing but the table's own word says how many rows it has, and that is wrong. Where
/// a feature is read, its values are counted anyway.
pub fn check_rows(reference: &Reference, table: &dyn Table) -> Result<(), Fault> {
    let bindings = bind(table.schema(), reference.grids().map(FeatureGrid::wanted))?;
    let is_read = |binding: &Binding| matches!(binding, Binding::Column { .. });
    if rows(table) == 0 || bindings.iter().any(is_read) {
        return Ok(());
    }
    for (row_group, &claimed) in table.row_groups().iter().enumerate() {
        let columns = 0..table.schema().fields().len();
        let Some(cheapest) = columns.min_by_key(|column| table.weight(row_group, *column)) else {
            return Err(Fault::unreadable(format!("it claims {claimed} rows and has no column")));
        };
        let mut counted = 0;
        guarded(|| {
            table.read(row_group, cheapest)?.try_for_each(|block| {
                counted += block?.rows() as u64;
                Ok(())
            })
        })?;
        if counted != claimed {
            return Err(Fault::unreadable(format!("it claims {claimed} rows and has {counted}")));
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
    if table.is_read_by_row_group() {
        let threads = rayon::current_num_threads();
        tasks.sort_by_key(|task| (task.row_group / threads, task.binding.0, task.row_group));
    } else {
        tasks.sort_by_key(|task| Reverse(task.weight));
    }
    tasks
}

/// Decodes and counts one chunk.
fn count_chunk(
    grid: &FeatureGrid,
    table: &dyn Table,
    task: &Task,
    rows: &Rows<'_>,
) -> Result<Counts, Fault> {
    SCRATCH.with_borrow_mut(|scratch| guarded(|| count_blocks(grid, table, task, rows, scratch)))
}

fn count_blocks(
    grid: &FeatureGrid,
    table: &dyn Table,
    task: &Task,
    rows: &Rows<'_>,
    scratch: &mut Scratch,
) -> Result<Counts, Fault> {
    let (column, width) = task.binding;
    let mut counts = Counts::new();
    let mut splitter = PaneSplitter::new(rows.assignment, rows.kept);
    for block in table.read(task.row_group, column)? {
        splitter.split(&block?, |pane, block| {
            let counted = counts.entry(pane).or_insert_with(|| PaneFeature::new(grid));
            counted.profile.update(FeatureInput { grid, width, block, scratch });
        })?;
    }
    splitter.finish(table.row_groups()[task.row_group])?;
    for counted in counts.values_mut() {
        counted.profile.assert_complete();
        if rows.clustered {
            counted.clusters.update(&counted.profile.cluster_bins(grid));
        }
    }
    Ok(counts)
}

impl FeatureCounts {
    /// Adds the counts of one chunk. The last encodes them all, if they are to be stored.
    fn add(&mut self, part: Counts, encoder: Option<&Encoder>) {
        for (pane, counted) in part {
            match self.counts.get_mut(&pane) {
                Some(into) => {
                    into.profile.merge(&counted.profile).expect("one grid per feature");
                    into.clusters.merge(&counted.clusters).expect("one grid per feature");
                }
                None => {
                    self.counts.insert(pane, counted);
                }
            }
        }
        self.tasks -= 1;
        if let Some(encoder) = encoder.filter(|_| self.tasks == 0) {
            let counted = self.counts.values_mut();
            counted.for_each(|own| own.encoded = Some(encoder.encode(&own.profile)));
        }
    }
}

/// A feature in a pane that none of its rows was read for.
fn uncounted(grid: &FeatureGrid, binding: Binding, rows: u64) -> Box<PaneFeature> {
    let mut counted = PaneFeature::new(grid);
    match binding {
        Binding::Absent => counted.profile.add_absent(rows),
        Binding::Retyped => counted.profile.add_retyped(rows),
        Binding::Column { .. } => {}
    }
    counted
}
