//! The rows of each category on both sides, as far as they can be told apart.

use crate::drift::Comparison;
use crate::profile::categories::{CategoryCounts, CategoryGrid};
use std::collections::BTreeMap;

/// Rows of reference and window, value by value. Values that are rare in the reference share up to
/// 1,024 hashed cells, each of which counts as one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryRows {
    /// Of what the reference has.
    pub known: Vec<(u64, u64)>,
    /// Of what it never had. More than 50 such values are in the cells of rare ones.
    pub unseen: Vec<(u64, u64)>,
}

impl CategoryRows {
    /// None of numbers.
    pub fn of(comparison: &Comparison<'_>) -> Option<CategoryRows> {
        let (grid, reference, current) = comparison.categories()?;
        let kept = reference.kept().iter().copied().zip(current.kept().iter().copied());
        let mut known: Vec<(u64, u64)> = kept.collect();
        let (sides, unseen) = rare_rows(grid, reference, current);
        known.extend(sides.0.into_iter().zip(sides.1));
        known.retain(|(reference, current)| reference + current > 0);
        Some(CategoryRows { known, unseen })
    }

    /// Shares of reference and window, of all values.
    pub fn shares(&self) -> Vec<(f64, f64)> {
        let all = || self.known.iter().chain(&self.unseen);
        let (r, c): (u64, u64) = all().fold((0, 0), |sums, own| (sums.0 + own.0, sums.1 + own.1));
        all().map(|(p, q)| (*p as f64 / r as f64, *q as f64 / c as f64)).collect()
    }

    /// The same with one value for all that the reference never had.
    pub fn shares_with_leftover(&self) -> Vec<(f64, f64)> {
        let sum = |sums: (u64, u64), own: &(u64, u64)| (sums.0 + own.0, sums.1 + own.1);
        let unseen = vec![self.unseen.iter().fold((0, 0), sum)];
        CategoryRows { known: self.known.clone(), unseen }.shares()
    }
}

type Sides = (Vec<u64>, Vec<u64>);

/// Rows of rare values by hashed cell, and of values that the reference never had.
fn rare_rows(
    grid: &CategoryGrid,
    reference: &CategoryCounts,
    current: &CategoryCounts,
) -> (Sides, Vec<(u64, u64)>) {
    let cells = grid.rare().map_or(0, |rare| rare.cells);
    let (before, now) = (reference.hashed(), current.hashed());
    if before.len() != cells || now.len() != cells || cells == 0 {
        let seen = (vec![reference.seen()], vec![current.seen()]);
        return (seen, vec![(reference.unseen(), current.unseen())]);
    }
    let mut sides = (before.to_vec(), now.to_vec());
    let mut unseen: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (hash, cell, rows) in new_values(grid, reference) {
        sides.0[cell] = sides.0[cell].saturating_sub(rows);
        unseen.entry(hash).or_default().0 += rows;
    }
    for (hash, cell, rows) in new_values(grid, current) {
        sides.1[cell] = sides.1[cell].saturating_sub(rows);
        unseen.entry(hash).or_default().1 += rows;
    }
    (sides, unseen.into_values().collect())
}

/// Hash, hashed cell and rows of each value that the reference never had, where all are known by
/// their whole names.
fn new_values(grid: &CategoryGrid, counts: &CategoryCounts) -> Vec<(u64, usize, u64)> {
    let new = counts.new_values();
    let all = new.all().map(|(hash, text, rows)| Some((hash, grid.hashed_cell(text)?, rows)));
    let all: Option<Vec<_>> = all.collect();
    all.filter(|_| new.are_all() && new.are_whole()).unwrap_or_default()
}
