//! `driftd config`: check or show a configuration.

use super::guessed_columns::CODES_MAX;
use super::output;
use crate::config::{Config, Model, ReferenceSource, load, show};
use crate::feature::Kind;
use crate::format::file_format::FileFormat;
use crate::judge::drift_config::DriftConfig;
use crate::monitor::figures::Statistics;
use crate::monitor::footprint::{Footprint, footprint};
use crate::monitor::reference::Reference;
use crate::monitor::renamed_table::renamed_schema;
use crate::net::web_config::WebConfig;
use crate::profile::feature::FeatureGrid;
use crate::schema::column_changes::ColumnChanges;
use crate::settings::is_address;
use crate::source::inputs;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(clap::Subcommand)]
enum ConfigCommand {
    /// List everything that is wrong, with file, line and key; then load the references
    Check {
        file: PathBuf,
        /// The web configuration that goes with it
        #[arg(long = "web.config.file", value_name = "FILE")]
        web_config: Option<PathBuf>,
    },
    /// Write the configuration with all defaults
    Show { file: PathBuf },
}

pub fn run(arguments: ConfigArguments) -> Result<ExitCode> {
    match arguments.command {
        ConfigCommand::Check { file, web_config } => {
            let config = load(&file)?;
            let web = web_config.as_deref().map(|file| check_web(&config, file)).transpose()?;
            let text = check(&config)? + &web.unwrap_or_default();
            output::write(None, text.as_bytes())?;
        }
        ConfigCommand::Show { file } => output::write(None, show(&load(&file)?).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a web configuration; what it asks for.
fn check_web(config: &Config, file: &Path) -> Result<String> {
    let web = WebConfig::load(file)?;
    let named = config.server.roles.0.values().flatten();
    if let Some(user) = named.into_iter().find(|user| !web.users.contains_key(*user)) {
        bail!("server.roles: {user:?} is no user of {}", file.display());
    }
    let (users, protocol) = (web.users.len(), if web.tls.is_some() { "TLS" } else { "plain HTTP" });
    let mut text = format!("web config: {protocol}, {users} users\n");
    if !web.left_out.is_empty() {
        text += &format!("  not spoken, left out: {}\n", web.left_out.join(", "));
    }
    Ok(text)
}

/// Looks at what the configuration points to; what was found, with hints.
fn check(config: &Config) -> Result<String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = String::new();
    let mut faults = Vec::new();
    let (mut counts, mut sent) = (0, 0);
    if let Err(error) = crate::daemon::check_sources(&config.models, None) {
        faults.push(error.to_string());
    }
    for model in &config.models {
        let name = &model.model.name;
        let path = match &model.reference_source {
            ReferenceSource::Path(path) => path,
            ReferenceSource::WarmUp(_) => {
                text += &format!("model {name:?}: the first files become the reference\n");
                continue;
            }
        };
        let reference =
            match inputs::reference(path, &model.reference, model.page_bytes_max, &|_| {}) {
                Ok(reference) => reference,
                Err(error) => {
                    faults.push(format!("model {name:?}: {error}"));
                    continue;
                }
            };
        faults.extend(missing_columns(model, path)?);
        let (rows, features) = (reference.rows, reference.features.len());
        if rows == 0 || features == 0 {
            faults.push(format!(
                "model {name:?}: the reference has {rows} rows, {features} features"
            ));
            continue;
        }
        text += &format!("model {name:?}: reference of {rows} rows, {features} features\n");
        let footprint = footprint(&reference, &model.model, threads);
        text += &describe(&footprint);
        let memory_max = config.state.memory_max / config.models.len().max(1) as u64;
        counts += (footprint.pane * footprint.panes).min(memory_max) + footprint.least;
        counts += footprint.evidence;
        for source in &model.sources {
            let bytes = source.kind.memory_max(&source.settings, features, threads);
            if bytes > 0 {
                let (name, most) = (&source.name, size(bytes));
                text += &format!("  rows sent to {name:?} in memory at most {most}\n");
                sent += bytes;
            }
        }
        if footprint.least > memory_max {
            faults.push(format!(
                "model {name:?}: closing a window takes {}, over its part of state.memory_max \
                 ({}); fewer features, or more memory",
                size(footprint.least),
                size(memory_max)
            ));
        }
        text += &(hints(&reference) + &changed_columns(model, &reference));
        text += &(undecided(&model.model.drift) + &left_out(model));
    }
    if !faults.is_empty() {
        bail!(faults.join("\n"));
    }
    let [all, counts, sent] = [counts + sent, counts, sent].map(size);
    text += &format!(
        "in memory at most {all}: counts {counts}, rows sent to sockets {sent}; besides these the \
         references, and pages while they are read\n"
    );
    Ok(text + "the configuration is good\n")
}

/// Files of a directory that are asked for a column.
const FILES_ASKED: usize = 100;

/// The same for those of a bucket, which are fetched for that.
const OBJECTS_ASKED: usize = 3;

/// Says that nobody has the column with the time of each row, or with its cluster, as far as there
/// is anybody to ask: every row would be given the time of its file.
fn missing_columns(model: &Model, reference: &Path) -> Result<Vec<String>> {
    let time = model.model.time.as_ref().map(|time| ("time", &time.name));
    let cluster = model.model.cluster.as_ref().map(|name| ("cluster", name));
    let mut missing: Vec<(&str, &String)> = time.into_iter().chain(cluster).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let mut roots = Vec::new();
    for source in &model.sources {
        match source.files_root() {
            Some(root) => roots.push(root),
            // Nobody knows what will come.
            None => return Ok(Vec::new()),
        }
    }
    let known = inputs::column_names(reference)?;
    missing.retain(|(_, name)| !known.contains(name));
    let mut is_any = false;
    for root in roots {
        // One that cannot be listed was told of.
        let files = inputs::list(&root, FileFormat::Parquet)
            .map(|listing| listing.files)
            .unwrap_or_default();
        let asked = if is_address(&root) { OBJECTS_ASKED } else { FILES_ASKED };
        for file in files.into_iter().take(asked) {
            let names = inputs::names_below(&root, &file.path).into_iter();
            let renaming = &model.reference.columns.renaming;
            let names: Vec<String> =
                names.map(|name| renaming.renamed(&name).into_owned()).collect();
            missing.retain(|(_, name)| !names.contains(name));
            is_any |= !names.is_empty();
        }
    }
    let missing = missing.into_iter().filter(|_| is_any);
    let said = missing.map(|(role, name)| {
        format!(
            "model {:?}: columns.{role}: neither the reference nor any file of the sources has a \
             column {name:?}",
            model.model.name
        )
    });
    Ok(said.collect())
}

/// Says which files of a directory are left out.
fn left_out(model: &Model) -> String {
    let mut text = String::new();
    for source in &model.sources {
        let Some((root, format)) = source.files_root().zip(source.file_format()) else {
            continue;
        };
        match inputs::list(&root, format).map(|listing| listing.ignored) {
            Ok(ignored) if ignored.files > 0 => {
                text += &format!("  source {:?}: {ignored}\n", source.name);
            }
            Ok(_) => {}
            // A bucket is waited for.
            Err(error) => text += &format!("  source {:?}: {error}\n", source.name),
        }
    }
    text
}

/// Says how the columns of each directory's newest file differ from the reference's.
fn changed_columns(model: &Model, reference: &Reference) -> String {
    let mut text = String::new();
    let wanted: Vec<_> = reference.grids().map(FeatureGrid::wanted).collect();
    for source in &model.sources {
        let Some(root) = source.files_root() else { continue };
        let files = inputs::list(&root, FileFormat::Parquet)
            .map(|listing| listing.files)
            .unwrap_or_default();
        let Some(newest) = files.into_iter().max_by_key(|file| file.stat.mtime_ns) else {
            continue;
        };
        let Some(schema) = inputs::schema_below(&root, &newest.path) else { continue };
        let schema = renamed_schema(&schema, &model.reference.columns.renaming, reference);
        let changes = ColumnChanges::of(&schema, &wanted, &model.columns_of_logs());
        if !changes.is_empty() {
            text += &format!("  source {:?}: {}: {changes}\n", source.name, newest.path.display());
        }
    }
    text
}

/// Distinct values from which integers without gaps look like the numbers of something.
const KEYS_MIN: u64 = 1_000;

/// Whether integers name something: by their name, or because each comes again and again and hardly
/// any between the least and the greatest is missing.
fn looks_like_key(name: &str, statistics: &Statistics) -> bool {
    let (Some(distinct), Some(_)) = (statistics.distinct, statistics.exact) else { return false };
    let (Some(min), Some(max)) = (statistics.min, statistics.max) else { return false };
    let lower = name.to_lowercase();
    let is_named = lower == "id"
        || ["_id", "_key", "_uid"].iter().any(|ending| lower.ends_with(ending))
        || ["Id", "ID"].iter().any(|ending| {
            let before = name.strip_suffix(ending).and_then(|before| before.chars().last());
            before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit())
        });
    let is_dense = distinct >= KEYS_MIN
        && 2 * distinct <= statistics.rows
        && max - min < 1.1 * distinct as f64;
    let is_integer = min.fract() == 0.0 && max.fract() == 0.0;
    is_integer && distinct > CODES_MAX && (is_named || is_dense)
}

/// What is likely to be meant otherwise.
fn hints(reference: &Reference) -> String {
    let mut text = String::new();
    for feature in &reference.features {
        let grid = &feature.grid;
        if let Some(status) = grid.unscored {
            text += &format!("  {:?} is not scored: {}\n", grid.name, status.name());
            continue;
        }
        let statistics = Statistics::of(grid, &feature.profile);
        let distinct = statistics.distinct;
        if grid.kind == Kind::Numeric && !grid.declared && looks_like_key(&grid.name, &statistics) {
            text += &format!(
                "  {:?} is numeric with {} different integers; is it an id, or a key? Then leave \
                 it out: columns.exclude = [{:?}]\n",
                grid.name,
                distinct.unwrap_or_default(),
                grid.name
            );
            continue;
        }
        let looks_coded = distinct.is_some_and(|n| (2..=CODES_MAX).contains(&n));
        if grid.kind == Kind::Numeric && !grid.declared && looks_coded {
            text += &format!(
                "  {:?} is numeric with {} values; if they are codes, declare \
                 kind = \"categorical\"\n",
                grid.name,
                distinct.unwrap_or_default()
            );
        }
    }
    text
}

/// Says which measures could decide and do not.
fn undecided(drift: &DriftConfig) -> String {
    let could = DriftConfig::default().decide.into_iter();
    let others: Vec<&str> = could.filter(|name| !drift.decide.contains(name)).collect();
    if others.is_empty() {
        return String::new();
    }
    let (decide, others) = (drift.decide.join(", "), others.join(", "));
    match drift.decide.is_empty() {
        true => {
            format!("  nothing decides, so that nothing is called drift; by default {others} do\n")
        }
        false => format!("  {decide} decide; by default {others} do as well\n"),
    }
}

fn describe(footprint: &Footprint) -> String {
    format!(
        "  counts of one pane: {}; open panes: {}, in memory at most {}, in the state at most {}; \
         closing a window takes {}; closed ones leave {} to judge others by\n",
        size(footprint.pane),
        footprint.panes,
        size(footprint.pane * footprint.panes),
        size(footprint.state),
        size(footprint.least),
        size(footprint.evidence),
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KB", bytes.div_ceil(1 << 10)),
        _ => format!("{:.0} MB", bytes as f64 / f64::from(1 << 20)),
    }
}
