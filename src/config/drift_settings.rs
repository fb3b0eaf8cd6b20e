//! How a model's features are judged: `[model.drift]`, `[model.alert]` and `[model.feature.NAME]`.

use super::Importance;
use super::raw::{Section, unknown};
use crate::drift::threshold::Threshold;
use crate::drift::{MEASURES, Measure, measure};
use crate::judge::drift_config::{DriftConfig, STEPS_MIN, VariationConfig};
use crate::judge::measure_list::{ListFault, computed, deciding, known_names};
use crate::judge::persistence::{OF_MAX, Persistence};
use crate::monitor::reference::{DeclaredKind, FeatureConfig};
use crate::profile::own_bins::OwnBins;
use std::collections::{BTreeMap, BTreeSet};

type Thresholds = BTreeMap<&'static str, f64>;

/// How single features are judged.
#[derive(Default)]
pub(super) struct JudgedFeatures {
    thresholds: BTreeMap<String, Thresholds>,
    muted: BTreeSet<String>,
    pub(super) importance: BTreeMap<String, Importance>,
}

/// `[model.drift]` and `[model.alert]`.
pub(super) fn drift(model: &Section<'_>, features: JudgedFeatures) -> DriftConfig {
    let JudgedFeatures { thresholds: feature_thresholds, muted, .. } = features;
    let persistence = persistence(model);
    let mut config =
        DriftConfig { feature_thresholds, muted, persistence, ..DriftConfig::default() };
    let Some(section) = model.section("drift") else { return config };
    if let Some(names) = section.strings("measures") {
        config.measures = without_faults(&section, "measures", computed(&names));
    }
    config.thresholds.extend(thresholds(&section));
    if let Some(names) = section.strings("decide") {
        let decide = without_faults(&section, "decide", deciding(&names));
        config.decide = decide.iter().map(|measure| measure.name()).collect();
    } else {
        let is_measured = |name: &&str| config.measures.iter().any(|m| m.name() == *name);
        config.decide.retain(is_measured);
    }
    for name in &config.decide {
        if !config.measures.iter().any(|measure| measure.name() == *name) {
            section.fault("decide", format!("{name:?} is not among the measures"));
        }
        let own = measure(name).map(|measure| measure.about().threshold);
        if own == Some(Threshold::None) && !config.thresholds.contains_key(name) {
            section.fault("decide", format!("{name:?} has no threshold; give it one"));
        }
    }
    if let Some(rows_min) = section.integer("rows_min", 1) {
        config.rows_min = rows_min;
    }
    let wanted = "a number above 0 and up to 1";
    if let Some(p_max) = section.number("p_max", wanted, |p| 0.0 < p && p <= 1.0) {
        config.p_max = p_max;
    }
    if let Some(history) = section.integer("history", STEPS_MIN as u64) {
        config.history = history as usize;
    }
    let variations = VariationConfig::ALL.map(|own| (own.name(), own));
    if let Some(variation) = section.choice("variation", &variations) {
        config.variation = variation;
    }
    section.finish();
    config
}

fn persistence(model: &Section<'_>) -> Option<Persistence> {
    let section = model.section("alert")?;
    let text = section.string("windows");
    let persistence = text.as_deref().and_then(Persistence::parse);
    if text.is_some() && persistence.is_none() {
        section.fault("windows", format!("such as \"2 of 3\", of {OF_MAX} at most"));
    }
    section.finish();
    persistence
}

/// The measures of a list, whose faults are those of the key.
fn without_faults(
    section: &Section<'_>,
    key: &str,
    (found, faults): (Vec<&'static dyn Measure>, Vec<ListFault>),
) -> Vec<&'static dyn Measure> {
    for fault in faults {
        section.fault(
            key,
            match fault {
                ListFault::Twice(name) => format!("{name:?} is listed twice"),
                ListFault::Unknown(name) => unknown(&name, known_names()),
            },
        );
    }
    found
}

fn thresholds(section: &Section<'_>) -> Thresholds {
    let numbers = section.numbers("thresholds").into_iter();
    numbers
        .filter_map(|(name, threshold)| {
            let Some(measure) = measure(&name) else {
                let known = MEASURES.iter().map(|measure| measure.name());
                section.fault("thresholds", unknown(&name, known));
                return None;
            };
            Some((measure.name(), threshold))
        })
        .collect()
}

/// What a model says about single features: kinds, and how they are judged.
pub(super) fn features(model: &Section<'_>) -> (BTreeMap<String, FeatureConfig>, JudgedFeatures) {
    const KINDS: &[(&str, DeclaredKind)] = &[
        ("numeric", DeclaredKind::Numeric),
        ("categorical", DeclaredKind::Categorical),
        ("boolean", DeclaredKind::Boolean),
        ("ignore", DeclaredKind::Ignore),
    ];
    let mut features = BTreeMap::new();
    let mut judged = JudgedFeatures::default();
    for (name, section) in model.named_sections("feature") {
        let kind = section.choice("kind", KINDS);
        let distinct = section.boolean("distinct").unwrap_or(false);
        judged.thresholds.insert(name.clone(), thresholds(&section));
        if section.boolean("mute").unwrap_or(false) {
            judged.muted.insert(name.clone());
        }
        let importance =
            section.choice("importance", &Importance::ALL.map(|own| (own.name(), own)));
        judged.importance.extend(importance.map(|own| (name.clone(), own)));
        let bins = own_bins(&section, kind);
        features.insert(name, FeatureConfig { kind, distinct, bins });
        section.finish();
    }
    (features, judged)
}

/// `bins`, `labels` and `missing_bin` of a feature.
fn own_bins(section: &Section<'_>, kind: Option<DeclaredKind>) -> OwnBins {
    let ends = section.number_list("bins").unwrap_or_default();
    let is_number = matches!(kind, None | Some(DeclaredKind::Numeric));
    if !ends.is_empty() && !is_number {
        section.fault("bins", "are ends of numbers; the kind is another");
    }
    let ascend = ends.is_sorted_by(|a, b| a < b) && ends.iter().all(|end| end.is_finite());
    if !ascend || ends.len() > OwnBins::ENDS_MAX {
        let most = OwnBins::ENDS_MAX;
        section.fault("bins", format!("wants up to {most} numbers that ascend, such as [18, 65]"));
    }
    let names = section.strings("labels").unwrap_or_default();
    let is_twice = |(at, name): (usize, &String)| names[..at].contains(name);
    if !names.is_empty() && ends.is_empty() && !section.has("bins") {
        section.fault("labels", "are of bins, which are missing");
    } else if !names.is_empty() && names.len() != ends.len() + 1 {
        let wanted = ends.len() + 1;
        section
            .fault("labels", format!("wants one per bin, which are {wanted}: one more than ends"));
    }
    if names.iter().enumerate().any(is_twice) {
        section.fault("labels", "has a name twice");
    }
    let has_missing = section.boolean("missing_bin").unwrap_or(false);
    // An end of −0 is one of 0.
    OwnBins { ends: ends.into_iter().map(|end| end + 0.0).collect(), names, has_missing }
}
