//! What `check` and `profile` take from a configuration: columns, kinds, thresholds, sampling.

use crate::config::{ReferenceSource, load_to_compare};
use crate::export::ExportConfig;
use crate::format::parquet::PAGE_BYTES_MAX;
use crate::judge::drift_config::DriftConfig;
use crate::monitor::reference::{Reference, ReferenceConfig};
use crate::profile::instants;
use crate::schema::NamePattern;
use crate::settings::units::parse_bytes;
use crate::source::inputs;
use crate::time::Timestamp;
use crate::window::sampling::SamplingConfig;
use anyhow::{Result, anyhow, bail};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Default)]
pub struct ConfigChoice {
    /// Take columns, kinds, thresholds and sampling from this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which model of the configuration, when it has several; without one, what the model is
    /// called in reports and labels [default there: default]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Columns that are no features, such as the label; names with * and ?, may be repeated
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Rows come in clusters that this column names, such as requests or users
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Refuse a file that has a page which unpacks to more [default: that of the reference in the
    /// configuration, or 256MB]
    #[arg(long, value_name = "SIZE", value_parser = page_max)]
    page_max: Option<u64>,
}

fn page_max(text: &str) -> Result<u64, &'static str> {
    parse_bytes(text).filter(|bytes| *bytes > 0).ok_or("a size such as \"512MB\" or \"2GB\"")
}

/// The part of a configuration that a one-off command uses.
pub struct CheckOptions {
    pub model: String,
    pub version: String,
    /// Of the configuration, if there is one.
    pub reference_path: Option<PathBuf>,
    pub reference: ReferenceConfig,
    pub page_bytes_max: u64,
    pub drift: DriftConfig,
    pub sampling: Option<SamplingConfig>,
    pub export: ExportConfig,
    /// Where people reach the daemon of the configuration.
    pub external_url: Option<String>,
}

impl ConfigChoice {
    pub fn settings(&self) -> Result<CheckOptions> {
        let mut settings = self.configured()?;
        settings.page_bytes_max = self.page_max.unwrap_or(settings.page_bytes_max);
        if let Some(cluster) = &self.cluster {
            settings.reference.columns.cluster = Some(cluster.clone());
        }
        for name in &self.exclude {
            settings.reference.columns.exclude.push(NamePattern::new(name));
        }
        Ok(settings)
    }

    /// Fails when `--exclude` or `--cluster` names no column of these inputs: most likely a typing
    /// error, after which a label would be watched.
    pub fn check_columns<'a>(&self, inputs: impl Iterator<Item = &'a Path>) -> Result<()> {
        if self.exclude.is_empty() && self.cluster.is_none() {
            return Ok(());
        }
        self.check_names(&inputs.map(inputs::column_names).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The same with the names of all columns.
    pub fn check_names(&self, names: &[String]) -> Result<()> {
        if let Some(cluster) = self.cluster.as_ref().filter(|own| !names.contains(own)) {
            bail!("--cluster {cluster:?} names no column");
        }
        for written in &self.exclude {
            let pattern = NamePattern::new(written);
            if !names.iter().any(|name| pattern.matches(name)) {
                bail!("--exclude {written:?} matches no column");
            }
        }
        Ok(())
    }

    fn configured(&self) -> Result<CheckOptions> {
        let Some(file) = &self.config else {
            return Ok(CheckOptions {
                model: self.model.clone().unwrap_or_else(|| "default".to_owned()),
                version: String::new(),
                reference_path: None,
                reference: ReferenceConfig::default(),
                page_bytes_max: PAGE_BYTES_MAX,
                drift: DriftConfig::default(),
                sampling: None,
                export: ExportConfig::default(),
                external_url: None,
            });
        };
        let config = load_to_compare(file)?;
        let names: Vec<String> = config.models.iter().map(|m| m.model.name.clone()).collect();
        let wanted = |name: &String| self.model.as_ref().is_none_or(|model| model == name);
        let mut models = config.models.into_iter().filter(|model| wanted(&model.model.name));
        let (file, names) = (file.display(), names.join(", "));
        let model = match (models.next(), models.next(), &self.model) {
            (Some(model), None, _) => model,
            (None, _, Some(wanted)) => bail!("{file}: no model {wanted:?}; there are: {names}"),
            _ => bail!("{file}: choose one model with --model: {names}"),
        };
        Ok(CheckOptions {
            model: model.model.name,
            version: model.model.version,
            reference_path: match model.reference_source {
                ReferenceSource::Path(path) => Some(path),
                ReferenceSource::WarmUp(_) => None,
            },
            reference: model.reference,
            page_bytes_max: model.page_bytes_max,
            drift: model.model.drift,
            sampling: model.model.sampling,
            export: config.export,
            external_url: config.server.external_url,
        })
    }
}

/// Loads a reference, with a bar.
pub fn load_reference(path: &Path, settings: &CheckOptions) -> Result<Reference> {
    let bar = super::progress::bar("reference", 0);
    let CheckOptions { reference, page_bytes_max, .. } = settings;
    let reference = inputs::reference(path, reference, *page_bytes_max, &|columns| {
        bar.set_length(columns as u64);
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(reference?)
}

/// A time as an argument.
pub fn time(text: &str) -> Result<Timestamp> {
    let time = instants::parse(text, None);
    time.ok_or_else(|| anyhow!("no time such as 2026-01-31, 2026-01-31T12:00:00Z or 1769817600"))
}
