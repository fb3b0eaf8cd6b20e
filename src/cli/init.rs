//! `driftd init`: a configuration to start with, from a training file and the logs.

use super::guessed_columns::{ColumnUse, GuessedColumn, guessed_columns};
use super::options::{CheckOptions, ConfigChoice, load_reference};
use super::output;
use crate::format::file_format::FileFormat;
use crate::settings::is_address;
use crate::source::inputs;
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct InitArguments {
    /// What the model was trained on: Parquet file, directory or glob
    #[arg(value_name = "TRAIN")]
    train: PathBuf,
    /// The directory that the model's inputs are logged to
    #[arg(value_name = "LOGS")]
    logs: Option<PathBuf>,
    /// Where the configuration goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    yes: bool,
}

pub fn run(arguments: &InitArguments) -> Result<ExitCode> {
    if let Some(file) = arguments.output.as_ref().filter(|file| file.exists() && !arguments.yes) {
        bail!("{} is there already; replace it with --yes", file.display());
    }
    let settings: CheckOptions = ConfigChoice::default().settings()?;
    let reference = load_reference(&arguments.train, &settings)?;
    let in_logs = arguments.logs.as_deref().map(columns_of_logs).transpose()?.flatten();
    let columns = guessed_columns(&reference, in_logs.as_deref());
    let is_feature = |own: &GuessedColumn| {
        matches!(own.used_as, ColumnUse::Feature | ColumnUse::Codes | ColumnUse::Prediction)
    };
    if !columns.iter().any(is_feature) {
        let told = columns.iter().map(|own| format!("{:?} ({})", own.name, own.reason));
        let told = told.collect::<Vec<_>>().join(", ");
        bail!("{}: no column looks like a feature: {told}", arguments.train.display());
    }
    let text = configuration(arguments, &columns, in_logs.is_some())?;
    output::write(arguments.output.as_deref(), text.as_bytes())?;
    if let Some(file) = &arguments.output {
        eprintln!("next: driftd config check {0} && driftd run --config {0}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The columns of the first file of the logs; none where there is no file yet.
fn columns_of_logs(logs: &Path) -> Result<Option<Vec<String>>> {
    if !is_address(logs) && !logs.is_dir() {
        bail!("{}: no directory; name the one that the logs are written to", logs.display());
    }
    let files = inputs::list(logs, FileFormat::Parquet)?.files;
    let first = files.first().map(|file| inputs::names_below(logs, &file.path));
    Ok(first.filter(|names| !names.is_empty()))
}

/// An address is one already.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    if is_address(path) { Ok(path.to_owned()) } else { path::absolute(path) }
}

fn configuration(
    arguments: &InitArguments,
    columns: &[GuessedColumn],
    has_logs: bool,
) -> Result<String> {
    let train = absolute(&arguments.train).context("the training file")?;
    let name = train.file_stem().map_or("model".into(), |stem| stem.to_string_lossy());
    let mut text =
        "# Written by driftd init. What was guessed stands beside its reason; every key is in\n\
        # config/reference.toml of driftd.\n\n[server]\nlisten = \"127.0.0.1:9797\"\n\n[state]\n\
        "
        .to_owned();
    // Below /etc nothing is written to.
    let is_in_etc = arguments.output.as_ref().is_some_and(|path| path.starts_with("/etc"));
    let state = if is_in_etc { "/var/lib/driftd/driftd.db" } else { "driftd.db" };
    writeln!(
        text,
        "path = {state:?} # what was counted, so that a restart counts nothing twice\n"
    )?;
    write!(text, "[[model]]\nname = {}\n\n", quoted(&name))?;
    write!(text, "[model.reference]\npath = {}\n\n", quoted(&train.to_string_lossy()))?;
    text += "[[model.source]]\nname = \"logs\"\n";
    match &arguments.logs {
        Some(logs) => {
            let logs = absolute(logs).context("the directory of the logs")?;
            let (kind, key) = match is_address(&logs) {
                true => ("bucket", "url"),
                false => ("directory", "path"),
            };
            writeln!(text, "type = {kind:?}\n{key} = {}", quoted(&logs.to_string_lossy()))?;
            if !has_logs {
                text += &format_of_logs(&logs)?;
            }
        }
        None => {
            text += "type = \"directory\"\npath = \"logs\" # put the directory of your logs here\n";
        }
    }
    text += &window(columns);
    text += &columns_section(columns);
    text += &features(columns);
    Ok(text)
}

/// What is said of a directory without Parquet files.
fn format_of_logs(logs: &Path) -> Result<String> {
    let listing = inputs::list(logs, FileFormat::Parquet)?;
    if !listing.files.is_empty() {
        return Ok(String::new());
    }
    let ignored = listing.ignored;
    Ok(match ignored.likely_format() {
        Some(format) => format!("format = \"{}\" # by the endings of its files\n", format.name()),
        None if ignored.files > 0 => {
            format!("# There is no Parquet file in it to read: {ignored}.\n")
        }
        None => "# There was no Parquet file in it yet to compare columns with.\n".to_owned(),
    })
}

fn window(columns: &[GuessedColumn]) -> String {
    match columns.iter().any(|own| own.used_as == ColumnUse::Time) {
        true => "\n[[model.window]]\nname = \"day\"\ntype = \"time\" # by the time of the rows\n\
            size = \"1d\" # longer where a day has few rows: some hundred tell most\n"
            .to_owned(),
        false => {
            "\n[[model.window]]\nname = \"batch\"\ntype = \"batch\" # a window per file; rows \
            have no column of times\n"
                .to_owned()
        }
    }
}

fn columns_section(columns: &[GuessedColumn]) -> String {
    let of = |used_as: ColumnUse| columns.iter().filter(move |own| own.used_as == used_as);
    let mut text = String::new();
    for (key, used_as) in
        [("time", ColumnUse::Time), ("id", ColumnUse::Id), ("label", ColumnUse::Label)]
    {
        for own in of(used_as) {
            text += &format!("{key} = {} # {}\n", quoted(&own.name), own.reason);
        }
    }
    let predictions: Vec<String> = of(ColumnUse::Prediction).map(|own| quoted(&own.name)).collect();
    if let Some(first) = of(ColumnUse::Prediction).next() {
        text += &format!("prediction = [{}] # {}\n", predictions.join(", "), first.reason);
    }
    let others: Vec<&GuessedColumn> = of(ColumnUse::Other).collect();
    if !others.is_empty() {
        let told =
            others.iter().map(|own| format!("    {}, # {}\n", quoted(&own.name), own.reason));
        text += &format!("exclude = [\n{}]\n", told.collect::<String>());
    }
    let head = "\n[model.columns] # all other columns are features\n";
    if text.is_empty() { text } else { head.to_owned() + &text }
}

fn features(columns: &[GuessedColumn]) -> String {
    let mut text = String::new();
    let codes: Vec<&GuessedColumn> =
        columns.iter().filter(|own| own.used_as == ColumnUse::Codes).collect();
    if !codes.is_empty() {
        text += "\n# Numbers with few values. Those that are codes are better compared by name:\n\
            # take the # from their lines.\n";
    }
    for own in codes {
        text += &format!(
            "# [model.feature.{}] # {}\n# kind = \"categorical\"\n",
            quoted(&own.name),
            own.reason
        );
    }
    text
}

/// As TOML writes it; also as a comment it stays on its line.
fn quoted(text: &str) -> String {
    let basic = text.chars().flat_map(|c| match c {
        '"' | '\\' => vec!['\\', c],
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)).chars().collect(),
        c => vec![c],
    });
    format!("\"{}\"", basic.collect::<String>())
}
