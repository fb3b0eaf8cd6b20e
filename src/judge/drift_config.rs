//! `[model.drift]`, checked: what is measured, what decides, and how sure a verdict must be.

use super::persistence::Persistence;
use crate::drift::threshold::Stage;
use crate::drift::{ByDefault, MEASURES, Measure, Score};
use crate::quality::rule::Rule;
use std::collections::{BTreeMap, BTreeSet};

/// `[model.drift]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftConfig {
    /// Which measures are computed.
    pub measures: Vec<&'static dyn Measure>,
    /// Names of those that can call a feature drifted.
    pub decide: Vec<&'static str>,
    /// RC/(R+C) over the design effect, below which nothing is judged; in first windows
    /// [`FIRST_ROWS`] times as much.
    pub rows_min: u64,
    /// How rare a difference must be by chance alone.
    pub p_max: f64,
    /// Steps between closed windows that it is learned from how much a feature varies.
    pub history: usize,
    pub variation: VariationConfig,
    /// By measure, over its own.
    pub thresholds: BTreeMap<&'static str, f64>,
    /// By feature and measure, over `thresholds`.
    pub feature_thresholds: BTreeMap<String, BTreeMap<&'static str, f64>>,
    /// Features that have figures and no verdict.
    pub muted: BTreeSet<String>,
    /// What every window must hold, whatever the reference says.
    pub rules: Vec<Rule>,
    /// In how many of the last windows a feature must have drifted; none where it is not asked.
    pub persistence: Option<Persistence>,
}

/// How much rows are taken to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariationConfig {
    /// As much as windows before have shown.
    Learned,
    /// As much as the order of rows shows; windows are taken to differ no more than rows do.
    Rows,
    /// Rows are independent.
    None,
}

impl VariationConfig {
    pub const ALL: [VariationConfig; 3] =
        [VariationConfig::Learned, VariationConfig::Rows, VariationConfig::None];

    pub fn name(self) -> &'static str {
        match self {
            VariationConfig::Learned => "learned",
            VariationConfig::Rows => "rows",
            VariationConfig::None => "none",
        }
    }
}

/// How many times `rows_min` a feature needs before it is known how much it varies.
pub const FIRST_ROWS: f64 = 4.0;

/// Steps that are learned from at least: with fewer, the estimate itself varies too much.
pub const STEPS_MIN: usize = 20;

impl Default for DriftConfig {
    fn default() -> DriftConfig {
        DriftConfig {
            measures: measures_by_default().collect(),
            decide: deciding_by_default().map(<dyn Measure>::name).collect(),
            rows_min: 50,
            p_max: 1e-5,
            history: 50,
            variation: VariationConfig::Learned,
            thresholds: BTreeMap::new(),
            feature_thresholds: BTreeMap::new(),
            muted: BTreeSet::new(),
            rules: Vec::new(),
            persistence: None,
        }
    }
}

/// What is computed where nobody says otherwise.
pub fn measures_by_default() -> impl Iterator<Item = &'static dyn Measure> {
    let is_computed = |own: &&dyn Measure| own.about().by_default != ByDefault::Nothing;
    MEASURES.iter().copied().filter(is_computed)
}

/// What decides where nobody says otherwise.
pub fn deciding_by_default() -> impl Iterator<Item = &'static dyn Measure> {
    MEASURES.iter().copied().filter(|own| own.about().by_default == ByDefault::Decides)
}

impl DriftConfig {
    /// What a score is held against.
    pub fn threshold(
        &self,
        feature: &str,
        measure: &dyn Measure,
        score: &Score,
        stage: Stage,
    ) -> Option<f64> {
        let name = measure.name();
        let own = self.feature_thresholds.get(feature).and_then(|own| own.get(name));
        let set = own.or_else(|| self.thresholds.get(name)).copied();
        set.or_else(|| measure.about().threshold.of(score.change.as_ref(), stage))
    }

    /// Whether so many effective rows are enough to tell drift from noise.
    pub fn suffices(&self, effective_rows: f64, stage: Stage) -> bool {
        let factor = match stage {
            Stage::First => FIRST_ROWS,
            Stage::Learned => 1.0,
        };
        effective_rows >= self.rows_min as f64 * factor
    }
}
