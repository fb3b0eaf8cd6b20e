//! How much rows tell that come in clusters which a column names, from random groups of whole
//! clusters.
//!
//! A mean is a ratio of two totals, and its variance that of the groups' totals about it (K. M.
//! Wolter, "Introduction to Variance Estimation", 2nd edition 2007, sections 2.4 and 6.5). Over the
//! variance of as many rows drawn one by one it is the design effect; of bins it is taken for each,
//! and on average as J. N. K. Rao and A. J. Scott have it, "The analysis of categorical data from
//! complex sample surveys", JASA 76 (1981). Some tens of groups tell it badly: the excess over 1 is
//! multiplied by Student's factor, as for windows.

use super::drift_config::STEPS_MIN;
use super::steps::student;
use crate::drift::Comparison;
use crate::drift::design_effects::DesignEffects;
use crate::profile::feature::{FeatureProfile, Values};
use crate::profile::random_groups::GROUPS;

/// The design effects of one side; absent where nothing varies.
struct EffectsOfSide {
    /// Of what all rows of a cluster have in common.
    alike: f64,
    centre: Option<f64>,
    spread: Option<f64>,
    bins: Option<f64>,
    by_bin: Vec<Option<f64>>,
    missing: Option<f64>,
}

/// Fewer groups tell nothing but the sizes of clusters.
const GROUPS_MIN: usize = STEPS_MIN;

/// Rows of a group, and the total of what is looked at.
type Total = (f64, f64);

/// What the clusters of both sides make of the rows; a side whose clusters are not known counts as
/// the other. None where neither side's are.
pub fn cluster_effects(compared: &Comparison<'_>) -> Option<DesignEffects> {
    let (reference, current) = compared.profiles();
    let sides = match (EffectsOfSide::of(reference), EffectsOfSide::of(current)) {
        (None, None) => return None,
        (before, now) => [before, now],
    };
    let (r, c) = compared.present();
    let weights = [c as f64, r as f64];
    // What varies on no side may come by whole clusters all the same.
    let alike = sides.iter().flatten().map(|side| side.alike).fold(1.0, f64::max);
    // Each side adds to the variance of a difference as its rows do.
    let both = |of: &dyn Fn(&EffectsOfSide) -> Option<f64>| {
        let own: [Option<f64>; 2] = sides.each_ref().map(|side| side.as_ref().and_then(of));
        let [before, now] = [own[0].or(own[1]), own[1].or(own[0])].map(|own| own.unwrap_or(alike));
        let rows = weights[0] + weights[1];
        if rows > 0.0 { (before * weights[0] + now * weights[1]) / rows } else { alike }
    };
    // What is rare on one side is hardly seen to come in clusters there.
    let most = |of: &dyn Fn(&EffectsOfSide) -> Option<f64>| {
        sides.iter().flatten().filter_map(of).reduce(f64::max).unwrap_or(alike)
    };
    let n_bins = sides.iter().flatten().map(|side| side.by_bin.len()).max().unwrap_or(0);
    let of_bin = |bin: usize| most(&|side| side.by_bin.get(bin).copied().flatten());
    let by_bin: Vec<f64> = (0..n_bins).map(of_bin).collect();
    Some(DesignEffects {
        centre: both(&|side| side.centre),
        spread: both(&|side| side.spread),
        missing: most(&|side| side.missing),
        ..DesignEffects::of_bins(both(&|side| side.bins), by_bin)
    })
}

impl EffectsOfSide {
    /// None where not every row came with its cluster.
    fn of(profile: &FeatureProfile) -> Option<EffectsOfSide> {
        let groups: Vec<(&u64, &[u64])> =
            profile.known_groups()?.filled().filter_map(<[u64]>::split_last).collect();
        let n_bins = groups.first().map_or(0, |(_, bins)| bins.len());
        let rows: Vec<f64> =
            groups.iter().map(|(_, bins)| bins.iter().sum::<u64>() as f64).collect();
        let all = rows.iter().sum::<f64>();
        let share = |bin: usize| groups.iter().map(|(_, bins)| bins[bin] as f64).sum::<f64>() / all;
        let shares: Vec<f64> =
            (0..n_bins).map(share).map(|own| if all > 0.0 { own } else { 0.0 }).collect();
        let of_scores = |scores: &[f64]| {
            let total = |bins: &[u64]| bins.iter().zip(scores).map(|(n, s)| *n as f64 * s).sum();
            let totals = rows.iter().zip(&groups).map(|(rows, (_, bins))| (*rows, total(bins)));
            let mean: f64 = shares.iter().zip(scores).map(|(p, s)| p * s).sum();
            let variance = shares.iter().zip(scores).map(|(p, s)| p * (s - mean).powi(2)).sum();
            effect(&totals.collect::<Vec<Total>>(), variance)
        };
        let ranks = ranks(&shares);
        let distances: Vec<f64> = ranks.iter().map(|rank| (2.0 * rank - 1.0).abs()).collect();
        let by_bin: Vec<Option<f64>> = (0..n_bins)
            .map(|bin| of_scores(&(0..n_bins).map(|b| f64::from(b == bin)).collect::<Vec<f64>>()))
            .collect();
        let is_ordered = matches!(profile.values, Values::Numeric(_));
        let used = shares.iter().filter(|share| **share > 0.0).count();
        let weighted = by_bin.iter().zip(&shares).filter_map(|(own, p)| Some((1.0 - p) * (*own)?));
        let bins = (used > 1).then(|| weighted.sum::<f64>() / (used - 1) as f64);
        let counted = rows.iter().zip(&groups).map(|(rows, (missing, _))| {
            let missing = **missing as f64;
            (rows + missing, missing)
        });
        let counted: Vec<Total> = counted.collect();
        if groups.len() < GROUPS_MIN {
            return Some(EffectsOfSide::of_few(alike(&counted), n_bins));
        }
        let missing = profile.tally.missing() as f64 / profile.tally.rows as f64;
        let missing = effect(&counted, missing * (1.0 - missing));
        // Rows with a value may be of few clusters although all rows are of many.
        let filled = rows.iter().filter(|rows| **rows > 0.0).count();
        if (1..GROUPS_MIN).contains(&filled) {
            let present: Vec<Total> = rows.iter().map(|rows| (*rows, 0.0)).collect();
            let few = EffectsOfSide::of_few(alike(&present), n_bins);
            return Some(EffectsOfSide { alike: alike(&counted), missing, ..few });
        }
        Some(EffectsOfSide {
            alike: alike(&counted),
            // Categories have no order.
            centre: if is_ordered { of_scores(&ranks) } else { bins },
            spread: if is_ordered { of_scores(&distances) } else { bins },
            bins,
            by_bin,
            missing,
        })
    }

    /// Of so few clusters that nothing is seen but how large they are: their rows may all be alike.
    fn of_few(alike: f64, n_bins: usize) -> EffectsOfSide {
        let all = Some(alike);
        let by_bin = vec![all; n_bins];
        EffectsOfSide { alike, centre: all, spread: all, bins: all, by_bin, missing: all }
    }
}

/// L. Kish's effect of clusters of unequal size, Σm²/n ("Survey Sampling", 1965): clusters that
/// are drawn into groups one by one make the groups' sizes vary by as much.
fn alike(totals: &[Total]) -> f64 {
    let groups = GROUPS as f64;
    let rows: f64 = totals.iter().map(|(rows, _)| rows).sum();
    let squares: f64 = totals.iter().map(|(rows, _)| rows * rows).sum();
    let effect = (squares - rows * rows / groups) / (rows * (1.0 - 1.0 / groups));
    1.0 + (effect - 1.0).max(0.0) * student(GROUPS)
}

/// The variance of a mean as groups show it over that of rows alone, 1 or more, with what is not
/// known of it; none where rows do not vary.
fn effect(totals: &[Total], variance: f64) -> Option<f64> {
    let (rows, total) = totals.iter().fold((0.0, 0.0), |(n, t), own| (n + own.0, t + own.1));
    if rows == 0.0 || variance <= 0.0 {
        return None;
    }
    let mean = total / rows;
    let groups = totals.len() as f64;
    let squares: f64 = totals.iter().map(|(rows, total)| (total - rows * mean).powi(2)).sum();
    let effect = groups / (groups - 1.0) * squares / (rows * variance);
    Some(1.0 + (effect - 1.0).max(0.0) * student(totals.len()))
}

/// The rank of the middle of each bin, in [0, 1].
fn ranks(shares: &[f64]) -> Vec<f64> {
    let mut below = 0.0;
    let rank = |share: &f64| {
        let rank = below + share / 2.0;
        below += share;
        rank
    };
    shares.iter().map(rank).collect()
}
