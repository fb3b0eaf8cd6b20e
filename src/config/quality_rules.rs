//! `[[model.rule]]`: what every window must hold.

use super::raw::{Section, unknown};
use crate::quality::rule::{Check, Pattern, Rule};
use crate::settings::units::duration_text;
use std::collections::{BTreeSet, HashSet};
use toml::{Table, Value};

/// The words of `check`.
pub const CHECKS: [&str; 10] = [
    "range", "values", "pattern", "type", "missing", "unique", "varies", "rows", "columns", "fresh",
];

/// The rules of a model, in the order of the file.
pub(super) fn rules(model: &Section<'_>) -> Vec<Rule> {
    let (mut rules, mut names) = (Vec::new(), HashSet::new());
    for section in model.sections("rule") {
        let Some(rule) = rule(&section) else {
            continue;
        };
        if !names.insert(rule.name.clone()) {
            section.fault("name", format!("{:?} is the name of another rule", rule.name));
        }
        rules.push(rule);
    }
    rules
}

fn rule(section: &Section<'_>) -> Option<Rule> {
    let word = section.required_string("check");
    let known = word.as_deref().filter(|word| CHECKS.contains(word));
    if let (Some(word), None) = (&word, known) {
        section.fault("check", unknown(word, CHECKS.into_iter()));
    }
    let feature = section.string("feature");
    let is_of_feature = known.is_none_or(Check::is_of_feature);
    if is_of_feature && feature.is_none() {
        section.fault("feature", "is missing: the rule is of a feature");
    }
    if !is_of_feature && feature.is_some() {
        section.fault("feature", "is of no use: the rule is of the window as a whole");
    }
    let wanted = "a share from 0 to 1";
    let at_most = section.number("at_most", wanted, |own| (0.0..=1.0).contains(&own));
    let check = known.and_then(|word| check(section, word));
    let name = section.string("name").or_else(|| Some(default_name(feature.as_deref(), known?)));
    section.finish();
    Some(Rule { name: name?, feature, check: check?, at_most: at_most.unwrap_or(0.0) })
}

fn check(section: &Section<'_>, word: &str) -> Option<Check> {
    Some(match word {
        "range" => {
            let end = |key| section.number(key, "a number", f64::is_finite);
            let (min, max) = (end("min"), end("max"));
            match (min, max) {
                (None, None) if !section.has("min") && !section.has("max") => {
                    section.fault("min", "and max are missing: one end is needed");
                }
                (Some(min), Some(max)) if min > max => section.fault("min", "is above max"),
                _ => {}
            }
            Check::Range { min, max }
        }
        "values" => {
            let values = section.values("values");
            let is_told = values.is_none() && section.has("values");
            if values.as_ref().is_none_or(Vec::is_empty) && !is_told {
                section.fault("values", "is missing: what values may be");
            }
            Check::Values(values.unwrap_or_default().into_iter().collect())
        }
        "pattern" => {
            let text = section.required_string("pattern")?;
            match Pattern::new(&text) {
                Ok(pattern) => Check::Pattern(pattern),
                Err(error) => {
                    section.fault("pattern", format!("is no regular expression: {error}"));
                    return None;
                }
            }
        }
        "rows" => {
            let (min, max) = (section.integer("min", 1), section.integer("max", 0));
            match (min, max) {
                (None, None) if !section.has("min") && !section.has("max") => {
                    section.fault("min", "and max are missing: one is needed");
                }
                (Some(min), Some(max)) if min > max => section.fault("min", "is above max"),
                _ => {}
            }
            Check::Rows { min, max }
        }
        "type" => Check::Type,
        "missing" => Check::Missing,
        "unique" => Check::Unique,
        "varies" => Check::Varies,
        "columns" => Check::Columns,
        "fresh" => {
            let max_age = section.duration("max_age");
            if max_age.is_none() && !section.has("max_age") {
                section.fault("max_age", "is missing: how old a window may be when it closes");
            }
            Check::Fresh { max_age: max_age? }
        }
        _ => return None,
    })
}

fn default_name(feature: Option<&str>, check: &str) -> String {
    feature.map_or_else(|| check.to_owned(), |feature| format!("{feature} {check}"))
}

/// Numbers by their value, and before texts.
fn in_order(values: &BTreeSet<String>) -> Vec<&str> {
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
    values.sort_by(|a, b| number(a).total_cmp(&number(b)));
    values
}

/// A rule as the configuration has it.
pub fn written(rule: &Rule) -> Table {
    let text = |text: &str| Value::String(text.to_owned());
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| _ = table.insert(key.to_owned(), value);
    put("check", text(rule.check.name()));
    if rule.name != default_name(rule.feature.as_deref(), rule.check.name()) {
        put("name", text(&rule.name));
    }
    if let Some(feature) = &rule.feature {
        put("feature", text(feature));
    }
    match &rule.check {
        Check::Range { min, max } => {
            min.iter().for_each(|min| put("min", Value::Float(*min)));
            max.iter().for_each(|max| put("max", Value::Float(*max)));
        }
        Check::Values(values) => {
            put("values", Value::Array(in_order(values).into_iter().map(text).collect()));
        }
        Check::Pattern(pattern) => put("pattern", text(pattern.text())),
        Check::Rows { min, max } => {
            let integer = |rows: u64| Value::Integer(rows as i64);
            min.iter().for_each(|min| put("min", integer(*min)));
            max.iter().for_each(|max| put("max", integer(*max)));
        }
        Check::Fresh { max_age } => put("max_age", text(&duration_text(*max_age))),
        Check::Type | Check::Missing | Check::Unique | Check::Varies | Check::Columns => {}
    }
    if rule.at_most > 0.0 {
        put("at_most", Value::Float(rule.at_most));
    }
    table
}
