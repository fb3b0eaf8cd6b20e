//! The features of a window as a table, and what is said of the window before it.

use super::Report;
use super::feature_section::{Bar, facts, short_name};
use super::ranking::{conclusion, rows, verdict, verdict_class, window_class, worst};
use crate::explain::number::{percent, short};
use crate::monitor::figures::{FeatureFigures, ReferenceFeatureFigures, ReferenceFigures};
use crate::time::Timestamp;
use maud::{Markup, html};
use std::collections::HashMap;

/// The features of a reference by their names.
pub fn by_name(reference: Option<&ReferenceFigures>) -> HashMap<&str, &ReferenceFeatureFigures> {
    let features = reference.into_iter().flat_map(|reference| &reference.features);
    features.map(|own| (own.name.as_str(), own)).collect()
}

/// The conclusion, and which rows it is of.
pub fn window_head(report: &Report<'_>) -> Markup {
    let figures = report.figures;
    html! {
        p.conclusion.(window_class(figures)) { (conclusion(figures)) }
        p.soft {
            @if let Some(file) = &figures.file { bdi { (short_name(file)) } ". " }
            (rows(figures)) " rows against "
            (report.reference.map_or(0, |reference| reference.rows))
            @match (figures.start, figures.end) {
                (Some(start), Some(end)) => { "; from " (moment(start)) " to " (moment(end)) }
                (_, Some(end)) => { "; ended " (moment(end)) }
                _ => {}
            }
            "."
        }
    }
}

/// A time, for people and programs.
pub fn moment(time: Timestamp) -> Markup {
    let exact = time.to_string();
    let seconds = exact.trim_end_matches('Z').split('.').next().unwrap_or_default();
    html! { time datetime=(exact) { (seconds.replacen('T', " ", 1)) " UTC" } }
}

pub fn table_head() -> Markup {
    html! {
        thead { tr {
            th { "feature" } th { "verdict" } th { "score, in thresholds" }
            th.number { "missing" } th.number { "mean" } th.number { "was" }
            th { "what moved" }
        } }
    }
}

/// A line of the table, with a link to more.
pub fn feature_row(
    feature: &FeatureFigures,
    reference: Option<&ReferenceFeatureFigures>,
    report: &Report<'_>,
    link: Option<String>,
) -> Markup {
    let mean = |mean: Option<f64>| mean.map(short).unwrap_or_default();
    let name = short_name(&feature.name);
    html! {
        tr {
            th scope="row" {
                @match link {
                    Some(link) => { a href=(link) { bdi { (name) } } }
                    None => { bdi { (name) } }
                }
            }
            td.(verdict_class(feature)) { (verdict(feature)) }
            td { (worst_bar(feature)) }
            td.number { (feature.statistics.missing_ratio.map(percent).unwrap_or_default()) }
            td.number { (mean(feature.statistics.mean)) }
            td.number { (mean(reference.and_then(|own| own.statistics.mean))) }
            td.facts { bdi { (facts(feature, report).join("; ")) } }
        }
    }
}

/// The worst score of a feature, in thresholds.
pub fn worst_bar(feature: &FeatureFigures) -> Markup {
    html! {
        @if let Some((measured, ratio)) = worst(feature) {
            (Bar::of_thresholds(ratio))
            span.soft { (measured.measure) " × " (short(ratio)) }
        }
    }
}
