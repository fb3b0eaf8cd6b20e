//! The way of a file: open → plan → count → merge → close → commit → publish.
//!
//! One pipeline per model, on one thread; counting fans out to all cores. What is committed are the
//! merged panes and the figures of the windows that closed, so merging and closing come first; if
//! the commit cannot be made, the process ends with them, and the file is counted anew. Nothing is
//! shown before it is committed, and nothing is committed that was not counted whole.

use super::Shared;
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::directory::Directory;
use crate::ingest::identity::stat;
use crate::ingest::ndjson::Batch;
use crate::ingest::open::OpenFile;
use crate::monitor::figures::WindowFigures;
use crate::monitor::model::{Change, Monitor};
use crate::monitor::table::rows;
use crate::position::{Arrival, Identity, PathState, Stat};
use crate::store::windows::{pane_record, place_record};
use crate::store::{Commit, Counted, ModelStore, PathRecord, Scope, Verified};
use crate::telemetry::{ErrorReason, FileResult};
use crate::time::Timestamp;
use crate::window::pane::{PaneKey, Panes};
use crate::window::plan::Plan;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Rows of a stream are committed at the latest after this time; a crash loses no more.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Files are taken for so long before everything else has its turn.
const FILES_TIME: Duration = Duration::from_secs(1);

/// Pause before a failed commit is tried again.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

/// A model, its sources and its state.
pub struct Pipeline {
    pub monitor: Monitor,
    pub store: ModelStore,
    pub sources: Vec<Source>,
    pub shared: Shared,
    pub uncommitted: Uncommitted,
    pub is_ready: bool,
}

/// What was counted and is not in the state yet.
#[derive(Default)]
pub struct Uncommitted {
    commit: Commit,
    touched: BTreeSet<PaneKey>,
    since: Option<Timestamp>,
}

/// What became of a file.
enum Taken {
    Counted {
        rows: u64,
        bytes: u64,
    },
    /// Its content was counted before, at another path.
    Duplicate,
    /// Its content was counted before, at this path.
    Touched,
    Quarantined,
    /// Not complete, or gone; the next listing will tell.
    Waiting,
}

/// What a file turned out to hold.
enum Content {
    New { identity: Identity, rows: u64, plan: Plan, delta: Panes },
    Known(Identity, Taken),
}

impl Pipeline {
    /// Counts one file, whole or not at all.
    fn count_file(&mut self, source: usize, path: &Path) -> Result<Taken> {
        let root = self.directory(source).config().path.clone();
        let file = OpenFile::open(&root, path)?;
        if self.directory(source).stat(path) != Some(file.stat) {
            return Err(Error::new(ErrorKind::Incomplete, "changed since it was listed"));
        }
        let content = self.read_content(source, &file);
        // Before any fault is believed: a file that is rewritten while it is read decodes badly.
        file.check_untouched()?;
        let (identity, n_rows, plan, delta) = match content? {
            Content::New { identity, rows, plan, delta } => (identity, rows, plan, delta),
            Content::Known(identity, taken) => return self.skip(source, &file, &identity, taken),
        };
        let now = self.shared.clock.now();
        let mut change = self.monitor.merge(delta, &plan, now);
        self.monitor.close(&plan.completed, now, &mut change);
        self.note(change, now);
        self.note_counted(source, &file, identity, n_rows, now);
        self.commit()?;
        Ok(Taken::Counted { rows: n_rows, bytes: file.stat.size })
    }

    /// Plans and counts a file's rows, unless they were counted before.
    fn read_content(&mut self, source: usize, file: &OpenFile) -> Result<Content> {
        let count_duplicates = self.directory(source).config().count_duplicates;
        let id = self.sources[source].id;
        let table = file.table()?.hashing();
        // Only a file of a known size can be a copy; any other is hashed while it is counted.
        if self.store.knows_size(id, file.stat.size)? {
            let identity = file.identity(&table)?;
            match self.store.verify(id, &file.path, &identity)? {
                Verified::Touched => return Ok(Content::Known(identity, Taken::Touched)),
                Verified::Copy(first) if !count_duplicates => {
                    let (path, first) = (file.path.display(), first.display());
                    info!(%path, %first, "counted before");
                    return Ok(Content::Known(identity, Taken::Duplicate));
                }
                Verified::Copy(_) | Verified::New => {}
            }
        }
        let plan = self.monitor.plan(&table, Arrival::File)?;
        let delta = self.monitor.count(&table, &plan)?;
        let identity = file.identity(&table)?;
        Ok(Content::New { identity, rows: rows(&table), plan, delta })
    }

    /// Counts rows of a stream; they are committed with others, within the interval.
    pub fn count_batch(&mut self, source: usize, batch: &Batch) -> Result<()> {
        let n_rows = rows(batch);
        let now = self.shared.clock.now();
        if n_rows > 0 {
            let plan = self.monitor.plan(batch, Arrival::Stream)?;
            let delta = self.monitor.count(batch, &plan)?;
            let mut change = self.monitor.merge(delta, &plan, now);
            self.monitor.close(&plan.completed, now, &mut change);
            self.note(change, now);
        }
        let Source { name, telemetry, .. } = &self.sources[source];
        let n_arrived = n_rows + batch.rejected;
        telemetry.rows.add(n_arrived);
        telemetry.bytes.add(batch.bytes);
        telemetry.last_success.set(now.0);
        self.uncommitted.commit.add_total(Scope::Source, name, "rows", n_arrived);
        self.uncommitted.commit.add_total(Scope::Source, name, "rows_rejected", batch.rejected);
        self.uncommitted.commit.add_total(Scope::Source, name, "bytes", batch.bytes);
        self.uncommitted.since.get_or_insert(now);
        self.commit_if_due(now)
    }

    /// Does everything whose time has come; when to come again.
    pub fn tick(&mut self) -> Result<Timestamp> {
        for source in 0..self.sources.len() {
            self.look(source)?;
        }
        if !self.is_ready && self.sources.iter().all(Source::is_ready) {
            self.is_ready = true;
            self.shared.process.models_ready.add(1);
        }
        let now = self.shared.clock.now();
        if let Some(change) = self.monitor.expire(now) {
            self.note(change, now);
        }
        self.commit_if_due(now)?;
        let looks = self.sources.iter().filter_map(Source::due);
        let commit_at = self.uncommitted.since.map(|since| since.plus(COMMIT_INTERVAL));
        let next = looks.chain(self.monitor.deadline()).chain(commit_at).min();
        Ok(next.unwrap_or(now.plus(COMMIT_INTERVAL)))
    }

    /// Asks for a listing at the next tick, because something seems to have changed.
    pub fn wake(&mut self) {
        let now = self.shared.clock.now();
        self.sources.iter_mut().for_each(|source| source.wake(now));
    }

    /// Lists a directory whose time has come and counts what is ready there.
    fn look(&mut self, source: usize) -> Result<()> {
        let Some(look) = self.sources[source].look(&*self.shared.clock) else { return Ok(()) };
        if !look.vanished.is_empty() {
            let id = self.sources[source].id;
            self.uncommitted.commit.forgotten.extend(look.vanished.into_iter().map(|p| (id, p)));
            self.uncommitted.since.get_or_insert(self.shared.clock.now());
        }
        let begun = self.shared.clock.now();
        for path in &look.ready {
            let now = self.shared.clock.now();
            if self.shared.stop.is_on() {
                break;
            }
            // Streams and windows that are due must not wait for a whole backlog.
            if now.since(begun) >= FILES_TIME {
                self.sources[source].wake(now);
                break;
            }
            self.take_file(source, path)?;
            self.sources[source].report(self.shared.clock.now(), true);
        }
        self.sources[source].report(self.shared.clock.now(), false);
        Ok(())
    }

    /// Counts a file and deals with its faults; only the state's own faults come out. Counters move
    /// last, so that whoever sees them sees the rest as well.
    fn take_file(&mut self, source: usize, path: &Path) -> Result<()> {
        let stat_before = std::fs::symlink_metadata(path).map(|m| stat(&m));
        let telemetry = Arc::clone(&self.sources[source].telemetry);
        let taken = match self.count_file(source, path) {
            Ok(taken) => taken,
            Err(error) => match (error.kind(), stat_before) {
                (ErrorKind::State, _) => return Err(error),
                (_, Err(_)) => {
                    debug!(path = %path.display(), "gone; the next listing will tell");
                    Taken::Waiting
                }
                (ErrorKind::Incomplete, _) => {
                    debug!(path = %path.display(), %error, "not complete");
                    Taken::Waiting
                }
                (ErrorKind::Io, _) => {
                    telemetry.errors(ErrorReason::Read).add(1);
                    let source = &mut self.sources[source];
                    if source.is_news(path, &error) {
                        let name = &source.name;
                        warn!(source = name, path = %path.display(), %error, "not read; will be tried again");
                    }
                    Taken::Waiting
                }
                (_, Ok(stat)) => self.quarantine(source, path, stat, &error)?,
            },
        };
        match taken {
            Taken::Counted { rows, bytes } => {
                telemetry.rows.add(rows);
                telemetry.bytes.add(bytes);
                telemetry.files(FileResult::Counted).add(1);
                let (model, source) = (&self.monitor.config().name, &self.sources[source].name);
                info!(model, source, path = %path.display(), rows, "counted");
            }
            Taken::Duplicate => telemetry.files(FileResult::Duplicate).add(1),
            Taken::Quarantined => telemetry.files(FileResult::Quarantined).add(1),
            Taken::Touched | Taken::Waiting => {}
        }
        Ok(())
    }

    fn quarantine(
        &mut self,
        source: usize,
        path: &Path,
        stat: Stat,
        error: &Error,
    ) -> Result<Taken> {
        let reason = error.to_string();
        let name = self.sources[source].name.clone();
        warn!(source = name, path = %path.display(), reason, "quarantined until it changes");
        self.uncommitted.commit.add_total(Scope::Source, &name, "files_quarantined", 1);
        self.settle(source, path, stat, Err(reason));
        self.commit()?;
        Ok(Taken::Quarantined)
    }

    /// Notes a file whose content is in the ledger.
    fn skip(
        &mut self,
        source: usize,
        file: &OpenFile,
        identity: &Identity,
        taken: Taken,
    ) -> Result<Taken> {
        if matches!(taken, Taken::Duplicate) {
            let name = self.sources[source].name.clone();
            self.uncommitted.commit.add_total(Scope::Source, &name, "files_duplicate", 1);
        }
        self.settle(source, &file.path, file.stat, Ok(identity.content));
        self.commit()?;
        Ok(taken)
    }

    fn note_counted(
        &mut self,
        source: usize,
        file: &OpenFile,
        identity: Identity,
        n_rows: u64,
        now: Timestamp,
    ) {
        let Source { id, name, .. } = &self.sources[source];
        let (id, name) = (*id, name.clone());
        let commit = &mut self.uncommitted.commit;
        commit.add_total(Scope::Source, &name, "files_counted", 1);
        commit.add_total(Scope::Source, &name, "rows", n_rows);
        commit.add_total(Scope::Source, &name, "bytes", file.stat.size);
        let path = file.path.clone();
        let content = identity.content;
        commit.counted.push(Counted { source: id, identity, path, rows: n_rows, at: now });
        self.settle(source, &file.path, file.stat, Ok(content));
    }

    /// Notes what became of a path: its content, or why it cannot be read.
    fn settle(
        &mut self,
        source: usize,
        path: &Path,
        stat: Stat,
        outcome: std::result::Result<u128, String>,
    ) {
        let content = outcome.as_ref().ok().copied();
        let quarantined = outcome.err();
        let state = quarantined.clone().map_or(PathState::Done, PathState::Quarantined);
        self.directory(source).settle(path, stat, state);
        let (source, path) = (self.sources[source].id, path.to_owned());
        self.uncommitted.commit.paths.push(PathRecord { source, path, stat, quarantined, content });
    }

    fn note(&mut self, change: Change, now: Timestamp) {
        for figures in &change.closed {
            log_window(&self.monitor.config().name, figures);
            let verdict = figures.verdict().name();
            self.uncommitted.commit.add_total(Scope::Window, &figures.window, verdict, 1);
        }
        self.uncommitted.touched.extend(change.touched);
        self.uncommitted.commit.closed.extend(change.closed);
        self.uncommitted.since.get_or_insert(now);
    }

    fn commit_if_due(&mut self, now: Timestamp) -> Result<()> {
        let is_due = self.uncommitted.since.is_some_and(|since| {
            now.since(since) >= COMMIT_INTERVAL || !self.uncommitted.commit.closed.is_empty()
        });
        if is_due { self.commit() } else { Ok(()) }
    }

    /// Commits everything noted, then shows it. A state that cannot be written holds up the pipeline, since
    /// going on would only lose more; it is tried again until it works or the daemon stops.
    pub fn commit(&mut self) -> Result<()> {
        let Uncommitted { mut commit, touched, .. } = std::mem::take(&mut self.uncommitted);
        commit.panes = touched.iter().map(|key| pane_record(key, self.monitor.pane(key))).collect();
        let windows = self.monitor.config().windows.iter();
        commit.places = windows
            .zip(self.monitor.places())
            .map(|(window, place)| place_record(&window.name, &place))
            .collect();
        loop {
            let Err(error) = self.store.commit(&commit) else {
                self.publish();
                return Ok(());
            };
            self.shared.process.state_write_errors.add(1);
            error!(%error, "the state was not written; trying again");
            if self.shared.stop.is_on() {
                return Err(error);
            }
            std::thread::sleep(COMMIT_RETRY);
        }
    }

    pub fn publish(&self) {
        self.shared.published.publish(self.monitor.snapshot());
    }

    fn directory(&mut self, source: usize) -> &mut Directory {
        let watched = self.sources[source].watched.as_mut();
        &mut watched.expect("files come from directories").directory
    }
}

fn log_window(model: &str, figures: &WindowFigures) {
    let drifted = figures.features.iter().filter(|feature| feature.drifted == Some(true));
    let drifted: Vec<&str> = drifted.map(|feature| feature.name.as_str()).collect();
    info!(
        model,
        window = figures.window,
        rows = figures.rows,
        verdict = figures.verdict().name(),
        judged = figures.judged(),
        drifted = drifted.join(", "),
        "window closed"
    );
}
