//! Which pane each row of a file or batch goes to.

use super::cursor::Cursor;
use super::pane::PaneKey;
use super::sampling::Sample;
use crate::position::Arrival;

/// Consecutive rows with one pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub rows: u64,
    pub pane: PaneKey,
}

/// The panes of all rows, in row order, and what follows from counting them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub runs: Vec<Run>,
    /// The windows' positions after these rows.
    pub cursors: Vec<Cursor>,
    /// Windows (by index) and slots that these rows complete, in the order that they complete.
    pub completed: Vec<(usize, u64)>,
    /// Which of the rows are counted.
    pub sample: Sample,
}

impl Plan {
    /// Cuts `rows` wherever any window changes its slot.
    pub fn new(cursors: &[Cursor], arrival: Arrival, rows: u64) -> Plan {
        let mut cursors = cursors.to_vec();
        let mut runs = Vec::new();
        let mut completed = Vec::new();
        cursors.iter_mut().for_each(|cursor| cursor.begin(arrival));
        let mut left = rows;
        while left > 0 {
            let room = cursors.iter().filter_map(|cursor| cursor.room(arrival)).min();
            let rows = room.map_or(left, |room| room.min(left));
            runs.push(Run { rows, pane: pane(&cursors, arrival) });
            for (window, cursor) in cursors.iter_mut().enumerate() {
                completed.extend(cursor.advance(arrival, rows).map(|slot| (window, slot)));
            }
            left -= rows;
        }
        for (window, cursor) in cursors.iter_mut().enumerate() {
            completed.extend(cursor.end(arrival).map(|slot| (window, slot)));
        }
        Plan { runs, cursors, completed, sample: Sample::all() }
    }

    /// All rows to one pane, with no window in play.
    pub fn whole(rows: u64, pane: PaneKey) -> Plan {
        let runs = if rows > 0 { vec![Run { rows, pane }] } else { Vec::new() };
        Plan { runs, cursors: Vec::new(), completed: Vec::new(), sample: Sample::all() }
    }

    /// The runs of one stretch of rows, such as a row group.
    pub fn stretch(&self, offset: u64, rows: u64) -> Vec<Run> {
        let mut start = 0;
        let mut stretch = Vec::new();
        for run in &self.runs {
            let (from, to) = (start.max(offset), (start + run.rows).min(offset + rows));
            if from < to {
                stretch.push(Run { rows: to - from, pane: run.pane.clone() });
            }
            start += run.rows;
        }
        stretch
    }
}

fn pane(cursors: &[Cursor], arrival: Arrival) -> PaneKey {
    PaneKey(cursors.iter().map(|cursor| cursor.slot(arrival)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::WindowKind;
    use super::*;
    use std::time::Duration;

    fn cursors(kinds: &[WindowKind]) -> Vec<Cursor> {
        kinds.iter().map(|kind| Cursor::new(*kind)).collect()
    }

    const BATCH: WindowKind = WindowKind::Batch { rows_max: 4, every: Duration::from_secs(60) };

    #[test]
    fn a_file_is_one_batch() {
        let plan = Plan::new(&cursors(&[BATCH]), Arrival::File, 10);
        assert_eq!(plan.runs, [Run { rows: 10, pane: PaneKey(vec![0]) }]);
        assert_eq!(plan.completed, [(0, 0)]);
        let next = Plan::new(&plan.cursors, Arrival::File, 0);
        assert_eq!((next.runs.len(), next.completed), (0, vec![(0, 1)]));
    }

    #[test]
    fn a_stream_is_cut_by_rows() {
        let first = Plan::new(&cursors(&[BATCH]), Arrival::Stream, 6);
        assert_eq!(first.completed, [(0, 0)]);
        let second = Plan::new(&first.cursors, Arrival::Stream, 2);
        assert_eq!(second.runs, [Run { rows: 2, pane: PaneKey(vec![1]) }]);
        assert_eq!(second.completed, [(0, 1)]);
    }

    #[test]
    fn windows_share_panes() {
        let both = cursors(&[BATCH, WindowKind::Rows { size: 6 }]);
        let first = Plan::new(&both, Arrival::File, 4);
        let second = Plan::new(&first.cursors, Arrival::File, 4);
        assert_eq!(
            second.runs,
            [
                Run { rows: 2, pane: PaneKey(vec![1, 0]) },
                Run { rows: 2, pane: PaneKey(vec![1, 1]) },
            ]
        );
        assert_eq!(second.completed, [(1, 0), (0, 1)]);
        assert_eq!(second.stretch(1, 2).iter().map(|run| run.rows).collect::<Vec<_>>(), [1, 1]);
    }
}
