//! The report as a table for people: what drifted first, by how much, against what.

use super::Report;
use crate::monitor::figures::{FeatureFigures, MeasureFigures, WindowVerdict};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use std::fmt::Write;

/// Characters of a bar that stands at its threshold.
const BAR_AT_THRESHOLD: f64 = 5.0;
const BAR_MAX: usize = 10;

/// All reports, one table after another; colours only when `for_terminal` and it is one.
pub fn table(reports: &[Report<'_>], for_terminal: bool) -> String {
    let mut text = String::new();
    for report in reports {
        let figures = report.figures;
        let verdict = match figures.verdict() {
            WindowVerdict::Drifted => {
                format!("{} of {} judged features drifted", figures.drifted(), figures.judged())
            }
            WindowVerdict::Ok => format!("no drift in {} judged features", figures.judged()),
            WindowVerdict::Unjudged => "too few rows to judge any feature".to_owned(),
        };
        let (rows, reference) = (figures.rows, report.reference_rows.unwrap_or_default());
        let window = &figures.window;
        writeln!(text, "{window}: {rows} rows against {reference}: {verdict}").expect("memory");
        writeln!(text, "{}", features(&figures.features, for_terminal)).expect("memory");
    }
    text
}

fn features(features: &[FeatureFigures], for_terminal: bool) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if !for_terminal {
        table.force_no_tty();
    }
    table.set_header([
        "feature",
        "kind",
        "verdict",
        "missing",
        "mean",
        "psi",
        "ks",
        "js",
        "V",
        "score / threshold",
    ]);
    let mut ordered: Vec<&FeatureFigures> = features.iter().collect();
    ordered.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
    for feature in ordered {
        let (verdict, colour) = verdict(feature);
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let percent = feature.statistics.missing_ratio.map(|ratio| format!("{:.1} %", ratio * 1e2));
        table.add_row(vec![
            Cell::new(printable(&feature.name)).add_attribute(Attribute::Bold),
            Cell::new(feature.kind.name()),
            Cell::new(verdict).fg(colour),
            right(percent.unwrap_or_default()),
            right(feature.statistics.mean.map(significant).unwrap_or_default()),
            right(score(feature, "psi")),
            right(score(feature, "ks")),
            right(score(feature, "js")),
            right(score(feature, "chi2")),
            Cell::new(bar(feature)).fg(colour),
        ]);
    }
    table
}

fn verdict(feature: &FeatureFigures) -> (&'static str, Color) {
    match feature.drifted {
        Some(true) if feature.status.name() == "ok" => ("DRIFTED", Color::Red),
        Some(true) => (feature.status.name(), Color::Red),
        Some(false) => ("ok", Color::Green),
        None => (feature.status.name(), Color::Yellow),
    }
}

/// The deciding measure that comes nearest to its threshold, or exceeds it most.
fn worst(feature: &FeatureFigures) -> Option<(&MeasureFigures, f64)> {
    let deciding = feature.measures.iter().filter(|measured| measured.decides);
    let ratios = deciding.filter_map(|measured| {
        let threshold = measured.threshold.filter(|threshold| *threshold > 0.0)?;
        Some((measured, measured.score / threshold))
    });
    ratios.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Drifted features first, then by their worst measure.
fn excess(feature: &FeatureFigures) -> f64 {
    let first = if feature.drifted == Some(true) { 1e9 } else { 0.0 };
    first + worst(feature).map_or(-1.0, |(_, ratio)| ratio)
}

fn bar(feature: &FeatureFigures) -> String {
    let Some((measured, ratio)) = worst(feature) else { return String::new() };
    let filled = ((ratio * BAR_AT_THRESHOLD).round() as usize).min(BAR_MAX);
    let (full, empty) = ("█".repeat(filled), "░".repeat(BAR_MAX - filled));
    format!("{full}{empty} {} ×{ratio:.2}", measured.measure)
}

fn score(feature: &FeatureFigures, measure: &str) -> String {
    let found = feature.measures.iter().find(|measured| measured.measure == measure);
    found.map(|measured| format!("{:.3}", measured.score)).unwrap_or_default()
}

fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e7).contains(&size) => {
            let digits = (3 - size.log10().floor() as i32).max(0) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// A name cannot break the table, or the terminal.
fn printable(name: &str) -> String {
    name.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
