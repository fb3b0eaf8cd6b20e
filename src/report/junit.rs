//! The report as JUnit's XML, which CI servers show: a suite per window, a test per feature and per
//! rule, a failure for what drifted or is broken.
//!
//! The form is that of the Jenkins plugin's `jenkins-junit.xsd`; there is no other standard.

use super::Report;
use super::page_links::model_name;
use super::ranking::{conclusion, sort_worst_first, verdict, worst};
use super::rule_words::rule_words;
use crate::explain::bin::printable;
use crate::monitor::figures::FeatureFigures;
use crate::quality::rule::RuleFigures;
use maud::{Markup, PreEscaped, html};

/// All reports, in UTF-8.
pub fn junit(reports: &[Report<'_>]) -> String {
    let suites = reports.iter().map(suite).collect::<Vec<_>>();
    let document = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        testsuites name="driftd" { "\n" @for suite in suites { (suite) } }
    };
    // The other characters that XML 1.0 has no form for are printed as escapes.
    document.into_string().replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}") + "\n"
}

fn suite(report: &Report<'_>) -> Markup {
    let figures = report.figures;
    let mut features: Vec<&FeatureFigures> = figures.features.iter().collect();
    sort_worst_first(&mut features);
    let failures = figures.drifted() + figures.broken_rules().count();
    let unjudged = features.iter().filter(|own| own.drifted.is_none()).count();
    let unjudged = unjudged + figures.rules.iter().filter(|own| own.ratio.is_none()).count();
    let window = figures.file.as_deref().unwrap_or(&figures.window);
    let name = printable(&format!("{} {window}", model_name(report.model, report.version)));
    html! {
        testsuite name=(name) tests=(features.len() + figures.rules.len()) failures=(failures)
            errors="0" skipped=(unjudged) timestamp=[figures.closed.map(|own| own.to_string())] {
            "\n"
            properties {
                property name="conclusion" value=(conclusion(figures)) {}
                property name="rows" value=(figures.rows) {}
            }
            "\n"
            @for feature in features { (of_feature(feature, &name, report)) "\n" }
            @for rule in &figures.rules { (of_rule(rule, &name)) "\n" }
        }
        "\n"
    }
}

fn of_feature(feature: &FeatureFigures, suite: &str, report: &Report<'_>) -> Markup {
    let drifted = feature.drifted;
    html! {
        testcase classname=(suite) name=(printable(&feature.name)) {
            @match drifted {
                Some(true) => { failure type="drift" message=(message(feature)) {
                    (feature.why(report.shown).join("\n"))
                } }
                Some(false) => {}
                None => { skipped message=(verdict(feature)) {} }
            }
        }
    }
}

/// What calls it, and by how much.
fn message(feature: &FeatureFigures) -> String {
    let worst = worst(feature).map(|(own, _)| {
        let threshold = own.threshold.unwrap_or_default();
        format!(": {} {:.4}, threshold {threshold:.4}", own.measure, own.score)
    });
    verdict(feature) + &worst.unwrap_or_default()
}

fn of_rule(rule: &RuleFigures, suite: &str) -> Markup {
    html! {
        testcase classname=(suite) name={ "rule " (printable(&rule.rule)) } {
            @if rule.is_violated() { failure type="rule" message=(rule_words(rule)) {} }
            @if rule.ratio.is_none() { skipped message=(rule_words(rule)) {} }
        }
    }
}
