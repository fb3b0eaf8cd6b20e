//! Drift: what is measured between two profiles over one grid.
//!
//! Every measure is a file and a line of [`MEASURES`]; configuration, labels, table and JSON read
//! that list, and the README's table is held against it. Nothing here sees a row, and nothing here
//! says whether a feature has drifted.

mod anderson_darling;
mod bin_distance;
mod bin_table;
mod bins_test;
mod cell_excess;
mod centre;
mod chi2;
mod comparison;
mod compat;
mod cramer_von_mises;
pub mod design_effects;
mod energy;
mod hellinger;
mod js;
mod kl;
mod ks;
mod l_infinity;
mod missing;
mod out_of_range;
mod psi;
mod psi_debiased;
mod rank_steps;
pub mod ranks;
mod share;
mod spread;
pub mod threshold;
mod total_variation;
mod unseen;
mod wasserstein;

pub use comparison::Comparison;
use design_effects::DesignEffects;
use ndarray::ArrayView2;
use threshold::{RateChange, Threshold};

/// All measures, in the order that they are shown in.
pub const MEASURES: &[&dyn Measure] = &[
    &psi::Psi,
    &ks::Ks,
    &js::Js,
    &chi2::Chi2,
    &missing::Missing,
    &centre::Centre,
    &spread::Spread,
    &share::Share,
    &cell_excess::CellExcess,
    &unseen::Unseen,
    &out_of_range::OutOfRange,
    &psi_debiased::PsiDebiased,
    &hellinger::Hellinger,
    &kl::Kl,
    &total_variation::TotalVariation,
    &l_infinity::LInfinity,
    &wasserstein::Wasserstein,
    &wasserstein::WassersteinSigma,
    &energy::Energy,
    &cramer_von_mises::CramerVonMises,
    &anderson_darling::AndersonDarling,
    &compat::evidently::EvidentlyPsi,
    &compat::evidently::EvidentlyJs,
    &compat::evidently::EvidentlyWasserstein,
    &compat::nannyml::NannymlJs,
    &compat::nannyml::NannymlHellinger,
    &compat::nannyml::NannymlKs,
    &compat::nannyml::NannymlWasserstein,
    &compat::nannyml::NannymlLInfinity,
    &compat::azure::AzurePsi,
    &compat::azure::AzureJs,
    &compat::azure::AzureWasserstein,
    &compat::tfdv::TfdvLInfinity,
    &compat::deequ::DeequLInfinity,
];

/// What a measure is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct About {
    /// Label `measure`.
    pub name: &'static str,
    pub threshold: Threshold,
    pub by_default: ByDefault,
}

/// What a measure is for unless the configuration says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByDefault {
    /// It can call a feature drifted.
    Decides,
    /// It is computed.
    Shown,
    /// Nothing: it is computed where it is asked for.
    Nothing,
}

/// A distance between reference and current. Higher is worse for every measure.
pub trait Measure: Sync {
    fn about(&self) -> &'static About;

    fn name(&self) -> &'static str {
        self.about().name
    }

    /// None where there is nothing to score: another kind of feature, or no values on a side.
    fn score(&self, comparison: &Comparison<'_>) -> Option<Score>;

    /// How often chance alone gives such a score or a larger one, when rows tell less than rows
    /// drawn alone; none for a measure without a test.
    fn p_value(
        &self,
        _comparison: &Comparison<'_>,
        _score: &Score,
        _effects: &DesignEffects,
    ) -> Option<f64> {
        None
    }

    /// The least that the p-value may be without the cells' loss of detail; none where it has none.
    fn p_value_min(
        &self,
        _comparison: &Comparison<'_>,
        _score: &Score,
        _effects: &DesignEffects,
    ) -> Option<f64> {
        None
    }

    /// What the score comes to by chance alone, on average and about; none where that is not known.
    fn noise(&self, _comparison: &Comparison<'_>, _effects: &DesignEffects) -> Option<f64> {
        None
    }

    /// RC/(R+C) of the rows that it speaks of, divided by their design effect.
    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        comparison.effective_rows() / effects.bins
    }
}

/// A measure's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    pub score: f64,
    /// How much larger the score may be without the cells' loss of detail.
    pub error: Option<f64>,
    /// The rate that the score speaks of.
    pub change: Option<RateChange>,
    /// The cell that the score was found in.
    pub cell: Option<usize>,
}

impl From<f64> for Score {
    fn from(score: f64) -> Score {
        Score { score, error: None, change: None, cell: None }
    }
}

impl From<RateChange> for Score {
    fn from(change: RateChange) -> Score {
        Score { change: Some(change), ..Score::from(change.score()) }
    }
}

/// What each bin adds to the score of `psi`, in bin order.
pub fn parts_of_psi(bins: ArrayView2<'_, u64>) -> Vec<f64> {
    psi::parts(bins).collect()
}

/// RC/(R+C): the rows that a two-sample comparison is worth. The smaller side bounds it.
pub fn effective_rows(reference: u64, current: u64) -> f64 {
    let (r, c) = (reference as f64, current as f64);
    if reference + current == 0 { 0.0 } else { r * c / (r + c) }
}

/// A measure is what its name says.
impl PartialEq for dyn Measure {
    fn eq(&self, other: &dyn Measure) -> bool {
        self.name() == other.name()
    }
}

impl std::fmt::Debug for dyn Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The measure of that name.
pub fn measure(name: &str) -> Option<&'static dyn Measure> {
    MEASURES.iter().copied().find(|measure| measure.name() == name)
}
