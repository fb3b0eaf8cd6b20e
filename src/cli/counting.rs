//! Counting inputs on the grid of a reference, for commands that do it once.

use super::options::CheckOptions;
use super::progress::bar;
use crate::error::Fault;
use crate::format::file_format::OpenedTable;
use crate::format::line_schema::LineSchema;
use crate::monitor::clustered_table::ClusteredTable;
use crate::monitor::reference::{CurrentProfile, Profile, Reference};
use crate::monitor::renamed_table::RenamedTable;
use crate::monitor::table::{ProgressTable, Table, rows};
use crate::monitor::whole::count_whole;
use crate::profile::feature::FeatureGrid;
use crate::schema::column_changes::ColumnChanges;
use crate::schema::columns::ColumnsConfig;
use crate::source::inputs::{self, Input, read_profile};
use crate::window::pane::Pane;
use crate::window::sampling::SamplingConfig;
use anyhow::{Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The reference whose grids are counted on.
pub fn grids(profile: &Path, settings: &CheckOptions) -> Result<Reference> {
    let Profile::Reference(reference) = read_profile(profile)? else {
        bail!("{}: only a reference profile has a grid", profile.display());
    };
    Ok(reference.select(&settings.reference)?)
}

/// Counts as a profile that adds to others.
pub fn current_profile(reference: &Reference, pane: Pane) -> Profile {
    let names = reference.grids().map(|grid| grid.name.clone()).collect();
    Profile::Current(CurrentProfile { names, pane })
}

/// How files are counted: what is sampled, of how large a window, how large pages may be, and what
/// names clusters.
pub struct Counting<'a> {
    sampling: Option<&'a SamplingConfig>,
    /// None where each file is a window.
    window_rows: Option<u64>,
    page_bytes_max: u64,
    /// The column that names the cluster of each row.
    cluster: Option<&'a str>,
    /// The columns of files that are features.
    columns: ColumnsConfig,
    /// What rows without types are read for.
    lines: Arc<LineSchema>,
    /// Whether a column is a feature, of this reference or of another part of it.
    is_known: Option<&'a dyn Fn(&str) -> bool>,
}

impl<'a> Counting<'a> {
    /// The same, which knows the features of other parts of the reference by name.
    pub fn knowing(self, is_known: &'a dyn Fn(&str) -> bool) -> Counting<'a> {
        Counting { is_known: Some(is_known), ..self }
    }

    /// Rows that come through a pipe; nobody knows how many.
    pub fn of_pipe(reference: &Reference, settings: &'a CheckOptions) -> Result<Counting<'a>> {
        if settings.sampling.as_ref().is_some_and(|config| config.rows_max.is_some()) {
            bail!("model.sampling.rows_max needs files: nobody knows how many rows a pipe brings");
        }
        Counting::new(reference, settings, &[], false)
    }

    /// The rows of all `files` are one window, unless `each` is one.
    pub fn new(
        reference: &Reference,
        settings: &'a CheckOptions,
        files: &[PathBuf],
        each: bool,
    ) -> Result<Counting<'a>> {
        let CheckOptions { sampling, page_bytes_max, .. } = settings;
        let (sampling, page_bytes_max) = (sampling.as_ref(), *page_bytes_max);
        let columns = &settings.reference.columns;
        let key = sampling.and_then(|config| config.key.as_ref());
        let lines = Arc::new(inputs::line_schema(reference, columns, key));
        let is_capped = sampling.is_some_and(|config| config.rows_max.is_some());
        let mut window_rows = None;
        if is_capped && !each {
            for path in files {
                if let Input::Files(_) = inputs::resolve(path)? {
                    let opened = inputs::open_rows(path, page_bytes_max, &lines)?;
                    *window_rows.get_or_insert(0) += rows(&*opened.table);
                }
            }
        }
        let cluster = settings.reference.columns.cluster.as_deref();
        let columns = settings.reference.columns_of_logs(sampling);
        Ok(Counting {
            sampling,
            window_rows,
            page_bytes_max,
            cluster,
            columns,
            lines,
            is_known: None,
        })
    }
}

/// The counts of one file or profile.
pub fn pane(
    reference: &Reference,
    path: &Path,
    counting: &Counting<'_>,
    changes: &mut ColumnChanges,
    opened: &mut Option<OpenedTable>,
) -> Result<Pane> {
    if let Input::Profile(path) = inputs::resolve(path)? {
        return match inputs::read_profile(&path)? {
            Profile::Current(current) => {
                current.check(reference).map_err(|error| error.context(path.display()))?;
                Ok(current.pane)
            }
            Profile::Reference(_) => Err(anyhow!(
                "{}: a reference profile cannot be the current data; count it with \
                 driftd profile --grid REFERENCE",
                path.display()
            )),
        };
    }
    let opened = match opened {
        Some(opened) => opened,
        None => {
            let own = inputs::open_rows(path, counting.page_bytes_max, &counting.lines)?;
            tell_rejected(path, &own);
            opened.insert(own)
        }
    };
    Ok(pane_of_table(reference, &*opened.table, counting, changes)
        .map_err(|fault| fault.context(path.display()))?)
}

/// The counts of a table.
pub fn pane_of_table(
    reference: &Reference,
    table: &dyn Table,
    counting: &Counting<'_>,
    changes: &mut ColumnChanges,
) -> Result<Pane, Fault> {
    let table = RenamedTable::new(table, &counting.columns.renaming, reference);
    let wanted: Vec<_> = reference.grids().map(FeatureGrid::wanted).collect();
    changes.add(match counting.is_known {
        Some(own) => ColumnChanges::of_some(table.schema(), &wanted, &counting.columns, own),
        None => ColumnChanges::of(table.schema(), &wanted, &counting.columns),
    });
    let bar = bar("current", table.row_groups().len() * reference.features.len());
    let on_read = || {
        bar.inc(1);
        Ok(())
    };
    let table = ProgressTable { table: &table, on_read: &on_read };
    let counted = ClusteredTable::new(&table, counting.cluster)
        .and_then(|table| count_whole(reference, &table, counting.sampling, counting.window_rows));
    bar.finish_and_clear();
    counted
}

/// Says which lines of a file are no rows.
fn tell_rejected(path: &Path, opened: &OpenedTable) {
    if let Some((reason, line)) = &opened.first_rejected {
        let (path, lines, reason) = (path.display(), opened.rejected.sum(), reason.name());
        eprintln!("driftd: {path}: {lines} lines are no rows; the first is {reason}: {line}");
    }
}
