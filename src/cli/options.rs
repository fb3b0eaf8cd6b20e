//! What `check` and `profile` take from a configuration: columns, kinds, thresholds, sampling.

use crate::config::{ReferenceSource, load};
use crate::drift::verdict::DriftConfig;
use crate::export::ExportConfig;
use crate::monitor::reference::{Reference, ReferenceConfig};
use crate::schema::NamePattern;
use crate::source::inputs;
use crate::window::sampling::SamplingConfig;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct ConfigChoice {
    /// Take columns, kinds, thresholds and sampling from this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which model of the configuration, when it has several
    #[arg(long, value_name = "NAME", requires = "config")]
    model: Option<String>,
    /// Columns that are no features, such as the label; names with * and ?, may be repeated
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
}

/// The part of a configuration that a one-off command uses.
pub struct CheckOptions {
    pub model: String,
    pub version: String,
    /// Of the configuration, if there is one.
    pub reference_path: Option<PathBuf>,
    pub reference: ReferenceConfig,
    pub drift: DriftConfig,
    pub sampling: Option<SamplingConfig>,
    pub export: ExportConfig,
}

impl ConfigChoice {
    pub fn settings(&self) -> Result<CheckOptions> {
        let mut settings = self.configured()?;
        for name in &self.exclude {
            settings.reference.columns.exclude.push(NamePattern::new(name));
        }
        Ok(settings)
    }

    /// Fails when `--exclude` names no column of these inputs: most likely a typing error, after
    /// which a label would be watched.
    pub fn check_excluded<'a>(&self, inputs: impl Iterator<Item = &'a Path>) -> Result<()> {
        if self.exclude.is_empty() {
            return Ok(());
        }
        let names = inputs.map(inputs::column_names).collect::<Result<Vec<_>, _>>()?.concat();
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
                model: "default".to_owned(),
                version: String::new(),
                reference_path: None,
                reference: ReferenceConfig::default(),
                drift: DriftConfig::default(),
                sampling: None,
                export: ExportConfig::default(),
            });
        };
        let config = load(file)?;
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
            drift: model.model.drift,
            sampling: model.model.sampling,
            export: config.export,
        })
    }
}

/// Loads a reference, with a bar.
pub fn load_reference(path: &Path, config: &ReferenceConfig) -> Result<Reference> {
    let bar = super::progress::bar("reference", 0);
    let reference = inputs::reference(path, config, &|columns| {
        bar.set_length(columns as u64);
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(reference?)
}
