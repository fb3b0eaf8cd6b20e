//! Deequ's robust L∞ distance, `linf_robust:deequ`: what is left of a distance when that is taken
//! away which rows so few may have by chance.
//!
//! max(0, d − 1.8·√((R + C)/(R·C))). Of categories d is the largest change of the share of one
//! value, of numbers Kolmogorov and Smirnov's. The definition is that of
//! `analyzers/Distance.scala`, where no α is given; with one it takes √(−ln(α/2)/2) in place of
//! 1.8.

use super::category_rows::CategoryRows;
use super::divergences::l_infinity;
use crate::drift::threshold::Threshold;
use crate::drift::{About, ByDefault, Comparison, Measure, Score, ks};

pub struct DeequLInfinity;

impl Measure for DeequLInfinity {
    fn about(&self) -> &'static About {
        &About {
            name: "linf_robust:deequ",
            threshold: Threshold::Score { learned: 0.1, first: 0.1 },
            by_default: ByDefault::Nothing,
        }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let distance = match CategoryRows::of(comparison) {
            Some(rows) => l_infinity(&rows.shares()),
            None => ks::Ks.score(comparison)?.score,
        };
        let (r, c) = comparison.present();
        let (r, c) = (r as f64, c as f64);
        let by_chance = FACTOR * ((r + c) / (r * c)).sqrt();
        Some((distance - by_chance).max(0.0).into())
    }
}

/// Chance alone gives more than so many times √((R + C)/(R·C)) three times in a thousand.
const FACTOR: f64 = 1.8;
