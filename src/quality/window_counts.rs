//! Rules held against what a window has counted.

use super::broken_rows::{BrokenShare, broken_share};
use super::rule::{Check, Rule, RuleFigures};
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use std::collections::HashMap;
use std::time::Duration;

/// What a window has counted.
#[derive(Debug)]
pub struct WindowCounts<'a> {
    pub rows: u64,
    /// From its end by event time to its closing; none where either is not known.
    pub age: Option<Duration>,
    pub features: Vec<(&'a FeatureGrid, &'a FeatureProfile)>,
}

/// What rules came to, in their order.
pub fn judge(rules: &[Rule], window: &WindowCounts<'_>) -> Vec<RuleFigures> {
    if rules.is_empty() {
        return Vec::new();
    }
    let features: HashMap<&str, _> =
        window.features.iter().map(|(grid, own)| (grid.name.as_str(), (*grid, *own))).collect();
    let of_feature = |rule: &Rule| {
        let (grid, profile) = features.get(rule.feature.as_deref()?)?;
        let BrokenShare { least, most } = broken_share(&rule.check, grid, profile)?;
        // Unless what is not known by name decides it.
        (least > rule.at_most || most <= rule.at_most).then_some(least)
    };
    let figures = rules.iter().map(|rule| {
        let ratio = match &rule.check {
            Check::Rows { min, max } => Some(beyond(window.rows, *min, *max)),
            Check::Columns => absent_share(window),
            Check::Fresh { max_age } => window.age.map(|age| older(age, *max_age)),
            _ => of_feature(rule),
        };
        let (feature, at_most) = (rule.feature.clone(), rule.at_most);
        RuleFigures { rule: rule.name.clone(), feature, ratio, at_most }
    });
    figures.collect()
}

/// By how much of the greatest age.
fn older(age: Duration, max_age: Duration) -> f64 {
    (age.as_secs_f64() / max_age.as_secs_f64() - 1.0).max(0.0)
}

/// By how much of the least there are too few, or of the most too many.
fn beyond(rows: u64, min: Option<u64>, max: Option<u64>) -> f64 {
    let lack = min.filter(|min| rows < *min).map(|min| (min - rows) as f64 / min as f64);
    let excess = max.filter(|max| rows > *max);
    let excess = excess.map(|max| (rows - max) as f64 / max.max(1) as f64);
    lack.or(excess).unwrap_or(0.0)
}

/// The share of features that no row has with its type.
fn absent_share(window: &WindowCounts<'_>) -> Option<f64> {
    let is_gone = |own: &FeatureProfile| {
        let tally = own.tally;
        tally.absent == tally.rows || tally.present() == 0 && tally.wrong_type > 0
    };
    let gone = window.features.iter().filter(|(_, own)| is_gone(own)).count();
    let is_known = window.rows > 0 && !window.features.is_empty();
    is_known.then(|| gone as f64 / window.features.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_measured_by_what_is_wanted() {
        assert_eq!(beyond(750, Some(1_000), None), 0.25);
        assert_eq!(beyond(1_500, Some(1), Some(1_000)), 0.5);
        assert_eq!(beyond(1_000, Some(1_000), Some(1_000)), 0.0);
        assert_eq!(beyond(0, Some(1), None), 1.0);
    }
}
