//! χ² test of homogeneity on the bins of `psi`, with Cramér's V as the score.
//!
//! K. Pearson (1900); H. Cramér, "Mathematical Methods of Statistics" (1946). No continuity
//! correction. The score is V because χ² itself grows with the rows: with enough of them every
//! difference is significant.

use super::design_effects::DesignEffects;
use super::threshold::Threshold;
use super::{About, ByDefault, Comparison, Measure, Score, bins_test};
use ndarray::{ArrayView2, Axis};
use statrs::distribution::{ChiSquared, ContinuousCDF};

pub struct Chi2;

impl Measure for Chi2 {
    fn about(&self) -> &'static About {
        &About { name: "chi2", threshold: Threshold::None, by_default: ByDefault::Shown }
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let (chi2, rows, _) = statistic(comparison.bins()?);
        Some((chi2 / rows).sqrt().into())
    }

    /// χ² is divided by the design effect (Rao and Scott, 1981).
    fn p_value(
        &self,
        comparison: &Comparison<'_>,
        _: &Score,
        effects: &DesignEffects,
    ) -> Option<f64> {
        let (chi2, _, freedom) = statistic(comparison.bins()?);
        Some(p_value(chi2 / bins_test::effect(comparison, effects), freedom))
    }

    fn noise(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> Option<f64> {
        let (_, rows, freedom) = statistic(comparison.bins()?);
        let effect =
            comparison.effective_rows_of_bins() / bins_test::effective_rows(comparison, effects);
        Some((freedom as f64 * effect / rows).sqrt())
    }

    fn effective_rows(&self, comparison: &Comparison<'_>, effects: &DesignEffects) -> f64 {
        bins_test::effective_rows(comparison, effects)
    }
}

/// χ², all rows, and the degrees of freedom.
fn statistic(bins: ArrayView2<'_, u64>) -> (f64, f64, usize) {
    let (rows, columns) = (bins.sum_axis(Axis(1)), bins.sum_axis(Axis(0)));
    let total = rows.sum() as f64;
    let used = columns.iter().filter(|count| **count > 0).count();
    let mut chi2 = 0.0;
    for ((side, bin), &observed) in bins.indexed_iter() {
        let expected = rows[side] as f64 * columns[bin] as f64 / total;
        if expected > 0.0 {
            chi2 += (observed as f64 - expected).powi(2) / expected;
        }
    }
    (chi2, total, used.saturating_sub(1))
}

/// 1 where one bin has all rows.
fn p_value(chi2: f64, freedom: usize) -> f64 {
    if freedom == 0 {
        return 1.0;
    }
    let law = ChiSquared::new(freedom as f64).expect("one degree of freedom or more");
    law.sf(chi2).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::bin_table::table;
    use super::*;

    fn check(reference: &[u64], current: &[u64], v: f64, p: f64) {
        let (chi2, rows, freedom) = statistic(table(reference, current).view());
        let score = (chi2 / rows).sqrt();
        assert!((score - v).abs() < 1e-12, "V {score} is not {v}");
        let got = p_value(chi2, freedom);
        assert!((got - p).abs() <= 1e-9 * p, "p {got} is not {p}");
    }

    /// `scipy.stats.chi2_contingency(…, correction=False)` 1.17.1 on the counts of Evidently's
    /// Hellinger, whylogs' and Deequ's χ² cases, whose own tests are of goodness of fit.
    #[test]
    fn agrees_with_scipy() {
        check(
            &[16, 18, 16, 14, 12, 12],
            &[16, 16, 16, 16, 16, 8],
            0.0960116281897381,
            0.8985262394026607,
        );
        check(&[130, 370], &[240, 260], 0.22783558086710667, 5.813180472899873e-13);
        check(
            &[207, 20, 25, 14, 25],
            &[223, 20, 25, 12, 13],
            0.08809117816201649,
            0.33878493639412083,
        );
    }

    /// whylogs#492: equal proportions of different size.
    #[test]
    fn size_alone_is_no_difference() {
        check(&[100, 500], &[50, 250], 0.0, 1.0);
    }

    #[test]
    fn one_bin_is_no_test() {
        check(&[7, 0], &[3, 0], 0.0, 1.0);
    }
}
