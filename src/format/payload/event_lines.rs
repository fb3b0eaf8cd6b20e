//! Rows of several events as those of one.

use super::row_lines::RowLines;
use super::{BodyContext, BodyFault, Event, EventRows};

/// The rows of events that are kept as lines, one after the other.
pub fn lines_of(events: Vec<Event>, context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut all = RowLines::new(context);
    for event in events {
        match event.rows {
            EventRows::Lines(rows) => all.append(rows),
            EventRows::Response(_) => {}
            EventRows::Table(_) => {
                return Err(BodyFault::Unknown("a table inside of a line".to_owned()));
            }
        }
    }
    Ok(all)
}
