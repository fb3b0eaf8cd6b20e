//! The way of a delivery: known? → plan → count → record → add → close → commit → publish.
//!
//! One pipeline per model, on one thread; counting fans out to all cores. What is committed are
//! the counts that were added and the figures of the windows that closed, so adding and closing
//! come first; if the commit cannot be made, the process ends with them, and the rows are counted
//! anew. Nothing is shown before it is committed, and nothing is committed that was not counted
//! whole.

use super::Shared;
use super::bound::ModelLabel;
use super::work_log::WorkLog;
use crate::error::{Fault, FaultKind, Result, StateError};
use crate::identity::Identity;
use crate::journal::{
    BatchRecord, Confirmed, Earlier, FileRecord, Flush, Journal, Known, ModelView, SourceLabel,
};
use crate::monitor::close::Closing;
use crate::monitor::model::{ArrivalTime, CountedTable, Monitor};
use crate::monitor::renamed_table::RenamedTable;
use crate::monitor::table::{ProgressTable, Table, rows};
use crate::position::{Arrival, Overlap, PositionRange};
use crate::profile::feature::FeatureGrid;
use crate::schema::column_changes::ColumnChanges;
use crate::schema::columns::ColumnsConfig;
use crate::source::{
    Delivery, DeliveryId, Fate, FileDelivery, OnDuplicate, OnRewrite, Poll, Rows, Source,
};
use crate::telemetry::{RejectReason, SourceTelemetry};
use crate::time::Timestamp;
use crate::totals::RowCounts;
use crate::window::period::AHEAD_MAX;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{info, warn};

/// Deliveries are taken for so long before everything else has its turn.
const TURN: Duration = Duration::from_millis(500);

/// When to come again if there is nothing to wait for; whoever waits comes sooner, or is woken.
const IDLE: Duration = Duration::from_secs(3_600);

/// Bytes of counts after which is committed without waiting.
pub const COMMIT_BYTES: usize = 64 << 20;

/// A model, its sources and its journal.
pub struct Pipeline {
    pub monitor: Monitor,
    pub journal: Journal,
    pub sources: Vec<PipelineSource>,
    pub shared: Shared,
    /// Bytes of counts that wait to be committed with others.
    pub commit_bytes_max: usize,
    /// Which columns of a file are features.
    pub columns: ColumnsConfig,
    pub log: WorkLog,
}

/// A source of a pipeline.
pub struct PipelineSource {
    pub label: Arc<SourceLabel>,
    pub telemetry: Arc<SourceTelemetry>,
    pub source: Box<dyn Source>,
    pub has_ended: bool,
}

/// What to do with a file.
enum Decision {
    /// Count it, in place of an earlier version where there is one.
    Count { earlier: Option<Earlier> },
    /// Leave it alone; what was at its path before is retracted.
    Skip { identity: Identity, fate: Fate, earlier: Option<Earlier> },
    /// It cannot be read.
    Refuse(Fault),
}

/// What a file or batch is known by besides its rows.
struct Envelope {
    source: usize,
    label: Arc<SourceLabel>,
    id: DeliveryId,
    happened: Option<Timestamp>,
    counts: RowCounts,
}

impl Pipeline {
    /// Does everything whose time has come; when to come again.
    pub fn tick(&mut self) -> Result<Timestamp, StateError> {
        self.shared.model.last_progress.set(self.now().0);
        let polled = self.poll_sources()?;
        if self.sources.iter().all(|own| own.source.is_ready()) {
            self.shared.readiness.reached(&self.label());
        }
        let now = self.now();
        let is_behind = self.sources.iter().any(|own| own.source.is_behind(now));
        let places = self.monitor.places();
        let closing = self.monitor.advance(now, is_behind, &mut self.journal)?;
        let is_more = closing.more;
        self.record_closing(closing, now);
        if self.monitor.places() != places {
            self.journal.record_moved(now);
        }
        self.record_errors(now);
        let is_done = !is_behind && !is_more;
        self.log.tell_in_time(&self.monitor.config().name, is_done, now);
        let is_busy = polled.is_some_and(|at| at <= now);
        self.journal.wait_for_commit()?;
        if self.journal.is_due(now, is_busy, self.commit_bytes_max) {
            self.flush(if is_busy { Flush::Background } else { Flush::Wait })?;
        }
        self.publish_confirmed();
        // Last, so that whoever sees that nothing waits sees what it came to.
        self.sources.iter_mut().for_each(|own| own.source.update_gauges(now));
        if is_more {
            return Ok(now);
        }
        let closes = self.monitor.deadline(now).filter(|_| !is_behind);
        let next = [polled, closes, self.journal.deadline()].into_iter().flatten().min();
        Ok(next.unwrap_or(now.plus(IDLE)))
    }

    /// Takes what is ready, each source in turn, for a while; when there will be more.
    fn poll_sources(&mut self) -> Result<Option<Timestamp>, StateError> {
        let begun = self.now();
        loop {
            let (mut is_any, mut next) = (false, None);
            for source in 0..self.sources.len() {
                let now = self.now();
                let own = &mut self.sources[source];
                match own.source.poll(now) {
                    Poll::At(at) => next = next.into_iter().chain([at]).min(),
                    Poll::Idle => {}
                    Poll::Ended => own.has_ended = true,
                    poll => {
                        is_any = true;
                        self.take(source, poll)?;
                    }
                }
            }
            if !is_any {
                return Ok(next);
            }
            let now = self.now();
            if self.journal.is_due(now, true, self.commit_bytes_max) {
                self.flush(Flush::Background)?;
                self.publish_confirmed();
                self.sources.iter_mut().for_each(|own| own.source.update_gauges(now));
            }
            // Windows that are due must not wait for a whole backlog.
            if now.since(begun) >= TURN {
                return Ok(Some(now));
            }
        }
    }

    fn take(&mut self, source: usize, poll: Poll) -> Result<(), StateError> {
        let label = Arc::clone(&self.sources[source].label);
        let now = self.now();
        match poll {
            Poll::Ready(delivery) => {
                let Delivery { id, rows, happened, bytes, rejected, unknown_keys } = *delivery;
                let counts = RowCounts { bytes, rejected, unknown_keys, ..RowCounts::default() };
                let mut from = Envelope { source, label, id, happened, counts };
                match rows {
                    Rows::File(file) => self.take_file(&from, &file)?,
                    Rows::Batch { table, positions } => {
                        let table = self.renamed(&*table);
                        self.take_batch(&mut from, &table, &positions)?;
                    }
                }
            }
            Poll::Unreadable { id, path, stat, fault } => {
                let reason = fault.to_string();
                self.journal.record_quarantined(&label, id, (&path, stat), reason, now);
            }
            Poll::Gone { paths, vanished } => {
                self.journal.record_gone(&label, &paths, vanished, now);
            }
            Poll::At(_) | Poll::Idle | Poll::Ended => {}
        }
        Ok(())
    }

    /// A table with the names of the training data.
    fn renamed<'a>(&self, table: &'a dyn Table) -> RenamedTable<'a> {
        RenamedTable::new(table, &self.columns.renaming, self.monitor.reference())
    }

    /// The way of a file: known? → count → record → add → close. The commit comes later, by
    /// [`flush`](Self::flush), and then the page, by
    /// [`publish_confirmed`](Self::publish_confirmed).
    fn take_file(&mut self, from: &Envelope, file: &FileDelivery) -> Result<(), StateError> {
        let earlier = match self.decide(from, file)? {
            Decision::Count { earlier } => earlier,
            Decision::Skip { identity, fate, earlier } => {
                self.skip_file(from, file, &identity, fate, earlier);
                return Ok(());
            }
            Decision::Refuse(fault) => {
                self.refuse_file(from, file, fault);
                return Ok(());
            }
        };
        let (mut counted, identity) = match self.count_file(from, file, earlier.as_ref()) {
            Ok(counted) => counted,
            Err(fault) => {
                self.refuse_file(from, file, fault);
                return Ok(());
            }
        };
        let record = file_record(from, file, identity, earlier, &counted);
        let (model, source) = (&self.monitor.config().name, &from.label.name);
        let now = self.now();
        let wanted: Vec<_> = self.monitor.reference().grids().map(FeatureGrid::wanted).collect();
        let table = self.renamed(&*file.table);
        let changes = ColumnChanges::of(table.schema(), &wanted, &self.columns);
        self.log.note_columns((model, source), &record.path, changes, now);
        self.log.note_file((model, source), &record.path, counted.rows, now);
        let windows = &self.monitor.config().windows;
        let path = record.path.display().to_string();
        self.journal.record_file(&from.label, record, &mut counted, windows, now);
        self.add(&from.label.name, Some(&path), counted, now)
    }

    /// What to do with a file, by what is known of it.
    fn decide(&self, from: &Envelope, file: &FileDelivery) -> Result<Decision, StateError> {
        let earlier = match self.journal.known(from.label.id, file)? {
            Known::Unidentified(fault) => return Ok(Decision::Refuse(fault)),
            Known::Touched(identity) => {
                return Ok(Decision::Skip { identity, fate: Fate::Touched, earlier: None });
            }
            Known::Copy { identity, first, earlier } if file.on_duplicate == OnDuplicate::Skip => {
                info!(path = %file.file.path.display(), first = %first.display(), "counted before");
                return Ok(Decision::Skip { identity, fate: Fate::Duplicate, earlier });
            }
            Known::New { earlier } | Known::Copy { earlier, .. } => earlier,
        };
        if earlier.is_none() || file.on_rewrite != OnRewrite::Ignore {
            return Ok(Decision::Count { earlier });
        }
        Ok(match file.identity() {
            Ok(identity) => Decision::Skip { identity, fate: Fate::Ignored, earlier: None },
            Err(fault) => Decision::Refuse(fault),
        })
    }

    /// Counts rows of a stream, unless their positions are known.
    fn take_batch(
        &mut self,
        from: &mut Envelope,
        table: &dyn Table,
        positions: &[PositionRange],
    ) -> Result<(), StateError> {
        let now = self.now();
        match self.journal.overlap(from.label.id, positions) {
            Overlap::Next => {}
            Overlap::Counted => {
                self.journal.record_known_batch(&from.label, from.id, now);
                return Ok(());
            }
            Overlap::Apart => {
                let fault = Fault::incomplete("its positions do not follow those that are counted");
                self.sources[from.source].source.settled(from.id, Fate::Deferred(fault));
                return Ok(());
            }
        }
        let n_rows = rows(table);
        from.counts.rows = n_rows + from.counts.rejected.sum();
        let mut counted = None;
        if n_rows > 0 {
            let time = self.arrival_time(Arrival::Stream, from);
            match self.monitor.count(table, time, None, false) {
                Ok(own) => counted = Some(own),
                Err(fault) => {
                    let (model, source) = (&self.monitor.config().name, &from.label.name);
                    warn!(model, source, rows = n_rows, %fault, "rows were rejected");
                    from.counts.rejected.add(RejectReason::Uncountable, n_rows);
                }
            }
        }
        if let Some(counted) = &counted {
            from.counts.late = counted.lateness.late;
            from.counts.untimed = counted.untimed;
        }
        let batch = BatchRecord { delivery: from.id, positions, counts: from.counts };
        let windows = &self.monitor.config().windows;
        self.journal.record_batch(&from.label, &batch, counted.as_mut(), windows, now);
        counted.map_or(Ok(()), |counted| self.add(&from.label.name, None, counted, now))
    }

    /// Adds what was counted and recorded to the open panes, and closes the windows that it
    /// completes.
    fn add(
        &mut self,
        source: &str,
        file: Option<&str>,
        counted: CountedTable,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let completed = self.monitor.add(source, counted, now);
        let closing = self.monitor.close(&completed, file, now, &mut self.journal)?;
        self.record_closing(closing, now);
        Ok(())
    }

    /// Plans and counts the rows of a file, and reads it to its end.
    fn count_file(
        &self,
        from: &Envelope,
        file: &FileDelivery,
        earlier: Option<&Earlier>,
    ) -> Result<(CountedTable, Identity), Fault> {
        let time = self.arrival_time(Arrival::File, from);
        let earlier = earlier.map(|earlier| &earlier.version);
        // Only what may have to be retracted is stored file by file.
        let encode = file.on_rewrite == OnRewrite::Replace;
        // A large file takes longer than a loop may stand still.
        let Shared { model, clock, .. } = &self.shared;
        let on_read = || {
            model.last_progress.set(clock.now().0);
            Ok(())
        };
        let table = self.renamed(&*file.table);
        let table = ProgressTable { table: &table, on_read: &on_read };
        let counted = self.monitor.count(&table, time, earlier, encode);
        // Before any fault is believed: a file that is rewritten while it is read decodes badly.
        file.file.check_untouched()?;
        Ok((counted?, file.identity()?))
    }

    fn arrival_time(&self, arrival: Arrival, from: &Envelope) -> ArrivalTime {
        let now = self.now();
        let latest = now.plus(AHEAD_MAX);
        let fallback = from.happened.filter(|time| time.0 > 0).unwrap_or(now).min(latest);
        ArrivalTime { arrival, fallback, now }
    }

    /// Leaves a file alone, whose content is known or does not count.
    fn skip_file(
        &mut self,
        from: &Envelope,
        file: &FileDelivery,
        identity: &Identity,
        fate: Fate,
        earlier: Option<Earlier>,
    ) {
        let retracted = earlier.map(|earlier| {
            let panes = self.monitor.open_panes(&earlier.version);
            self.monitor.retract(&panes);
            (earlier, panes)
        });
        let known = (file.file.path.as_path(), file.file.stat, identity.content);
        let now = self.now();
        self.journal.record_skipped(&from.label, from.id, known, fate, retracted, now);
    }

    /// Sets a file aside that cannot be read, or not now.
    fn refuse_file(&mut self, from: &Envelope, file: &FileDelivery, fault: Fault) {
        if fault.kind() != FaultKind::Unreadable {
            self.sources[from.source].source.settled(from.id, Fate::Deferred(fault));
            return;
        }
        let known = (file.file.path.as_path(), file.file.stat);
        let now = self.now();
        self.journal.record_quarantined(&from.label, from.id, known, fault.to_string(), now);
    }

    fn record_closing(&mut self, closing: Closing, now: Timestamp) {
        for closed in &closing.closed {
            self.log.note_window(&self.monitor.config().name, &closed.figures, now);
        }
        self.journal.record_closing(closing, self.monitor.horizons(), now);
    }

    fn record_errors(&mut self, now: Timestamp) {
        for own in &self.sources {
            self.journal.record_errors(&own.label, &own.telemetry.take_errors(), now);
        }
    }

    /// Commits everything that is pending.
    pub fn flush(&mut self, how: Flush) -> Result<(), StateError> {
        let windows = self.monitor.config().windows.iter().map(|window| window.name.clone());
        let view = ModelView {
            places: windows.zip(self.monitor.places()).collect(),
            horizons: self.monitor.horizons().clone(),
            snapshot: self.monitor.snapshot(),
        };
        self.journal.flush(how, view)?;
        self.monitor.shrink(self.shared.counts_bytes_max.load(Ordering::Relaxed));
        Ok(())
    }

    /// Tells sources and readers what is on the disk.
    pub fn publish_confirmed(&mut self) {
        for Confirmed { settled, snapshot } in self.journal.take_confirmed() {
            for own in settled {
                self.sources[own.source].source.settled(own.id, own.fate);
            }
            self.shared.published.publish(snapshot);
        }
    }

    /// Tells what has no line of its own in the log.
    pub fn tell(&mut self) {
        let now = self.now();
        self.log.tell(&self.monitor.config().name, now);
    }

    /// Shows the model as it is in the state.
    pub fn publish_restored(&self) {
        let mut snapshot = self.monitor.snapshot();
        snapshot.totals = self.journal.totals().clone();
        self.shared.published.publish(snapshot);
    }

    /// Whether all sources were told to stop and have delivered what they had taken.
    pub fn has_ended(&self) -> bool {
        self.sources.iter().all(|own| own.has_ended)
    }

    pub fn label(&self) -> ModelLabel {
        let config = self.monitor.config();
        (config.name.clone(), config.version.clone())
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

fn file_record(
    from: &Envelope,
    file: &FileDelivery,
    identity: Identity,
    earlier: Option<Earlier>,
    counted: &CountedTable,
) -> FileRecord {
    let retracted: u64 = counted.retracted.iter().map(|(_, rows)| rows).sum();
    FileRecord {
        delivery: from.id,
        path: file.file.path.clone(),
        stat: file.file.stat,
        identity,
        earlier,
        counts: RowCounts {
            rows: counted.rows + from.counts.rejected.sum(),
            late: counted.lateness.late,
            untimed: counted.untimed,
            replaced: retracted + counted.lateness.again,
            ..from.counts
        },
        is_replaceable: file.on_rewrite == OnRewrite::Replace,
    }
}
