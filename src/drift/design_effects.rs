//! How many rows tell as much as one that was drawn alone, by what is measured.
//!
//! Rows of one hour or one request resemble each other, and days differ; a p-value that takes them
//! for independent draws is far too small. L. Kish, "Survey Sampling" (1965), calls the factor by
//! which the variance grows the design effect.

/// 1 or more each; 1 where rows are independent.
#[derive(Debug, Clone, PartialEq)]
pub struct DesignEffects {
    pub centre: f64,
    pub spread: f64,
    /// Of the bins of `psi`, on average.
    pub bins: f64,
    /// Of all bins together, weighted by how much each varies: what a χ² over them is divided by.
    pub all_bins: f64,
    /// Of each bin by itself; empty where all are 1.
    pub by_bin: Vec<f64>,
    pub missing: f64,
    /// Of a share, or a missing ratio, that fell where it was rare already.
    pub loss: f64,
}

impl Default for DesignEffects {
    fn default() -> DesignEffects {
        DesignEffects::same(1.0)
    }
}

impl DesignEffects {
    /// One design effect for whatever is measured.
    pub fn same(effect: f64) -> DesignEffects {
        DesignEffects {
            centre: effect,
            spread: effect,
            bins: effect,
            all_bins: effect,
            by_bin: Vec::new(),
            missing: effect,
            loss: 1.0,
        }
    }

    /// Those of bins, on average and each by itself; 1 for all else.
    pub fn of_bins(bins: f64, by_bin: Vec<f64>) -> DesignEffects {
        let squares: f64 = by_bin.iter().map(|effect| effect * effect).sum();
        let sum: f64 = by_bin.iter().sum();
        let all_bins = if sum > 0.0 { bins.max(squares / sum) } else { bins };
        DesignEffects { bins, all_bins, by_bin, ..DesignEffects::default() }
    }

    /// The largest of values: of measures that a change of any kind moves.
    pub fn of_values(&self) -> f64 {
        self.all_bins.max(self.centre).max(self.spread)
    }

    pub fn of_bin(&self, bin: usize) -> f64 {
        self.by_bin.get(bin).copied().unwrap_or(1.0).max(self.bins)
    }

    /// Every effect `factor` times as large, as for a sample whose rows come in clusters.
    #[must_use]
    pub fn times(mut self, factor: f64) -> DesignEffects {
        let DesignEffects { centre, spread, bins, all_bins, by_bin, missing, loss: _ } = &mut self;
        let effects = [centre, spread, bins, all_bins, missing];
        effects.into_iter().chain(by_bin).for_each(|effect| *effect *= factor);
        self
    }
}
