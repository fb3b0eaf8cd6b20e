//! How strictly to judge, as `check` and `replay` take it from the command line.

use crate::drift::measure;
use crate::judge::drift_config::{DriftConfig, VariationConfig};
use std::collections::BTreeMap;

#[derive(clap::Args)]
pub struct JudgingArguments {
    /// From which score on a measure calls drift, over the configuration; may be repeated
    #[arg(long = "threshold", value_name = "MEASURE=X", value_parser = threshold)]
    thresholds: Vec<(&'static str, f64)>,
    /// How much rows tell: "learned" from windows before, as far as there are any, from clusters or
    /// the order of "rows", or "none", when rows are independent
    #[arg(long, value_name = "VARIATION", value_parser = variation)]
    variation: Option<VariationConfig>,
}

impl JudgingArguments {
    /// What is written on the command line goes before everything else.
    pub fn apply(&self, config: &mut DriftConfig) {
        let thresholds: BTreeMap<_, _> = self.thresholds.iter().copied().collect();
        for own in config.feature_thresholds.values_mut() {
            own.retain(|measure, _| !thresholds.contains_key(measure));
        }
        config.thresholds.extend(thresholds);
        config.variation = self.variation.unwrap_or(config.variation);
    }
}

fn threshold(text: &str) -> Result<(&'static str, f64), String> {
    let wanted = || "a measure and a number, such as psi=0.1".to_owned();
    let (name, number) = text.split_once('=').ok_or_else(wanted)?;
    let Some(measure) = measure(name) else {
        let known: Vec<_> = crate::drift::MEASURES.iter().map(|measure| measure.name()).collect();
        return Err(format!("no measure {name:?}; there are: {}", known.join(", ")));
    };
    let number: f64 = number.parse().map_err(|_| wanted())?;
    let is_valid = number.is_finite() && number >= 0.0;
    is_valid.then(|| (measure.name(), number)).ok_or_else(wanted)
}

fn variation(text: &str) -> Result<VariationConfig, String> {
    let found = VariationConfig::ALL.into_iter().find(|own| own.name() == text);
    found.ok_or_else(|| {
        let known = VariationConfig::ALL.map(VariationConfig::name);
        format!("there are: {}", known.join(", "))
    })
}
