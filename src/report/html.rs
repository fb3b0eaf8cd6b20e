//! The report as one page.

use super::Report;
use super::feature_section::feature_section;
use super::feature_table::{by_name, feature_row, table_head, window_head};
use super::page_frame::frame;
use super::ranking::{conclusion, sort_worst_first};
use crate::monitor::figures::FeatureFigures;
use maud::{Markup, html};

/// Features of a window that have a section of their own; the table has all.
const SECTIONS_MAX: usize = 200;

/// All reports on one page, in UTF-8.
pub fn html(reports: &[Report<'_>]) -> String {
    let title = match reports {
        [] => "driftd: no window has closed yet".to_owned(),
        [one] => format!("{}: {}", model(one), conclusion(one.figures)),
        many => format!("driftd: {} windows", many.len()),
    };
    frame(
        &title,
        &html! {
            header { h1 { "Drift report" } }
            main {
                @for (number, report) in reports.iter().enumerate() {
                    (window(report, number))
                }
            }
        },
    )
}

fn model(report: &Report<'_>) -> String {
    match report.version {
        "" => report.model.to_owned(),
        version => format!("{} {version}", report.model),
    }
}

fn window(report: &Report<'_>, number: usize) -> Markup {
    let figures = report.figures;
    let of_reference = by_name(report.reference);
    let mut features: Vec<&FeatureFigures> = figures.features.iter().collect();
    sort_worst_first(&mut features);
    let id = |place: usize| format!("w{number}f{place}");
    html! {
        h2 { bdi { (model(report)) } ", window " bdi { (figures.window) } }
        (window_head(report))
        div.scroll {
            table {
                (table_head())
                tbody {
                    @for (place, feature) in features.iter().enumerate() {
                        (feature_row(feature, of_reference.get(feature.name.as_str()).copied(),
                            report, (place < SECTIONS_MAX).then(|| format!("#{}", id(place)))))
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
