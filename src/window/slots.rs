//! Where a window of rows stands: which slot is open and how full it is.

use super::WindowKind;
use crate::position::Arrival;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How rows are cut into slots in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Batch { rows_max: u64, every: Duration },
    Rows { size: u64 },
}

/// The position of one window. Slots are numbered from 0 and never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCursor {
    cut: Cut,
    place: SlotPlace,
}

/// The part of a cursor that survives restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotPlace {
    next_slot: u64,
    /// The slot that takes rows across files or batches.
    open: Option<Open>,
    /// The slot of the file that is being planned.
    file: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    slot: u64,
    rows: u64,
    /// When its first rows were counted; wall clock.
    since: Option<Timestamp>,
}

impl SlotPlace {
    /// The same without the slot that is open: the next row opens another.
    #[must_use]
    pub fn without_open(self) -> SlotPlace {
        SlotPlace { open: None, file: None, ..self }
    }
}

impl SlotCursor {
    /// None of a window by event time.
    pub fn resume(kind: WindowKind, place: SlotPlace) -> Option<SlotCursor> {
        let cut = match kind {
            WindowKind::Batch { rows_max, every } => Cut::Batch { rows_max, every },
            WindowKind::Rows { size } => Cut::Rows { size },
            WindowKind::Time(_) => return None,
        };
        Some(SlotCursor { cut, place })
    }

    pub fn place(&self) -> SlotPlace {
        self.place
    }

    /// Takes rows out of the open slot again, because their file was replaced.
    pub fn remove(&mut self, slot: u64, rows: u64) {
        if let Some(open) = self.place.open.as_mut().filter(|open| open.slot == slot) {
            open.rows = open.rows.saturating_sub(rows);
        }
    }

    /// The slot that takes rows across files or batches.
    pub fn open(&self) -> Option<u64> {
        self.place.open.map(|open| open.slot)
    }

    /// The oldest slot that can still get rows; all below are closed.
    pub fn oldest_open(&self) -> u64 {
        self.place.open.map_or(self.place.next_slot, |open| open.slot)
    }

    pub fn open_rows(&self) -> u64 {
        self.place.open.map_or(0, |open| open.rows)
    }

    /// Remembers when the open slot got its first rows.
    pub fn touch(&mut self, now: Timestamp) {
        if let Some(open) = &mut self.place.open {
            open.since.get_or_insert(now);
        }
    }

    /// When the open slot must close although it is not full.
    pub fn deadline(&self) -> Option<Timestamp> {
        let Cut::Batch { every, .. } = self.cut else { return None };
        let since = self.place.open?.since?;
        Some(since.plus(every))
    }

    /// Closes the open slot because its time is over.
    pub fn expire(&mut self, now: Timestamp) -> Option<u64> {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        due.then(|| self.place.open.take().map(|open| open.slot)).flatten()
    }

    /// A batch window gives every file a slot of its own; everything else shares the open slot.
    fn is_own_slot(&self, arrival: Arrival) -> bool {
        arrival == Arrival::File && matches!(self.cut, Cut::Batch { .. })
    }

    fn rows_max(&self) -> u64 {
        match self.cut {
            Cut::Batch { rows_max, .. } => rows_max,
            Cut::Rows { size } => size,
        }
    }

    /// Rows of the windows that a file or batch of `rows` goes to, once they are full.
    pub fn window_rows(&self, arrival: Arrival, rows: u64) -> u64 {
        if self.is_own_slot(arrival) { rows } else { self.rows_max() }
    }

    pub(super) fn begin(&mut self, arrival: Arrival) {
        if self.is_own_slot(arrival) {
            self.place.file = Some(self.take_slot());
        }
    }

    fn take_slot(&mut self) -> u64 {
        let slot = self.place.next_slot;
        self.place.next_slot += 1;
        slot
    }

    /// Rows that the current slot still takes; none when there is no limit.
    pub(super) fn room(&self, arrival: Arrival) -> Option<u64> {
        // A slot that was opened under a larger limit is over full; the next row closes it.
        let room = || self.rows_max().saturating_sub(self.open_rows()).max(1);
        (!self.is_own_slot(arrival)).then(room)
    }

    pub(super) fn slot(&self, arrival: Arrival) -> u64 {
        match self.place.file {
            Some(slot) if self.is_own_slot(arrival) => slot,
            _ => self.place.open.map_or(self.place.next_slot, |open| open.slot),
        }
    }

    /// Counts rows into the current slot; the slot, when that fills it.
    pub(super) fn advance(&mut self, arrival: Arrival, rows: u64) -> Option<u64> {
        if self.is_own_slot(arrival) {
            return None;
        }
        let mut open = match self.place.open {
            Some(open) => open,
            None => Open { slot: self.take_slot(), rows: 0, since: None },
        };
        open.rows += rows;
        let is_full = open.rows >= self.rows_max();
        self.place.open = (!is_full).then_some(open);
        is_full.then_some(open.slot)
    }

    /// Ends a file; its slot, when it had one of its own.
    pub(super) fn end(&mut self, arrival: Arrival) -> Option<u64> {
        if self.is_own_slot(arrival) { self.place.file.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_by_time() {
        let kind = WindowKind::Batch { rows_max: 100, every: Duration::from_secs(60) };
        let mut cursor = SlotCursor::resume(kind, SlotPlace::default()).unwrap();
        cursor.advance(Arrival::Stream, 5);
        cursor.touch(Timestamp(1_000_000));
        cursor.touch(Timestamp(30_000_000));
        assert_eq!(cursor.deadline(), Some(Timestamp(61_000_000)));
        assert_eq!(cursor.expire(Timestamp(60_999_999)), None);
        assert_eq!(cursor.expire(Timestamp(61_000_000)), Some(0));
        assert_eq!((cursor.deadline(), cursor.open_rows()), (None, 0));
    }
}
