//! Where the windows of a model stand, and how panes are named after them.

use super::period::{Period, PeriodCursor, PeriodPlace};
use super::slots::{SlotCursor, SlotPlace};
use super::{WindowConfig, WindowKind};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The position of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    Slots(SlotCursor),
    Period(PeriodCursor),
}

/// The part of a cursor that survives restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Slots(SlotPlace),
    Period(PeriodPlace),
}

impl Cursor {
    /// Goes on from `place`, if that is of the same kind.
    pub fn resume(kind: WindowKind, place: Option<Place>) -> Cursor {
        if let WindowKind::Time(period) = kind {
            let place = match place {
                Some(Place::Period(place)) => place,
                _ => PeriodPlace::default(),
            };
            return Cursor::Period(PeriodCursor::resume(period, place));
        }
        let place = match place {
            Some(Place::Slots(place)) => place,
            _ => SlotPlace::default(),
        };
        let cursor = SlotCursor::resume(kind, place);
        Cursor::Slots(cursor.expect("all others are cut by rows"))
    }

    pub fn place(&self) -> Place {
        match self {
            Cursor::Slots(cursor) => Place::Slots(cursor.place()),
            Cursor::Period(cursor) => Place::Period(cursor.place()),
        }
    }

    pub fn slots(&self) -> Option<&SlotCursor> {
        match self {
            Cursor::Slots(cursor) => Some(cursor),
            Cursor::Period(_) => None,
        }
    }

    pub fn slots_mut(&mut self) -> Option<&mut SlotCursor> {
        match self {
            Cursor::Slots(cursor) => Some(cursor),
            Cursor::Period(_) => None,
        }
    }

    pub fn period(&self) -> Option<&PeriodCursor> {
        match self {
            Cursor::Slots(_) => None,
            Cursor::Period(cursor) => Some(cursor),
        }
    }

    pub fn period_mut(&mut self) -> Option<&mut PeriodCursor> {
        match self {
            Cursor::Slots(_) => None,
            Cursor::Period(cursor) => Some(cursor),
        }
    }
}

/// What the numbers of a pane's name stand for: first the slot of each window that is cut by rows,
/// in the order of the configuration, then the stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    /// By window, the place of its number in a name.
    of: Vec<usize>,
    n_slots: usize,
    /// Microseconds of a pane; none without windows by event time.
    width: Option<i64>,
}

impl Axes {
    pub fn new(windows: &[WindowConfig]) -> Axes {
        let is_time = |window: &WindowConfig| matches!(window.kind, WindowKind::Time(_));
        let n_slots = windows.iter().filter(|window| !is_time(window)).count();
        let mut next = 0..n_slots;
        let axis = |window| if is_time(window) { Some(n_slots) } else { next.next() };
        let of = windows.iter().map(axis).map(|axis| axis.expect("one for each")).collect();
        let periods = windows.iter().filter_map(|window| match &window.kind {
            WindowKind::Time(period) => Some(period),
            _ => None,
        });
        Axes { of, n_slots, width: Period::pane_width(periods) }
    }

    /// The place of a window's number in the name of a pane.
    pub fn of(&self, window: usize) -> usize {
        self.of[window]
    }

    /// The place of the stretch of time; none without windows by event time.
    pub fn time(&self) -> Option<usize> {
        self.width.map(|_| self.n_slots)
    }

    /// Whether any window is cut by rows.
    pub fn has_slots(&self) -> bool {
        self.n_slots > 0
    }

    /// Numbers in a name.
    pub fn len(&self) -> usize {
        self.n_slots + usize::from(self.width.is_some())
    }

    /// Whether there are no windows at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn width(&self) -> Option<i64> {
        self.width
    }

    /// When the pane with this number starts.
    pub fn start(&self, number: u64) -> Timestamp {
        Timestamp((number as i64).saturating_mul(self.width.unwrap_or(1)))
    }
}
