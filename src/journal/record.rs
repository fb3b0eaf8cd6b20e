//! What is recorded in the journal: files, batches, closed windows, and what became of paths.

use super::known::Earlier;
use super::pending::Settled;
use super::{Journal, SourceId};
use crate::identity::{Identity, Stat};
use crate::monitor::close::Closing;
use crate::monitor::count::Delta;
use crate::monitor::model::CountedTable;
use crate::position::PositionRange;
use crate::source::{DeliveryId, Fate};
use crate::store::commit::{CountedFile, FileKey, FileRows, PaneDelta, PathRecord};
use crate::telemetry::{ErrorReason, FileResult};
use crate::time::Timestamp;
use crate::totals::{self, OF_SOURCES, OF_WINDOWS, ROWS_LATE, RowCounts};
use crate::window::WindowConfig;
use crate::window::pane::{Horizons, PaneKey};
use std::path::{Path, PathBuf};

/// A source as its model, the state and the counters know it.
#[derive(Debug, Clone)]
pub struct SourceLabel {
    /// Its place in the model.
    pub index: usize,
    pub id: SourceId,
    pub name: String,
}

/// A file that was counted.
pub struct FileRecord {
    pub delivery: DeliveryId,
    pub path: PathBuf,
    pub stat: Stat,
    pub identity: Identity,
    /// What was at its path before, and is retracted.
    pub earlier: Option<Earlier>,
    pub counts: RowCounts,
    /// Whether a later version of the file may have to retract it.
    pub is_replaceable: bool,
}

/// Rows of a stream that were counted, or known.
pub struct BatchRecord<'a> {
    pub delivery: DeliveryId,
    pub positions: &'a [PositionRange],
    pub counts: RowCounts,
}

impl Journal {
    /// Records a file with what it added.
    pub fn record_file(
        &mut self,
        source: &SourceLabel,
        file: FileRecord,
        counted: &mut CountedTable,
        windows: &[WindowConfig],
        now: Timestamp,
    ) {
        let is_rewritten = file.earlier.is_some();
        if let Some(earlier) = file.earlier {
            self.pending.supersede((source.id, earlier.content), &counted.retracted);
        }
        if file.is_replaceable {
            let key = (source.id, file.identity.content);
            self.add_bodies(&mut counted.delta, Some(key));
            let rows = counted.lateness.rows.iter();
            let rows = rows.map(|(start, rows)| FileRows { file: key, start: *start, rows: *rows });
            self.pending.commit.file_rows.extend(rows);
        } else {
            self.add_counts(&mut counted.delta);
        }
        self.add_late(&counted.lateness.by_window, windows);
        let totals = &mut self.pending.commit.totals;
        totals.add(OF_SOURCES, &source.name, FileResult::Counted.total(), 1);
        if is_rewritten {
            totals.add(OF_SOURCES, &source.name, FileResult::Rewritten.total(), 1);
        }
        file.counts.add_to(totals, &source.name);
        let (content, path) = (file.identity.content, file.path.clone());
        let rows = file.counts.rows - file.counts.rejected.sum();
        let line = CountedFile { identity: file.identity, path: path.clone(), rows, at: now };
        self.pending.commit.ledger.set_counted(source.id, line);
        self.set_path(source, &path, file.stat, Ok(content), now);
        let fate = if is_rewritten { Fate::Rewritten } else { Fate::Counted };
        self.settle(source, file.delivery, fate);
    }

    /// Adds counts that no file can take back.
    fn add_counts(&mut self, delta: &mut Delta) {
        self.pending.add_merged(&delta.panes);
        if !delta.stored.is_empty() {
            self.add_bodies(delta, None);
        }
    }

    /// Adds counts as they are stored.
    fn add_bodies(&mut self, delta: &mut Delta, file: Option<FileKey>) {
        for (pane, body) in std::mem::take(&mut delta.bodies) {
            let own = || delta.panes.0.get(&pane).map(|counts| counts.rows);
            let rows = delta.stored.get(&pane).copied().or_else(own);
            let rows = rows.expect("a body is that of a pane that was counted");
            self.pending.add_delta(PaneDelta { pane, rows, file, body });
        }
    }

    /// Records a file that is left alone, since its content is known or is not to count. What was
    /// at its path before is retracted.
    pub fn record_skipped(
        &mut self,
        source: &SourceLabel,
        delivery: DeliveryId,
        (path, stat, content): (&Path, Stat, u128),
        fate: Fate,
        retracted: Option<(Earlier, Vec<(PaneKey, u64)>)>,
        now: Timestamp,
    ) {
        if let Some((earlier, panes)) = retracted {
            self.pending.supersede((source.id, earlier.content), &panes);
        }
        let result = match fate {
            Fate::Duplicate => Some(FileResult::Duplicate),
            Fate::Ignored => Some(FileResult::Ignored),
            _ => None,
        };
        if let Some(result) = result {
            self.pending.commit.totals.add(OF_SOURCES, &source.name, result.total(), 1);
        }
        self.set_path(source, path, stat, Ok(content), now);
        self.settle(source, delivery, fate);
    }

    /// Records a file that cannot be read until it changes.
    pub fn record_quarantined(
        &mut self,
        source: &SourceLabel,
        delivery: DeliveryId,
        (path, stat): (&Path, Stat),
        reason: String,
        now: Timestamp,
    ) {
        let result = FileResult::Quarantined.total();
        self.pending.commit.totals.add(OF_SOURCES, &source.name, result, 1);
        self.set_path(source, path, stat, Err(reason.clone()), now);
        self.settle(source, delivery, Fate::Quarantined(reason));
    }

    /// Records rows of a stream: what they added, and how far their partitions were counted.
    pub fn record_batch(
        &mut self,
        source: &SourceLabel,
        batch: &BatchRecord<'_>,
        counted: Option<&mut CountedTable>,
        windows: &[WindowConfig],
        now: Timestamp,
    ) {
        if let Some(counted) = counted {
            self.add_counts(&mut counted.delta);
            self.add_late(&counted.lateness.by_window, windows);
        }
        for range in batch.positions {
            let key = (source.id, range.partition.clone());
            self.positions.insert(key.clone(), range.to);
            self.pending.commit.positions.insert(key, range.to);
        }
        batch.counts.add_to(&mut self.pending.commit.totals, &source.name);
        self.settle(source, batch.delivery, Fate::Counted);
        self.pending.begin(now);
    }

    /// Records rows of a stream that the state has; the source hears of it when the state has all
    /// that came before.
    pub fn record_known_batch(&mut self, source: &SourceLabel, id: DeliveryId, now: Timestamp) {
        self.settle(source, id, Fate::Duplicate);
        self.pending.begin(now);
    }

    /// Records paths that are gone, `vanished` of them before they were counted.
    pub fn record_gone(
        &mut self,
        source: &SourceLabel,
        paths: &[PathBuf],
        vanished: u64,
        now: Timestamp,
    ) {
        let commit = &mut self.pending.commit;
        paths.iter().for_each(|path| commit.ledger.forget_path(source.id, path));
        commit.totals.add(OF_SOURCES, &source.name, FileResult::Vanished.total(), vanished);
        self.pending.begin(now);
    }

    /// Records failures of a source, by reason.
    pub fn record_errors(
        &mut self,
        source: &SourceLabel,
        errors: &[(ErrorReason, u64)],
        now: Timestamp,
    ) {
        if !errors.is_empty() {
            totals::add_errors(&mut self.pending.commit.totals, &source.name, errors);
            self.pending.begin(now);
        }
    }

    /// Records windows that closed.
    pub fn record_closing(&mut self, closing: Closing, horizons: &Horizons, now: Timestamp) {
        if !closing.closed.is_empty() {
            self.pending.hurry(now);
        }
        self.pending.add_closing(closing, horizons);
    }

    /// The windows stand elsewhere, although none closed: what is late from now on is so after a
    /// restart too.
    pub fn record_moved(&mut self, now: Timestamp) {
        self.pending.begin(now);
    }

    fn add_late(&mut self, by_window: &[u64], windows: &[WindowConfig]) {
        for (window, rows) in windows.iter().zip(by_window) {
            self.pending.commit.totals.add(OF_WINDOWS, &window.name, ROWS_LATE, *rows);
        }
    }

    fn set_path(
        &mut self,
        source: &SourceLabel,
        path: &Path,
        stat: Stat,
        outcome: Result<u128, String>,
        now: Timestamp,
    ) {
        let content = outcome.as_ref().ok().copied();
        let record = PathRecord { stat, quarantined: outcome.err(), content };
        self.pending.commit.ledger.set_path(source.id, path, record);
        self.pending.hurry(now);
    }

    fn settle(&mut self, source: &SourceLabel, id: DeliveryId, fate: Fate) {
        self.pending.settled.push(Settled { source: source.index, id, fate });
    }
}
