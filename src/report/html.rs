//! The report as one page: no script, nothing from anywhere else, and no style but its own.

use super::Report;
use super::feature_section::{Bar, facts, feature_section, short_name};
use super::ranking::{conclusion, rows, sort_worst_first, verdict, worst};
use crate::explain::bin::printable;
use crate::explain::number::{percent, short};
use crate::monitor::figures::{FeatureFigures, ReferenceFeatureFigures, WindowVerdict};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};
use std::collections::HashMap;

const STYLE: &str = include_str!("report.css");

/// Features of a window that have a section of their own; the table has all.
const SECTIONS_MAX: usize = 200;

/// All reports on one page, in UTF-8.
pub fn html(reports: &[Report<'_>]) -> String {
    let title = match reports {
        [] => "driftd: no window has closed yet".to_owned(),
        [one] => format!("{}: {}", model(one), conclusion(one.figures)),
        many => format!("driftd: {} windows", many.len()),
    };
    let title = printable(&title);
    // The page's own style and nothing else, whatever a name or a value may hold.
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { "Drift report" } }
                main {
                    @for (number, report) in reports.iter().enumerate() {
                        (window(report, number))
                    }
                }
                footer { p.soft { "driftd " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    };
    page.into_string()
}

fn model(report: &Report<'_>) -> String {
    match report.version {
        "" => report.model.to_owned(),
        version => format!("{} {version}", report.model),
    }
}

fn window(report: &Report<'_>, number: usize) -> Markup {
    let figures = report.figures;
    let class = match figures.verdict() {
        WindowVerdict::Drifted => "drifted",
        WindowVerdict::Ok => "ok",
        WindowVerdict::Unjudged => "soft",
    };
    let of_reference: HashMap<&str, &ReferenceFeatureFigures> = report
        .reference
        .iter()
        .flat_map(|reference| reference.features.iter().map(|own| (own.name.as_str(), own)))
        .collect();
    let mut features: Vec<&FeatureFigures> = figures.features.iter().collect();
    sort_worst_first(&mut features);
    let id = |place: usize| format!("w{number}f{place}");
    html! {
        h2 { bdi { (model(report)) } ", window " bdi { (figures.window) } }
        p.conclusion.(class) { (conclusion(figures)) }
        p.soft {
            @if let Some(file) = &figures.file { bdi { (file) } ". " }
            (rows(figures)) " rows against "
            (report.reference.map_or(0, |reference| reference.rows))
            @match (figures.start, figures.end) {
                (Some(start), Some(end)) => { "; from " (time(start)) " to " (time(end)) }
                (_, Some(end)) => { "; ended " (time(end)) }
                _ => {}
            }
            "."
        }
        div.scroll {
            table {
                thead { tr {
                    th { "feature" } th { "verdict" } th { "score, in thresholds" }
                    th.number { "missing" } th.number { "mean" } th.number { "was" }
                    th { "what moved" }
                } }
                tbody {
                    @for (place, feature) in features.iter().enumerate() {
                        (row(feature, of_reference.get(feature.name.as_str()), report,
                            (place < SECTIONS_MAX).then(|| id(place))))
                    }
                }
            }
        }
        @for (place, feature) in features.iter().enumerate().take(SECTIONS_MAX) {
            (feature_section(feature, of_reference.get(feature.name.as_str()).copied(), report,
                &id(place)))
        }
        @if features.len() > SECTIONS_MAX {
            p.soft { "The " (SECTIONS_MAX) " features that moved most are shown in detail." }
        }
    }
}

fn time(time: crate::time::Timestamp) -> Markup {
    html! { time datetime=(time) { (time) } }
}

/// A line of the table.
fn row(
    feature: &FeatureFigures,
    reference: Option<&&ReferenceFeatureFigures>,
    report: &Report<'_>,
    id: Option<String>,
) -> Markup {
    let class = match feature.drifted {
        Some(true) => "drifted",
        Some(false) => "ok",
        None => "soft",
    };
    let worst = worst(feature);
    let mean = |mean: Option<f64>| mean.map(short).unwrap_or_default();
    let name = short_name(&feature.name);
    html! {
        tr {
            th scope="row" {
                @match id {
                    Some(id) => { a href={ "#" (id) } { bdi { (name) } } }
                    None => { bdi { (name) } }
                }
            }
            td.(class) { (verdict(feature)) }
            td {
                @if let Some((measured, ratio)) = worst {
                    (Bar::of_thresholds(ratio))
                    span.soft { (measured.measure) " × " (short(ratio)) }
                }
            }
            td.number { (feature.statistics.missing_ratio.map(percent).unwrap_or_default()) }
            td.number { (mean(feature.statistics.mean)) }
            td.number { (mean(reference.and_then(|own| own.statistics.mean))) }
            td.facts { bdi { (facts(feature, report).join("; ")) } }
        }
    }
}
