//! What was counted and is not on its way to the state yet.
//!
//! Files and batches are committed in groups: a commit costs a flush of the disk, whatever it
//! holds. What is pending when the process is killed was never shown, and is counted again.

use crate::monitor::close::Closing;
use crate::source::{DeliveryId, Fate};
use crate::store::commit::{Commit, FileKey, PaneDelta};
use crate::time::Timestamp;
use crate::totals::OF_WINDOWS;
use crate::window::pane::{Horizons, Pane, PaneKey, Panes};
use std::time::Duration;

/// Rows of a stream are committed at the latest after this time; a crash loses no more.
pub const COMMIT_INTERVAL: Duration = Duration::from_millis(800);

/// What became of a delivery, for its source to hear once that is in the state.
#[derive(Debug)]
pub struct Settled {
    /// The place of the source in its model.
    pub source: usize,
    pub id: DeliveryId,
    pub fate: Fate,
}

/// One commit in the making.
#[derive(Default)]
pub struct Pending {
    pub commit: Commit,
    /// Counts that no file can take back, by pane; to be written as one delta each.
    pub merged: Panes,
    bytes: usize,
    since: Option<Timestamp>,
    /// Something that should be shown as soon as nothing else is ready.
    is_urgent: bool,
    pub settled: Vec<Settled>,
}

impl Pending {
    /// There is something to commit, from now on.
    pub fn begin(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// There is something that others wait for.
    pub fn hurry(&mut self, now: Timestamp) {
        self.begin(now);
        self.is_urgent = true;
    }

    /// When to commit at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.since?.plus(COMMIT_INTERVAL))
    }

    /// Whether to commit now; `is_busy` when more is about to come, as long as there is room for
    /// `bytes_max`.
    pub fn is_due(&self, now: Timestamp, is_busy: bool, bytes_max: usize) -> bool {
        let is_over = self.deadline().is_some_and(|deadline| deadline <= now);
        is_over || self.bytes >= bytes_max || (self.is_urgent && !is_busy)
    }

    /// Adds counts that no file can take back.
    pub fn add_merged(&mut self, panes: &Panes) {
        for (key, pane) in &panes.0 {
            match self.merged.0.get_mut(key) {
                Some(into) => into.merge(pane).expect("all panes are on the model's grids"),
                None => {
                    self.bytes += pane.bytes();
                    self.merged.0.insert(key.clone(), pane.clone());
                }
            }
        }
    }

    /// Adds what one file added to one pane.
    pub fn add_delta(&mut self, delta: PaneDelta) {
        self.bytes += delta.body.len();
        self.commit.deltas.push(delta);
    }

    /// Takes back what a file added to these panes, because another was written over it.
    pub fn supersede(&mut self, file: FileKey, retracted: &[(PaneKey, u64)]) {
        let is_retracted = |pane: &PaneKey| retracted.iter().any(|(own, _)| own == pane);
        let own = |delta: &PaneDelta| delta.file == Some(file);
        self.commit.deltas.retain(|delta| !(own(delta) && is_retracted(&delta.pane)));
        // What windows hold that have closed stays, and belongs to no file any more.
        for delta in self.commit.deltas.iter_mut().filter(|delta| delta.file == Some(file)) {
            delta.file = None;
        }
        self.commit.retracted.extend(retracted.iter().map(|(pane, _)| (file, pane.clone())));
        self.commit.file_rows.retain(|rows| rows.file != file);
        self.commit.ledger.supersede(file);
    }

    /// Adds the windows that closed, and drops the counts that nobody needs any more.
    pub fn add_closing(&mut self, closing: Closing, horizons: &Horizons) {
        for closed in &closing.closed {
            let figures = &closed.figures;
            let verdict = figures.verdict().name();
            self.commit.totals.add(OF_WINDOWS, &figures.window, verdict, 1);
        }
        self.commit.closed.extend(closing.closed);
        self.commit.deltas.retain(|delta| horizons.group(&delta.pane).is_some());
        self.merged.0.retain(|pane, _| horizons.group(pane).is_some());
    }

    /// Everything as it is to be written; nothing is pending any more.
    pub fn take(&mut self) -> (Commit, Vec<Settled>) {
        let Pending { mut commit, merged, settled, .. } = std::mem::take(self);
        commit.deltas.extend(merged.0.iter().map(|(pane, counts)| delta(pane, counts)));
        (commit, settled)
    }
}

fn delta(pane: &PaneKey, counts: &Pane) -> PaneDelta {
    PaneDelta { pane: pane.clone(), rows: counts.rows, file: None, body: counts.to_bytes() }
}
