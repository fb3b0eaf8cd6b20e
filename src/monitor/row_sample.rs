//! Which rows of a table are counted, decided before any feature is decoded.

use super::table::{Table, guarded};
use crate::error::{Fault, Result};
use crate::profile::texts::names;
use crate::window::sampling::{Draw, Kept, RowSample, SamplingConfig, SamplingMode};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use rayon::prelude::*;

/// Draws the sample of `table`, whose windows hold `window_rows` rows each.
///
/// With a key, a row's name is its key, wherever and in whatever company it arrives. A row without
/// one, because it is null or there is no such column, is named by its table and number.
pub fn sample(
    config: &SamplingConfig,
    table: &dyn Table,
    window_rows: u64,
) -> Result<RowSample, Fault> {
    let draw = config.draw(window_rows);
    if draw.keeps_all() {
        return Ok(RowSample::all());
    }
    let fingerprint = table.fingerprint();
    let n_groups = table.row_groups().len();
    if config.mode == SamplingMode::RowGroups {
        let kept = (0..n_groups as u64).map(|group| draw.keeps_numbered(fingerprint, group));
        return Ok(RowSample::of_row_groups(kept));
    }
    let key = config.key.as_ref().and_then(|key| table.schema().column_with_name(key));
    let starts = table.row_groups().iter().scan(0, |next, rows| {
        let start = *next;
        *next += rows;
        Some(start)
    });
    let starts: Vec<u64> = starts.collect();
    let row_groups = (0..n_groups).into_par_iter().map(|row_group| {
        let numbered = |row| draw.keeps_numbered(fingerprint, starts[row_group] + row as u64);
        let Some((column, field)) = key else {
            let rows = table.row_groups()[row_group] as usize;
            return Ok(Kept::Rows(BooleanBuffer::collect_bool(rows, numbered)));
        };
        let kept = guarded(|| by_key(draw, table, (row_group, column), &numbered));
        kept.map_err(|error| error.context(format_args!("column {:?}", field.name())))
    });
    Ok(RowSample::of_rows(row_groups.collect::<Result<_, Fault>>()?))
}

fn by_key(
    draw: Draw,
    table: &dyn Table,
    (row_group, column): (usize, usize),
    numbered: &dyn Fn(usize) -> bool,
) -> Result<Kept, Fault> {
    let rows = table.row_groups()[row_group] as usize;
    let mut kept = BooleanBufferBuilder::new(0);
    for block in table.read(row_group, column)? {
        let block = block?;
        let start = kept.len();
        names(&*block.by_row(), &mut |row, name| {
            kept.append(name.map_or_else(|| numbered(start + row), |name| draw.keeps(name)));
        });
    }
    if kept.len() != rows {
        let found = kept.len();
        return Err(Fault::unreadable(format!(
            "{found} values for the {rows} rows of a row group"
        )));
    }
    Ok(Kept::Rows(kept.finish()))
}
