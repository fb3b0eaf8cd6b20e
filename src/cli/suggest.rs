//! `driftd reference suggest`: rules of quality that a reference itself keeps.

use super::options::{ConfigChoice, load_reference};
use super::output;
use crate::monitor::reference::Reference;
use crate::quality::rule::{Check, Rule};
use crate::quality::suggestion::{of_all_features, suggested};
use crate::settings::units::duration_text;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use toml::{Table, Value};

#[derive(clap::Args)]
pub struct SuggestArguments {
    /// What the model was trained on: Parquet file, directory, glob or .profile; by default what
    /// the configuration names
    #[arg(long, value_name = "REF", required_unless_present = "config")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigChoice,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &SuggestArguments) -> Result<ExitCode> {
    let settings = arguments.config.settings()?;
    let path = arguments.reference.as_ref().or(settings.reference_path.as_ref());
    let path = path.context("name the reference with --reference")?;
    let reference = load_reference(path, &settings)?;
    let text = text(&reference);
    output::write(arguments.output.as_deref(), text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(reference: &Reference) -> String {
    let of_features = reference.features.iter();
    let of_features = of_features.flat_map(|own| suggested(&own.grid, &own.profile));
    let rules: Vec<Rule> = [of_all_features()].into_iter().chain(of_features).collect();
    let mut text = format!(
        "# Rules that {} rows of the reference keep, for a model of the configuration; read them, \
         and leave out\n# what is chance. at_most is the share of rows that may break one.\n",
        reference.rows
    );
    for rule in &rules {
        text += "\n[[model.rule]]\n";
        text += &toml::to_string(&table(rule)).expect("a rule has a TOML form");
    }
    text
}

/// Numbers by their value, and before texts.
fn in_order(values: &BTreeSet<String>) -> Vec<&str> {
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
    values.sort_by(|a, b| number(a).total_cmp(&number(b)));
    values
}

fn table(rule: &Rule) -> Table {
    let text = |text: &str| Value::String(text.to_owned());
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| _ = table.insert(key.to_owned(), value);
    put("check", text(rule.check.name()));
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
