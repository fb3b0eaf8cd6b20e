//! Building one feature of a reference from its column: read, cut the grid, count.
//!
//! The column is read once and held while its grid is cut. Only a reference of more rows than
//! [`SAMPLE_ROWS`] is read twice: the grid is then cut from a sample, the counts are of every row.

use super::table::{Table, rows};
use crate::error::{Fault, Result};
use crate::feature::{Kind, Status, Width};
use crate::profile::Accumulator;
use crate::profile::block::Block;
use crate::profile::categories::{CategoryGrid, category};
use crate::profile::column::{INTEGERS_EXACT_MAX, integer_bits};
use crate::profile::extremes::{Extremes, Span, without_negative_zero};
use crate::profile::feature::{
    FeatureGrid, FeatureInput, FeatureProfile, Frame, Scratch, read_texts,
};
use crate::profile::grid_build::SortedReference;
use crate::profile::numbers::NumbersScratch;
use crate::profile::numeric_frame::{NumericFrame, NumericOrigin};
use crate::profile::own_bins::OwnBins;
use crate::profile::row_order::RowOrder;
use crate::profile::tally::Tally;
use crate::profile::texts::row_names;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// Rows from which an identifier can be told from a feature.
const IDENTIFIER_ROWS_MIN: u64 = 1_000;

/// Values of a reference are told apart by their hash in the order of its rows.
const CLASSES: u64 = 64;

/// Rows over which grids are cut from a sample.
const SAMPLE_ROWS: u64 = 20_000_000;

/// One column of the reference that becomes a feature.
#[derive(Clone)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
    pub declared: bool,
    /// The narrowest of the reference's files.
    pub width: Width,
    /// In all files.
    pub is_integer: bool,
    /// In all files.
    pub is_double: bool,
    /// Nobody says what they are.
    pub are_bytes: bool,
    /// Count distinct values of floats too.
    pub distinct: bool,
    /// What the configuration says about its bins.
    pub own_bins: OwnBins,
    /// Rows come in clusters that a column names.
    pub is_clustered: bool,
    /// Its number in each of the reference's files; none where it is absent.
    pub places: Vec<Option<usize>>,
}

/// A feature with its grid and the reference's own counts.
pub(super) type Built = (FeatureGrid, FeatureProfile);

pub(super) fn build_feature(tables: &[&dyn Table], column: &Column) -> Result<Built, Fault> {
    if column.are_bytes && are_texts(tables, column)? {
        let texts = Column { kind: Kind::Categorical, are_bytes: false, ..column.clone() };
        return build_feature(tables, &texts);
    }
    let n_rows: u64 = tables.iter().map(|table| rows(*table)).sum();
    let (grid, mut profile) = match column.kind {
        Kind::Numeric | Kind::Temporal => build_numeric(tables, column, n_rows)?,
        Kind::Categorical | Kind::Boolean => build_categorical(tables, column, n_rows)?,
        Kind::Unsupported => {
            let grid = feature_grid(column, Frame::Opaque, Some(Status::Unsupported));
            let profile = count(tables, column, &grid)?;
            (grid, profile)
        }
    };
    if column.is_clustered && profile.groups.is_none() {
        count_groups(tables, column, &grid, &mut profile)?;
    }
    let absent = tables.iter().zip(&column.places).filter(|(_, place)| place.is_none());
    profile.add_absent(absent.map(|(table, _)| rows(*table)).sum());
    profile.assert_complete();
    let found = profile.tally.rows;
    if found != n_rows {
        let message = format!("{found} values for {n_rows} rows; the file is damaged");
        return Err(Fault::unreadable(message));
    }
    Ok((grid, profile))
}

/// Whether there are values, and all are UTF-8: what Impala, Hive and old Spark write without
/// saying that it is a text.
fn are_texts(tables: &[&dyn Table], column: &Column) -> Result<bool, Fault> {
    let mut whole = Tally::default();
    for_each_block(tables, column, |block| {
        if whole.wrong_type == 0 {
            let order = &mut RowOrder::default();
            whole.update(read_texts(block, Kind::Categorical, order, |_, _| None));
        }
    })?;
    Ok(whole.wrong_type == 0 && whole.present() > 0)
}

fn feature_grid(column: &Column, frame: Frame, unscored: Option<Status>) -> FeatureGrid {
    let grid = FeatureGrid::new(column.name.clone(), column.kind, column.declared, unscored, frame);
    FeatureGrid { own_bins: column.own_bins.clone(), ..grid }
}

/// Reads the column again and counts it as a window would be.
fn count(
    tables: &[&dyn Table],
    column: &Column,
    grid: &FeatureGrid,
) -> Result<FeatureProfile, Fault> {
    let mut profile = FeatureProfile::new(grid);
    let mut scratch = Scratch::default();
    // As if every value came wide: it is rounded where the reference is narrow.
    let width = Width::F64;
    for_each_block(tables, column, |block| {
        profile.update(FeatureInput { grid, width, block, scratch: &mut scratch });
    })?;
    Ok(profile)
}

/// Counts the rows again by their clusters, and those of values that hardly more than one cluster
/// has: others like it will come with values that nobody knows.
fn count_groups(
    tables: &[&dyn Table],
    column: &Column,
    grid: &FeatureGrid,
    profile: &mut FeatureProfile,
) -> Result<(), Fault> {
    // By hash: rows, and a bit for every group.
    let mut values: HashMap<u64, (u64, u64)> = HashMap::new();
    for_each_block(tables, column, |block| {
        profile.update_groups(grid, block);
        let (Frame::Categorical(_), Some(groups)) = (&grid.frame, block.groups()) else { return };
        row_names(&*block.by_row(), &mut |row, name| {
            if let Some(name) = name {
                let (rows, of_groups) = values.entry(xxh3_64(name)).or_default();
                *rows += 1;
                *of_groups |= 1 << groups[row];
            }
        });
    })?;
    if let Some(groups) = &mut profile.groups {
        let alone = values.values().filter(|(_, of_groups)| of_groups.is_power_of_two());
        groups.alone = alone.map(|(rows, _)| rows).sum();
    }
    Ok(())
}

fn for_each_block(
    tables: &[&dyn Table],
    column: &Column,
    mut f: impl FnMut(&Block),
) -> Result<(), Fault> {
    for (table, place) in tables.iter().zip(&column.places) {
        let Some(column) = *place else { continue };
        let n_groups = table.row_groups().len();
        for row_group in 0..n_groups {
            if row_group + 1 < n_groups {
                table.prefetch(row_group + 1, column);
            }
            for block in table.read(row_group, column)? {
                f(&block?);
            }
        }
    }
    Ok(())
}

fn build_numeric(tables: &[&dyn Table], column: &Column, n_rows: u64) -> Result<Built, Fault> {
    let mut values = Vec::with_capacity(n_rows.min(SAMPLE_ROWS) as usize);
    let (mut order, mut in_order) = (RowOrder::default(), Vec::new());
    let mut whole = Tally::default();
    let mut extremes = Extremes::default();
    let mut scratch = NumbersScratch::default();
    let mut position = 0;
    let seen = |value: f64| without_negative_zero(column.width.round(value));
    for_each_block(tables, column, |block| {
        let numbers = scratch.read(block);
        whole.update(numbers.tally);
        if let Some(Span { min, max, exact }) = numbers.span {
            extremes.update(Span { min: seen(min), max: seen(max), exact });
        }
        let n_present = numbers.n_rows();
        let of_row = |row| seen(numbers.of_row(row));
        let block_values = (0..n_present).map(of_row);
        if n_rows <= SAMPLE_ROWS {
            let own = order.stretches(n_present).into_iter();
            in_order.extend(own.map(|stretch| stretch.map(of_row).collect::<Vec<f64>>()));
            values.extend(block_values);
            return;
        }
        for value in block_values {
            if is_sampled(position, n_rows) {
                values.push(value);
            }
            position += 1;
        }
    })?;
    let values = sorted(values);
    let negative = values.partition_point(|value| *value == f64::NEG_INFINITY);
    let finite = values.partition_point(|value| *value < f64::INFINITY);
    let reference = SortedReference {
        finite: &values[negative..finite],
        negative_infinities: negative as u64,
        positive_infinities: (values.len() - finite) as u64,
    };
    let is_integer = column.is_integer;
    let width = if column.is_double { width_of_doubles(reference.finite) } else { column.width };
    let can_identify = is_integer && whole.present() >= IDENTIFIER_ROWS_MIN;
    let is_identifier = can_identify && all_distinct(tables, column, &values, &extremes)?;
    let unscored = !column.declared && (column.kind == Kind::Temporal || is_identifier);
    let own_ends = column.own_bins.ends.as_slice();
    let origin = NumericOrigin { width, is_integer, distinct_wanted: column.distinct, own_ends };
    let frame = Frame::Numeric(Box::new(NumericFrame::new(reference, origin)));
    let grid = feature_grid(column, frame, unscored.then_some(Status::Identifier));
    let profile = if n_rows <= SAMPLE_ROWS {
        let range = extremes.min().zip(extremes.max());
        let span = range.map(|(min, max)| Span { min, max, exact: extremes.exact() });
        FeatureProfile::of_numbers(&grid, whole, width, &values, span, &in_order)
    } else {
        count(tables, column, &grid)?
    };
    Ok((grid, profile))
}

/// The width that doubles are compared in. Where all are floats and some have a fraction, somebody
/// widened what had been rounded before.
fn width_of_doubles(finite: &[f64]) -> Width {
    let is_float = |value: &f64| Width::F32.round(*value) == *value;
    let are_floats = finite.iter().all(is_float) && finite.iter().any(|value| value.fract() != 0.0);
    if are_floats { Width::F32 } else { Width::F64 }
}

/// Sorts doubles as integers of the same order, in about half the time. Both collects keep the
/// allocation.
fn sorted(values: Vec<f64>) -> Vec<f64> {
    // Flips all bits but the sign of a negative number; undoes itself.
    let flipped = |bits: i64| bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed();
    let key = |value: f64| flipped(value.to_bits().cast_signed());
    let mut keys: Vec<i64> = values.into_iter().map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| f64::from_bits(flipped(key).cast_unsigned())).collect()
}

/// Whether no integer comes twice. Doubles tell up to 2^53; beyond, the integers are read again.
fn all_distinct(
    tables: &[&dyn Table],
    column: &Column,
    sorted: &[f64],
    extremes: &Extremes,
) -> Result<bool, Fault> {
    let magnitude = |value: Option<f64>| value.unwrap_or(0.0).abs();
    if magnitude(extremes.min()).max(magnitude(extremes.max())) < INTEGERS_EXACT_MAX {
        return Ok(sorted.windows(2).all(|pair| pair[0] < pair[1]));
    }
    let mut bits = Vec::with_capacity(sorted.len());
    for_each_block(tables, column, |block| integer_bits(&*block.values(), &mut bits))?;
    bits.sort_unstable();
    Ok(bits.windows(2).all(|pair| pair[0] < pair[1]))
}

/// A sample that depends on the position alone: the golden ratio's multiples (Weyl's sequence)
/// spread evenly over any stretch of rows, sorted or not.
fn is_sampled(position: u64, n_rows: u64) -> bool {
    let spread = position.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u128::from(spread) * u128::from(n_rows) < (u128::from(SAMPLE_ROWS) << 64)
}

fn build_categorical(tables: &[&dyn Table], column: &Column, n_rows: u64) -> Result<Built, Fault> {
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    let mut order = RowOrder::default();
    let mut whole = Tally::default();
    // A string column over half distinct is an identifier: its values need not be kept to know.
    let identifies = |distinct: usize, present: u64| {
        !column.declared && present >= IDENTIFIER_ROWS_MIN && distinct as u64 * 2 > present
    };
    for_each_block(tables, column, |block| {
        whole.update(read_texts(block, column.kind, &mut order, |text, n| {
            if identifies(counts.len(), n_rows) {
                return None;
            }
            let text = category(text);
            match counts.get_mut(&*text) {
                Some(rows) => *rows += n,
                None => {
                    counts.insert(text.as_ref().into(), n);
                }
            }
            // Whatever comes first: else the rows that new values come in would stand out.
            Some((xxh3_64(text.as_bytes()) % CLASSES) as u8)
        }));
    })?;
    let present = counts.values().sum();
    if identifies(counts.len(), n_rows) || identifies(counts.len(), present) {
        let frame = Frame::Categorical(CategoryGrid::from_counts(&HashMap::new()));
        let grid = feature_grid(column, frame, Some(Status::Identifier));
        let profile = count(tables, column, &grid)?;
        return Ok((grid, profile));
    }
    let frame = Frame::Categorical(CategoryGrid::from_counts(&counts));
    let grid = feature_grid(column, frame, None);
    let profile = FeatureProfile::of_texts(&grid, whole, &counts, order);
    Ok((grid, profile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::testing::cases(256))]

        #[test]
        fn doubles_sort_as_integers(mut values in prop::collection::vec(any::<f64>(), 0..100)) {
            values.extend([f64::NEG_INFINITY, -0.0, 0.0, f64::INFINITY, f64::MIN_POSITIVE]);
            let mut expected = values.clone();
            expected.sort_unstable_by(f64::total_cmp);
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(sorted(values)), bits(expected));
        }
    }
}
