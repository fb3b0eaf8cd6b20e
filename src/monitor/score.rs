//! Scoring a window: every feature on its own, then the window as a whole.

use super::figures::{
    BaselineFigures, ComparisonFigures, FeatureFigures, VariationFigures, WindowFigures,
};
use super::reference::{Reference, ReferenceFeature};
use crate::drift::Comparison;
use crate::drift::design_effects::DesignEffects;
use crate::judge::cluster_effects::cluster_effects;
use crate::judge::drift_config::{DriftConfig, VariationConfig};
use crate::judge::evidence::{Evidence, WindowEvidence};
use crate::judge::steps::{RankVariances, learn};
use crate::judge::variation::Variation;
use crate::judge::verdict::{Verdict, judge};
use crate::profile::Mismatch;
use crate::quality::window_counts::{WindowCounts, judge as judge_rules};
use crate::time::Timestamp;
use crate::window::pane::Pane;
use rayon::prelude::*;
use std::sync::Arc;

/// Which window the rows are.
#[derive(Debug, Clone, Default)]
pub struct WindowLabel {
    pub window: String,
    pub slot: u64,
    /// The file that it is made of.
    pub file: Option<String>,
    /// Content of the reference.
    pub compared: Option<u128>,
    /// Event time.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub closed: Option<Timestamp>,
}

/// What a window is compared with besides the reference.
#[derive(Debug)]
pub struct Baseline {
    pub name: String,
    /// None while there are no windows that it is made of.
    pub pane: Option<Pane>,
    /// Whether it decides in place of the reference.
    pub decides: bool,
    /// Whether it is of the same time of the week, and not of the windows just before.
    pub is_seasonal: bool,
}

/// A window as it is judged, and what it leaves for judging others.
#[derive(Debug, Clone)]
pub struct ScoredWindow {
    pub figures: WindowFigures,
    pub evidence: WindowEvidence,
    /// What it counted, where that is wanted.
    pub pane: Option<Pane>,
}

/// Scores and judges the rows of one window, given what windows before it have left, oldest first.
pub fn score(
    reference: &Reference,
    pane: &Pane,
    baselines: &[Baseline],
    past: &[Arc<WindowEvidence>],
    config: &DriftConfig,
    label: WindowLabel,
) -> Result<ScoredWindow, Mismatch> {
    if pane.features.len() != reference.features.len() {
        return Err(Mismatch);
    }
    let scoring = Scoring { pane, baselines, past, config };
    let features = reference.features.par_iter().enumerate();
    let features = features
        .map(|(index, feature)| scoring.feature(index, feature))
        .collect::<Result<Vec<_>, Mismatch>>()?;
    let (features, evidence): (Vec<_>, Vec<_>) = features.into_iter().unzip();
    let WindowLabel { window, slot, file, compared, start, end, closed } = label;
    let (rows, rows_kept) = (pane.rows, pane.rows_kept);
    let baselines = baselines.iter().map(|baseline| BaselineFigures {
        name: baseline.name.clone(),
        rows: baseline.pane.as_ref().map_or(0, |pane| pane.rows),
        decides: baseline.decides,
    });
    let baselines = baselines.collect();
    let label_age = closed.zip(end).map(|(closed, end)| closed.since(end));
    let counted = reference.grids().zip(&pane.features).collect();
    let rules =
        judge_rules(&config.rules, &WindowCounts { rows, age: label_age, features: counted });
    let evidence = WindowEvidence::new(slot, &evidence);
    let figures = WindowFigures {
        window,
        slot,
        file,
        compared,
        start,
        end,
        closed,
        rows,
        rows_kept,
        baselines,
        rules,
        features,
    };
    Ok(ScoredWindow { figures, evidence, pane: None })
}

/// What every feature of a window is judged with.
struct Scoring<'a> {
    pane: &'a Pane,
    baselines: &'a [Baseline],
    past: &'a [Arc<WindowEvidence>],
    config: &'a DriftConfig,
}

impl Scoring<'_> {
    fn feature(
        &self,
        index: usize,
        feature: &ReferenceFeature,
    ) -> Result<(FeatureFigures, Evidence), Mismatch> {
        let current = &self.pane.features[index];
        current.assert_complete();
        let compared = Comparison::new(&feature.grid, &feature.profile, current)?;
        let factor = |compared: &Comparison<'_>| self.cluster_factor(index, compared);
        let variation = self.variation(index, &compared, false);
        let own = variation.clone().times(factor(&compared));
        let is_muted = self.config.muted.contains(&feature.grid.name);
        let said = |verdict: Verdict| if is_muted { verdict.muted() } else { verdict };
        let verdict = judge(&compared, &own, self.config);
        let known = VariationFigures::new(&own, compared.effective_rows());
        // Of what decides, whatever is said of it.
        let (mut called, mut beside) = (verdict.drifted, None);
        let mut figures = FeatureFigures::new(&compared, said(verdict), known);
        for (at, baseline) in self.baselines.iter().enumerate() {
            let Some(pane) = &baseline.pane else {
                figures.others.push(ComparisonFigures::without_baseline());
                if baseline.decides {
                    figures.decide_by(at, None, None);
                    called = None;
                }
                continue;
            };
            let before = &pane.features[index];
            let against = Comparison::with_window(&feature.grid, before, current)?;
            let is_seasonal = baseline.decides && baseline.is_seasonal;
            let own = match is_seasonal {
                true => self.variation(index, &compared, true),
                false => variation.clone(),
            };
            let own = own.times(factor(&against));
            let verdict = judge(&against, &own, self.config);
            if baseline.decides {
                called = verdict.drifted;
            }
            figures.others.push(said(verdict).into());
            if baseline.decides {
                let known = VariationFigures::new(&own, against.effective_rows());
                figures.decide_by(at, Some(&against), Some(known));
            }
            if is_seasonal {
                let of_season = Comparison::new(&feature.grid, &feature.profile, before)?;
                beside = Some(Box::new(Evidence::of(&of_season, false)));
            }
        }
        let evidence = Evidence::of(&compared, called == Some(true));
        Ok((figures, Evidence { beside, ..evidence }))
    }

    /// How much the rows of a feature tell, as far as is known: of windows, or of what is left of
    /// them when the season before is taken away.
    fn variation(&self, index: usize, compared: &Comparison<'_>, is_seasonal: bool) -> Variation {
        match self.config.variation {
            VariationConfig::None => Variation::of_rows(DesignEffects::default()),
            VariationConfig::Rows => Variation::of_rows(effects_of_rows(compared)),
            VariationConfig::Learned => {
                let past = self.past.iter().filter_map(|window| window.feature(index));
                let past: Vec<Evidence> = past.map(|own| comparable(own, is_seasonal)).collect();
                let (variances, bins) = varying(compared);
                let learned =
                    learn(&past, variances, (compared.present().1, bins), self.config.history);
                let first = || Variation::first(effects_of_rows(compared));
                learned.map_or_else(first, Variation::learned)
            }
        }
    }

    /// By how much a sample of whole row groups tells less than its rows; 1 for all others.
    fn cluster_factor(&self, index: usize, compared: &Comparison<'_>) -> f64 {
        let Some(clusters) = self.pane.clusters.get(index) else { return 1.0 };
        let bins = self.pane.features[index].cluster_bins(compared.grid());
        let effect = clusters.design_effect(&bins).unwrap_or(f64::INFINITY);
        let (reference, current) = compared.present();
        let (r, c) = (reference as f64, current as f64);
        // RC/(R+C) with all rows, over the same with C/effect of them.
        if r + c > 0.0 { (effect * r + c) / (r + c) } else { 1.0 }
    }
}

/// What a closed window left, with the season before it or without; nothing of one that had none.
fn comparable(own: Evidence, is_seasonal: bool) -> Evidence {
    match (is_seasonal, own.beside.is_some()) {
        (true, false) => Evidence::default(),
        (false, _) => Evidence { beside: None, ..own },
        (true, true) => own,
    }
}

/// What rows tell by themselves: as their clusters say, where those have a name, or their order.
fn effects_of_rows(compared: &Comparison<'_>) -> DesignEffects {
    let of_order = || DesignEffects::same(compared.effect_of_order());
    cluster_effects(compared).unwrap_or_else(of_order)
}

/// The variances of the reference's ranks, and how many bins it has rows in.
fn varying(compared: &Comparison<'_>) -> (RankVariances, usize) {
    let (ranks, distances) =
        compared.ranks().map_or((0.0, 0.0), |own| (own.ranks.variance, own.distances.variance));
    let variances = RankVariances { ranks, distances };
    let bins = compared.bins_of_values();
    let used = bins.map_or(0, |bins| bins.row(0).iter().filter(|rows| **rows > 0).count());
    (variances, used)
}
