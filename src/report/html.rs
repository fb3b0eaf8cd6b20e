//! The report as one page.

use super::Report;
use super::feature_section::feature_section;
use super::feature_table::{FeatureRow, by_name, table_head, window_head};
use super::page_frame::fixed_page;
use super::page_links::model_name;
use super::ranking::{conclusion, sort_worst_first};
use crate::monitor::figures::FeatureFigures;
use maud::{Markup, html};

/// Features that have a section of their own, of all windows together.
const SECTIONS_MAX: usize = 200;

/// Rows of all tables together.
const ROWS_MAX: usize = 20_000;

/// Features of one window that are shown.
#[derive(Clone, Copy)]
struct Limits {
    sections: usize,
    rows: usize,
}

/// All reports on one page, in UTF-8.
pub fn html(reports: &[Report<'_>]) -> String {
    let title = match reports {
        [] => "driftd: no window has closed yet".to_owned(),
        [one] => format!("{}: {}", model_name(one.model, one.version), conclusion(one.figures)),
        many => format!("driftd: {} windows", many.len()),
    };
    // Each has its part of what one page can hold.
    let part = |all: usize| (all / reports.len().max(1)).max(1);
    let limits = Limits { sections: part(SECTIONS_MAX), rows: part(ROWS_MAX) };
    fixed_page(
        &title,
        &html! {
            header { h1 { "Drift report" } }
            main {
                @for (number, report) in reports.iter().enumerate() {
                    (window(report, number, limits))
                }
            }
        },
    )
}

fn window(report: &Report<'_>, number: usize, limits: Limits) -> Markup {
    let figures = report.figures;
    let of_reference = by_name(report.reference);
    let mut features: Vec<&FeatureFigures> = figures.features.iter().collect();
    sort_worst_first(&mut features);
    let id = |place: usize| format!("w{number}f{place}");
    html! {
        h2 {
            bdi { (model_name(report.model, report.version)) } ", window " bdi { (figures.window) }
        }
        (window_head(report))
        div.scroll {
            table {
                (table_head(false))
                tbody {
                    @for (place, feature) in features.iter().enumerate().take(limits.rows) {
                        (FeatureRow {
                            feature,
                            reference: of_reference.get(feature.name.as_str()).copied(),
                            report,
                            link: (place < limits.sections).then(|| format!("#{}", id(place))),
                            over_time: None,
                        })
                    }
                }
            }
        }
        @for (place, feature) in features.iter().enumerate().take(limits.sections) {
            (feature_section(feature, of_reference.get(feature.name.as_str()).copied(), report,
                &id(place)))
        }
        @if features.len() > limits.sections {
            p.soft {
                "Of " (features.len()) " features " (features.len().min(limits.rows))
                " are in the table, and the " (limits.sections) " that moved most in detail."
            }
        }
    }
}
