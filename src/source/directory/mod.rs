//! A directory of files of one format, watched with all its subdirectories.

mod directory_source;
pub mod events;
pub mod listing;
mod path_states;

use super::{
    BoundSource, OnDuplicate, OnRewrite, Resource, SharedByAll, Source, SourceContext, SourceOwner,
    SourceType,
};
use crate::error::Result;
use crate::format::file_format::FileFormat;
use crate::format::parquet::PAGE_BYTES_MAX_TEXT;
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use directory_source::DirectorySource;
use events::FileEvents;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "path";
const RECONCILE_INTERVAL: &str = "reconcile_interval";
const STUCK_AFTER: &str = "stuck_after";
const DUPLICATES: &str = "duplicates";
const REWRITTEN: &str = "rewritten";
const PAGE_MAX: &str = "page_max";
const FORMAT: &str = "format";
const NAMES: &str = "names";
const QUIET: &str = "quiet";

/// What tells that it is whole is opened soon.
const STABLE_FOR: Duration = Duration::from_millis(200);

const KEYS: &[Key] = &[
    Key { name: PATH, kind: SettingKind::Path, default: None, meaning: "the directory" },
    Key {
        name: FORMAT,
        kind: SettingKind::Choice(&FileFormat::NAMES),
        default: Some("parquet"),
        meaning: "of the files: \"parquet\", \"arrow\", \"csv\", \"ndjson\", \"json\", or what \
                  \"bentoml\", \"sagemaker\" and \"kserve\" log",
    },
    Key {
        name: NAMES,
        kind: SettingKind::Names,
        default: Some(""),
        meaning: "of values that come without, in their order: what SageMaker captures, lists",
    },
    Key {
        name: QUIET,
        kind: SettingKind::Duration,
        default: Some("5s"),
        meaning: "a file of texts counts when it has not changed for so long: nothing in it tells \
                  that it is whole",
    },
    Key {
        name: RECONCILE_INTERVAL,
        kind: SettingKind::Duration,
        default: Some("5s"),
        meaning: "how long a file can go unnoticed when no event tells of it",
    },
    Key {
        name: STUCK_AFTER,
        kind: SettingKind::Duration,
        default: Some("60s"),
        meaning: "an incomplete file that does not change for so long counts as stuck",
    },
    Key {
        name: DUPLICATES,
        kind: SettingKind::Choice(&["skip", "count"]),
        default: Some("skip"),
        meaning: "or \"count\": also a file with the content of another",
    },
    Key {
        name: REWRITTEN,
        kind: SettingKind::Choice(&["replace", "count", "ignore"]),
        default: Some("replace"),
        meaning: "a file with another content than before: \"replace\" what it added to windows \
                  that are open, \"count\" it as well, or \"ignore\" it",
    },
    Key {
        name: PAGE_MAX,
        kind: SettingKind::Bytes,
        default: Some(PAGE_BYTES_MAX_TEXT),
        meaning: "a file that has a page which unpacks to more is quarantined",
    },
];

/// The format of the files.
pub fn file_format(settings: &Settings) -> FileFormat {
    FileFormat::named(settings.choice(FORMAT)).expect("all choices are formats")
}

/// Bytes that a page of a file may unpack to.
pub fn page_bytes_max(settings: &Settings) -> u64 {
    settings.bytes(PAGE_MAX)
}

/// `type = "directory"`.
pub struct Directory;

/// What is set of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DirectoryConfig {
    path: PathBuf,
    format: FileFormat,
    /// Names of values that come without.
    names: Vec<String>,
    /// How long a file must look the same before it is opened.
    stable_for: Duration,
    /// How long a file can go unnoticed when no event tells of it.
    reconcile_interval: Duration,
    stuck_after: Duration,
    on_duplicate: OnDuplicate,
    on_rewrite: OnRewrite,
    page_bytes_max: u64,
}

impl SourceType for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn arrival(&self) -> Arrival {
        Arrival::File
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::Directory(settings.path(PATH).to_owned())
    }

    fn check(&self, settings: &Settings) -> Result<()> {
        listing::list(settings.path(PATH), file_format(settings))?;
        Ok(())
    }

    fn bind(
        &self,
        settings: &Settings,
        _owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let format = file_format(settings);
        let config = DirectoryConfig {
            path: settings.path(PATH).to_owned(),
            format,
            names: settings.names(NAMES).to_vec(),
            stable_for: if format.is_text() { settings.duration(QUIET) } else { STABLE_FOR },
            reconcile_interval: settings.duration(RECONCILE_INTERVAL),
            stuck_after: settings.duration(STUCK_AFTER),
            on_duplicate: match settings.choice(DUPLICATES) {
                "count" => OnDuplicate::Count,
                _ => OnDuplicate::Skip,
            },
            on_rewrite: match settings.choice(REWRITTEN) {
                "count" => OnRewrite::Count,
                "ignore" => OnRewrite::Ignore,
                _ => OnRewrite::Replace,
            },
            page_bytes_max: page_bytes_max(settings),
        };
        let events = Arc::clone(&shared.file_events);
        Ok(Box::new(BoundDirectory { config, events }))
    }
}

struct BoundDirectory {
    config: DirectoryConfig,
    events: Arc<FileEvents>,
}

impl BoundSource for BoundDirectory {
    fn address(&self) -> Option<String> {
        None
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        Ok(Box::new(DirectorySource::start(self.config, &self.events, context)))
    }
}
