//! The report as Markdown, for a comment on a pull request: what drifted and which rules are
//! broken, and the rest folded away.

use super::Report;
use super::page_links::model_name;
use super::ranking::{conclusion, rows, sort_worst_first, verdict, worst};
use super::rule_words::rule_words;
use crate::explain::bin::printable;
use crate::monitor::figures::FeatureFigures;
use std::fmt::Write;

/// Bytes of a document; a comment may have 65,536 characters.
const BYTES_MAX: usize = 60_000;

/// Features in a table.
const ROWS_MAX: usize = 100;

/// Facts that are told of a feature.
const FACTS_TOLD: usize = 2;

/// All reports, in GitHub's Markdown.
pub fn markdown(reports: &[Report<'_>]) -> String {
    let mut text = String::new();
    for (place, report) in reports.iter().enumerate() {
        let own = window(report);
        if place > 0 && text.len() + own.len() > BYTES_MAX {
            let more = reports.len() - place;
            writeln!(text, "\n{more} more windows are left out.").expect("memory");
            break;
        }
        text += if place > 0 { "\n" } else { "" };
        text += &own;
    }
    text
}

fn window(report: &Report<'_>) -> String {
    let figures = report.figures;
    let window = escaped(figures.file.as_deref().unwrap_or(&figures.window));
    let model = escaped(&model_name(report.model, report.version));
    let against = report.reference.map_or(0, |reference| reference.rows);
    let mut text = format!(
        "### {model}, {window}: {}\n\n{} rows against {against}.",
        conclusion(figures),
        rows(figures)
    );
    if !figures.rules.is_empty() {
        write!(text, " {}.", figures.kept_rules()).expect("memory");
    }
    text += "\n";
    let broken: Vec<String> =
        figures.broken_rules().map(|rule| format!("- {}\n", escaped(&rule_words(rule)))).collect();
    if !broken.is_empty() {
        text += &format!("\n{}", broken.concat());
    }
    let mut features: Vec<&FeatureFigures> = figures.features.iter().collect();
    sort_worst_first(&mut features);
    let (drifted, others): (Vec<&FeatureFigures>, Vec<&FeatureFigures>) =
        features.into_iter().partition(|own| own.drifted == Some(true));
    if !drifted.is_empty() {
        text += &format!("\n{}", table(&drifted, report));
    }
    if !others.is_empty() {
        let n = others.len();
        let summary = format!("{n} other feature{}", if n == 1 { "" } else { "s" });
        let table = table(&others, report);
        text += &format!("\n<details><summary>{summary}</summary>\n\n{table}\n</details>\n");
    }
    text
}

fn table(features: &[&FeatureFigures], report: &Report<'_>) -> String {
    let mut text = "| feature | verdict | worst measure | score | threshold | what moved |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for feature in features.iter().take(ROWS_MAX) {
        let worst = worst(feature).map(|(own, _)| own);
        let number = |own: Option<f64>| own.map(|own| format!("{own:.4}")).unwrap_or_default();
        let mut facts = feature.why(report.shown);
        facts.truncate(FACTS_TOLD);
        let cells = [
            escaped(&feature.name),
            escaped(&verdict(feature)),
            worst.map(|own| own.measure.to_string()).unwrap_or_default(),
            number(worst.map(|own| own.score)),
            number(worst.and_then(|own| own.threshold)),
            escaped(&facts.join("; ")),
        ];
        writeln!(text, "| {} |", cells.join(" | ")).expect("memory");
    }
    let more = features.len().saturating_sub(ROWS_MAX);
    if more > 0 {
        writeln!(text, "\n{more} more are left out.").expect("memory");
    }
    text
}

/// A text that is nothing but a text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // Nobody is to be told, and no issue linked, by what follows.
            '@' | '#' => {
                escaped.push(c);
                escaped.push('\u{200b}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_markup() {
        assert_eq!(escaped("a|b <img> *c*\n@d"), "a\\|b &lt;img&gt; \\*c\\*\\\\n@\u{200b}d");
    }
}
