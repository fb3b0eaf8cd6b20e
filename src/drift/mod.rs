//! Drift: from two profiles over one grid to scores, and from scores to a verdict.
//!
//! Every measure is a file and a line of [`MEASURES`]; configuration and labels read that list, and
//! the README's table is held against it. Nothing here sees a row.

mod chi2;
mod comparison;
mod js;
mod ks;
mod missing;
mod psi;
mod shares;
pub mod verdict;

pub use comparison::Comparison;

/// All measures, in the order that they are shown in.
pub const MEASURES: &[&dyn Measure] =
    &[&psi::Psi, &ks::Ks, &js::Js, &chi2::Chi2, &missing::Missing];

/// A distance between reference and current. Higher is worse for every measure.
pub trait Measure: Sync {
    fn name(&self) -> &'static str;

    /// From which score on a deciding measure calls drift; none for a measure without a custom.
    fn default_threshold(&self) -> Option<f64>;

    /// None where there is nothing to score: another kind of feature, or no values on a side.
    fn score(&self, comparison: &Comparison<'_>) -> Option<Score>;

    /// What the score rests on.
    fn evidence(&self, comparison: &Comparison<'_>) -> Evidence {
        let (reference, current) = comparison.present();
        comparison.evidence(reference, current, comparison.n_bins())
    }
}

/// A measure's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    pub score: f64,
    pub p_value: Option<f64>,
    /// How much larger the score may be without the cells' loss of detail.
    pub error: Option<f64>,
}

impl From<f64> for Score {
    fn from(score: f64) -> Score {
        Score { score, p_value: None, error: None }
    }
}

/// Rows on either side, as if each had been drawn alone, and the bins that they are spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub reference: u64,
    pub current: u64,
    pub bins: usize,
}

impl Evidence {
    /// RC/(R+C): the rows that a two-sample comparison is worth. The smaller side bounds it.
    pub fn effective_rows(self) -> f64 {
        let (r, c) = (self.reference as f64, self.current as f64);
        if self.reference + self.current == 0 { 0.0 } else { r * c / (r + c) }
    }
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
