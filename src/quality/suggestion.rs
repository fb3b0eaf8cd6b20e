//! Rules that a reference itself keeps, for somebody to read and to change.
//!
//! A limit is hard where the reference says so: a greatest value that many rows have is a limit of
//! whoever wrote it, and one that a single row has is chance. So a range is closed where its ends
//! are frequent, and open to some rows where they are not; values are closed where none came once,
//! and else open to thrice the share of those that did, which is what I. J. Good (1953) expects of
//! new ones.

use super::broken_rows::broken_share;
use super::rule::{Check, Rule};
use crate::feature::{Kind, Status};
use crate::profile::categories::{CategoryCounts, CategoryGrid};
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::numeric::NumericProfile;
use crate::profile::numeric_frame::NumericFrame;

/// Up to so many values are listed: of numbers, which are codes then, and of categories.
const CODES_MAX: usize = 20;
const CATEGORIES_MAX: usize = 50;

/// An end that so many rows have is a limit.
const FREQUENT_ROWS: u64 = 20;

/// The share of rows beyond an end that is none.
const BEYOND: f64 = 0.005;

/// A feature whose most frequent value has less than this does not become constant by chance.
const VARIES_BELOW: f64 = 0.9;

/// The rules of one feature.
pub fn suggested(grid: &FeatureGrid, profile: &FeatureProfile) -> Vec<Rule> {
    let tally = profile.tally;
    let (rows, present) = (tally.rows as f64, tally.present() as f64);
    if present == 0.0 || grid.unscored == Some(Status::Unsupported) {
        return Vec::new();
    }
    let missing = tally.missing() as f64 / rows;
    let missing = if missing > 0.0 { (missing * 1.5 + 0.01).min(1.0) } else { 0.0 };
    let mut found = vec![(Check::Missing, missing)];
    if tally.wrong_type == 0 {
        found.push((Check::Type, 0.0));
    }
    if grid.unscored == Some(Status::Identifier) && grid.kind != Kind::Temporal {
        found.push((Check::Unique, 0.0));
    }
    match (&grid.frame, &profile.values) {
        _ if grid.unscored.is_some() => {}
        (Frame::Numeric(frame), Values::Numeric(own)) => found.extend(of_numbers(frame, own)),
        (Frame::Categorical(frame), Values::Categorical(own)) => {
            found.extend(of_categories(frame, own));
        }
        _ => {}
    }
    let rule = |(check, at_most): (Check, f64)| {
        // What the reference itself does not keep is none, or as much as it does.
        let own = broken_share(&check, grid, profile)?.most;
        let at_most = rounded_up(at_most.max(own));
        let name = format!("{} {}", grid.name, check.name());
        let is_kept = own == 0.0 || check != Check::Unique;
        is_kept.then(|| Rule { name, feature: Some(grid.name.clone()), check, at_most })
    };
    found.into_iter().filter_map(rule).collect()
}

/// What holds of every window: that all features are there.
pub fn of_all_features() -> Rule {
    let check = Check::Columns;
    Rule { name: check.name().to_owned(), feature: None, check, at_most: 0.0 }
}

fn of_numbers(frame: &NumericFrame, own: &NumericProfile) -> Vec<(Check, f64)> {
    let (grid, cells) = own.cells(frame);
    let filled: Vec<(usize, u64)> = cells.filled().collect();
    let all = own.total();
    let values: Option<Vec<f64>> = filled.iter().map(|(cell, _)| grid.atom(*cell)).collect();
    let most = filled.iter().map(|(_, rows)| *rows).max().unwrap_or(0);
    let mut found = Vec::new();
    if (most as f64) < VARIES_BELOW * all as f64 {
        found.push((Check::Varies, 0.0));
    }
    if let Some(values) = values.filter(|values| values.len() <= CODES_MAX) {
        let once = filled.iter().filter(|(_, rows)| *rows == 1).count() as f64;
        let texts = values.iter().map(f64::to_string).collect();
        found.push((Check::Values(texts), 3.0 * once / all as f64));
        return found;
    }
    let Some((min, max)) = own.extremes().min().zip(own.extremes().max()) else { return found };
    let is_limit = |value: f64| {
        let cell = grid.cell(value);
        let rows = filled.iter().find(|(own, _)| *own == cell).map_or(0, |(_, rows)| *rows);
        grid.atom(cell) == Some(value) && rows >= FREQUENT_ROWS
    };
    let is_closed = (is_limit(min) || min == 0.0) && is_limit(max);
    let range = Check::Range { min: Some(min), max: Some(max) };
    found.push((range, if is_closed { 0.0 } else { BEYOND }));
    found
}

fn of_categories(grid: &CategoryGrid, own: &CategoryCounts) -> Vec<(Check, f64)> {
    let all = own.total();
    let most = own.kept().iter().copied().max().unwrap_or(0);
    let mut found = Vec::new();
    if (most as f64) < VARIES_BELOW * all as f64 {
        found.push((Check::Varies, 0.0));
    }
    let are_all_named = own.seen() == 0 && own.unseen() == 0;
    if are_all_named && grid.kept().len() <= CATEGORIES_MAX {
        let once = own.kept().iter().filter(|rows| **rows == 1).count() as f64;
        let values = grid.kept().iter().cloned().collect();
        found.push((Check::Values(values), 3.0 * once / all as f64));
    }
    found
}

/// To four digits after the point.
fn rounded_up(share: f64) -> f64 {
    (share * 1e4 - 1e-6).ceil().max(0.0) / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_four_digits() {
        assert_eq!([0.0, 0.00011, 0.005, 0.25].map(rounded_up), [0.0, 0.0002, 0.005, 0.25]);
    }
}
