//! How strictly to judge, as `check` and `replay` take it from the command line.

use crate::drift::{MEASURES, measure};
use crate::judge::drift_config::{DriftConfig, VariationConfig};
use crate::judge::measure_list::{computed, in_order, known_names};
use std::collections::BTreeMap;

#[derive(clap::Args)]
pub struct JudgingArguments {
    /// From which score on a measure calls drift, over the configuration; it is then measured and
    /// decides; may be repeated
    #[arg(long = "threshold", value_name = "MEASURE=X", value_parser = threshold)]
    thresholds: Vec<(&'static str, f64)>,
    /// What is measured, over the configuration; "default" stands for what is measured otherwise
    #[arg(long, value_name = "MEASURE", value_delimiter = ',', value_parser = measure_name)]
    measures: Vec<String>,
    /// How much rows tell: "learned" from windows before, as far as there are any, from clusters or
    /// the order of "rows", or "none", when rows are independent
    #[arg(long, value_name = "VARIATION", value_parser = variation)]
    variation: Option<VariationConfig>,
}

impl JudgingArguments {
    /// What is written on the command line goes before everything else.
    pub fn apply(&self, config: &mut DriftConfig) {
        let thresholds: BTreeMap<_, _> = self.thresholds.iter().copied().collect();
        if !self.measures.is_empty() {
            config.measures = computed(&self.measures).0;
        }
        // What is given a threshold is measured, and decides.
        let given = thresholds.keys().filter_map(|name| measure(name));
        config.measures =
            in_order(&config.measures.iter().copied().chain(given).collect::<Vec<_>>());
        config.decide.extend(thresholds.keys());
        config.decide.sort_unstable();
        config.decide.dedup();
        config.decide.retain(|name| config.measures.iter().any(|own| own.name() == *name));
        for own in config.feature_thresholds.values_mut() {
            own.retain(|measure, _| !thresholds.contains_key(measure));
        }
        config.thresholds.extend(thresholds);
        config.variation = self.variation.unwrap_or(config.variation);
    }
}

fn measure_name(text: &str) -> Result<String, String> {
    let is_known = known_names().any(|name| name == text);
    is_known.then(|| text.to_owned()).ok_or_else(|| no_measure(text, known_names()))
}

fn no_measure<'n>(text: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<_> = known.collect();
    format!("no measure {text:?}; there are: {}", known.join(", "))
}

fn threshold(text: &str) -> Result<(&'static str, f64), String> {
    let wanted = || "a measure and a number, such as psi=0.1".to_owned();
    let (name, number) = text.split_once('=').ok_or_else(wanted)?;
    let known = MEASURES.iter().map(|own| own.name());
    let measure = measure(name).ok_or_else(|| no_measure(name, known))?;
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
