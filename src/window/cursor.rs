//! Where the windows of a model stand, and how panes are named after them.

use super::pane::{Axis, CLOSED, PaneKey};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Slots(SlotPlace),
    Period(PeriodPlace),
}

impl Cursor {
    /// Resumes from `place`, if that is of the same kind.
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
}

/// What the numbers of a pane's name stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneLayout {
    /// By window.
    axes: Vec<Axis>,
    n_slots: usize,
    /// Microseconds of a stretch of event time; none without windows by event time.
    width: Option<i64>,
}

impl PaneLayout {
    pub fn new(windows: &[WindowConfig]) -> PaneLayout {
        let mut n_slots = 0;
        let axes = windows.iter().map(|window| match window.kind {
            WindowKind::Time(_) => Axis::Bucket,
            _ => {
                n_slots += 1;
                Axis::Slot(n_slots - 1)
            }
        });
        let axes = axes.collect();
        let periods = windows.iter().filter_map(|window| match &window.kind {
            WindowKind::Time(period) => Some(period),
            _ => None,
        });
        PaneLayout { axes, n_slots, width: Period::pane_width(periods) }
    }

    /// Where the number of a window stands in the name of a pane.
    pub fn axis(&self, window: usize) -> Axis {
        self.axes[window]
    }

    /// Whether any window is cut by rows.
    pub fn has_slots(&self) -> bool {
        self.n_slots > 0
    }

    /// How many windows are cut by rows.
    pub fn n_slots(&self) -> usize {
        self.n_slots
    }

    pub fn width(&self) -> Option<i64> {
        self.width
    }

    /// When the stretch of event time with this number starts.
    pub fn start(&self, bucket: u64) -> Timestamp {
        Timestamp((bucket as i64).saturating_mul(self.width.unwrap_or(1)))
    }

    /// The number of the stretch of event time that holds `time`.
    pub fn bucket(&self, time: Timestamp) -> u64 {
        time.0.div_euclid(self.width.unwrap_or(1)).max(0) as u64
    }

    /// When a pane starts; none without event time, or when its windows by event time had closed.
    pub fn pane_start(&self, key: &PaneKey) -> Option<Timestamp> {
        (self.width.is_some() && key.bucket != CLOSED).then(|| self.start(key.bucket))
    }
}
