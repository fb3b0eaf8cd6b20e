//! When the rows of a table happened, as buckets of time, read once before any feature is.

use super::table::{Table, read_by_row};
use crate::error::{Fault, Result};
use crate::profile::instants::instants;
use crate::schema::columns::TimeColumn;
use crate::time::Timestamp;
use crate::window::period::AHEAD_MAX;
use crate::window::plan::{Assignment, PANES_MAX, PaneIndex, Run, Times};
use rayon::prelude::*;
use std::collections::HashMap;

/// How the times of one table are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Timing<'a> {
    pub column: Option<&'a TimeColumn>,
    /// Microseconds of a stretch.
    pub width: i64,
    /// The time of rows that have none of their own.
    pub fallback: Timestamp,
    pub now: Timestamp,
}

/// The times of all rows.
#[derive(Debug)]
pub struct EventTimes {
    pub row_groups: Vec<Times>,
    /// Of the rows that are not ahead of the clock.
    pub youngest: Option<Timestamp>,
    /// Rows that were given the fallback.
    pub untimed: u64,
}

/// What one row group adds.
struct Part {
    times: Times,
    youngest: Option<Timestamp>,
    untimed: u64,
}

/// Reads the stretch of time of every row. A time is of no use when it lies more than a day ahead
/// of the clock; one that lies ahead by less is the row's, but tells nothing of how far rows have
/// come.
pub fn event_times(table: &dyn Table, timing: Timing<'_>) -> Result<EventTimes, Fault> {
    let named = timing
        .column
        .and_then(|column| Some((table.schema().column_with_name(&column.name)?.0, column)));
    let row_groups = (0..table.row_groups().len()).into_par_iter();
    let parts = row_groups.map(|row_group| match named {
        None => Ok(untimed(timing, table.row_groups()[row_group])),
        Some((index, column)) => read(table, (row_group, index), column, timing),
    });
    let parts = parts.collect::<Result<Vec<Part>, Fault>>()?;
    let mut times = EventTimes { row_groups: Vec::new(), youngest: None, untimed: 0 };
    for part in parts {
        times.youngest = times.youngest.max(part.youngest);
        times.untimed += part.untimed;
        times.row_groups.push(part.times);
    }
    Ok(times)
}

/// Rows of which nothing but their file's time is known.
fn untimed(timing: Timing<'_>, rows: u64) -> Part {
    let numbers = vec![number(timing.fallback, timing.width)];
    let times = Times { numbers, rows: Assignment::Runs(vec![Run { rows, pane: 0 }]) };
    let is_ahead = timing.fallback > timing.now;
    let youngest = (rows > 0 && !is_ahead).then_some(timing.fallback);
    Part { times, youngest, untimed: rows }
}

fn number(time: Timestamp, width: i64) -> u64 {
    time.0.div_euclid(width).max(0) as u64
}

fn read(
    table: &dyn Table,
    (row_group, index): (usize, usize),
    column: &TimeColumn,
    timing: Timing<'_>,
) -> Result<Part, Fault> {
    let latest = timing.now.plus(AHEAD_MAX);
    let mut buckets = BucketReader::default();
    let mut youngest: Option<Timestamp> = None;
    let mut untimed = 0;
    read_by_row(table, (row_group, index), |times| {
        instants(times, column.unit, &mut |time| {
            let own = time.filter(|time| *time <= latest);
            untimed += u64::from(own.is_none());
            // A clock that is wrong somewhere else makes nobody late here.
            youngest = youngest.max(own.filter(|time| *time <= timing.now));
            buckets.push(own.unwrap_or(timing.fallback), timing.width);
        });
        if buckets.numbers.len() > PANES_MAX {
            return Err(Fault::unreadable(format!(
                "its times are spread over more than {PANES_MAX} buckets; windows of a larger \
                 slide have fewer"
            )));
        }
        Ok(())
    })?;
    let BucketReader { numbers, rows, .. } = buckets;
    Ok(Part { times: Times { numbers, rows: Assignment::of(rows) }, youngest, untimed })
}

/// The buckets of rows that come one after the other.
#[derive(Default)]
struct BucketReader {
    numbers: Vec<u64>,
    places: HashMap<u64, PaneIndex>,
    rows: Vec<PaneIndex>,
    /// Start, end and place of the stretch of the row before.
    last: Option<(i64, i64, PaneIndex)>,
}

impl BucketReader {
    fn push(&mut self, time: Timestamp, width: i64) {
        let place = match self.last {
            Some((start, end, place)) if (start..end).contains(&time.0) => place,
            _ => self.look_up(time, width),
        };
        self.rows.push(place);
    }

    fn look_up(&mut self, time: Timestamp, width: i64) -> PaneIndex {
        let number = number(time, width);
        let numbers = &mut self.numbers;
        let place = *self.places.entry(number).or_insert_with(|| {
            numbers.push(number);
            // More than there can be are refused after the block.
            PaneIndex::try_from(numbers.len() - 1).unwrap_or(PaneIndex::MAX)
        });
        let start = (number as i64).saturating_mul(width);
        self.last = Some((start, start.saturating_add(width), place));
        place
    }
}
