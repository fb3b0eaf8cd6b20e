//! Bins of equal width, as numpy's `histogram` has them: each holds its lower edge, and the last
//! its upper one too.

use crate::profile::value_distribution::ValueDistribution;

/// The edges of some bins of equal width, ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct EqualBins {
    edges: Vec<f64>,
}

impl EqualBins {
    /// So many, one at least, over a range; numpy takes a half on both sides of a single value.
    pub fn new((min, max): (f64, f64), n: usize) -> EqualBins {
        let (min, max) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
        let step = (max - min) / n as f64;
        // The same operations in the same order, since values lie on edges.
        let edges = (0..n).map(|bin| bin as f64 * step + min).chain([max]).collect();
        EqualBins { edges }
    }

    /// The rows of each bin, which need not be whole.
    pub fn rows(&self, side: &ValueDistribution) -> Vec<f64> {
        let found = side.rows_below(&self.edges);
        let last = found.len() - 1;
        let upto = |edge: usize| if edge == last { found[edge].upto } else { found[edge].below };
        (1..=last).map(|edge| upto(edge) - upto(edge - 1)).collect()
    }

    /// Rows below the first edge.
    pub fn rows_before(&self, side: &ValueDistribution) -> f64 {
        side.rows_below(&self.edges[..1])[0].below
    }
}

/// The range that two sides have together.
pub fn joint_range(reference: &ValueDistribution, current: &ValueDistribution) -> (f64, f64) {
    let ((a, b), (c, d)) = (reference.range(), current.range());
    (a.min(c), b.max(d))
}

/// H. A. Sturges' number of bins (1926) of so many rows; none has less than `width_min`.
pub fn sturges(rows: f64, (min, max): (f64, f64), width_min: f64) -> usize {
    let width = ((max - min) / (rows.log2() + 1.0)).max(width_min);
    bins_of_width((min, max), width)
}

/// D. P. Doane's (1976), which is more where values are skewed.
pub fn doane(side: &ValueDistribution) -> usize {
    let (n, range) = (side.rows(), side.range());
    let Some(skewness) = side.skewness().filter(|_| n > 2.0) else { return 1 };
    let sigma = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
    let bins = 1.0 + n.log2() + (1.0 + skewness.abs() / sigma).log2();
    bins_of_width(range, (range.1 - range.0) / bins)
}

fn bins_of_width((min, max): (f64, f64), width: f64) -> usize {
    let bins = ((max - min) / width).ceil();
    if bins.is_finite() { (bins as usize).max(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::value_stretches::ValueStretch;

    fn values(all: &[f64]) -> ValueDistribution {
        let all = all.iter().map(|&value| ValueStretch { lower: value, upper: value, rows: 1 });
        ValueDistribution::new(all.collect()).unwrap()
    }

    /// `numpy.histogram` and `numpy.histogram_bin_edges` 2.4.6.
    #[test]
    fn bins_agree_with_numpy() {
        let own = values(&[0.0, 1.0, 2.0, 3.0, 4.0, 10.0]);
        assert_eq!(EqualBins::new((0.0, 4.0), 4).rows(&own), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(EqualBins::new((1.0, 3.0), 2).rows_before(&own), 1.0);
        assert_eq!(EqualBins::new((7.0, 7.0), 1).edges, [6.5, 7.5]);
        assert_eq!(sturges(6.0, (0.0, 10.0), 0.0), 4);
        assert_eq!(sturges(600.0, (0.0, 4.0), 1.0), 4);
        assert_eq!(doane(&own), 6);
        assert_eq!(doane(&values(&[7.0])), 1);
    }
}
