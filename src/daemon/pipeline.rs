//! The way of a file: open → plan → count → merge → close → commit → publish.
//!
//! One pipeline per model, on one thread; counting fans out to all cores. What is committed are
//! the counts that were added and the figures of the windows that closed, so merging and closing
//! come first; if the commit cannot be made, the process ends with them, and the files are counted
//! anew. Nothing is shown before it is committed, and nothing is committed that was not counted
//! whole.

use super::Shared;
use super::parts::PartsOf;
use super::pending::{COMMIT_INTERVAL, Pending};
use super::source::Source;
use super::writing::{Outcome, Writer, Writing};
use crate::error::Result;
use crate::ingest::directory::Directory;
use crate::ingest::ndjson::Batch;
use crate::monitor::figures::WindowFigures;
use crate::monitor::model::{Change, Moment, Monitor};
use crate::monitor::reference::Reference;
use crate::monitor::table::rows;
use crate::position::Arrival;
use crate::store::{Commit, ModelStore, Scope};
use crate::time::Timestamp;
use crate::window::pane::{CLOSED, PaneKey, Panes};
use crate::window::plan::Plan;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// Files are taken for so long before everything else has its turn.
const FILES_TIME: Duration = Duration::from_secs(1);

/// A model, its sources and its state.
pub struct Pipeline {
    pub monitor: Monitor,
    pub reference: Arc<Reference>,
    pub store: ModelStore,
    pub sources: Vec<Source>,
    pub shared: Shared,
    pub pending: Pending,
    /// What is being committed beside the counting.
    pub writing: Option<Writing>,
    /// Bytes of counts that are held in memory although the state has them.
    pub counts_max: usize,
    /// Bytes of counts that wait to be committed with others.
    pub commit_bytes: usize,
    pub is_ready: bool,
}

impl Pipeline {
    /// Counts rows of a stream; they are committed with others, within the interval.
    pub fn count_batch(&mut self, source: usize, batch: &Batch) -> Result<()> {
        let n_rows = rows(batch);
        let now = self.shared.clock.now();
        let (mut late, mut untimed) = (0, 0);
        if n_rows > 0 {
            let moment = Moment { fallback: now, now };
            let plan = self.monitor.plan(batch, Arrival::Stream, moment, &[])?;
            let delta = self.monitor.count(batch, &plan)?;
            late = self.monitor.late(&plan).iter().map(|(_, rows)| rows).sum();
            untimed = plan.untimed;
            self.pending.add_merged(&delta);
            self.merge(delta, &plan, now)?;
        }
        let Source { name, telemetry, .. } = &self.sources[source];
        let n_arrived = n_rows + batch.rejected;
        telemetry.rows.add(n_arrived);
        telemetry.bytes.add(batch.bytes);
        telemetry.late_rows.add(late);
        telemetry.untimed_rows.add(untimed);
        telemetry.last_success.set(now.0);
        for (total, value) in [
            ("rows", n_arrived),
            ("rows_rejected", batch.rejected),
            ("bytes", batch.bytes),
            ("rows_late", late),
            ("rows_untimed", untimed),
        ] {
            self.pending.commit.add_total(Scope::Source, name, total, value);
        }
        self.pending.begin(now);
        if self.is_commit_due(now, true) { self.commit() } else { Ok(()) }
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
        let is_backlog = self.sources.iter().any(|source| source.is_backlog(now));
        self.confirm()?;
        let parts = PartsOf {
            store: &self.store,
            pending: Some(&self.pending),
            reference: &self.reference,
        };
        let mut is_more = false;
        let places = self.monitor.places();
        if let Some(change) = self.monitor.advance(now, is_backlog, &parts)? {
            is_more = change.more;
            self.note(change, now);
        }
        // What is late from now on is so after a restart too, also where no window had any rows.
        if self.monitor.places() != places {
            self.pending.begin(now);
        }
        let is_busy = self.sources.iter().any(Source::has_ready);
        if self.is_commit_due(now, is_busy) {
            if is_busy { self.begin_commit()? } else { self.commit()? }
        }
        // Last, so that whoever sees that nothing waits sees what it came to.
        self.sources.iter_mut().for_each(|source| source.report(now, is_busy));
        if is_more {
            return Ok(now);
        }
        let looks = self.sources.iter().filter_map(Source::due);
        let closes = self.monitor.deadline().filter(|_| !is_backlog);
        let next = looks.chain(closes).chain(self.pending.deadline()).min();
        Ok(next.unwrap_or(now.plus(COMMIT_INTERVAL)))
    }

    /// Asks for a listing at the next tick, because something seems to have changed.
    pub fn wake(&mut self) {
        let now = self.shared.clock.now();
        self.sources.iter_mut().for_each(|source| source.wake(now));
    }

    /// Lists a directory whose time has come and counts what is ready there.
    fn look(&mut self, source: usize) -> Result<()> {
        let vanished = self.sources[source].look(&*self.shared.clock);
        if !vanished.is_empty() {
            let id = self.sources[source].id;
            self.pending.commit.forgotten.extend(vanished.into_iter().map(|path| (id, path)));
            self.pending.begin(self.shared.clock.now());
        }
        let begun = self.shared.clock.now();
        // Streams and windows that are due must not wait for a whole backlog.
        while !self.shared.stop.is_on() && self.shared.clock.now().since(begun) < FILES_TIME {
            let Some(path) = self.sources[source].next_ready() else { break };
            self.take_file(source, &path)?;
            let now = self.shared.clock.now();
            self.sources[source].report(now, true);
            if self.is_commit_due(now, true) {
                self.begin_commit()?;
            }
        }
        Ok(())
    }

    /// Adds what was counted to the open panes, and closes the windows that it completes.
    pub(super) fn merge(&mut self, delta: Panes, plan: &Plan, now: Timestamp) -> Result<()> {
        self.monitor.merge(delta, plan, now);
        if !plan.completed.is_empty() {
            self.confirm()?;
        }
        let parts = PartsOf {
            store: &self.store,
            pending: Some(&self.pending),
            reference: &self.reference,
        };
        let change = self.monitor.close(&plan.completed, now, &parts)?;
        self.note(change, now);
        Ok(())
    }

    fn note(&mut self, change: Change, now: Timestamp) {
        if change.closed.is_empty() && change.renamed.is_empty() {
            return;
        }
        for figures in &change.closed {
            log_window(&self.monitor.config().name, figures);
        }
        self.pending.add_change(change);
        self.pending.hurry(now);
    }

    /// When the rows of a pane happened, at the earliest.
    pub(super) fn start(&self, key: &PaneKey) -> Option<Timestamp> {
        start(&self.monitor, key)
    }

    fn is_commit_due(&self, now: Timestamp, is_busy: bool) -> bool {
        self.pending.is_due(now, is_busy, self.commit_bytes)
    }

    /// Commits everything pending, then shows it.
    pub fn commit(&mut self) -> Result<()> {
        self.confirm()?;
        let (commit, outcome) = self.next_commit();
        self.writer().write(&commit)?;
        self.show(outcome);
        Ok(())
    }

    /// Commits everything pending beside what comes next.
    fn begin_commit(&mut self) -> Result<()> {
        self.confirm()?;
        let (commit, outcome) = self.next_commit();
        self.writing = Some(self.writer().begin(commit, outcome)?);
        Ok(())
    }

    /// Waits for what is being committed, and shows it. Necessary before anybody relies on what
    /// the state holds.
    pub(super) fn confirm(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        self.show(writing.finish()?);
        Ok(())
    }

    fn next_commit(&mut self) -> (Commit, Outcome) {
        let (mut commit, taken) = self.pending.take(|key| start(&self.monitor, key));
        let windows = self.monitor.config().windows.iter().map(|window| window.name.clone());
        commit.places = windows.zip(self.monitor.places()).collect();
        self.monitor.shrink(self.counts_max);
        (commit, Outcome { taken, snapshot: self.monitor.snapshot() })
    }

    fn writer(&self) -> Writer {
        let Shared { process, stop, .. } = &self.shared;
        Writer { store: self.store.clone(), process: Arc::clone(process), stop: stop.clone() }
    }

    fn show(&mut self, outcome: Outcome) {
        self.tell_taken(outcome.taken);
        self.shared.published.publish(outcome.snapshot);
    }

    pub fn publish(&self) {
        self.shared.published.publish(self.monitor.snapshot());
    }

    pub(super) fn directory(&mut self, source: usize) -> &mut Directory {
        let watched = self.sources[source].watched.as_mut();
        &mut watched.expect("files come from directories").directory
    }
}

fn start(monitor: &Monitor, key: &PaneKey) -> Option<Timestamp> {
    let number = *key.0.get(monitor.axes().time()?)?;
    (number != CLOSED).then(|| monitor.axes().start(number))
}

fn log_window(model: &str, figures: &WindowFigures) {
    info!(
        model,
        window = figures.window,
        end = figures.end.map(tracing::field::display),
        rows = figures.rows,
        verdict = figures.verdict().name(),
        judged = figures.judged(),
        drifted = figures.drifted_features().collect::<Vec<_>>().join(", "),
        "window closed"
    );
}
