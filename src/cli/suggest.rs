//! `driftd reference suggest`: rules of quality that a reference itself keeps.

use super::options::{ConfigChoice, load_reference};
use super::output;
use crate::config::quality_rules::written;
use crate::monitor::reference::Reference;
use crate::quality::rule::Rule;
use crate::quality::suggestion::{of_all_features, suggested};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

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
        text += &toml::to_string(&written(rule)).expect("a rule has a TOML form");
    }
    text
}
