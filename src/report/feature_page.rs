//! One feature: a window beside the reference, the windows before it, and how to ask Prometheus.

use super::Report;
use super::bar::THRESHOLDS_MAX;
use super::column_chart::{Column, ColumnChart, pitch_of};
use super::feature_section::{feature_body, file_name, short_name};
use super::feature_table::{moment, worst_bar};
use super::history::FeatureOfWindow;
use super::line_chart::{Line, LineChart};
use super::page_frame::{live_page, live_part};
use super::page_links::{closed_window_query, encoded, window_query};
use super::ranking::{verdict, verdict_class, worst};
use super::window_page::{Sight, ended};
use crate::explain::number::{of_kind, percent};
use crate::feature::Kind;
use crate::monitor::figures::{FeatureFigures, Statistics, WindowFigures};
use crate::monitor::label::label_value;
use maud::{Markup, html};

/// What Prometheus has of every feature, of those that are judged, and of those with numbers.
const OF_ALL: [&str; 2] = ["driftd_feature_status", "driftd_feature_missing_ratio"];
const OF_JUDGED: [&str; 4] = [
    "driftd_drift_detected",
    "driftd_drift_score",
    "driftd_drift_threshold",
    "driftd_drift_p_value",
];
const OF_NUMBERS: [&str; 3] =
    ["driftd_feature_mean", "driftd_feature_stddev", "driftd_feature_percentile"];

/// One feature in the closed windows of one name.
pub struct FeatureView<'a> {
    pub model: &'a str,
    pub version: &'a str,
    /// Oldest first; each has the feature alone.
    pub past: &'a [FeatureOfWindow],
    /// The place of the one that is shown.
    pub chosen: usize,
    /// Features that are what the model answered.
    pub predictions: &'a [String],
    pub sight: Sight,
}

impl FeatureView<'_> {
    /// The page; none where no window is there.
    pub fn page(&self) -> Option<String> {
        let (figures, reference) = self.past.get(self.chosen)?;
        let feature = figures.features.first()?;
        let (model, name) = (short_name(self.model), short_name(&feature.name));
        let title = format!("{model}: {name}");
        let Sight { has_bins, shown } = self.sight;
        let (model, version) = (self.model, self.version);
        let report = Report {
            model,
            version,
            reference: None,
            figures,
            has_bins,
            shown,
            predictions: self.predictions,
        };
        let back = format!("../../{}{}", encoded(model), window_query(version, &figures.window));
        let newest = window_query(version, &figures.window);
        let body = html! {
            header {
                p { a href="../../../" { "All models" } " · " a href=(back) {
                    bdi { (short_name(model)) } ", window " bdi { (short_name(&figures.window)) }
                } }
                h1 { bdi { (title) } }
            }
            main {
                (live_part("window", &html! {
                    p.soft {
                        (figures.rows) " rows"
                        @if let Some(file) = &figures.file { " of " (file_name(file)) }
                        @if let Some(end) = figures.end.or(figures.closed) {
                            "; ended " (moment(end))
                        }
                    }
                    @if self.chosen + 1 < self.past.len() {
                        p { "It is not the newest: " a href=(newest) { "show that" } "." }
                    }
                    h2 { "This window" }
                    (feature_body(feature, reference.as_ref(), &report))
                }))
                (live_part("past", &html! {
                    h2 { "Over time" }
                    (self.charts(feature.kind))
                    (self.table())
                }))
                h2 { "In Prometheus" }
                (self.queries(figures, feature))
            }
        };
        Some(live_page(&title, &body))
    }

    /// The feature in each window.
    fn features(&self) -> impl Iterator<Item = &FeatureFigures> {
        self.past.iter().filter_map(|(figures, _)| figures.features.first())
    }

    fn charts(&self, kind: Kind) -> Markup {
        let reference = self.past[self.chosen].1.as_ref().map(|own| &own.statistics);
        let line = |name: &'static str, read: &dyn Fn(&Statistics) -> Option<f64>| Line {
            name,
            points: self.features().map(|own| read(&own.statistics)).collect(),
            reference: reference.and_then(read),
        };
        let at = |place: usize| move |own: &Statistics| own.percentiles.map(|all| all[place]);
        let value = |value: f64| of_kind(kind, value);
        let chart = |title, lines, told, floor| LineChart {
            title,
            lines,
            told,
            floor,
            marked: self.chosen,
        };
        let percentiles = vec![line("P5", &at(1)), line("median", &at(3)), line("P95", &at(5))];
        html! {
            @if self.past.len() > 1 {
                p.soft {
                    "Oldest first. Dashed: the reference. Upright: the window that is shown."
                }
                div.tables {
                    (self.scores())
                    (chart("Percentiles", percentiles, &value, None))
                    (chart("Mean", vec![line("mean", &|own| own.mean)], &value, None))
                    (chart("Missing", vec![line("missing", &|own| own.missing_ratio)], &percent,
                        Some(0.0)))
                }
            }
        }
    }

    fn scores(&self) -> Markup {
        let columns = self.features().map(|own| Column {
            height: worst(own).map(|(_, ratio)| ratio / THRESHOLDS_MAX),
            is_drifted: own.drifted == Some(true),
        });
        let chart = ColumnChart {
            columns: columns.collect(),
            pitch: pitch_of(self.past.len()),
            height: 90,
            threshold: Some(1.0 / THRESHOLDS_MAX),
            label: Some(format!("worst score of {} windows, in thresholds", self.past.len())),
        };
        html! { figure {
            figcaption { "Worst score, in thresholds" }
            (chart)
        } }
    }

    /// What the charts show, the newest first.
    fn table(&self) -> Markup {
        html! {
            div.scroll { table {
                caption { "The same as a table" }
                thead { tr {
                    th { "ended" } th { "verdict" } th { "score, in thresholds" }
                    th.number { "rows" } th.number { "missing" } th.number { "mean" }
                    th.number { "P5" } th.number { "median" } th.number { "P95" }
                } }
                tbody {
                    @for (place, (figures, _)) in self.past.iter().enumerate().rev() {
                        @if let Some(feature) = figures.features.first() {
                            (self.row(figures, feature, place == self.chosen))
                        }
                    }
                }
            } }
        }
    }

    fn row(&self, figures: &WindowFigures, feature: &FeatureFigures, is_chosen: bool) -> Markup {
        let own = &feature.statistics;
        let value = |value: f64| of_kind(feature.kind, value);
        html! {
            tr {
                th scope="row" {
                    a href=(closed_window_query(self.version, figures))
                        aria-current=[is_chosen.then_some("true")] { (ended(figures)) }
                }
                td.(verdict_class(feature)) { (verdict(feature).replace('_', " ")) }
                td { (worst_bar(feature)) }
                td.number { (figures.rows) }
                td.number { (own.missing_ratio.map(percent).unwrap_or_default()) }
                td.number { (own.mean.map(value).unwrap_or_default()) }
                @for at in [1, 3, 5] {
                    td.number { (own.percentiles.map(|all| value(all[at])).unwrap_or_default()) }
                }
            }
        }
    }

    /// What to ask Prometheus for the same numbers.
    fn queries(&self, figures: &WindowFigures, feature: &FeatureFigures) -> Markup {
        let labels = format!(
            "{{model_name={},model_version={},window={},feature={}}}",
            quoted(self.model),
            quoted(self.version),
            quoted(&figures.window),
            quoted(&feature.name)
        );
        let of_judged = OF_JUDGED.iter().filter(|_| feature.drifted.is_some());
        let of_numbers = OF_NUMBERS.iter().filter(|_| feature.statistics.mean.is_some());
        let names = OF_ALL.iter().chain(of_judged).chain(of_numbers);
        html! {
            ul {
                @for name in names { li { code data-copy { bdi { (name) (labels) } } } }
            }
        }
    }
}

/// A label's value as PromQL has it.
fn quoted(name: &str) -> String {
    let mut text = String::from('"');
    for c in label_value(name).chars() {
        match c {
            '\\' | '"' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text + "\""
}
