//! What moved between a reference and a window.

use super::bin::Bin;
use super::guess::Guess;
use super::share_change::{ShareChange, Sides};
use crate::drift::{Comparison, parts_of_psi};
use crate::profile::feature::{Frame, Values};
use crate::stats::rates::cohens_h;
use ndarray::Axis;
use serde::{Deserialize, Serialize};

/// Bins and values that are told of.
const MOST: usize = 3;
/// New and vanished values that are told of.
const NAMED_MAX: usize = 10;
/// The change of a value's share that is told of, in Cohen's h.
const H_MIN: f64 = 0.05;
/// A value has vanished when so many rows of it were to be expected: e^-12 is 6 in 1,000,000.
const EXPECTED_MIN: f64 = 12.0;

/// What moved between a reference and a window. Which of it a measure saw is the measures' to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// One number that explains it.
    pub guess: Option<Guess>,
    /// Whether values stand higher among the reference's than those did.
    pub is_higher: Option<bool>,
    /// Whether they stand further from the middle.
    pub is_wider: Option<bool>,
    pub mean: Option<Sides>,
    pub stddev: Option<Sides>,
    /// Shares of all rows.
    pub missing: Sides,
    /// The reference's least value, and the share below it.
    pub below: Option<(f64, f64)>,
    /// The reference's greatest value, and the share above it.
    pub above: Option<(f64, f64)>,
    /// Bins that carry the score of `psi`, each with its part of it, most first.
    pub bins: Vec<(ShareChange, f64)>,
    /// How many bins there are.
    pub n_bins: usize,
    /// Values, or narrow stretches of them, whose shares moved most.
    pub values: Vec<ShareChange>,
    /// Of the cells that values without a name are hashed into, the one that moved most.
    pub rare: Option<Sides>,
    /// The share of values that the reference never had …
    pub new_share: Option<f64>,
    /// … some of them with their own shares, most first …
    pub new_values: Vec<(String, f64)>,
    /// … and whether there are more.
    pub are_more_new: bool,
    /// Values that are gone with the shares that they had, most first.
    pub vanished: Vec<(Bin, f64)>,
    /// How many are gone.
    pub n_vanished: usize,
}

impl Explanation {
    pub fn of(comparison: &Comparison<'_>) -> Explanation {
        let (reference, current) = comparison.tallies();
        let share = |rows: u64, of: u64| if of > 0 { rows as f64 / of as f64 } else { 0.0 };
        let missing = Sides {
            reference: share(reference.missing(), reference.rows),
            current: share(current.missing(), current.rows),
        };
        let ranks = comparison.ranks();
        let (mean, stddev) = moments(comparison);
        let (below, above) = outside(comparison);
        let bins = bins(comparison);
        let (values, vanished) = values(comparison);
        let (new_share, new_values, are_more_new) = new_values(comparison);
        Explanation {
            guess: Guess::of(comparison, missing, &values),
            is_higher: ranks.and_then(|own| own.ranks.shift()).map(|shift| shift > 0.0),
            is_wider: ranks.and_then(|own| own.distances.shift()).map(|shift| shift > 0.0),
            mean,
            stddev,
            missing,
            below,
            above,
            bins,
            n_bins: comparison.bins().map_or(0, |bins| bins.ncols()),
            values,
            rare: rare(comparison),
            new_share,
            new_values,
            are_more_new,
            n_vanished: vanished.len(),
            vanished: vanished.into_iter().take(NAMED_MAX).collect(),
        }
    }
}

fn moments(comparison: &Comparison<'_>) -> (Option<Sides>, Option<Sides>) {
    let (before, now) = comparison.profiles();
    let (Frame::Numeric(frame), Values::Numeric(before), Values::Numeric(now)) =
        (comparison.frame(), &before.values, &now.values)
    else {
        return (None, None);
    };
    let change = |sides: (Option<f64>, Option<f64>)| {
        let (reference, current) = (sides.0?, sides.1?);
        Some(Sides { reference, current })
    };
    let means = change((before.mean(frame), now.mean(frame)));
    (means, change((before.stddev(frame), now.stddev(frame))))
}

type Outside = Option<(f64, f64)>;

fn outside(comparison: &Comparison<'_>) -> (Outside, Outside) {
    let Some(cells) = comparison.cells() else { return (None, None) };
    let Some((min, max)) = cells.grid.range() else { return (None, None) };
    let (_, present) = comparison.present();
    let inside = cells.grid.cells_inside();
    let share = |counts: &[u64]| counts.iter().sum::<u64>() as f64 / present as f64;
    let (below, above) = (&cells.current[..inside.start], &cells.current[inside.end..]);
    (Some((min, share(below))), Some((max, share(above))))
}

/// The bins with most of `psi`, each with its part.
fn bins(comparison: &Comparison<'_>) -> Vec<(ShareChange, f64)> {
    let Some(counts) = comparison.bins() else { return Vec::new() };
    let labels = match comparison.cells() {
        Some(cells) => Bin::all_of_numbers(comparison.grid(), cells.grid),
        None => Bin::all(comparison.grid()),
    };
    let parts = parts_of_psi(counts);
    let whole: f64 = parts.iter().sum();
    let rows = counts.sum_axis(Axis(1));
    let changes = labels.into_iter().zip(counts.columns()).zip(parts);
    let mut changes: Vec<(ShareChange, f64)> = changes
        .map(|((bin, own), part)| {
            let shares = Sides {
                reference: own[0] as f64 / rows[0] as f64,
                current: own[1] as f64 / rows[1] as f64,
            };
            (ShareChange { bin, shares }, if whole > 0.0 { part / whole } else { 0.0 })
        })
        .collect();
    changes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    changes.retain(|(_, part)| *part > 0.0);
    changes.truncate(MOST);
    changes
}

/// The values whose shares moved most, and all that are gone with the shares that they had.
fn values(comparison: &Comparison<'_>) -> (Vec<ShareChange>, Vec<(Bin, f64)>) {
    let Some(named) = comparison.named_cells() else { return (Vec::new(), Vec::new()) };
    let (reference, current) = comparison.present();
    let bin = |cell: usize| match (comparison.cells(), comparison.frame()) {
        (Some(cells), _) => Bin::of_cell(cells.grid, cell),
        (None, Frame::Categorical(grid)) => Bin::Text(grid.kept()[cell].clone()),
        _ => Bin::Other,
    };
    let mut moved: Vec<(usize, Sides, f64)> = Vec::new();
    let mut gone: Vec<(usize, f64)> = Vec::new();
    for cell in named.cells {
        let (before, now) = (named.reference[cell], named.current[cell]);
        let shares = Sides {
            reference: before as f64 / reference as f64,
            current: now as f64 / current as f64,
        };
        let h = cohens_h(shares.current, shares.reference).abs();
        if h >= H_MIN {
            moved.push((cell, shares, h));
        }
        let is_value = !comparison.is_many_valued(cell);
        if now == 0 && is_value && shares.reference * current as f64 >= EXPECTED_MIN {
            gone.push((cell, shares.reference));
        }
    }
    // Of a flag, whose values move alike, the rarer tells more.
    let of_equals = |h: f64| (h * 1e9).round();
    moved.sort_by(|(_, a, h), (_, b, g)| {
        let by_share = a.reference.total_cmp(&b.reference);
        of_equals(*g).total_cmp(&of_equals(*h)).then(by_share)
    });
    moved.truncate(MOST);
    gone.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let moved = moved.into_iter();
    let moved = moved.map(|(cell, shares, _)| ShareChange { bin: bin(cell), shares }).collect();
    (moved, gone.into_iter().map(|(cell, share)| (bin(cell), share)).collect())
}

fn rare(comparison: &Comparison<'_>) -> Option<Sides> {
    let (before, now) = comparison.hashed_cells()?;
    let (reference, current) = comparison.present();
    let changes = before.iter().zip(now).map(|(before, now)| Sides {
        reference: *before as f64 / reference as f64,
        current: *now as f64 / current as f64,
    });
    let apart = |own: &Sides| cohens_h(own.current, own.reference).abs();
    changes.filter(|own| apart(own) >= H_MIN).max_by(|a, b| apart(a).total_cmp(&apart(b)))
}

fn new_values(comparison: &Comparison<'_>) -> (Option<f64>, Vec<(String, f64)>, bool) {
    let (Some((unseen, _)), (_, current)) = (comparison.unseen(), comparison.profiles()) else {
        return (None, Vec::new(), false);
    };
    let Values::Categorical(counts) = &current.values else { return (None, Vec::new(), false) };
    let (_, present) = comparison.present();
    let share = |rows: u64| rows as f64 / present as f64;
    let new = counts.new_values();
    let named = new.most_frequent();
    let are_more = named.len() > NAMED_MAX || !new.are_all();
    let named = named.into_iter().take(NAMED_MAX);
    let named = named.map(|(text, rows)| (text.to_owned(), share(rows))).collect();
    (Some(share(unseen)), named, are_more)
}
