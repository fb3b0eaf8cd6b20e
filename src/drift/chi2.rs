//! χ² test of homogeneity on the bins of `psi`, with Cramér's V as the score.
//!
//! K. Pearson (1900); H. Cramér, "Mathematical Methods of Statistics" (1946). No continuity
//! correction. The score is V because χ² itself grows with the rows: with enough of them every
//! difference is significant.

use super::{Comparison, Evidence, Measure, Score};
use ndarray::{ArrayView2, Axis};
use statrs::distribution::{ChiSquared, ContinuousCDF};

pub struct Chi2;

impl Measure for Chi2 {
    fn name(&self) -> &'static str {
        "chi2"
    }

    fn default_threshold(&self) -> Option<f64> {
        None
    }

    fn score(&self, comparison: &Comparison<'_>) -> Option<Score> {
        let bins = comparison.bins()?;
        Some(homogeneity(bins, self.evidence(comparison).effective_rows()))
    }
}

/// `effective_rows` is RC/(R+C), or less when rows of one side resemble each other; χ² is then
/// divided by as much (Rao and Scott, 1981).
fn homogeneity(bins: ArrayView2<'_, u64>, effective_rows: f64) -> Score {
    let (rows, columns) = (bins.sum_axis(Axis(1)), bins.sum_axis(Axis(0)));
    let total = rows.sum() as f64;
    let used = columns.iter().filter(|count| **count > 0).count();
    if used < 2 {
        return Score { score: 0.0, p_value: Some(1.0), error: None };
    }
    let mut chi2 = 0.0;
    for ((side, bin), &observed) in bins.indexed_iter() {
        let expected = rows[side] as f64 * columns[bin] as f64 / total;
        if expected > 0.0 {
            chi2 += (observed as f64 - expected).powi(2) / expected;
        }
    }
    let alone = Evidence { reference: rows[0], current: rows[1], bins: used };
    let worth = effective_rows / alone.effective_rows();
    let law = ChiSquared::new((used - 1) as f64).expect("one degree of freedom or more");
    let tail = law.sf(chi2 * worth);
    Score { score: (chi2 / total).sqrt(), p_value: Some(tail.clamp(0.0, 1.0)), error: None }
}

#[cfg(test)]
mod tests {
    use super::super::shares::table;
    use super::*;

    fn check(reference: &[u64], current: &[u64], v: f64, p: f64) {
        let rows = |counts: &[u64]| counts.iter().sum::<u64>();
        let n = Evidence { reference: rows(reference), current: rows(current), bins: 0 };
        let score = homogeneity(table(reference, current).view(), n.effective_rows());
        assert!((score.score - v).abs() < 1e-12, "V {} is not {v}", score.score);
        let got = score.p_value.unwrap();
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
