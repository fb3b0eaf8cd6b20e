//! One feature on a page: what moved, the window beside the reference by bin, measures, statistics.

use super::Report;
use super::ranking::{verdict, verdict_class};
use super::why::name;
use crate::explain::bin::printable;
use crate::explain::number::{percent, short};
use crate::monitor::figures::{
    FeatureFigures, MeasureFigures, ReferenceFeatureFigures, Statistics,
};
use crate::profile::percentiles::PERCENTILES;
use maud::{Markup, Render, html};

/// Bytes of a name, and of what is told of it, that are shown.
const NAME_BYTES_MAX: usize = 200;
const FACT_BYTES_MAX: usize = 600;

/// A name that cannot break a page, and cannot fill one.
pub fn short_name(name: &str) -> String {
    cut(name, NAME_BYTES_MAX)
}

/// What moved, in as many words as a page has room for; shares of bins and values only for whoever
/// may see rows by bin.
pub fn facts(feature: &FeatureFigures, report: &Report<'_>) -> Vec<String> {
    if !report.has_bins {
        return feature.reasons().iter().map(|reason| reason.replace('_', " ")).collect();
    }
    feature.why(report.shown).iter().map(|fact| cut(fact, FACT_BYTES_MAX)).collect()
}

fn cut(text: &str, bytes_max: usize) -> String {
    let shown = &text[..text.floor_char_boundary(bytes_max)];
    let rest = if shown.len() < text.len() { "…" } else { "" };
    printable(shown) + rest
}

pub fn feature_section(
    feature: &FeatureFigures,
    reference: Option<&ReferenceFeatureFigures>,
    report: &Report<'_>,
    id: &str,
) -> Markup {
    let facts = facts(feature, report);
    html! {
        section.feature id=(id) {
            h3 { bdi { (short_name(&feature.name)) } }
            p {
                span.(verdict_class(feature)) { (verdict(feature)) }
                span.soft { " · " (feature.kind.name()) }
            }
            @if !facts.is_empty() {
                ul { @for fact in &facts { li { bdi { (fact) } } } }
            }
            div.tables {
                @if let Some(reference) = reference.filter(|_| report.has_bins) {
                    div.scroll { (bins(feature, reference, report)) }
                }
                div.scroll { (measures(&feature.measures)) }
                div.scroll {
                    (statistics(&feature.statistics, reference.map(|own| &own.statistics)))
                }
            }
        }
    }
}

/// The shares of both sides by bin; nothing where the window was counted in others.
fn bins(
    feature: &FeatureFigures,
    reference: &ReferenceFeatureFigures,
    report: &Report<'_>,
) -> Markup {
    let current = &feature.bins;
    if current.is_empty() || current.len() != reference.bins.len() {
        return html! {};
    }
    let (r, c) = (reference.bins.iter().map(|(_, rows)| rows).sum(), current.iter().sum());
    let share = |rows: u64, all: u64| if all > 0 { rows as f64 / all as f64 } else { 0.0 };
    let pairs = reference.bins.iter().zip(current);
    let shares: Vec<_> = pairs
        .map(|((bin, rows), now)| {
            let name = name(bin, report.shown).unwrap_or_else(|| "a value".to_owned());
            (short_name(&name), share(*rows, r), share(*now, c))
        })
        .collect();
    let most = shares.iter().map(|(_, p, q)| p.max(*q)).fold(f64::MIN_POSITIVE, f64::max);
    html! {
        table {
            caption { "Share of the values by bin: the reference above, the window below" }
            thead { tr {
                th { "bin" } th.number { "reference" } th.number { "window" } th { "shares" }
            } }
            tbody {
                @for (bin, p, q) in &shares {
                    tr {
                        th scope="row" { bdi { (bin) } }
                        td.number { (percent(*p)) }
                        td.number { (percent(*q)) }
                        td { (Bar::of_shares(*p / most, *q / most)) }
                    }
                }
            }
        }
    }
}

fn measures(measures: &[MeasureFigures]) -> Markup {
    let number = |value: Option<f64>| value.map(short).unwrap_or_default();
    html! {
        @if !measures.is_empty() {
            table {
                caption { "Measures against the reference" }
                thead { tr {
                    th { "measure" } th.number { "score" } th.number { "threshold" }
                    th.number { "p-value" } th { "calls drift" }
                } }
                tbody {
                    @for own in measures {
                        tr {
                            th scope="row" { (own.measure) }
                            td.number { (short(own.score)) }
                            td.number { (number(own.threshold)) }
                            td.number { (number(own.p_value)) }
                            td {
                                @match own.calls {
                                    Some(true) => { span.drifted { "yes" } }
                                    Some(false) => { "no" }
                                    None => { span.soft { "does not decide" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn statistics(window: &Statistics, reference: Option<&Statistics>) -> Markup {
    type Read = fn(&Statistics) -> Option<f64>;
    let shares: [(&str, Read); 8] = [
        ("missing", |own| own.missing_ratio),
        ("null", |own| own.null_ratio),
        ("NaN", |own| own.nan_ratio),
        ("infinite", |own| own.infinite_ratio),
        ("zero", |own| own.zero_ratio),
        ("never seen", |own| own.unseen_ratio),
        ("out of range", |own| own.out_of_range_ratio),
        ("outliers", |own| own.outlier_ratio),
    ];
    let numbers: [(&str, Read); 5] = [
        ("mean", |own| own.mean),
        ("standard deviation", |own| own.stddev),
        ("least", |own| own.min),
        ("greatest", |own| own.max),
        ("distinct values", |own| own.distinct.map(|n| n as f64)),
    ];
    let line = |name: &str, read: &dyn Fn(&Statistics) -> Option<f64>, told: fn(f64) -> String| {
        let (now, was) = (read(window), reference.and_then(read));
        html! {
            @if now.is_some() || was.is_some() {
                tr {
                    th scope="row" { (name) }
                    td.number { (was.map(told).unwrap_or_default()) }
                    td.number { (now.map(told).unwrap_or_default()) }
                }
            }
        }
    };
    html! {
        table {
            caption { "Statistics" }
            thead { tr {
                th { "statistic" } th.number { "reference" } th.number { "window" }
            } }
            tbody {
                (line("rows", &|own| Some(own.rows as f64), |rows| format!("{rows}")))
                @for (name, read) in shares { (line(name, &read, percent)) }
                @for (name, read) in numbers { (line(name, &read, short)) }
                @for (at, percent) in PERCENTILES.iter().enumerate() {
                    (line(&format!("P{percent}"), &|own| own.percentiles.map(|all| all[at]), short))
                }
            }
        }
    }
}

/// Bars of a row; what they show stands in words beside them.
pub struct Bar {
    /// Class, place from the top, height, and length in parts of the whole.
    bars: Vec<(&'static str, u32, u32, f64)>,
    /// Where a threshold is marked.
    threshold: Option<f64>,
}

/// Units of a drawing.
const WIDTH: f64 = 200.0;

/// Thresholds that a bar is long at most.
const THRESHOLDS_MAX: f64 = 3.0;

impl Bar {
    /// A score in thresholds, with the threshold marked.
    pub fn of_thresholds(ratio: f64) -> Bar {
        let class = if ratio >= 1.0 { "bar-over" } else { "bar-window" };
        let length = (ratio / THRESHOLDS_MAX).clamp(0.0, 1.0);
        Bar { bars: vec![(class, 3, 8, length)], threshold: Some(1.0 / THRESHOLDS_MAX) }
    }

    /// Two shares, in parts of the largest.
    fn of_shares(reference: f64, window: f64) -> Bar {
        let bars = vec![("bar-reference", 1, 5, reference), ("bar-window", 8, 5, window)];
        Bar { bars, threshold: None }
    }
}

impl Render for Bar {
    fn render(&self) -> Markup {
        let at = |part: f64| format!("{:.1}", part * WIDTH);
        html! {
            svg width="200" height="14" viewBox="0 0 200 14" aria-hidden="true" {
                @if self.threshold.is_some() {
                    rect.rail x="0" y="3" width="200" height="8" {}
                }
                @for (class, y, height, length) in &self.bars {
                    rect.(class) x="0" y=(y) width=(at(*length)) height=(height) {}
                }
                @if let Some(threshold) = self.threshold {
                    rect.threshold x=(at(threshold)) y="0" width="2" height="14" {}
                }
            }
        }
    }
}
