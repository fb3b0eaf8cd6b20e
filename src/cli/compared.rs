//! Comparing inputs with a reference once.
//!
//! Where columns can be read one by one, so many features at a time are profiled, counted and
//! scored: what is left of a feature then is a hundredth of its grids and counts.

use super::counting::{Counting, pane};
use super::options::CheckOptions;
use super::progress::bar;
use crate::format::file_format::{FileFormat, OpenedTable};
use crate::monitor::figures::{ReferenceFigures, WindowFigures};
use crate::monitor::reference::Reference;
use crate::monitor::score::{WindowLabel, score};
use crate::schema::column_changes::ColumnChanges;
use crate::source::inputs::{self, Input, reference_parts};
use crate::window::pane::Pane;
use anyhow::{Error, Result, anyhow, bail};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Features that are held at a time: some 700 MB of them at 1,000 rows.
const PART_FEATURES: usize = 8_192;

/// Files that are kept open meanwhile, at most.
const OPEN_MAX: usize = 16;

/// What inputs came to against a reference.
pub struct Compared {
    pub reference: Arc<ReferenceFigures>,
    pub windows: Vec<WindowFigures>,
    pub changes: ColumnChanges,
    /// Files that are a window each, and could not be read.
    pub unreadable: Vec<Error>,
}

/// The files of the windows.
struct CountedFiles {
    paths: Vec<PathBuf>,
    /// Those that are kept open from one part to the next.
    opened: Vec<Option<OpenedTable>>,
    keeps_open: bool,
    /// Each is a window.
    each: bool,
}

/// What they came to by some features.
struct Part {
    reference: ReferenceFigures,
    /// By window; of one that could not be read, why.
    windows: Vec<Result<WindowFigures>>,
    changes: ColumnChanges,
}

/// The rows of all inputs as one window, unless `each` file is one.
pub fn compare(
    reference: &Path,
    current: &[PathBuf],
    each: bool,
    settings: &CheckOptions,
) -> Result<Compared> {
    compare_in_parts(reference, current, each, settings, PART_FEATURES)
}

fn compare_in_parts(
    reference: &Path,
    current: &[PathBuf],
    each: bool,
    settings: &CheckOptions,
    part_features: usize,
) -> Result<Compared> {
    let files = files(current)?;
    // A rule can be about all features together, a column can be renamed to one of another part,
    // and rows that come whole are read once. Files stay open, so that all parts see the same.
    let in_parts = settings.drift.rules.is_empty()
        && settings.reference.columns.renaming.is_empty()
        && files.len() <= OPEN_MAX
        && files.iter().all(|file| is_by_column(file));
    let part_features = if in_parts { part_features } else { usize::MAX };
    let opened = files.iter().map(|_| None).collect();
    let mut files = CountedFiles { paths: files, opened, keeps_open: in_parts, each };
    let mut all: Option<Part> = None;
    let bar = bar("reference", 0);
    let CheckOptions { reference: config, page_bytes_max, .. } = settings;
    let step = |columns| {
        bar.set_length(columns as u64);
        bar.inc(1);
    };
    reference_parts(reference, config, *page_bytes_max, part_features, &step, |own, names| {
        if own.rows == 0 || own.features.is_empty() {
            let (path, rows, features) = (reference.display(), own.rows, own.features.len());
            bail!(
                "reference {path}: {rows} rows, {features} features; nothing can be compared with \
                 it"
            );
        }
        let part = Part::of(&own, &mut files, names, settings)?;
        // What so many features hold is given back on all cores.
        own.features.into_par_iter().for_each(drop);
        match &mut all {
            Some(all) => all.add(part),
            None => all = Some(part),
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    all.expect("a reference has one part at least").finish(each)
}

impl Part {
    fn of(
        reference: &Reference,
        files: &mut CountedFiles,
        names: &HashSet<&str>,
        settings: &CheckOptions,
    ) -> Result<Part> {
        reference.check_rules(&settings.drift.rules)?;
        let figures = ReferenceFigures::of(reference, false);
        let mut changes = ColumnChanges::default();
        let each = files.each;
        let is_known = |name: &str| names.contains(name);
        let counting = Counting::new(reference, settings, &files.paths, each)?.knowing(&is_known);
        let close = |name: &str, pane: &Pane| {
            let label = WindowLabel { window: name.to_owned(), ..WindowLabel::default() };
            score(reference, pane, &[], &[], &settings.drift, label)
                .map(|scored| scored.figures)
                .map_err(|error| anyhow!("{name}: {error}"))
        };
        let keeps_open = files.keeps_open;
        let mut panes = files.paths.iter().zip(&mut files.opened).map(|(path, opened)| {
            let pane = pane(reference, path, &counting, &mut changes, opened);
            if !keeps_open {
                *opened = None;
            }
            (path, pane)
        });
        let windows = if each {
            // One bad file must not hide the others.
            let windows = panes.map(|(path, pane)| match pane {
                Ok(pane) => close(&path.to_string_lossy(), &pane).map(Ok),
                Err(error) => Ok(Err(error)),
            });
            windows.collect::<Result<_>>()?
        } else {
            let mut all = match panes.next() {
                Some((_, first)) => first?,
                None => Pane::new(reference.grids()),
            };
            for (path, pane) in panes {
                all.merge(&pane?).map_err(|error| anyhow!("{}: {error}", path.display()))?;
            }
            vec![close("check", &all)]
        };
        Ok(Part { reference: figures, windows, changes })
    }

    /// Takes what other features came to.
    fn add(&mut self, other: Part) {
        self.reference.add_features(other.reference.features);
        self.changes.add(other.changes);
        for (own, other) in self.windows.iter_mut().zip(other.windows) {
            match (&mut *own, other) {
                (Ok(own), Ok(other)) => own.features.extend(other.features),
                (Ok(_), Err(error)) => *own = Err(error),
                (Err(_), _) => {}
            }
        }
    }

    fn finish(self, each: bool) -> Result<Compared> {
        let Part { reference, windows, changes } = self;
        let (mut read, mut unreadable) = (Vec::new(), Vec::new());
        for window in windows {
            match window {
                Ok(figures) => {
                    let (slot, compared) = (read.len() as u64, Some(reference.content));
                    read.push(WindowFigures { slot, compared, ..figures });
                }
                Err(error) if each => unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(Compared { reference: Arc::new(reference), windows: read, changes, unreadable })
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match inputs::resolve(path)? {
            Input::Profile(path) => files.push(path),
            Input::Files(found) => files.extend(found.into_iter().map(|file| file.path)),
        }
    }
    Ok(files)
}

/// Whether a column of a file is read without the others.
fn is_by_column(file: &Path) -> bool {
    FileFormat::of(file) == FileFormat::Parquet && !inputs::is_profile(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::ConfigChoice;

    fn fixture(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/employment").join(path)
    }

    /// Whatever is held at a time: the same figures, of the same reference.
    #[test]
    fn parts_come_to_what_the_whole_does() {
        let choice = ConfigChoice::default();
        let settings = choice.settings().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.parquet");
        std::fs::write(&broken, b"PAR1 nothing PAR1").unwrap();
        let current = [fixture("logs/year=2018"), broken];
        let (read, reference) = (&current[..1], fixture("reference.parquet"));
        let compare = |current: &[PathBuf], each, part| {
            compare_in_parts(&reference, current, each, &settings, part)
        };
        for (current, each) in [(read, false), (&current[..], true)] {
            let whole = compare(current, each, usize::MAX).unwrap();
            let parts = compare(current, each, 7).unwrap();
            assert!(whole.windows[0].features.len() > 10);
            assert_eq!(parts.windows, whole.windows);
            assert_eq!(parts.reference.content, whole.reference.content);
            assert_eq!(parts.reference.features, whole.reference.features);
            assert_eq!(parts.changes, whole.changes);
            let told = |all: &Compared| {
                all.unreadable.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>()
            };
            assert_eq!(told(&parts), told(&whole));
        }
        assert!(compare(&current, false, 7).is_err());
    }
}
