//! The share of rows of a feature that break a rule, from its counts.

use super::rule::{Check, Pattern};
use crate::profile::categories::{CategoryCounts, CategoryGrid, category};
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::numeric::NumericProfile;
use crate::profile::numeric_frame::NumericFrame;
use crate::profile::value_distribution::ValueDistribution;
use std::collections::BTreeSet;

/// Of all rows for type and missing values, of those with a value otherwise; none without any.
pub(super) fn broken_share(
    check: &Check,
    grid: &FeatureGrid,
    profile: &FeatureProfile,
) -> Option<f64> {
    let (rows, present) = (profile.tally.rows as f64, profile.tally.present() as f64);
    let of_rows = |broken: u64| (rows > 0.0).then(|| broken as f64 / rows);
    match check {
        Check::Type => return of_rows(profile.tally.wrong_type),
        Check::Missing => return of_rows(profile.tally.missing()),
        _ if present == 0.0 => return None,
        _ => {}
    }
    match (&grid.frame, &profile.values) {
        (Frame::Numeric(frame), Values::Numeric(own)) => {
            Some(numbers(check, frame, own)? / present)
        }
        (Frame::Categorical(grid), Values::Categorical(own)) => {
            Some(categories(check, grid, own)? / present)
        }
        _ => None,
    }
}

/// Rows of numbers that break a rule; where cells hold several values, on both sides of an end,
/// their rows are taken to be spread evenly.
fn numbers(check: &Check, frame: &NumericFrame, own: &NumericProfile) -> Option<f64> {
    match check {
        Check::Range { min, max } => Some(outside(frame, own, *min, *max)),
        Check::Values(values) => {
            let allowed: BTreeSet<u64> =
                values.iter().filter_map(|text| number(text)).map(f64::to_bits).collect();
            let (grid, cells) = own.cells(frame);
            let is_allowed = |cell: usize| {
                grid.atom(cell).is_some_and(|value| allowed.contains(&value.to_bits()))
            };
            let broken = cells.filled().filter(|(cell, _)| !is_allowed(*cell));
            Some(broken.map(|(_, rows)| rows).sum::<u64>() as f64)
        }
        Check::Unique => {
            let distinct = own.distinct(frame)? as f64;
            Some((own.total() as f64 - distinct).max(0.0))
        }
        Check::Varies => {
            let is_one = own.extremes().min() == own.extremes().max() && own.infinities() == 0;
            Some(if is_one && own.total() > 1 { own.total() as f64 } else { 0.0 })
        }
        _ => None,
    }
}

/// −0 is 0, as it is counted.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().map(|value| value + 0.0)
}

fn outside(frame: &NumericFrame, own: &NumericProfile, min: Option<f64>, max: Option<f64>) -> f64 {
    let (grid, cells) = own.cells(frame);
    let counts = cells.counts();
    let (negative, positive) = (counts[0], counts[counts.len() - 1]);
    let mut broken = 0.0;
    broken += if min.is_some() { negative as f64 } else { 0.0 };
    broken += if max.is_some() { positive as f64 } else { 0.0 };
    let Some(values) = ValueDistribution::new(own.stretches(grid, &counts)) else { return broken };
    let (least, greatest) = values.range();
    let at = |value: f64| values.rows_below(&[value])[0];
    // What is known of the least and the greatest value is known of at least one row.
    if let Some(min) = min.filter(|min| least < *min) {
        broken += at(min).below.max(1.0);
    }
    if let Some(max) = max.filter(|max| greatest > *max) {
        broken += (values.rows() - at(max).upto).max(1.0);
    }
    broken
}

/// Rows of categories that break a rule. Rare values of the reference are known by their hash, so
/// that they can be looked up and not read; more than 50 new values are known by their number.
fn categories(check: &Check, grid: &CategoryGrid, own: &CategoryCounts) -> Option<f64> {
    match check {
        Check::Values(values) => Some(not_among(values, grid, own)),
        Check::Pattern(pattern) => Some(not_matching(pattern, grid, own)),
        Check::Unique => Some((own.total() - own.distinct().min(own.total())) as f64),
        Check::Varies => {
            let is_one = own.distinct() == 1 && own.total() > 1;
            Some(if is_one { own.total() as f64 } else { 0.0 })
        }
        _ => None,
    }
}

fn not_among(values: &BTreeSet<String>, grid: &CategoryGrid, own: &CategoryCounts) -> f64 {
    let texts: BTreeSet<_> = values.iter().map(|text| category(text)).collect();
    let is_allowed = |text: &str| texts.contains(text);
    let kept = grid.kept().iter().zip(own.kept());
    let kept: u64 = kept.filter(|(text, _)| !is_allowed(text)).map(|(_, rows)| rows).sum();
    // Of what the reference had rarely, all or nothing is among them, as far as can be told.
    let rare = texts.iter().any(|text| grid.is_rare(text));
    let seen = if rare { 0 } else { own.seen() };
    let new = own.new_values().all().filter(|(_, text, _)| is_allowed(text));
    let new_allowed: u64 = new.map(|(_, _, rows)| rows).sum();
    (kept + seen + own.unseen().saturating_sub(new_allowed)) as f64
}

fn not_matching(pattern: &Pattern, grid: &CategoryGrid, own: &CategoryCounts) -> f64 {
    let kept = grid.kept().iter().map(String::as_str).zip(own.kept().iter().copied());
    let new = own.new_values().all().map(|(_, text, rows)| (text, rows));
    let broken = kept.chain(new).filter(|(text, _)| !pattern.matches(text));
    broken.map(|(_, rows)| rows).sum::<u64>() as f64
}
