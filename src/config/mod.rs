//! The configuration file: as written, then checked.
//!
//! ```text
//! text ──raw──▶ sections with positions ──check──▶ Config (built values) ──▶ the parts
//! ```
//!
//! Each part owns its own `Config`; only this folder knows the file. All faults are found in one
//! go, each with its line and key. No port is bound and no thread is started here.

mod check;
mod drift_settings;
mod export;
pub mod quality_rules;
mod raw;
mod sampling;
mod show;
mod sources;
mod windows;

pub use show::show;

use crate::export::ExportConfig;
use crate::monitor::model::ModelConfig;
use crate::monitor::reference::ReferenceConfig;
use crate::net::ServerConfig;
use crate::schema::columns::ColumnsConfig;
use crate::source::SourceConfig;
use crate::source::warm_up::WarmUp;
use crate::store::StateConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A checked configuration.
pub struct Config {
    pub server: ServerConfig,
    pub state: StateConfig,
    pub export: ExportConfig,
    pub models: Vec<Model>,
    /// By model, in their order: features that are said to be more or less important than others.
    /// What is watched does not depend on it.
    pub importance: Vec<BTreeMap<String, Importance>>,
}

/// One `[[model]]` with everything below it. Equal models are set up alike.
#[derive(Clone, PartialEq)]
pub struct Model {
    pub model: ModelConfig,
    pub reference_source: ReferenceSource,
    pub reference: ReferenceConfig,
    /// Bytes that a page of the reference's files may unpack to.
    pub page_bytes_max: u64,
    /// The rows of the reference's files are in the order of time.
    pub is_ordered: bool,
    pub sources: Vec<SourceConfig>,
}

impl Model {
    /// The columns of logs that are features.
    pub fn columns_of_logs(&self) -> ColumnsConfig {
        self.reference.columns_of_logs(self.model.sampling.as_ref())
    }
}

/// How much the drift of a feature matters: the severity of its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    High,
    Normal,
    Low,
}

impl Importance {
    pub const ALL: [Importance; 3] = [Importance::High, Importance::Normal, Importance::Low];

    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "high",
            Importance::Normal => "normal",
            Importance::Low => "low",
        }
    }
}

/// Where the reference comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceSource {
    /// Parquet file, directory of them, glob, or `.profile`.
    Path(PathBuf),
    /// The first files of the sources.
    WarmUp(WarmUp),
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Dotted, such as `model.drift.rows_min`; empty when no key is meant.
    pub key: String,
    pub message: String,
}

/// Everything that is wrong with one file.
#[derive(Debug)]
pub struct ConfigFaults {
    pub file: PathBuf,
    pub faults: Vec<ConfigFault>,
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.file.display())?;
            if fault.line > 0 {
                write!(f, ":{}", fault.line)?;
            }
            if !fault.key.is_empty() {
                write!(f, ": {}", fault.key)?;
            }
            write!(f, ": {}", fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// Reads and checks a configuration file. Paths in it are relative to it.
pub fn load(file: &Path) -> Result<Config, ConfigFaults> {
    load_for(file, Purpose::Watching)
}

/// The same of one that may have no source, since files are named elsewhere.
pub fn load_to_compare(file: &Path) -> Result<Config, ConfigFaults> {
    load_for(file, Purpose::Comparing)
}

/// What a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Watching,
    Comparing,
}

fn load_for(file: &Path, purpose: Purpose) -> Result<Config, ConfigFaults> {
    let faults = |faults| ConfigFaults { file: file.to_owned(), faults };
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot read the configuration: {error}");
        faults(vec![ConfigFault { line: 0, key: String::new(), message }])
    })?;
    // Without "..", for logs that are read by people.
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new(".")).canonicalize().unwrap_or_default();
    parse_for(&text, &folder, purpose).map_err(faults)
}

/// Checks a configuration in memory; `folder` is what its paths are relative to.
pub fn parse(text: &str, folder: &Path) -> Result<Config, Vec<ConfigFault>> {
    parse_for(text, folder, Purpose::Watching)
}

fn parse_for(text: &str, folder: &Path, purpose: Purpose) -> Result<Config, Vec<ConfigFault>> {
    raw::with_document(text, |document| check::config(document, folder, purpose))
}
