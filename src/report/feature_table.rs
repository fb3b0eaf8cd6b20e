//! The features of a window as a table, and what is said of the window before it.

use super::Report;
use super::bar::Bar;
use super::column_chart::ColumnChart;
use super::feature_section::{facts, file_name, short_name};
use super::ranking::{conclusion, rows, verdict, verdict_class, window_class, worst};
use super::rule_words::rule_words;
use crate::explain::number::{of_kind, percent, short};
use crate::monitor::figures::{
    FeatureFigures, ReferenceFeatureFigures, ReferenceFigures, Statistics,
};
use crate::time::Timestamp;
use maud::{Markup, Render, html};
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
            @if let Some(file) = &figures.file { (file_name(file)) ". " }
            (rows(figures)) " rows"
            @match report.reference {
                Some(reference) => { " against " (reference.rows) }
                None => { ", judged against another reference than there is now" }
            }
            @match (figures.start, figures.end) {
                (Some(start), Some(end)) => { "; from " (moment(start)) " to " (moment(end)) }
                (_, Some(end)) => { "; ended " (moment(end)) }
                _ => {}
            }
            "."
        }
        @for rule in figures.broken_rules() { p.drifted { (rule_words(rule)) } }
        @if !figures.rules.is_empty() {
            p.soft { (figures.kept_rules()) "." }
        }
    }
}

/// A time, for people and programs.
pub fn moment(time: Timestamp) -> Markup {
    let exact = time.to_string();
    let seconds = exact.trim_end_matches('Z').split('.').next().unwrap_or_default();
    html! { time datetime=(exact) { (seconds.replacen('T', " ", 1)) " UTC" } }
}

/// The heads of the columns, with a feature over time or without.
pub fn table_head(has_past: bool) -> Markup {
    html! {
        thead { tr {
            th { "feature" } th { "verdict" } th { "score, in thresholds" }
            @if has_past { th { "over time" } }
            th.number { "missing" } th.number { "mean" } th.number { "was" }
            th { "what moved" }
        } }
    }
}

/// A line of the table.
pub struct FeatureRow<'a> {
    pub feature: &'a FeatureFigures,
    pub reference: Option<&'a ReferenceFeatureFigures>,
    pub report: &'a Report<'a>,
    /// Where there is more.
    pub link: Option<String>,
    /// Its scores in the last windows, where the table has them.
    pub over_time: Option<ColumnChart>,
}

impl Render for FeatureRow<'_> {
    fn render(&self) -> Markup {
        let feature = self.feature;
        let mean = |own: Option<&Statistics>| {
            let mean = own.and_then(|own| own.mean);
            mean.map(|mean| of_kind(feature.kind, mean)).unwrap_or_default()
        };
        let name = short_name(&feature.name);
        html! {
            tr {
                th scope="row" {
                    @match &self.link {
                        Some(link) => { a href=(link) { bdi { (name) } } }
                        None => { bdi { (name) } }
                    }
                    @if let Some(role) = self.report.role(&feature.name) {
                        span.soft { " " (role) }
                    }
                }
                td.(verdict_class(feature)) { (verdict(feature).replace('_', " ")) }
                td { (worst_bar(feature)) }
                @if let Some(over_time) = &self.over_time { td { (over_time) } }
                td.number { (feature.statistics.missing_ratio.map(percent).unwrap_or_default()) }
                td.number { (mean(Some(&feature.statistics))) }
                td.number { (mean(self.reference.map(|own| &own.statistics))) }
                td.facts { bdi { (facts(feature, self.report).join("; ")) } }
            }
        }
    }
}

/// The worst score of a feature, in thresholds.
pub fn worst_bar(feature: &FeatureFigures) -> Markup {
    html! {
        @if let Some((measured, ratio)) = worst(feature) {
            (Bar::of_thresholds(ratio, feature.drifted == Some(true)))
            span.soft {
                (measured.measure) " × " (short(ratio))
                @if ratio >= 1.0 && measured.calls == Some(false) { ", usual" }
            }
        }
    }
}
