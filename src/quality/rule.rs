//! One rule, and what it came to in a window.

use crate::feature::Kind;
use crate::profile::column::INTEGERS_EXACT_MAX;
use crate::profile::feature::{FeatureGrid, Frame};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// `[[model.rule]]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Label `rule`; unique within a model.
    pub name: String,
    /// None of rules about the window as a whole.
    pub feature: Option<String>,
    pub check: Check,
    /// The share of rows that may break it.
    pub at_most: f64,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// Numbers lie between these, both included.
    Range { min: Option<f64>, max: Option<f64> },
    /// Values are among these; numbers as they are written.
    Values(BTreeSet<String>),
    /// Texts match.
    Pattern(Pattern),
    /// Values have the type of the feature.
    Type,
    /// There is a value.
    Missing,
    /// No value comes twice.
    Unique,
    /// Not all values are the same.
    Varies,
    /// The window has so many rows.
    Rows { min: Option<u64>, max: Option<u64> },
    /// Every feature of the reference is there, with its type.
    Columns,
    /// The window closes so soon after its end by event time.
    Fresh { max_age: Duration },
}

/// A regular expression, known by its text.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Fails where the text is no regular expression of `regex-lite`.
    pub fn new(text: &str) -> Result<Pattern, regex_lite::Error> {
        Regex::new(text).map(Pattern)
    }

    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text() == other.text()
    }
}

/// What a rule came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleFigures {
    pub rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// The share of rows that break it. For rules of the window as a whole: of features, or by how
    /// much of what is wanted there are too few or too many rows, or it is too old. None where the
    /// window tells nothing of it.
    pub ratio: Option<f64>,
    pub at_most: f64,
}

impl RuleFigures {
    pub fn is_violated(&self) -> bool {
        self.ratio.is_some_and(|ratio| ratio > self.at_most)
    }
}

impl Check {
    /// The word in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Check::Range { .. } => "range",
            Check::Values(_) => "values",
            Check::Pattern(_) => "pattern",
            Check::Type => "type",
            Check::Missing => "missing",
            Check::Unique => "unique",
            Check::Varies => "varies",
            Check::Rows { .. } => "rows",
            Check::Columns => "columns",
            Check::Fresh { .. } => "fresh",
        }
    }

    /// Whether it speaks of one feature.
    pub fn is_of_feature(name: &str) -> bool {
        !matches!(name, "rows" | "columns" | "fresh")
    }
}

impl Rule {
    /// Why it cannot be checked of a feature, if so.
    pub fn misfit(&self, grid: &FeatureGrid) -> Option<&'static str> {
        let are_numbers = matches!(grid.frame, Frame::Numeric(_));
        let are_texts = matches!(grid.frame, Frame::Categorical(_));
        match &self.check {
            Check::Range { .. } if !are_numbers => Some("a range is of numbers, and it is none"),
            Check::Pattern(_) if !are_texts => Some("a pattern is of texts, and it is none"),
            Check::Values(_) if grid.kind == Kind::Temporal => Some("it is a time"),
            Check::Values(_) | Check::Unique | Check::Varies if !are_numbers && !are_texts => {
                Some("its values are not counted")
            }
            Check::Values(values) if !values.iter().all(|text| can_be(text, grid)) => Some(
                "one of the values can be none of its own; of booleans they are true and false",
            ),
            Check::Unique => match &grid.frame {
                Frame::Numeric(frame) if !frame.tracks_distinct() => {
                    Some("its distinct values are not counted; set distinct = true for it")
                }
                Frame::Numeric(frame) if is_beyond_doubles(frame.grid().range()) => {
                    Some("its numbers are too large to be told apart; declare it categorical")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether a feature can have a value that is written so.
fn can_be(text: &str, grid: &FeatureGrid) -> bool {
    match grid.kind {
        Kind::Numeric => text.parse::<f64>().is_ok_and(|value| !value.is_nan()),
        Kind::Boolean => matches!(text, "true" | "false"),
        _ => true,
    }
}

fn is_beyond_doubles(range: Option<(f64, f64)>) -> bool {
    range.is_some_and(|(min, max)| min.abs().max(max.abs()) >= INTEGERS_EXACT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_known_by_their_text() {
        let pattern = Pattern::new("^[A-Z]{2}$").unwrap();
        assert!(pattern.matches("DE") && !pattern.matches("DEU"));
        assert_eq!(pattern, Pattern::new("^[A-Z]{2}$").unwrap());
        assert!(Pattern::new("[").is_err());
    }
}
