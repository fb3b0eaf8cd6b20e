//! The share of rows of a feature that break a rule, from its counts.

use super::rule::{Check, Pattern};
use crate::profile::categories::{CategoryCounts, CategoryGrid, category, is_shortened};
use crate::profile::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use crate::profile::numeric::NumericProfile;
use crate::profile::numeric_frame::NumericFrame;
use crate::profile::value_distribution::ValueDistribution;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// What is known of the share of rows that break a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BrokenShare {
    /// Of what is known by name.
    pub least: f64,
    /// With all that is not.
    pub most: f64,
}

impl From<f64> for BrokenShare {
    fn from(share: f64) -> BrokenShare {
        BrokenShare { least: share, most: share }
    }
}

/// Of all rows for type and missing values, of those with a value otherwise; none without any.
pub(super) fn broken_share(
    check: &Check,
    grid: &FeatureGrid,
    profile: &FeatureProfile,
) -> Option<BrokenShare> {
    let (rows, present) = (profile.tally.rows as f64, profile.tally.present() as f64);
    let of_rows = |broken: u64| (rows > 0.0).then(|| (broken as f64 / rows).into());
    match check {
        Check::Type => return of_rows(profile.tally.wrong_type),
        Check::Missing => return of_rows(profile.tally.missing()),
        _ if present == 0.0 => return None,
        _ => {}
    }
    match (&grid.frame, &profile.values) {
        (Frame::Numeric(frame), Values::Numeric(own)) => {
            Some((numbers(check, frame, own)? / present).into())
        }
        (Frame::Categorical(grid), Values::Categorical(own)) => {
            let BrokenShare { least, most } = categories(check, grid, own)?;
            Some(BrokenShare { least: least / present, most: most / present })
        }
        _ => None,
    }
}

/// Rows of numbers that break a rule. Where a cell holds several values, one of which is allowed,
/// all are; where an end lies in one, its rows are taken to be spread evenly.
fn numbers(check: &Check, frame: &NumericFrame, own: &NumericProfile) -> Option<f64> {
    match check {
        Check::Range { min, max } => Some(outside(frame, own, *min, *max)),
        Check::Values(values) => {
            let (grid, cells) = own.cells(frame);
            let numbers = values.iter().filter_map(|text| text.parse::<f64>().ok());
            let allowed: BTreeSet<usize> =
                numbers.map(|value| grid.cell(own.rounded(frame, value))).collect();
            let broken = cells.filled().filter(|(cell, _)| !allowed.contains(cell));
            Some(broken.map(|(_, rows)| rows).sum::<u64>() as f64)
        }
        Check::Unique => Some(repeated(own.total(), own.distinct(frame)?)),
        Check::Varies => {
            let is_one = own.extremes().min() == own.extremes().max() && own.infinities() == 0;
            Some(if is_one && own.total() > 1 { own.total() as f64 } else { 0.0 })
        }
        _ => None,
    }
}

/// Three standard errors of an estimate of distinct values.
const ESTIMATED: f64 = 0.05;

/// Rows beyond one of each value, as far as that can be told of an estimate.
fn repeated(rows: u64, distinct: u64) -> f64 {
    (rows as f64 - distinct as f64 * (1.0 + ESTIMATED)).max(0.0)
}

fn outside(frame: &NumericFrame, own: &NumericProfile, min: Option<f64>, max: Option<f64>) -> f64 {
    let (grid, cells) = own.cells(frame);
    let counts = cells.counts();
    let [min, max] = [min, max].map(|end| end.map(|end| own.rounded(frame, end)));
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
/// that they can be looked up and not read; so are new ones, but for fifty at most.
fn categories(check: &Check, grid: &CategoryGrid, own: &CategoryCounts) -> Option<BrokenShare> {
    match check {
        Check::Values(values) => Some(not_among(values, grid, own)),
        Check::Pattern(pattern) => Some(not_matching(pattern, grid, own)),
        Check::Unique => Some(repeated(own.total(), own.distinct()).into()),
        Check::Varies => {
            let is_one = own.distinct() == 1 && own.total() > 1;
            Some((if is_one { own.total() as f64 } else { 0.0 }).into())
        }
        _ => None,
    }
}

fn not_among(values: &BTreeSet<String>, grid: &CategoryGrid, own: &CategoryCounts) -> BrokenShare {
    let texts: BTreeSet<_> = values.iter().map(|text| category(text)).collect();
    let is_allowed = |text: &str| texts.contains(text);
    let kept = grid.kept().iter().zip(own.kept());
    let kept: u64 = kept.filter(|(text, _)| !is_allowed(text)).map(|(_, rows)| rows).sum();
    // Of long names only the heads are kept, but the hashes of all.
    let hashes: BTreeSet<u64> = texts.iter().map(|text| xxh3_64(text.as_bytes())).collect();
    let new = own.new_values().all().filter(|(hash, ..)| hashes.contains(hash));
    let new_allowed: u64 = new.map(|(_, _, rows)| rows).sum();
    let certain = (kept + own.unseen().saturating_sub(new_allowed)) as f64;
    // Of the reference's rare values some are among them, and nobody knows in which rows.
    let seen = own.seen() as f64;
    match texts.iter().any(|text| grid.is_rare(text)) {
        true => BrokenShare { least: certain, most: certain + seen },
        false => (certain + seen).into(),
    }
}

fn not_matching(pattern: &Pattern, grid: &CategoryGrid, own: &CategoryCounts) -> BrokenShare {
    let kept = grid.kept().iter().map(String::as_str).zip(own.kept().iter().copied());
    let known = kept.chain(own.new_values().whole()).filter(|(text, _)| !is_shortened(text));
    let (mut broken, mut matching) = (0, 0);
    for (text, rows) in known {
        *(if pattern.matches(text) { &mut matching } else { &mut broken }) += rows;
    }
    let unknown = own.total().saturating_sub(broken + matching) as f64;
    BrokenShare { least: broken as f64, most: broken as f64 + unknown }
}
