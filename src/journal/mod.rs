//! What was counted, as one: what is pending in memory, what is being written, and what the state
//! has.
//!
//! Whatever is counted is recorded here, and nobody else touches what waits to be committed. The
//! journal answers what it has of a file or a position, whichever of the three has it. A crash
//! loses what is pending; since nothing of that was shown to anybody or told to a source, it is
//! counted again.

mod known;
mod pending;
mod record;
mod writing;

pub use known::{Earlier, Known};
pub use pending::{COMMIT_INTERVAL, Settled};
pub use record::{BatchRecord, FileRecord, SourceLabel};
pub use writing::{Confirmed, Writer};

use crate::error::{Result, StateError};
use crate::monitor::reference::Reference;
use crate::monitor::snapshot::ModelSnapshot;
use crate::position::{Overlap, Position, PositionRange};
use crate::store::ModelStore;
use crate::store::commit::SourceId;
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::window::cursor::Place;
use crate::window::open::{DeltaId, PaneCounts};
use crate::window::pane::{Horizons, Pane, PaneRange};
use pending::Pending;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use writing::Writing;

/// The journal of one model.
pub struct Journal {
    store: ModelStore,
    reference: Arc<Reference>,
    writer: Writer,
    pending: Pending,
    writing: Option<Writing>,
    /// How far each partition was recorded.
    positions: BTreeMap<(SourceId, String), Position>,
    /// As they are in the state.
    totals: Totals,
    confirmed: Vec<Confirmed>,
    /// Those of the last commit.
    horizons: Option<Horizons>,
    /// Something of the state could not be read. What was recorded since may be half of a step, so
    /// nothing is written any more, and the next start counts it again.
    is_broken: AtomicBool,
}

/// Where a model stands at a commit.
pub struct ModelView {
    /// By window.
    pub places: Vec<(String, Place)>,
    pub horizons: Horizons,
    pub snapshot: ModelSnapshot,
}

/// How to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// In the background, until something needs to know what came of it.
    Background,
    /// Wait until it is on the disk.
    Wait,
}

impl Journal {
    /// Resumes from the state.
    pub fn open(writer: Writer, reference: Arc<Reference>) -> Result<Journal, StateError> {
        let store = writer.store.clone();
        Ok(Journal {
            totals: store.totals()?,
            store,
            reference,
            writer,
            pending: Pending::default(),
            writing: None,
            positions: BTreeMap::new(),
            confirmed: Vec::new(),
            horizons: None,
            is_broken: AtomicBool::new(false),
        })
    }

    /// How far the partitions of a source were counted.
    pub fn resume(&mut self, source: SourceId) -> Result<BTreeMap<String, Position>, StateError> {
        let positions = self.store.positions(source)?;
        let own = positions.iter().map(|(name, at)| ((source, name.clone()), *at));
        self.positions.extend(own);
        Ok(positions)
    }

    /// What was counted of some rows before; the least favourable of their partitions.
    pub fn overlap(&self, source: SourceId, ranges: &[PositionRange]) -> Overlap {
        let mut overlap = None;
        for range in ranges {
            let counted = self.positions.get(&(source, range.partition.clone())).copied();
            let own = range.overlap(counted);
            overlap = match overlap {
                None => Some(own),
                Some(before) if before == own => Some(own),
                // Rows of one delivery are counted together or not at all.
                Some(_) => Some(Overlap::Apart),
            };
        }
        overlap.unwrap_or(Overlap::Next)
    }

    /// Whether to commit now; `is_busy` when more is about to come, as long as there is room for
    /// `bytes_max`.
    pub fn is_due(&self, now: Timestamp, is_busy: bool, bytes_max: usize) -> bool {
        self.pending.is_due(now, is_busy, bytes_max)
    }

    /// When to commit at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.pending.deadline()
    }

    /// Commits everything that is pending.
    pub fn flush(&mut self, how: Flush, view: ModelView) -> Result<(), StateError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(StateError::failed("the state could not be read; nothing is written"));
        }
        self.wait_for_commit()?;
        let (mut commit, settled) = self.pending.take();
        commit.places = view.places;
        commit.is_horizon_moved = self.horizons.as_ref() != Some(&view.horizons);
        commit.horizons = Some(view.horizons.clone());
        self.horizons = Some(view.horizons);
        let confirmed = Confirmed { settled, snapshot: view.snapshot };
        self.writing = Some(self.writer.begin(commit, confirmed)?);
        if how == Flush::Wait { self.wait_for_commit() } else { Ok(()) }
    }

    /// Waits for the commit that is being written, if there is one.
    pub fn wait_for_commit(&mut self) -> Result<(), StateError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let (commit, mut confirmed) = writing.finish()?;
        self.totals.add_all(&commit.totals);
        confirmed.snapshot.totals = self.totals.clone();
        self.confirmed.push(confirmed);
        Ok(())
    }

    /// What the disk has confirmed since the last time that this was asked.
    pub fn take_confirmed(&mut self) -> Vec<Confirmed> {
        std::mem::take(&mut self.confirmed)
    }

    #[cfg(test)]
    pub fn store(&self) -> &ModelStore {
        &self.store
    }

    /// Counters as they are in the state.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The counts of one delta as they were written.
    fn counts(&self, delta: &DeltaId) -> Result<Pane, StateError> {
        match delta {
            DeltaId::Stored(id) => self.store.delta(*id),
            DeltaId::Waiting(index) => {
                let counts = self.pending.commit.deltas[*index].counts();
                counts.map_err(|fault| StateError::damaged("what waits to be written", fault))
            }
            DeltaId::Merged(pane) => Ok(self.pending.merged.0[pane].clone()),
        }
    }

    /// Nothing is written after something of the state could not be read.
    fn broken<T>(&self, outcome: Result<T, StateError>) -> Result<T, StateError> {
        if outcome.is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl PaneCounts for Journal {
    fn deltas(&mut self, ranges: &[PaneRange]) -> Result<Vec<DeltaId>, StateError> {
        let confirmed = self.wait_for_commit();
        self.broken(confirmed)?;
        let stored = self.broken(self.store.deltas(ranges))?;
        let commit = &self.pending.commit;
        let retracted: HashSet<_> = commit.retracted.iter().map(|(f, pane)| (*f, pane)).collect();
        let is_there = |delta: &crate::store::StoredDelta| {
            delta.file.is_none_or(|file| !retracted.contains(&(file, &delta.pane)))
        };
        let stored = stored.into_iter().filter(is_there).map(|delta| DeltaId::Stored(delta.id));
        let is_inside = |pane: &_| ranges.iter().any(|range| range.holds(pane));
        let waiting = commit.deltas.iter().enumerate().filter(|(_, delta)| is_inside(&delta.pane));
        let merged = self.pending.merged.0.keys().filter(|pane| is_inside(pane));
        Ok(stored
            .chain(waiting.map(|(index, _)| DeltaId::Waiting(index)))
            .chain(merged.map(|pane| DeltaId::Merged(pane.clone())))
            .collect())
    }

    fn read(&self, delta: &DeltaId) -> Result<Pane, StateError> {
        Ok(self.reference.adopt(self.broken(self.counts(delta))?))
    }
}
