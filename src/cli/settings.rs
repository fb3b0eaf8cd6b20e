//! What `check` and `profile` take from a configuration: columns, kinds, thresholds.

use crate::config::load;
use crate::drift::verdict::DriftConfig;
use crate::export::ExportConfig;
use crate::ingest::inputs;
use crate::monitor::reference::{Reference, ReferenceConfig};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct ConfigChoice {
    /// Take columns, kinds and thresholds from this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which model of the configuration, when it has several
    #[arg(long, value_name = "NAME", requires = "config")]
    model: Option<String>,
}

/// The part of a configuration that a one-off command uses.
pub struct Settings {
    pub model: String,
    pub version: String,
    pub reference: ReferenceConfig,
    pub drift: DriftConfig,
    pub export: ExportConfig,
}

impl ConfigChoice {
    pub fn settings(&self) -> Result<Settings> {
        let Some(file) = &self.config else {
            return Ok(Settings {
                model: "default".to_owned(),
                version: String::new(),
                reference: ReferenceConfig::default(),
                drift: DriftConfig::default(),
                export: ExportConfig::default(),
            });
        };
        let config = load(file)?;
        let names: Vec<String> = config.models.iter().map(|m| m.model.name.clone()).collect();
        let wanted = |name: &String| self.model.as_ref().is_none_or(|model| model == name);
        let mut models = config.models.into_iter().filter(|model| wanted(&model.model.name));
        let (Some(model), None) = (models.next(), models.next()) else {
            bail!("{}: choose one model with --model: {}", file.display(), names.join(", "));
        };
        Ok(Settings {
            model: model.model.name,
            version: model.model.version,
            reference: model.reference,
            drift: model.model.drift,
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
