//! Which rows of a table are counted, decided before any feature is decoded.

use super::table::{Table, first_rows, read_by_row};
use crate::error::{Fault, Result};
use crate::profile::texts::names;
use crate::window::sampling::{Kept, RowSample, SamplingConfig, SamplingMode};
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
    let starts = first_rows(table);
    let row_groups = (0..n_groups).into_par_iter().map(|row_group| {
        let numbered = |row| draw.keeps_numbered(fingerprint, starts[row_group] + row as u64);
        let Some((column, _)) = key else {
            let rows = table.row_groups()[row_group] as usize;
            return Ok(Kept::Rows(BooleanBuffer::collect_bool(rows, numbered)));
        };
        let mut kept = BooleanBufferBuilder::new(0);
        read_by_row(table, (row_group, column), |keys| {
            let start = kept.len();
            names(keys, &mut |row, name| {
                kept.append(name.map_or_else(|| numbered(start + row), |name| draw.keeps(name)));
            });
            Ok(())
        })?;
        Ok(Kept::Rows(kept.finish()))
    });
    Ok(RowSample::of_rows(row_groups.collect::<Result<_, Fault>>()?))
}
