//! Where one window stands: which slot is open and how full it is.

use super::WindowKind;
use crate::position::Arrival;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The position of one window. Slots are numbered from 0 and never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    kind: WindowKind,
    place: Place,
}

/// The part of a cursor that survives restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
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

impl Cursor {
    pub fn new(kind: WindowKind) -> Cursor {
        Cursor { kind, place: Place::default() }
    }

    pub fn resume(kind: WindowKind, place: Place) -> Cursor {
        Cursor { kind, place }
    }

    pub fn place(&self) -> Place {
        self.place
    }

    pub fn is_open(&self, slot: u64) -> bool {
        self.place.open.is_some_and(|open| open.slot == slot)
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
        let WindowKind::Batch { every, .. } = self.kind else { return None };
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
        arrival == Arrival::File && matches!(self.kind, WindowKind::Batch { .. })
    }

    fn rows_max(&self) -> u64 {
        match self.kind {
            WindowKind::Batch { rows_max, .. } => rows_max,
            WindowKind::Rows { size } => size,
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
    use super::super::plan::Plan;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_stream_is_cut_by_time() {
        let kind = WindowKind::Batch { rows_max: 100, every: Duration::from_secs(60) };
        let mut cursor = Plan::new(&[Cursor::new(kind)], Arrival::Stream, 5).cursors.remove(0);
        cursor.touch(Timestamp(1_000_000));
        cursor.touch(Timestamp(30_000_000));
        assert_eq!(cursor.deadline(), Some(Timestamp(61_000_000)));
        assert_eq!(cursor.expire(Timestamp(60_999_999)), None);
        assert_eq!(cursor.expire(Timestamp(61_000_000)), Some(0));
        assert_eq!((cursor.deadline(), cursor.open_rows()), (None, 0));
    }
}
