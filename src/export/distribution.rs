//! The values of a feature as a histogram: by the bins of `psi`, and by native buckets.

use crate::explain::bin::Bin;
use crate::monitor::figures::{FeatureFigures, ReferenceFeatureFigures, Statistics};
use crate::profile::exponential_histogram::ExponentialHistogram;

/// The values of one feature, of a window or of its reference.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// The bins of `psi`, and the reference's rows in them.
    bins: &'a [(Bin, u64)],
    /// The window's rows in them; none where it is the reference that is told of.
    rows: Option<&'a [u64]>,
    /// Of the finite values.
    pub sum: f64,
    pub native: Option<&'a ExponentialHistogram>,
}

impl<'a> Distribution<'a> {
    /// Of a feature of the reference; none of what is no number or has no values.
    pub fn of_reference(reference: &'a ReferenceFeatureFigures) -> Option<Distribution<'a>> {
        let native = reference.histogram.as_deref();
        let values = reference.bins.iter().take_while(|(bin, _)| *bin != Bin::Missing).count();
        let bins = &reference.bins[..values];
        let first = bins.first().map(|(bin, _)| bin.content());
        let is_numeric = matches!(first, Some(Bin::Value(_) | Bin::Between(..)));
        let own = Distribution { bins, rows: None, sum: 0.0, native };
        let sum = sum(&reference.statistics, own.total());
        (is_numeric && own.total() > 0).then_some(Distribution { sum, ..own })
    }

    /// Of a feature of a window that was compared with this reference.
    pub fn of_window(
        reference: &'a ReferenceFeatureFigures,
        window: &'a FeatureFigures,
    ) -> Option<Distribution<'a>> {
        let own = Distribution::of_reference(reference)?;
        let (rows, native) = (&window.bins, window.histogram.as_deref());
        if rows.len() != reference.bins.len() {
            return None;
        }
        let own = Distribution { rows: Some(&rows[..own.bins.len()]), native, ..own };
        let sum = sum(&window.statistics, own.total());
        Some(Distribution { sum, ..own })
    }

    /// Rows with a value.
    pub fn total(&self) -> u64 {
        match self.rows {
            Some(rows) => rows.iter().sum(),
            None => self.bins.iter().map(|(_, rows)| rows).sum(),
        }
    }

    /// Upper ends, inclusive, and the rows up to each; the last end is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets = Vec::with_capacity(self.bins.len());
        let mut below = 0;
        for (place, (bin, of_reference)) in self.bins.iter().enumerate() {
            below += self.rows.map_or(*of_reference, |rows| rows[place]);
            let upper = match bin.content() {
                _ if place + 1 == self.bins.len() => f64::INFINITY,
                Bin::Value(upper) | Bin::Between(_, Some(upper)) => *upper,
                // Infinities of the reference have the last bin.
                _ => f64::MAX,
            };
            // Infinities of the reference can have the first bin too; nothing ends below it.
            if upper.is_finite() || upper > 0.0 {
                buckets.push((upper, below));
            }
        }
        buckets
    }

    /// How many series it is as classic buckets, sum and count.
    pub fn series(&self) -> usize {
        self.bins.len() + 2
    }
}

/// The sum of the finite values, of so many rows with a value.
fn sum(statistics: &Statistics, present: u64) -> f64 {
    let infinite = statistics.infinite_ratio.unwrap_or(0.0) * statistics.rows as f64;
    statistics.mean.map_or(0.0, |mean| mean * (present as f64 - infinite.round()))
}
