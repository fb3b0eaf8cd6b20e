//! The report as a table for people: what drifted first, by how much, against what.

use super::Report;
use super::ranking::{conclusion, decides, rows, sort_worst_first, verdict, worst};
use super::rule_words::rule_words;
use crate::explain::bin::printable;
use crate::explain::number::{of_kind, percent, significant};
use crate::explain::phrases::ShownValues;
use crate::feature::{Kind, Status};
use crate::monitor::figures::{
    FeatureFigures, ReferenceFeatureFigures, WindowFigures, WindowVerdict,
};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use std::collections::HashMap;
use std::fmt::Write;

/// Characters of a bar up to its threshold, and beyond it at most.
const BAR_AT_THRESHOLD: usize = 3;
const BAR_MAX: usize = 6;
/// Blocks that show a share, the smallest first, and bins that are shown at most.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BINS_MAX: usize = 12;
/// Facts that are told of a feature.
const FACTS_TOLD: usize = 2;

/// All reports, one table after another; colours only when `for_terminal` and it is one.
pub fn table(reports: &[Report<'_>], for_terminal: bool) -> String {
    let mut text = String::new();
    for report in reports {
        let figures = report.figures;
        let (verdict, rows) = (conclusion(figures), rows(figures));
        let reference = report.reference.map_or(0, |reference| reference.rows);
        let file = figures.file.as_ref().map(|file| format!(", {file}")).unwrap_or_default();
        let window = &figures.window;
        writeln!(text, "{window}{file}: {rows} rows against {reference}: {verdict}")
            .expect("memory");
        text += &rules(figures);
        // Of many windows, what moved is enough.
        let is_shown = |f: &&FeatureFigures| reports.len() == 1 || f.drifted == Some(true);
        let shown: Vec<&FeatureFigures> = figures.features.iter().filter(is_shown).collect();
        if !shown.is_empty() {
            writeln!(text, "{}", features(shown, report, for_terminal)).expect("memory");
        }
    }
    text += &labels(reports);
    let is_judged = |report: &Report<'_>| report.figures.verdict() != WindowVerdict::Unjudged;
    let decides = reports.iter().any(|report| decides(report.figures));
    if !reports.is_empty() && decides && !reports.iter().any(is_judged) {
        text += "nothing could be judged: no feature had rows enough\n";
    }
    text
}

/// Rules that are broken, each on a line, and how many are kept.
fn rules(figures: &WindowFigures) -> String {
    if figures.rules.is_empty() {
        return String::new();
    }
    let broken: String = figures.broken_rules().map(|rule| rule_words(rule) + "\n").collect();
    format!("{broken}{}\n", figures.kept_rules())
}

/// Names of absent features that are told.
const LABELS_TOLD: usize = 3;

/// What to do about columns of the reference that no file has: the label is one, most often.
fn labels(reports: &[Report<'_>]) -> String {
    let is_absent = |name: &str, report: &Report<'_>| {
        let mut features = report.figures.features.iter();
        features.any(|own| own.name == name && own.status == Status::Absent)
    };
    let first = reports.iter().flat_map(|report| &report.figures.features);
    let absent = first.filter(|own| own.status == Status::Absent);
    let mut names: Vec<&str> = absent.map(|own| own.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| reports.iter().all(|report| is_absent(name, report)));
    let more = names.len().saturating_sub(LABELS_TOLD);
    names.truncate(LABELS_TOLD);
    if names.is_empty() {
        return String::new();
    }
    let told: Vec<String> = names.iter().map(|name| printable(name)).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let excluded = format!("{:?}", names[0]);
    format!(
        "{}{more}: in the reference and in no file; a label is left out with --exclude {excluded}, \
         or columns.exclude = [{excluded}] in a configuration\n",
        told.join(", ")
    )
}

fn features(mut features: Vec<&FeatureFigures>, report: &Report<'_>, for_terminal: bool) -> Table {
    let reference = report.reference.iter().flat_map(|reference| &reference.features);
    let reference: HashMap<&str, &ReferenceFeatureFigures> =
        reference.map(|own| (own.name.as_str(), own)).collect();
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
        "was",
        "psi",
        "ks",
        "score │ threshold",
        "reference → now",
        "what moved",
    ]);
    sort_worst_first(&mut features);
    for feature in features {
        let colour = colour(feature);
        let was = reference.get(feature.name.as_str());
        // Times as times; of numbers as many digits each.
        let mean = |mean: f64| match feature.kind {
            Kind::Temporal => of_kind(feature.kind, mean),
            _ => significant(mean),
        };
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(vec![
            Cell::new(printable(&feature.name)).add_attribute(Attribute::Bold),
            Cell::new(feature.kind.name()),
            Cell::new(verdict(feature)).fg(colour),
            right(feature.statistics.missing_ratio.map(percent).unwrap_or_default()),
            right(feature.statistics.mean.map(mean).unwrap_or_default()),
            right(was.and_then(|was| was.statistics.mean).map(mean).unwrap_or_default()),
            right(score(feature, "psi")),
            right(score(feature, "ks")),
            Cell::new(bar(feature)).fg(colour),
            Cell::new(was.map(|was| shapes(feature, was)).unwrap_or_default()),
            Cell::new(what_moved(feature, report.shown)),
        ]);
    }
    table
}

fn colour(feature: &FeatureFigures) -> Color {
    match feature.drifted {
        Some(true) => Color::Red,
        Some(false) => Color::Green,
        None => Color::Yellow,
    }
}

fn bar(feature: &FeatureFigures) -> String {
    let Some((measured, ratio)) = worst(feature) else { return String::new() };
    let filled = ((ratio * BAR_AT_THRESHOLD as f64).round() as usize).min(BAR_MAX);
    let block = |at: usize| if at < filled { '█' } else { '░' };
    let below: String = (0..BAR_AT_THRESHOLD).map(block).collect();
    let above: String = (BAR_AT_THRESHOLD..BAR_MAX).map(block).collect();
    // As many digits as tell something.
    let digits = if ratio < 10.0 { 2 } else { 0 };
    let others = feature.called().filter(|name| *name != measured.measure).count();
    let others = if others > 0 { format!(" +{others}") } else { String::new() };
    format!("{below}│{above} {} ×{ratio:.digits$}{others}", measured.measure)
}

/// The shares of the bins on both sides, with one scale; nothing where there are more than fit.
fn shapes(feature: &FeatureFigures, reference: &ReferenceFeatureFigures) -> String {
    let before: Vec<u64> = reference.bins.iter().map(|(_, rows)| *rows).collect();
    let now = &feature.bins;
    if now.is_empty() || now.len() != before.len() || now.len() > BINS_MAX {
        return String::new();
    }
    let shares = |rows: &[u64]| {
        let all = rows.iter().sum::<u64>().max(1) as f64;
        rows.iter().map(|rows| *rows as f64 / all).collect::<Vec<f64>>()
    };
    let (before, now) = (shares(&before), shares(now));
    let most = before.iter().chain(&now).copied().fold(f64::MIN_POSITIVE, f64::max);
    let drawn = |shares: &[f64]| {
        let block = |share: &f64| match *share {
            0.0 => ' ',
            share => BLOCKS[((share / most * 8.0) as usize).min(7)],
        };
        shares.iter().map(block).collect::<String>()
    };
    format!("{} → {}", drawn(&before), drawn(&now))
}

fn what_moved(feature: &FeatureFigures, shown: ShownValues) -> String {
    let mut facts = feature.why(shown);
    facts.truncate(FACTS_TOLD);
    facts.join("; ")
}

fn score(feature: &FeatureFigures, measure: &str) -> String {
    let found = feature.measures.iter().find(|measured| measured.measure == measure);
    found.map(|measured| format!("{:.3}", measured.score)).unwrap_or_default()
}
