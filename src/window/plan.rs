//! Which pane each row of a file or batch goes to.

use super::cursor::{Cursor, PaneLayout};
use super::pane::{CLOSED, PaneKey};
use super::sampling::RowSample;
use super::slots::SlotCursor;
use crate::position::Arrival;
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// A pane of one plan, by its place there.
pub type PaneIndex = u32;

/// Where rows go whose windows have all closed.
pub const NOWHERE: PaneIndex = PaneIndex::MAX;

/// Panes that one file can fill; their names and rows are held until it is counted.
pub const PANES_MAX: usize = 100_000;

/// Shorter runs than this, on average, are not worth being told apart from single rows.
const RUN_ROWS_MIN: usize = 32;

/// Consecutive rows with one pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub rows: u64,
    pub pane: PaneIndex,
}

/// The panes of the rows of one row group, in row order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    Runs(Vec<Run>),
    Rows(Vec<PaneIndex>),
}

/// The buckets of time of one row group's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Numbers of the buckets, in the order in which they first came.
    pub numbers: Vec<u64>,
    /// By place in `numbers`.
    pub rows: Assignment,
}

/// A file's rows are spread over more than [`PANES_MAX`] panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyPanes;

/// The panes of all rows, and what follows from counting them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub panes: Vec<PaneKey>,
    pub row_groups: Vec<Assignment>,
    /// The windows' positions after these rows, but for those by event time, which are closed
    /// when all that was ready has been counted.
    pub cursors: Vec<Cursor>,
    /// Windows (by index) and slots that these rows complete, in the order that they complete.
    pub completed: Vec<WindowSlot>,
    /// Which of the rows are counted.
    pub sample: RowSample,
    /// Rows by their run of time.
    pub buckets: BTreeMap<u64, u64>,
    /// The youngest row.
    pub youngest: Option<Timestamp>,
    /// Rows without a usable time of their own.
    pub untimed: u64,
}

/// The rows that go to one combination of slots, and whatever buckets of time.
struct SlotRun {
    rows: u64,
    slots: Vec<u64>,
}

impl Assignment {
    /// Runs where they are long, else row by row.
    pub fn of(rows: Vec<PaneIndex>) -> Assignment {
        let n_runs = rows.chunk_by(|a, b| a == b).count();
        if n_runs * RUN_ROWS_MIN > rows.len() {
            return Assignment::Rows(rows);
        }
        let runs = rows.chunk_by(|a, b| a == b);
        let runs = runs.map(|run| Run { rows: run.len() as u64, pane: run[0] });
        Assignment::Runs(runs.collect())
    }

    /// Calls `f` with the pane of consecutive rows, their start and their number.
    pub fn for_each_run(&self, mut f: impl FnMut(PaneIndex, u64, u64)) {
        let mut start = 0;
        let mut run = |pane: PaneIndex, rows: u64| {
            f(pane, start, rows);
            start += rows;
        };
        match self {
            Assignment::Runs(runs) => runs.iter().for_each(|own| run(own.pane, own.rows)),
            Assignment::Rows(rows) => {
                rows.chunk_by(|a, b| a == b).for_each(|own| run(own[0], own.len() as u64));
            }
        }
    }
}

impl Plan {
    /// Cuts the rows of `row_groups` wherever any window changes its slot, and at the borders of
    /// `times`, where there are any.
    pub fn new(
        cursors: &[Cursor],
        layout: &PaneLayout,
        arrival: Arrival,
        row_groups: &[u64],
        times: Option<&[Times]>,
    ) -> Result<Plan, TooManyPanes> {
        let mut cursors = cursors.to_vec();
        let rows = row_groups.iter().sum();
        let (buckets, completed) = cut(&mut cursors, arrival, rows)?;
        let mut builder = Builder { cursors: &cursors, layout, panes: Panes::default() };
        let mut buckets = buckets.into_iter();
        let mut run = buckets.next();
        let mut assigned = Vec::new();
        for (index, &rows) in row_groups.iter().enumerate() {
            let mut out = Vec::new();
            let mut offset = 0;
            while let Some(open) = run.as_mut().filter(|_| offset < rows) {
                let taken = open.rows.min(rows - offset);
                let times = times.map(|times| &times[index]);
                builder.assign(&open.slots, times, (offset, taken), &mut out);
                offset += taken;
                open.rows -= taken;
                if open.rows == 0 {
                    run = buckets.next();
                }
            }
            assigned.push(collect(out));
        }
        let Panes { keys, .. } = builder.panes;
        if keys.len() > PANES_MAX {
            return Err(TooManyPanes);
        }
        let mut plan = Plan::whole(&[]);
        plan.buckets = times.map(rows_by_bucket).unwrap_or_default();
        Ok(Plan { panes: keys, row_groups: assigned, cursors, completed, ..plan })
    }

    /// The same rows, of which those count that go to these panes; nothing follows from them.
    pub fn piece(&self, panes: Range<usize>) -> Plan {
        let place = |pane: PaneIndex| match (pane as usize).checked_sub(panes.start) {
            Some(place) if place < panes.len() => place as PaneIndex,
            _ => NOWHERE,
        };
        let assigned = self.row_groups.iter().map(|assignment| match assignment {
            Assignment::Rows(rows) => {
                Assignment::Rows(rows.iter().map(|pane| place(*pane)).collect())
            }
            Assignment::Runs(runs) => {
                let runs = runs.iter().map(|run| Run { pane: place(run.pane), ..*run });
                Assignment::Runs(runs.collect())
            }
        });
        let row_groups = assigned.collect();
        let (panes, sample) = (self.panes[panes.clone()].to_vec(), self.sample.clone());
        Plan { panes, row_groups, sample, ..Plan::whole(&[]) }
    }

    /// All rows to one pane, with no window in play.
    pub fn whole(row_groups: &[u64]) -> Plan {
        let run = |rows: &u64| Assignment::Runs(vec![Run { rows: *rows, pane: 0 }]);
        Plan {
            panes: vec![PaneKey::whole()],
            row_groups: row_groups.iter().map(run).collect(),
            cursors: Vec::new(),
            completed: Vec::new(),
            sample: RowSample::all(),
            buckets: BTreeMap::new(),
            youngest: None,
            untimed: 0,
        }
    }
}

/// A window, by its place in the configuration, and one of its slots.
type WindowSlot = (usize, u64);

/// The buckets of rows between changes of slots, and the slots that they complete.
fn cut(
    cursors: &mut [Cursor],
    arrival: Arrival,
    rows: u64,
) -> Result<(Vec<SlotRun>, Vec<WindowSlot>), TooManyPanes> {
    let windows = cursors.iter_mut().enumerate();
    let mut slots: Vec<(usize, &mut SlotCursor)> =
        windows.filter_map(|(window, cursor)| Some((window, cursor.slots_mut()?))).collect();
    let mut buckets = Vec::new();
    let mut completed = Vec::new();
    // Without rows there is nothing to say, and what was said before still holds.
    if rows == 0 {
        return Ok((buckets, completed));
    }
    slots.iter_mut().for_each(|(_, cursor)| cursor.begin(arrival));
    let mut left = rows;
    while left > 0 {
        if buckets.len() == PANES_MAX {
            return Err(TooManyPanes);
        }
        let room = slots.iter().filter_map(|(_, cursor)| cursor.room(arrival)).min();
        let rows = room.map_or(left, |room| room.min(left));
        let own = slots.iter().map(|(_, cursor)| cursor.slot(arrival)).collect();
        buckets.push(SlotRun { rows, slots: own });
        for (window, cursor) in &mut slots {
            completed.extend(cursor.advance(arrival, rows).map(|slot| (*window, slot)));
        }
        left -= rows;
    }
    for (window, cursor) in &mut slots {
        completed.extend(cursor.end(arrival).map(|slot| (*window, slot)));
    }
    Ok((buckets, completed))
}

/// Rows of all row groups by their run of time.
fn rows_by_bucket(times: &[Times]) -> BTreeMap<u64, u64> {
    let mut buckets = BTreeMap::new();
    for times in times {
        let mut rows = vec![0; times.numbers.len()];
        times.rows.for_each_run(|place, _, n| rows[place as usize] += n);
        for (number, rows) in times.numbers.iter().zip(rows) {
            *buckets.entry(*number).or_insert(0) += rows;
        }
    }
    buckets
}

/// Keys and their places.
#[derive(Default)]
struct Panes {
    keys: Vec<PaneKey>,
    places: HashMap<PaneKey, PaneIndex>,
}

struct Builder<'a> {
    cursors: &'a [Cursor],
    layout: &'a PaneLayout,
    panes: Panes,
}

impl Builder<'_> {
    /// Appends the panes of `rows` rows from `offset` on, whose slots are given.
    fn assign(
        &mut self,
        slots: &[u64],
        times: Option<&Times>,
        (offset, rows): (u64, u64),
        out: &mut Vec<Run>,
    ) {
        let mut push = |rows: u64, pane: PaneIndex| match out.last_mut() {
            Some(last) if last.pane == pane => last.rows += rows,
            _ => out.push(Run { rows, pane }),
        };
        let Some(times) = times else {
            push(rows, self.place(slots, None));
            return;
        };
        let mut places = vec![None; times.numbers.len()];
        times.rows.for_each_run(|place, start, n| {
            let (from, to) = (start.max(offset), (start + n).min(offset + rows));
            if from < to {
                let number = times.numbers[place as usize];
                let pane = places[place as usize];
                let pane = pane.unwrap_or_else(|| self.place(slots, Some(number)));
                places[place as usize] = Some(pane);
                push(to - from, pane);
            }
        });
    }

    fn place(&mut self, slots: &[u64], number: Option<u64>) -> PaneIndex {
        let bucket = number.filter(|bucket| !self.is_over(*bucket)).unwrap_or(CLOSED);
        let key = PaneKey { slots: slots.to_vec(), bucket };
        if key.is_closed() {
            return NOWHERE;
        }
        let Panes { keys, places } = &mut self.panes;
        if keys.len() > PANES_MAX {
            return NOWHERE;
        }
        let next = keys.len() as PaneIndex;
        *places.entry(key).or_insert_with_key(|key| {
            keys.push(key.clone());
            next
        })
    }

    fn is_over(&self, number: u64) -> bool {
        let start = self.layout.start(number);
        self.cursors.iter().filter_map(Cursor::period).all(|cursor| cursor.is_over(start))
    }
}

fn collect(runs: Vec<Run>) -> Assignment {
    let rows: u64 = runs.iter().map(|run| run.rows).sum();
    if runs.len() * RUN_ROWS_MIN <= rows as usize || runs.len() < RUN_ROWS_MIN {
        return Assignment::Runs(runs);
    }
    let rows = runs.iter().flat_map(|run| std::iter::repeat_n(run.pane, run.rows as usize));
    Assignment::Rows(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::super::period::Period;
    use super::super::{WindowConfig, WindowKind};
    use super::*;
    use std::time::Duration;

    struct Windows {
        cursors: Vec<Cursor>,
        layout: PaneLayout,
    }

    fn windows(kinds: &[WindowKind]) -> Windows {
        let named = |kind: &WindowKind| WindowConfig { name: "w".into(), kind: *kind };
        let layout = PaneLayout::new(&kinds.iter().map(named).collect::<Vec<_>>());
        Windows { cursors: kinds.iter().map(|kind| Cursor::resume(*kind, None)).collect(), layout }
    }

    impl Windows {
        fn plan(&mut self, arrival: Arrival, row_groups: &[u64], times: Option<&[Times]>) -> Plan {
            let plan = Plan::new(&self.cursors, &self.layout, arrival, row_groups, times).unwrap();
            self.cursors.clone_from(&plan.cursors);
            plan
        }
    }

    /// Rows and names, row group by row group.
    fn runs(plan: &Plan) -> Vec<Vec<(u64, Vec<u64>)>> {
        let named = |assignment: &Assignment| {
            let mut runs = Vec::new();
            assignment.for_each_run(|pane, _, rows| {
                let key = plan.panes.get(pane as usize);
                let numbers = key.map(|key| {
                    let bucket = Some(key.bucket).filter(|_| !plan.buckets.is_empty());
                    key.slots.iter().copied().chain(bucket).collect()
                });
                runs.push((rows, numbers.unwrap_or_default()));
            });
            runs
        };
        plan.row_groups.iter().map(named).collect()
    }

    const BATCH: WindowKind = WindowKind::Batch { rows_max: 4, every: Duration::from_secs(60) };

    fn hours() -> WindowKind {
        let hour = Duration::from_secs(3_600);
        let zero = Duration::ZERO;
        let (size, slide, idle_timeout) = (hour, hour, hour);
        WindowKind::Time(Period { size, slide, offset: zero, lateness: zero, idle_timeout })
    }

    #[test]
    fn a_file_is_one_batch() {
        let mut windows = windows(&[BATCH]);
        let plan = windows.plan(Arrival::File, &[7, 3], None);
        assert_eq!(runs(&plan), [[(7, vec![0])], [(3, vec![0])]]);
        assert_eq!(plan.completed, [(0, 0)]);
        let next = windows.plan(Arrival::File, &[], None);
        // Without rows there is no window.
        assert_eq!((next.panes.len(), next.completed), (0, vec![]));
    }

    #[test]
    fn a_stream_is_cut_by_rows() {
        let mut windows = windows(&[BATCH]);
        assert_eq!(windows.plan(Arrival::Stream, &[6], None).completed, [(0, 0)]);
        let second = windows.plan(Arrival::Stream, &[2], None);
        assert_eq!(runs(&second), [[(2, vec![1])]]);
        assert_eq!(second.completed, [(0, 1)]);
    }

    #[test]
    fn windows_share_panes() {
        let mut windows = windows(&[BATCH, WindowKind::Rows { size: 6 }]);
        windows.plan(Arrival::File, &[4], None);
        let second = windows.plan(Arrival::File, &[1, 3], None);
        let (first_half, second_half) = (vec![1, 0], vec![1, 1]);
        assert_eq!(
            runs(&second),
            [vec![(1, first_half.clone())], vec![(1, first_half), (2, second_half)]]
        );
        assert_eq!(second.completed, [(1, 0), (0, 1)]);
    }

    #[test]
    fn rows_go_to_the_stretch_of_their_time() {
        let mut windows = windows(&[WindowKind::Rows { size: 3 }, hours()]);
        let rows = Assignment::Rows(vec![0, 1, 0, 0]);
        let times = [Times { numbers: vec![5, 6], rows }];
        let plan = windows.plan(Arrival::File, &[4], Some(&times));
        let expected = [(1, vec![0, 5]), (1, vec![0, 6]), (1, vec![0, 5]), (1, vec![1, 5])];
        assert_eq!(runs(&plan), [expected]);
        assert_eq!(plan.buckets, [(5, 3), (6, 1)].into());

        let Cursor::Period(cursor) = &mut windows.cursors[1] else { unreachable!() };
        cursor.close(Timestamp(6 * 3_600_000_000), Timestamp(0));
        let plan = windows.plan(Arrival::File, &[4], Some(&times));
        let late = (2, vec![2, CLOSED]);
        assert_eq!(runs(&plan)[0][2..], [late]);
    }

    #[test]
    fn rows_without_an_open_window_go_nowhere() {
        let mut windows = windows(&[hours()]);
        let Cursor::Period(cursor) = &mut windows.cursors[0] else { unreachable!() };
        cursor.close(Timestamp(6 * 3_600_000_000), Timestamp(0));
        let rows = Assignment::Runs(vec![Run { rows: 9, pane: 0 }, Run { rows: 1, pane: 1 }]);
        let times = [Times { numbers: vec![5, 6], rows }];
        let plan = windows.plan(Arrival::File, &[10], Some(&times));
        assert_eq!(runs(&plan), [[(9, vec![]), (1, vec![6])]]);
    }

    #[test]
    fn too_many_panes_are_refused() {
        let windows = windows(&[WindowKind::Rows { size: 1 }]);
        let plan = |rows| {
            Plan::new(&windows.cursors, &windows.layout, Arrival::File, &[rows], None)
                .map(|plan| plan.panes.len())
        };
        assert_eq!(plan(PANES_MAX as u64), Ok(PANES_MAX));
        assert_eq!(plan(PANES_MAX as u64 + 1), Err(TooManyPanes));
    }
}
